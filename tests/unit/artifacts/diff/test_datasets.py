import io
import json

import pytest

from remit.artifacts.diff.comparers import datasets as module
from tests.unit.artifacts.diff.making import difference, only, refused, seen

ROWS = [{"id": str(n), "text": f"row {n}", "label": "spam" if n % 3 else "ham"} for n in range(50)]


def table(rows, columns=None):
    names = columns or list(rows[0])
    lines = [",".join(names), *(",".join(str(row[n]) for n in names) for row in rows)]
    return "\n".join(lines) + "\n"


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def changed(at, **more):
    return [{**row, **more} if n == at else row for n, row in enumerate(ROWS)]


@pytest.mark.parametrize(("name", "write"), [("d.csv", table), ("d.jsonl", lines)])
class TestRows:
    def test_one_row_that_changed(self, tmp_path, name, write):
        b = changed(7, label="ham")
        change = only(difference(tmp_path, {name: write(ROWS)}, {name: write(b)}))
        assert (change.kind, change.summary) == ("rows.changed", "1 row changed, in `label`")
        assert change.details["sample"] == [
            {"row": 8, "key": "7", "before": {"label": "spam"}, "after": {"label": "ham"}}
        ]

    def test_rows_that_came_and_went(self, tmp_path, name, write):
        b = [*ROWS[:10], *ROWS[11:], {"id": "99", "text": "new", "label": "ham"}]
        found = difference(tmp_path, {name: write(ROWS)}, {name: write(b)})
        assert [(each.kind, each.summary) for each in found.changes] == [
            ("rows.removed", "1 row removed"),
            ("rows.added", "1 row added"),
        ]
        assert found.changes[0].details["rows"] == [11]
        assert found.changes[1].details["sample"] == [
            {"row": 50, "values": {"id": "99", "text": "new", "label": "ham"}}
        ]

    def test_a_new_column_is_one_change(self, tmp_path, name, write):
        b = [{**row, "lang": "en"} for row in ROWS]
        change = only(difference(tmp_path, {name: write(ROWS)}, {name: write(b)}))
        assert (change.kind, change.subject, change.after) == (
            "column.added",
            "lang",
            "text" if name == "d.csv" else "string",
        )

    def test_a_column_that_is_gone(self, tmp_path, name, write):
        b = [{k: v for k, v in row.items() if k != "text"} for row in ROWS]
        change = only(difference(tmp_path, {name: write(ROWS)}, {name: write(b)}))
        assert (change.kind, change.subject) == ("column.removed", "text")

    def test_another_order_of_rows_or_columns(self, tmp_path, name, write):
        found = difference(tmp_path, {name: write(ROWS)}, {name: write(ROWS[::-1])})
        assert only(found).kind == "rows.order"
        b = [dict(reversed(row.items())) for row in ROWS]
        found = difference(tmp_path / "2", {name: write(ROWS)}, {name: write(b)})
        assert only(found).kind == "bytes.changed"

    def test_rows_that_come_twice(self, tmp_path, name, write):
        a = [{"x": "1"}, {"x": "1"}, {"x": "2"}]
        b = [{"x": "1"}, {"x": "2"}, {"x": "2"}]
        found = difference(tmp_path, {name: write(a)}, {name: write(b)})
        assert [each.kind for each in found.changes] == ["rows.removed", "rows.added"]

    def test_without_an_identity_rows_at_the_same_place_are_changed(self, tmp_path, name, write):
        a = [{"x": f"a{n}"} for n in range(9)]
        b = [{"x": "zz" if n == 4 else f"a{n}"} for n in range(9)]
        change = only(difference(tmp_path, {name: write(a)}, {name: write(b)}))
        assert change.kind == "rows.changed"
        assert change.details["sample"][0]["after"] == {"x": "zz"}

    def test_the_number_of_rows(self, tmp_path, name, write):
        found = difference(tmp_path, {name: write(ROWS)}, {name: write(ROWS[:40])})
        assert sorted(seen(found)) == [("rows.count", name, ""), ("rows.removed", name, "")]

    def test_a_type_that_changed(self, tmp_path, name, write):
        a = [{"id": str(n), "n": n} for n in range(5)]
        b = [{"id": str(n), "n": n or "none"} for n in range(5)]
        found = difference(tmp_path, {name: write(a)}, {name: write(b)})
        assert sorted(seen(found)) == [("column.type", name, "n"), ("rows.changed", name, "")]
        change = next(each for each in found.changes if each.kind == "column.type")
        assert (change.before, change.after) == (
            "integer",
            "integer or text" if name == "d.csv" else "integer or string",
        )


def test_quotes_and_other_delimiters(tmp_path):
    a = 'id;text\n1;"a;b\nc"\n2;x\n'
    change = only(difference(tmp_path, {"d.csv": a}, {"d.csv": a.replace("2;x", "2;y")}))
    assert change.summary == "1 row changed, in `text`"


def test_quotes_that_mean_nothing_change_nothing(tmp_path):
    found = difference(tmp_path, {"d.csv": "id,x\n1,a\n"}, {"d.csv": 'id,x\r\n"1","a"\r\n'})
    assert only(found).kind == "bytes.changed"


def test_parquet(tmp_path):
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")

    def of(rows):
        out = io.BytesIO()
        parquet.write_table(pa.Table.from_pylist(rows), out)
        return {"d.parquet": out.getvalue()}

    change = only(difference(tmp_path, of(ROWS), of(changed(3, text="other"))))
    assert (change.kind, change.summary) == ("rows.changed", "1 row changed, in `text`")
    b = [{**row, "id": int(row["id"])} for row in ROWS]
    found = difference(tmp_path / "2", of(ROWS), of(b))
    assert ("column.type", "d.parquet", "id") in seen(found)


def test_parquet_without_its_library_is_not_looked_into(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    reason = refused(difference(tmp_path, {"d.parquet": b"PAR1aPAR1"}, {"d.parquet": b"PAR1bPAR1"}))
    assert "extra `datasets`" in reason


# -- hostile --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("d.csv", "id,x\n1\n", "fields"),
        ("d.csv", 'id,x\n1,"a\n', "CSV"),
        ("d.csv", "id,x\n1," + "a" * (5 << 20) + "\n", "line of more than"),
        ("d.csv", ",".join(map(str, range(5000))) + "\n", "columns"),
        ("d.csv", "a,a\n1,2\n", "one name"),
        ("d.jsonl", "[]\n", "no JSON object"),
        ("d.jsonl", '{"a": 1}\n{"a"\n', "line 2"),
        ("d.jsonl", "[" * 100_000 + "\n", "no JSON object"),
        ("d.jsonl", '{"a": ' + "9" * (5 << 20), "line of more than"),
        ("d.jsonl", "".join(f'{{"k{n}": 1}}\n' for n in range(5000)), "columns"),
        ("d.parquet", b"PAR1" + b"\0" * 100 + b"PAR1", "Parquet"),
    ],
)
def test_what_is_no_table_is_not_looked_into(tmp_path, name, data, reason):
    good = {"d.csv": "id,x\n1,2\n", "d.jsonl": '{"a": 1}\n', "d.parquet": b"PAR1x"}[name]
    found = difference(tmp_path, {name: good}, {name: data})
    assert reason in refused(found)


def test_rows_beyond_the_bound_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_ROWS", 10)
    found = difference(tmp_path, {"d.csv": table(ROWS)}, {"d.csv": table(changed(30, label="x"))})
    assert not found.equal
    assert found.unread[0].reason == "rows beyond the first 10 were only counted"


def test_cells_that_act_on_terminals_are_escaped(tmp_path):
    change = only(
        difference(tmp_path, {"d.csv": "id,x\n1,a\n"}, {"d.csv": "id,x\n1,\x1b[31m\u202e\n"})
    )
    assert change.details["sample"][0]["after"] == {"x": "\\u{1b}[31m\\u{202e}"}
