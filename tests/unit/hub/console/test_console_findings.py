"""What scanners said, put together for a page."""

from remit.core.digest import sha256
from remit.hub.console.findings import MAX_SHOWN, files_of, groups
from remit.scan.base import Coverage, Finding, Report

RULES = sha256(b"rules")
DIGEST = "sha256:" + "0" * 64


def report(scanner, findings=(), coverage=(), failed=""):
    return Report(
        scanner=scanner, version="1", rules=RULES, findings=tuple(findings),
        coverage=tuple(coverage), failed=failed,
    )  # fmt: skip


def finding(severity, member="a", rule="r.x", **more):
    return Finding(rule=rule, title="t", severity=severity, member=member, **more)


def test_findings_are_grouped_the_gravest_first():
    found = groups(
        [
            report("one", [finding("low"), finding("critical", "b")]),
            report("two", [finding("critical", "b", evidence="again"), finding("info", "c")]),
        ]
    )
    assert [(each.severity, len(each.findings)) for each in found] == [
        ("critical", 1), ("low", 1), ("info", 1),
    ]  # fmt: skip


def test_a_group_is_cut_and_says_so():
    many = [finding("high", f"m{number}") for number in range(MAX_SHOWN + 7)]
    (group,) = groups([report("one", many)])
    assert (len(group.findings), group.left) == (MAX_SHOWN, 7)


def test_files_and_who_read_them():
    rows, total = files_of(
        [
            report(
                "pickles",
                [finding("critical", "w.pkl")],
                [Coverage(member="w.pkl", status="complete", executes=True, format="pickle")],
            ),
            report(
                "archives",
                coverage=[
                    Coverage(member="z.zip", status="error", reason="broken", format="zip"),
                    Coverage(member=DIGEST, status="complete", format="manifest"),
                ],
            ),
        ],
        DIGEST,
    )
    assert total == 2
    assert [(each.path, each.worst, each.executes) for each in rows] == [
        ("w.pkl", "critical", True), ("z.zip", "", False),
    ]  # fmt: skip
    assert rows[0].complete == ("pickles",)
    assert rows[1].trouble == ("archives: broken",)
