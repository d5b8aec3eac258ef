"""What scanners found, as policies read it and as people bind their word to it."""

from collections.abc import Collection
from typing import Any

import msgspec

from remit.attest.predicates import signature
from remit.core.canonical import canonical_bytes
from remit.core.digest import Digest, sha256
from remit.hub.admission.values import Scanned
from remit.policy.loads import UNKNOWN, Scans
from remit.scan.base import SEVERITIES
from remit.scan.verdict import Verdict, distinct, judge

MAX_NAMES = 1000
"""Of rules or licences in a request to policy; an artifact with more is not admitted."""
_LICENCES = frozenset({"licence.declared", "licence.stated"})


def input_of(scanned: Scanned, verdict: Verdict, suppressed: Collection[str]) -> dict[str, Any]:
    """``context.input`` of ``artifact.promote`` (spec/policy-schema.md).

    Args:
        scanned: the artifact.
        verdict: of its reports, without what is suppressed.
        suppressed: fingerprints of findings that do not count.
    """
    found = distinct(scanned.reports, suppressed)
    answered = {each.scanner for each in scanned.reports if not each.failed}
    rules: dict[str, set[str]] = {name: set() for name in SEVERITIES}
    for each in found:
        rules[each.severity].add(each.rule)
    licences = {
        each.evidence
        for report in scanned.reports
        for each in report.findings
        if each.rule in _LICENCES and report.scanner == "licences"
    }
    signers = {
        each.name or each.key
        for each in scanned.signed
        if each.predicate_type in {"", signature.TYPE}
    }
    without = failed(scanned)
    return {
        "kind": scanned.kind,
        "name": scanned.name,
        "repository": scanned.repository,
        "reason": scanned.reason,
        "complete": bool(scanned.expected) and not without,
        "scanners": sorted(answered),
        "failed": without,
        "unread": len(verdict.unread),
        "counts": {name: verdict.counts[name] for name in SEVERITIES},
        "findings": {name: sorted(rules[name]) for name in SEVERITIES},
        "rules": sorted(set().union(*rules.values())),
        "licences": sorted(licences),
        "signed_by": sorted(signers),
        "dependencies_admitted": scanned.needs_admitted,
        "scan": _attested(scanned),
    }


def _attested(scanned: Scanned) -> dict[str, Any]:
    """What scanners found that others ran, for example on a model that they served."""
    said = scanned.attested_scans
    if not said:
        return {**msgspec.to_builtins(Scans()), "scanners": []}
    counts = {name: sum(each.counts.get(name, 0) for each in said) for name in SEVERITIES}
    return {
        "present": True,
        "complete": all(each.coverage == "complete" for each in said),
        "scanners": sorted({each.scanner for each in said}),
        **{name: min(count, UNKNOWN) for name, count in counts.items()},
    }


def failed(scanned: Scanned) -> list[str]:
    """Scanners without a result: of those that should have one, and of all that were asked."""
    answered = {each.scanner for each in scanned.reports if not each.failed}
    asked = {*scanned.expected, *(each.scanner for each in scanned.reports)}
    return sorted(asked - answered)


def results_of(scanned: Scanned) -> Digest:
    """Digest of all that was found, suppressed or not: what a curator had before them.

    It is the same after another scan that found the same.
    """
    found = sorted(
        {
            (each.fingerprint, each.severity)
            for report in scanned.reports
            for each in report.findings
        }
    )
    document: dict[str, Any] = {
        "findings": [list(each) for each in found],
        "failed": failed(scanned),
        "unread": list(judge(scanned.reports, scanned.expected).unread),
    }
    attested = sorted(
        [each.scanner, each.coverage, each.findings, *(each.counts.get(s, 0) for s in SEVERITIES)]
        for each in scanned.attested_scans
    )
    if attested:
        document["attested"] = attested
    return sha256(canonical_bytes(document))
