"""Members and pickles for tests, made opcode by opcode."""

from remit.scan.base import Artifact, Coverage, Finding
from remit.scan.walk import FileMember

RUN = b"cos\nsystem\n(S'true'\ntR"


def member(folder, name, data):
    place = folder / name.replace("/", "_")
    place.write_bytes(data)
    return FileMember(name, place)


def scan(scanner, folder, *files):
    """(claimed names, findings, coverage) of a scanner over (name, bytes)."""
    members = [member(folder, name, data) for name, data in files]
    artifact = Artifact(digest="", members=members)
    claimed = [each for each in members if scanner.claims(artifact, each)]
    results = list(scanner.scan(artifact, claimed))
    findings = [each for each in results if isinstance(each, Finding)]
    coverage = [each for each in results if isinstance(each, Coverage)]
    assert {each.member for each in coverage} == {each.path for each in claimed}
    return [each.path for each in claimed], findings, coverage


def rules(findings):
    return sorted({(each.rule, each.severity) for each in findings})
