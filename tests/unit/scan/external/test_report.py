"""What external scanners print, read strictly."""

import json

import pytest

from remit.scan.external.report import read
from remit.scan.external.stage import Item

MEMBERS = ["a.pkl", "b.pkl", "s/SKILL.md", "s/x.py", "z.pt", "z.pt!/data.pkl"]
ITEMS = [
    Item(item=0, member=0, place="items/0/file.pkl", form="pickle"),
    Item(item=1, member=1, place="items/1/file.pkl", form="keras", vouches=True),
]
HELLO = {"tool": "t", "version": "1"}
SEEN = {
    "rule": "pickle.import", "title": "x", "severity": "high", "evidence": "os.system", "line": 0,
    "inner": "", "name": "os.system",
}  # fmt: skip


def line(number, **more):
    return {
        "item": number, "status": "complete", "reason": "", "findings": [], "broken": False, **more
    }  # fmt: skip


def ask(*rows, items=ITEMS, why=""):
    raw = b"\n".join(row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows)
    return read(raw, "t", "1", items, MEMBERS, why)


def test_a_whole_report():
    answer = ask(HELLO, line(0, findings=[SEEN]), line(1), {"done": 2})
    assert answer.failed == ""
    assert [(f.rule, f.member, f.severity) for f in answer.findings] == [
        ("pickle.import", "a.pkl", "high")
    ]
    # Only who vouches for a format answers for it under its own name.
    assert [(c.format, c.executes, c.status) for c in answer.coverage] == [
        ("t:pickle", False, "complete"),
        ("keras", True, "complete"),
    ]


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([], "without a report"),
        ([b"all is well"], "malformed"),
        ([b"\xff\xfe"], "malformed"),
        ([HELLO], "ended before"),
        ([HELLO, {"done": 0}], "did not look at everything"),
        ([HELLO, line(0), {"done": 2}], "did not look at everything"),
        ([HELLO, line(0), {"done": 1}], "did not look at everything"),
        ([HELLO, line(0), line(1)], "ended before"),
        ([HELLO, line(0), line(0), {"done": 2}], "nobody asked"),
        ([HELLO, line(7), line(1), {"done": 2}], "nobody asked"),
        ([HELLO, line(-1), line(1), {"done": 2}], "nobody asked"),
        ([HELLO, line(0), line(1), {"done": 2}, line(1)], "behind its end"),
        ([{"tool": "other", "version": "1"}, line(0), line(1), {"done": 2}], "another scanner"),
        ([{"tool": "t", "version": "2"}, line(0), line(1), {"done": 2}], "another scanner"),
        ([HELLO, line(0, status="fine"), line(1), {"done": 2}], "malformed"),
        ([HELLO, line(0, more=1), line(1), {"done": 2}], "malformed"),
        ([HELLO, line(0, findings=[{**SEEN, "severity": "none"}]), line(1), {"done": 2}], "malf"),
        ([HELLO, line(0, findings=[{}]), line(1), {"done": 2}], "malformed"),
        ([HELLO, line(0), b"[]", {"done": 2}], "malformed"),
    ],
)
def test_anything_else_is_a_failed_scan(rows, why):
    answer = ask(*rows)
    assert why in answer.failed
    assert len(answer.coverage) == 2


def test_what_was_not_reached_is_an_error():
    answer = ask(HELLO, line(0), why="it took longer than 5 seconds")
    assert answer.failed == "it took longer than 5 seconds"
    assert [(c.status, c.reason) for c in answer.coverage] == [
        ("complete", ""), ("error", "it was not reached"),
    ]  # fmt: skip
    assert [c.executes for c in answer.coverage] == [False, True]


def test_what_a_killed_scanner_found_is_kept():
    answer = ask(HELLO, line(0, findings=[SEEN]), b'{"item": 1, "sta', why="it ended with status 9")
    assert answer.failed == "it ended with status 9"
    assert [f.rule for f in answer.findings] == ["pickle.import"]


def test_one_broken_item_fails_the_scan():
    answer = ask(
        HELLO, line(0, status="error", reason="it ended with signal 11", broken=True), line(1),
        {"done": 2},
    )  # fmt: skip
    assert answer.failed == "it failed on `a.pkl`: it ended with signal 11"


def test_findings_name_no_member_that_is_not_there():
    items = [Item(item=0, member=4, place="p", form="model")]
    rows = [{**SEEN, "inner": inner} for inner in ("data.pkl", "../../etc/passwd", "no.pkl")]
    answer = ask(HELLO, line(0, findings=rows), {"done": 1}, items=items)
    assert [f.member for f in answer.findings] == ["z.pt!/data.pkl", "z.pt", "z.pt"]


def test_findings_of_a_directory_name_its_members():
    items = [Item(item=0, member=2, place="p", form="folder", within=(2, 3))]
    rows = [{**SEEN, "inner": inner} for inner in ("x.py", "SKILL.md", "a.pkl")]
    answer = ask(HELLO, line(0, findings=rows), {"done": 1}, items=items)
    assert [f.member for f in answer.findings] == ["s/x.py", "s/SKILL.md", "s/SKILL.md"]
    assert [c.member for c in answer.coverage] == ["s/SKILL.md", "s/x.py"]


def test_text_of_a_scanner_is_escaped():
    row = {**SEEN, "rule": "a\nb", "title": "x\x1b[31m\ny\u202e", "evidence": "\x1b]0;x\x07" * 500}
    answer = ask(HELLO, line(0, findings=[row], reason="\x1b[2J"), line(1), {"done": 2})
    found = answer.findings[0]
    assert found.rule == "t.other"
    for text in (found.title, found.evidence, answer.coverage[0].reason):
        assert "\x1b" not in text
        assert "\u202e" not in text
    assert len(found.evidence) < 4000
