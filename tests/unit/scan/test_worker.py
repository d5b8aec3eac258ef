"""Scanners that misbehave in the worker: what they did not finish is an error."""

from remit.core.digest import sha256
from remit.scan.base import Artifact, Coverage, Finding, scanners
from remit.scan.worker import MAX_FINDINGS, run
from tests.unit.scan.making import member


class Base:
    name, version, rules = "x", "1", sha256(b"")

    def claims(self, artifact, member):
        return True


def finding(n=0):
    return Finding(rule="x.y", title="t", severity="low", member="a", evidence=str(n))


def reports(tmp_path, scan):
    members = [member(tmp_path, name, b"x") for name in ("a", "b")]
    scanner = type("Its", (Base,), {"scan": scan})()
    return run(scanner, Artifact(digest="", members=members), members)


def test_what_raises_keeps_what_it_found_and_leaves_errors(tmp_path):
    def scan(self, artifact, claimed):
        yield finding()
        yield Coverage(member="a", status="complete")
        raise MemoryError

    found = reports(tmp_path, scan)
    assert len(found.findings) == 1
    assert [(each.member, each.status, each.executes) for each in found.coverage] == [
        ("a", "complete", False),
        ("b", "error", True),
    ]


def test_what_says_nothing_of_a_member_has_not_read_it(tmp_path):
    found = reports(tmp_path, lambda self, artifact, claimed: iter(()))
    assert [each.status for each in found.coverage] == ["error", "error"]


def test_claims_that_raise_read_nothing(tmp_path):
    class Broken(Base):
        def claims(self, artifact, member):
            raise ValueError("no")

        def scan(self, artifact, claimed):
            yield from ()

    members = [member(tmp_path, "a", b"x")]
    found = run(Broken(), Artifact(digest="", members=members), members)
    assert found.failed or found.coverage


def test_findings_without_end_are_a_failure(tmp_path):
    def scan(self, artifact, claimed):
        yield from (finding(n) for n in range(10**9))

    found = reports(tmp_path, scan)
    assert len(found.findings) == MAX_FINDINGS
    assert found.failed


def test_every_scanner_has_a_name_and_rules_that_stay():
    for name, scanner in scanners().items():
        assert scanner.name == name
        assert scanner.rules.startswith("sha256:")
        assert scanner.rules == scanner.rules
