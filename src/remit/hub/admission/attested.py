"""What somebody else's scan came to, as a case of the gate holds it."""

from remit.attest.predicates import scan
from remit.hub.admission.values import Attested


def attested(said: scan.Scan, manifest: str = "") -> Attested:
    """What a predicate says; ``manifest`` is the digest of the one that it lies in."""
    return Attested(
        scanner=said.scanner, coverage=said.coverage, counts=said.counts,
        findings=said.findings_digest, finished_us=said.finished_us, expires_us=said.expires_us,
        manifest=manifest,
    )  # fmt: skip
