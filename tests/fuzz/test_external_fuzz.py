"""Output of external scanners and reports of garak, as hostile bytes: an answer or a plain reason."""

import json

from hypothesis import given
from hypothesis import strategies as st

from remit.core.digest import sha256
from remit.scan.base import Coverage, Finding
from remit.scan.dynamic import garak_findings, garak_report
from remit.scan.dynamic.garak_report import BrokenRunError
from remit.scan.external.report import read
from remit.scan.external.stage import Item
from remit.scan.verdict import judge
from tests.unit.scan.dynamic.rows import GOOD, lines

MEMBERS = ["a.pkl", "b.keras"]
ITEMS = [
    Item(item=0, member=0, place="p", form="pickle"),
    Item(item=1, member=1, place="q", form="keras", vouches=True),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
HELLO = {"tool": "t", "version": "1"}
LINE = {"item": 0, "status": "complete", "reason": "", "findings": [], "broken": False}
SEEN = {
    "rule": "a.b", "title": "t", "severity": "high", "evidence": "e", "line": 1, "inner": "",
    "name": "n",
}  # fmt: skip
ROW = st.one_of(
    JSON,
    st.just(HELLO),
    st.fixed_dictionaries({"done": JSON}),
    st.builds(lambda more: {**LINE, **more}, st.dictionaries(st.sampled_from(list(LINE)), JSON)),
    st.builds(
        lambda more, item: {**LINE, "item": item, "findings": [{**SEEN, **more}]},
        st.dictionaries(st.sampled_from(list(SEEN)), JSON),
        st.integers(-1, 2),
    ),
)


def sound(output):
    """Whole only if each item was answered for once."""
    answer = read(output, "t", "1", ITEMS, MEMBERS, "")
    assert {each.member for each in answer.coverage} == set(MEMBERS)
    assert all(isinstance(each, Coverage) for each in answer.coverage)
    assert all(isinstance(each, Finding) and each.member in MEMBERS for each in answer.findings)
    for text in (answer.failed, *(each.evidence for each in answer.findings)):
        assert all(c in "\n\t" or c.isprintable() for c in text)
    rows = output.splitlines()
    if not answer.failed:
        assert json.loads(rows[-1]) == {"done": 2}
        assert sorted(json.loads(row)["item"] for row in rows[1:-1]) == [0, 1]


@given(st.binary(max_size=300))
def test_bytes(data):
    sound(data)


@given(st.lists(ROW, max_size=5), st.booleans())
def test_rows(rows, framed):
    if framed:
        rows = [HELLO, *rows, {"done": 2}]
    sound("\n".join(json.dumps(row) for row in rows).encode())


@given(st.data())
def test_a_whole_report_with_one_byte_changed(data):
    rows = [HELLO, {**LINE, "findings": [SEEN]}, {**LINE, "item": 1}, {"done": 2}]
    whole = bytearray("\n".join(json.dumps(row) for row in rows).encode())
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] = data.draw(st.integers(0, 255))
    sound(bytes(whole))


def believed(rows):
    try:
        run = garak_report.read(rows, ("dan",))
    except BrokenRunError:
        return
    assert any(each.total_evaluated for each in run.evaluations)
    made = garak_findings.report(run, sha256(b""), "m")
    clean = judge([made], ("garak",)).word == "clean"
    assert not (clean and run.gaps)
    assert clean or made.findings or any(each.executes for each in made.coverage)


@given(st.lists(st.binary(max_size=100), max_size=5))
def test_garak_bytes(rows):
    believed(rows)


@given(st.data())
def test_garak_rows(data):
    rows = [dict(each) for each in GOOD]
    for _ in range(data.draw(st.integers(1, 3))):
        row = data.draw(st.sampled_from(rows))
        row[data.draw(st.sampled_from(list(row)))] = data.draw(JSON)
    order = data.draw(st.permutations(rows)) if data.draw(st.booleans()) else rows
    believed([json.dumps(each).encode() for each in order])


@given(st.data())
def test_garak_cut_off(data):
    text = b"".join(lines(*GOOD))
    believed(text[: data.draw(st.integers(0, len(text)))].splitlines(keepends=True))
