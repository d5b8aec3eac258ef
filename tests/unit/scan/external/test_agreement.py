import pytest

from remit.core.digest import sha256
from remit.scan.base import Coverage, Finding, Report
from remit.scan.external.agreement import SECOND_HAND, settled

NONE = sha256(b"")


def report(scanner, findings=(), coverage=(), failed=""):
    return Report(
        scanner=scanner, version="1", rules=NONE, findings=tuple(findings),
        coverage=tuple(coverage), failed=failed,
    )  # fmt: skip


def doubt(member, rule="pickle.unknown", severity="medium"):
    return Finding(rule=rule, title="not listed", severity=severity, member=member)


def read(member, status="complete", form="pickle"):
    return Coverage(member=member, status=status, format=form, executes=True)


def severity(own, finding):
    """Of a doubt, after Remit's own scanner has said what it says."""
    reports = settled([*own, report("modelaudit", [finding])], {"modelaudit"})
    return reports[-1].findings[0].severity


def test_a_doubt_about_what_was_read_completely_is_settled():
    own = [report("pickles", coverage=[read("m.pt!/data.pkl")])]
    assert severity(own, doubt("m.pt!/data.pkl")) == "info"
    assert severity(own, doubt("m.pt")) == "info"


@pytest.mark.parametrize(
    "own",
    [
        [],
        [report("pickles")],
        [report("pickles", coverage=[read("m.pt!/data.pkl")], failed="it crashed")],
        [report("pickles", coverage=[read("m.pt!/data.pkl", "error")])],
        [report("pickles", coverage=[read("m.pt!/data.pkl"), read("m.pt!/b.pkl", "partial")])],
        [report("pickles", coverage=[read("m.pt!/data.pkl", form="npy")])],
        [report("pickles", coverage=[read("other.pt!/data.pkl")])],
        [report("pickles", coverage=[read("m.ptx!/data.pkl")])],
        [report("configs", coverage=[read("m.pt!/data.pkl")])],
        [report("pickles", [doubt("m.pt!/data.pkl", "pickle.call")], [read("m.pt!/data.pkl")])],
    ],
)  # fmt: skip
def test_a_doubt_stays_where_it_was_not(own):
    assert severity(own, doubt("m.pt")) == "medium"


def test_what_is_known_to_be_dangerous_stays():
    own = [report("pickles", coverage=[read("m.pkl")])]
    assert severity(own, doubt("m.pkl", "pickle.import", "critical")) == "critical"
    assert severity(own, doubt("m.pkl", "modelaudit.s405", "medium")) == "medium"


def test_own_findings_are_not_settled():
    own = report("pickles", [doubt("m.pkl", severity="high")], [read("m.pkl")])
    assert settled([own], {"modelaudit"}) == [own]


def guess(severity="high", scanner="skill-scanner"):
    return Finding(
        rule="skill_scanner.x", title="x", severity=severity, member="SKILL.md", scanner=scanner
    )


@pytest.mark.parametrize(
    ("finding", "other", "severity"),
    [
        (guess(), None, "medium"),
        (guess(), doubt("other.md"), "medium"),
        (guess(), doubt("SKILL.md", "a.b", "low"), "medium"),
        (guess(), doubt("SKILL.md", "a.b", "medium"), "high"),
        (guess("critical"), None, "critical"),
        (guess(scanner="mcp-scanner"), None, "high"),
    ],
)
def test_a_guess_that_nobody_shares_is_for_a_person(finding, other, severity):
    reports = [report("skills", [other] if other else []), report(finding.scanner, [finding])]
    assert settled(reports, {finding.scanner})[1].findings[0].severity == severity


def test_a_format_that_only_others_read_is_for_a_person():
    theirs = report("modelaudit", coverage=[read("m.keras", form="keras")])
    assert [f.rule for f in settled([theirs], {"modelaudit"})[0].findings] == [SECOND_HAND]
    own = report("keras", coverage=[read("m.keras", form="keras")])
    assert settled([own, theirs], {"modelaudit"})[1].findings == ()
