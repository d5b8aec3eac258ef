import json

import pytest

from remit.attest.predicates.scan import Scan
from remit.core.digest import sha256
from remit.scan.base import Coverage, Finding, Report
from remit.scan.predicate import document, predicate

TIMES = {"started_us": 1_000_000, "finished_us": 2_000_000, "expires_us": 9_000_000}


def report(*coverage, failed="", findings=()):
    return Report(
        scanner="modelaudit", version="1", rules=sha256(b""), findings=findings, failed=failed,
        coverage=tuple(Coverage(member=f"m{n}", status=each) for n, each in enumerate(coverage)),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("coverage", "failed", "expected"),
    [
        ((), "", "complete"),
        (("complete", "complete"), "", "complete"),
        (("complete", "unsupported"), "", "unsupported"),
        (("partial", "unsupported"), "", "partial"),
        (("error", "partial"), "", "error"),
        (("complete",), "it crashed", "error"),
    ],
)
def test_the_worst_coverage_counts(coverage, failed, expected):
    made = predicate(report(*coverage, failed=failed), **TIMES)
    assert made.coverage == expected
    assert len(made.not_scanned) == sum(each != "complete" for each in coverage)
    assert Scan.read(json.loads(json.dumps(made.predicate()))) == made


def test_it_commits_to_the_document():
    found = Finding(rule="a.b", title="t", severity="high", member="m")
    made = report(findings=(found, found))
    read = predicate(made, **TIMES)
    assert read.findings_digest == sha256(document(made))
    assert read.counts == {"critical": 0, "high": 2, "medium": 0, "low": 0, "info": 0}
