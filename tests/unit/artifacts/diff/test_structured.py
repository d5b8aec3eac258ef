import json

import pytest

from remit.artifacts.diff.structure import MAX_DEPTH, places, short
from tests.unit.artifacts.diff.making import difference, only, seen


def found(before, after):
    return [
        (each.pointer, "+" if each.added else "-" if each.removed else "~", each.before, each.after)
        for each in places(before, after)
    ]


def test_places_of_values():
    assert found({"a": 1, "b": {"c": [1, 2]}}, {"a": 1, "b": {"c": [1, 3]}, "d": None}) == [
        ("/b/c/1", "~", 2, 3),
        ("/d", "+", None, None),
    ]
    assert found({"a/b~c": 1}, {}) == [("/a~1b~0c", "-", 1, None)]
    assert found([], {}) == [("", "~", [], {})]


def test_true_is_not_one_and_a_float_may_be():
    assert found(True, 1) == [("", "~", True, 1)]
    assert found(1, 1.0) == []
    assert found("1", 1) == [("", "~", "1", 1)]
    assert found({"a": None}, {}) == [("/a", "-", None, None)]


def test_items_of_lists_are_known_by_their_name():
    before = [{"name": "a", "x": 1}, {"name": "b", "x": 1}]
    assert found(before, [{"name": "b", "x": 2}, {"name": "a", "x": 1}]) == [
        ("/b/x", "~", 1, 2),
        ("/(order)", "~", ["a", "b"], ["b", "a"]),
    ]
    assert found([1, 2, 3], [1, 3]) == [("/1", "-", 2, None)]
    assert found([{"name": "a"}, {"name": "a"}], [{"name": "a"}]) == [
        ("/1", "-", {"name": "a"}, None)
    ]


@pytest.mark.parametrize(
    ("name", "before", "after", "subject"),
    [
        ("config.json", '{"layers": 2, "vocab": 7}', '{"vocab": 7, "layers": 3}', "/layers"),
        ("values.yaml", "a: 1\nb:\n  - x\n", "b: [x]\na: 2\n", "/a"),
        ("x.toml", 'a = 1\n[t]\nb = "c"\n', 'a = 1\n[t]\nb = "d"\n', "/t/b"),
    ],
)
def test_a_value_that_changed(tmp_path, name, before, after, subject):
    change = only(difference(tmp_path, {name: before}, {name: after}))
    assert (change.kind, change.subject, change.severity) == ("value.changed", subject, "low")


@pytest.mark.parametrize("key", ["auto_map", "trust_remote_code", "_target_", "command", "hooks"])
def test_keys_that_load_code_are_grave(tmp_path, key):
    change = only(difference(tmp_path, {"c.json": "{}"}, {"c.json": json.dumps({key: "x"})}))
    assert (change.kind, change.severity) == ("value.added", "high")


def test_a_chat_template_is_shown_as_a_text(tmp_path):
    a, b = "{{ messages }}\n" * 10, "{{ messages }}\n" * 9 + "{{ secrets }}\n"
    found = difference(
        tmp_path,
        {"tokenizer_config.json": json.dumps({"chat_template": a})},
        {"tokenizer_config.json": json.dumps({"chat_template": b})},
    )
    change = only(found)
    assert change.severity == "high"
    assert [each.text for each in change.lines if each.kind == "added"] == ["{{ secrets }}"]


@pytest.mark.parametrize(
    ("name", "hostile"),
    [
        ("x.json", '{"a": 1, "a": 2}'),
        ("x.json", "[" * 100_000),
        ("x.json", "[" * (MAX_DEPTH + 2) + "]" * (MAX_DEPTH + 2)),
        ("x.json", '{"a": NaN}'),
        ("x.yaml", "a: &x [1]\nb: [*x, *x]\n"),
        ("x.yaml", "a: !!python/object/apply:os.system [id]\n"),
        ("x.yaml", "a: 1\n---\nb: 2\n"),
        ("x.yaml", "{" * 10_000),
        ("x.toml", "a = 1\na = 2\n"),
        ("x.toml", "a = " + "[" * 100_000),
    ],
)
def test_what_cannot_be_read_in_one_way_is_compared_as_a_text(tmp_path, name, hostile):
    found = difference(tmp_path, {name: "a: 1\n"}, {name: hostile})
    assert seen(found) == [("text.changed", name, "")]


def test_values_are_cut_and_never_act_on_a_terminal():
    assert short({"a\x1b": "\u202e"}) == {"a\\u{1b}": "\\u{202e}"}
    assert len(short(["x" * 100] * 1000)) < 700
    assert short(1 << 70) == str(1 << 70)
    assert short(float("1.5")) == 1.5


def test_many_places_are_cut(tmp_path):
    a, b = ({str(n): n + x for n in range(900)} for x in (0, 1))
    found = difference(tmp_path, {"x.json": json.dumps(a)}, {"x.json": json.dumps(b)})
    assert len(found.changes) == 501
    assert found.changes[-1].summary == "400 more values differ"


def test_small_texts_of_many_values_are_not_parsed(tmp_path, monkeypatch):
    monkeypatch.setattr("remit.artifacts.diff.structure.MAX_VALUES", 1000)
    found = difference(tmp_path, {"x.json": "[]"}, {"x.json": "[" + "[]," * 600 + "[]]"})
    assert seen(found) == [("text.changed", "x.json", "")]
