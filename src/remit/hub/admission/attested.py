"""Scans that are attested one by one, taken together: what was said of an artifact in all."""

from collections.abc import Sequence

import msgspec

from remit.attest.predicates import scan
from remit.hub.admission.values import Attested


def attested(said: scan.Scan, manifest: str = "") -> Attested:
    """What a predicate says; ``manifest`` is the digest of the one that it lies in."""
    return Attested(
        scanner=said.scanner, coverage=said.coverage, counts=said.counts,
        findings=said.findings_digest, finished_us=said.finished_us, expires_us=said.expires_us,
        manifest=manifest,
    )  # fmt: skip


def together(found: Sequence[Attested]) -> Attested:
    """The last of scans that looked at the same, and what those before found that it did not see.

    Only a scan that covered everything takes back what an earlier one found.

    Args:
        found: one at least, in any order.
    """
    last, *later = sorted(found, key=_rank)
    for each in later:
        last = each if each.coverage == "complete" else _both(last, each)
    return last


def _both(before: Attested, now: Attested) -> Attested:
    counts = {
        each: max(before.counts.get(each, 0), now.counts.get(each, 0)) for each in scan.SEVERITIES
    }
    ends = min(before.expires_us, now.expires_us)
    return msgspec.structs.replace(now, counts=counts, expires_us=ends)


def _rank(said: Attested) -> tuple[int, bool, tuple[int, ...]]:
    """By time; of two at the same time the one that says worse is the later."""
    counts = tuple(said.counts.get(each, 0) for each in scan.SEVERITIES)
    return (said.finished_us, said.coverage != "complete", counts)
