"""The program in the sandbox: looks at one directory and prints reports.

``python -I -m remit.scan.worker REQUEST`` with the request as JSON. Everything that it prints is
checked again outside, because what it reads may have taken it over.
"""

import logging
import resource
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from remit.scan.base import (
    Artifact,
    Coverage,
    Finding,
    Report,
    Result,
    Scanner,
    Settings,
    rules_in_force,
    scanners,
)
from remit.scan.walk import FileMember, Walk

logger = logging.getLogger(__name__)
MAX_FINDINGS = 2_000
MAX_COVERAGE = 60_000


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be scanned.

    Attributes:
        root: the unpacked artifact.
        scratch: an empty directory for what is in archives.
        scanners: names of the scanners that shall look.
        digest, kind, metadata: of the artifact.
        settings: what the operator says.
        memory, cpu_s: limits of this process, bytes and seconds.
    """

    root: str
    scratch: str
    scanners: tuple[str, ...]
    digest: str
    kind: str = ""
    metadata: dict[str, Any] = {}
    settings: Settings = Settings()
    memory: int = 1_500_000_000
    cpu_s: int = 300


def main() -> int:
    """Scan and print one JSON array of reports."""
    request = msgspec.json.decode(sys.argv[1], type=Request)
    confine(request)
    walk = Walk(Path(request.root), Path(request.scratch))
    members = list(walk.members())
    artifact = Artifact(
        digest=request.digest,
        kind=request.kind,
        members=members,
        metadata=request.metadata,
        settings=request.settings,
    )
    found = scanners()
    reports = [archives(walk)]
    reports += [run(found[name], artifact, members) for name in request.scanners if name in found]
    sys.stdout.buffer.write(msgspec.json.encode(reports))
    sys.stdout.buffer.flush()
    return 0


def confine(request: Request) -> None:
    """Set the limits of this process; what it starts has them, too."""
    for kind, limit in (
        (resource.RLIMIT_AS, request.memory),
        (resource.RLIMIT_CPU, request.cpu_s),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 256),
        (resource.RLIMIT_FSIZE, 8 << 30),
    ):
        resource.setrlimit(kind, (limit, limit))


def archives(walk: Walk) -> Report:
    """What unpacking found, as the report of a scanner."""
    from remit.core.digest import sha256

    return _report("archives", "1", sha256(b"archives 1"), walk.results, 0)


def run(scanner: Scanner, artifact: Artifact, members: list[FileMember]) -> Report:
    """One scanner's report; what it raises becomes coverage of what it did not finish."""
    started = time.monotonic()
    results: list[Result] = []
    claimed: list[FileMember] = []
    failed = ""
    try:
        claimed = [member for member in members if scanner.claims(artifact, member)]
    except Exception as error:
        logger.exception("`%s` does not know what it would have to read", scanner.name)
        failed = f"it cannot tell what it reads: {type(error).__name__}"
    try:
        for result in scanner.scan(artifact, claimed):
            results.append(result)
            if len(results) > MAX_FINDINGS + MAX_COVERAGE:
                break
    except Exception as error:
        # Hostile input: what it has not covered becomes an error below.
        logger.exception("`%s` failed", scanner.name)
        reason = f"the scanner failed: {type(error).__name__}"
        covered = {each.member for each in results if isinstance(each, Coverage)}
        results += [
            Coverage(member=member.path, status="error", reason=reason, executes=True)
            for member in claimed
            if member.path not in covered
        ]
    covered = {each.member for each in results if isinstance(each, Coverage)}
    results += [
        Coverage(member=member.path, status="error", reason="nothing was said", executes=True)
        for member in claimed
        if member.path not in covered
    ]
    milli = int((time.monotonic() - started) * 1000)
    rules = rules_in_force(scanner, artifact.settings)
    return _report(scanner.name, scanner.version, rules, results, milli, failed)


def _report(
    name: str, version: str, rules: Any, results: list[Result], milli: int, failed: str = ""
) -> Report:
    findings = [each for each in results if isinstance(each, Finding)]
    if len(findings) > MAX_FINDINGS:
        # The gravest are kept; that there are more is no reason to call it read.
        failed = f"it found more than {MAX_FINDINGS} things"
    return Report(
        scanner=name,
        version=version,
        rules=rules,
        findings=tuple(
            msgspec.structs.replace(each, scanner=name) for each in findings[:MAX_FINDINGS]
        ),
        coverage=tuple(each for each in results if isinstance(each, Coverage)),
        failed=failed,
        seconds_milli=milli,
    )


if __name__ == "__main__":
    sys.exit(main())
