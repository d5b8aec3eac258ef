import pytest

from remit.core.digest import sha256
from remit.scan.base import Coverage, Finding, Report
from remit.scan.verdict import distinct, judge


def report(scanner="a", *results, failed=""):
    return Report(
        scanner=scanner,
        version="1",
        rules=sha256(b""),
        failed=failed,
        findings=tuple(each for each in results if isinstance(each, Finding)),
        coverage=tuple(each for each in results if isinstance(each, Coverage)),
    )


def finding(severity, rule="x.y", member="m", evidence=""):
    return Finding(rule=rule, title="t", severity=severity, member=member, evidence=evidence)


def coverage(status, form="pickle", member="m", executes=True):
    return Coverage(member=member, status=status, executes=executes, format=form, reason="because")


def test_nothing_wrong_is_clean():
    assert judge([report("a", coverage("complete"))], ["a"]).word == "clean"


@pytest.mark.parametrize(
    ("severity", "word"),
    [
        ("critical", "blocked"),
        ("high", "blocked"),
        ("medium", "review"),
        ("low", "clean"),
        ("info", "clean"),
    ],
)
def test_severities(severity, word):
    assert judge([report("a", finding(severity))], ["a"]).word == word


def test_a_scanner_that_did_not_answer_or_failed_blocks():
    assert judge([], ["a"]).failed == ("a",)
    assert judge([], ["a"]).word == "blocked"
    assert judge([report("a", coverage("complete"), failed="it crashed")], ["a"]).word == "blocked"


@pytest.mark.parametrize("status", ["partial", "unsupported", "error"])
def test_what_can_execute_and_was_not_read_blocks(status):
    verdict = judge([report("a", coverage(status))], ["a"])
    assert (verdict.word, verdict.unread) == ("blocked", ("m",))
    assert judge([report("a", coverage(status, executes=False))], ["a"]).word == "clean"


def test_another_scanner_of_the_same_format_answers_for_it_and_of_another_does_not():
    unread = report("a", coverage("unsupported", "hdf5"))
    same, other = coverage("complete", "hdf5"), coverage("complete", "zip")
    assert judge([unread, report("b", same)], ["a", "b"]).word == "clean"
    assert judge([unread, report("b", other)], ["a", "b"]).word == "blocked"


def test_a_suppression_is_of_one_finding_and_never_of_what_was_not_read():
    found = finding("high", evidence="os.system")
    answered = [report("a", found, coverage("error", member="n"))]
    verdict = judge(answered, ["a"], [found.fingerprint])
    assert (verdict.word, verdict.counts["high"]) == ("blocked", 0)
    other = finding("high", evidence="os.popen")
    assert judge([report("a", other)], ["a"], [found.fingerprint]).word == "blocked"


def test_findings_are_counted_once_and_the_gravest_first():
    found = distinct(
        [report("a", finding("low"), finding("medium", "b.c")), report("b", finding("high"))]
    )
    assert [each.severity for each in found] == ["high", "medium"]
