"""Scan: what one scanner found in an artifact, with which rules, and what it did not look at.

The findings themselves are a document beside the attestation; the predicate commits to its bytes.
A scan that did not cover everything says so in ``coverage``; a scan that failed is a scan with the
coverage ``error``, never one without findings.

Good news ends, bad news does not: see :func:`together`.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self, TypeVar

import msgspec

from remit.attest.predicates import fields

TYPE = "https://remit.example/scan/v1"
SEVERITIES = ("critical", "high", "medium", "low", "info")
LASTING = ("critical", "high", "medium")
"""Severities of findings that do not end with the scan that made them."""
COVERAGES = ("complete", "partial", "unsupported", "error")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
MAX_NOT_SCANNED = 1000

Coverage = Literal["complete", "partial", "unsupported", "error"]


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What a scan came to.

    Attributes:
        scanner: its name.
        counts: findings by severity; one that is not named has none.
        coverage: how much was looked at.
        finished_us: when it ended, microseconds since 1970.
        expires_us: when it ends to count as one that looked.
    """

    scanner: str
    counts: dict[str, int]
    coverage: Coverage
    finished_us: int
    expires_us: int


_R = TypeVar("_R", bound=Result)


def together(found: Sequence[_R], now_us: int) -> _R | None:
    """What scans that looked for the same say in all, as it counts now; ``None`` if nothing does.

    Only one that covered everything takes back what an earlier one found. One that is over covered
    not everything, and counts only for findings that are :data:`LASTING`: else an artifact that was
    found out would have to wait, and nothing more.

    Args:
        found: in any order; over or not.
        now_us: the time, microseconds since 1970.
    """
    last: _R | None = None
    for each in standing(found, now_us):
        now = _as_of(each, now_us)
        last = now if last is None else _both(last, now)
    return last


def standing(found: Sequence[_R], now_us: int) -> list[_R]:
    """Those of them that still count, the first that ended first; see :func:`together`."""
    since: list[_R] = []
    for each in sorted(found, key=_rank):
        since = [each] if each.coverage == "complete" else [*since, each]
    return [
        each
        for each in since
        if now_us < each.expires_us or any(each.counts.get(name, 0) for name in LASTING)
    ]


def _rank(said: Result) -> tuple[int, bool, tuple[int, ...]]:
    """By time; of two at the same time the one that says worse is the later."""
    counts = tuple(said.counts.get(each, 0) for each in SEVERITIES)
    return (said.finished_us, said.coverage != "complete", counts)


def _as_of(said: _R, now_us: int) -> _R:
    if now_us < said.expires_us or said.coverage != "complete":
        return said
    return msgspec.structs.replace(said, coverage="partial")


def _both(before: _R, now: _R) -> _R:
    counts = {each: max(before.counts.get(each, 0), now.counts.get(each, 0)) for each in SEVERITIES}
    ends = min(before.expires_us, now.expires_us)
    return msgspec.structs.replace(now, counts=counts, expires_us=ends)


class Scan(Result, frozen=True, kw_only=True):
    """The predicate: what it came to, and how.

    Attributes:
        version: of its program.
        versions: of what else decides what it finds (databases, libraries), by name.
        rules_digest: of its rules, ``sha256:<hex>``.
        findings_digest: of the document of findings.
        not_scanned: names of what was not looked at, the first of them.
        started_us: when it began, microseconds since 1970.
    """

    version: str
    versions: dict[str, str] = {}
    rules_digest: str
    findings_digest: str
    not_scanned: tuple[str, ...] = ()
    started_us: int

    def predicate(self) -> dict[str, Any]:
        """As JSON.

        Raises:
            PredicateError: a member that readers would refuse.
        """
        value: dict[str, Any] = {
            "scanner": {
                "name": self.scanner,
                "version": self.version,
                "versions": self.versions,
                "rules": {"digest": fields.digest_set(self.rules_digest)},
            },
            "findings": {
                "digest": fields.digest_set(self.findings_digest),
                "counts": {each: self.counts.get(each, 0) for each in SEVERITIES},
            },
            "coverage": self.coverage,
            "notScanned": list(self.not_scanned),
            "startedOn": fields.time_text(self.started_us),
            "finishedOn": fields.time_text(self.finished_us),
            "expires": fields.time_text(self.expires_us),
        }
        if self.counts.keys() - set(SEVERITIES):
            raise fields.PredicateError("`counts` names a severity that there is not")
        type(self).read(value)
        return value

    @classmethod
    def read(cls, predicate: Mapping[str, Any]) -> Self:
        """The predicate in a verified statement.

        Raises:
            PredicateError: a member is missing or of another form.
        """
        scanner = fields.member(predicate.get("scanner"), "scanner")
        findings = fields.member(predicate.get("findings"), "findings")
        counts = fields.member(findings.get("counts"), "findings.counts")
        coverage, name = predicate.get("coverage"), scanner.get("name")
        missed = predicate.get("notScanned", [])
        if coverage not in COVERAGES:
            raise fields.PredicateError(f"`coverage` is none of {', '.join(COVERAGES)}")
        if not isinstance(name, str) or _NAME.fullmatch(name) is None:
            raise fields.PredicateError("`scanner.name` is not a name as in `pickle-scan`")
        if not isinstance(missed, list) or len(missed) > MAX_NOT_SCANNED:
            raise fields.PredicateError(f"`notScanned` is no list of at most {MAX_NOT_SCANNED}")
        versions = fields.member(scanner.get("versions", {}), "scanner.versions")
        rules = fields.member(scanner.get("rules"), "scanner.rules")
        return cls(
            scanner=name,
            version=fields.text(scanner.get("version"), "scanner.version"),
            versions={key: fields.text(each, "scanner.versions") for key, each in versions.items()},
            rules_digest=fields.from_set(rules.get("digest"), "scanner.rules.digest"),
            findings_digest=fields.from_set(findings.get("digest"), "findings.digest"),
            counts={each: fields.count(counts.get(each), f"counts.{each}") for each in SEVERITIES},
            coverage=coverage,
            not_scanned=tuple(fields.text(each, "notScanned") for each in missed),
            started_us=fields.time_us(predicate.get("startedOn"), "startedOn"),
            finished_us=fields.time_us(predicate.get("finishedOn"), "finishedOn"),
            expires_us=fields.time_us(predicate.get("expires"), "expires"),
        )
