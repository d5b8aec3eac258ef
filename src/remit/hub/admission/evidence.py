"""Evidence of a decision: who scanned with which rules and found what, the bill, and the summary.

For an artifact that was scanned: one ``scan/v1`` statement for each scanner, its findings being a
document of which the statement has the digest; its bill of materials; and of the gate a
verification summary (VSA) with the digest of the policy and an end. Scanners and gate have keys of
their own. An artifact that is left to people has no summary, unless it had one: then ``FAILED``.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from remit.artifacts.attestations import bundle_manifest, make_bundle
from remit.artifacts.oci.client import Fetched
from remit.attest.predicates import bom, scan, vsa
from remit.attest.predicates.fields import time_text
from remit.core.canonical import canonical_bytes
from remit.core.digest import Digest, sha256
from remit.core.strictjson import parse
from remit.core.text import printable
from remit.hub.admission.keys import Role, RoleKeys
from remit.hub.admission.values import Outcome, Scanned
from remit.scan.base import SEVERITIES, Report

SCAN_LIFETIME_US = 30 * 86_400_000_000
MAX_MEMBER = 1000
PROBED = "vnd.remit.probe"
"""Annotation of a manifest with what a served model answered: the name of that model."""
MAX_BOM = 8 * 1024 * 1024
"""Of a bill that is attested; of an artifact with a larger one there is none."""
_SECOND_US = 1_000_000


class Naming(msgspec.Struct, frozen=True, kw_only=True):
    """What the Hub calls things in what it signs.

    Attributes:
        host: how clients reach it, ``HOST[:PORT]``.
        gate: URI of the gate, ``verifier.id`` of its summaries.
        policy: URI of the policy.
    """

    host: str
    gate: str
    policy: str = ""


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """A statement that was signed, and the manifest that makes it a referrer.

    Attributes:
        predicate_type: of the statement.
        bundle: the Sigstore bundle.
        stored: its manifest.
    """

    predicate_type: str
    bundle: bytes
    stored: Fetched


def document(report: Report) -> bytes:
    """What a scanner said, as canonical JSON (RFC 8785); its statement has the digest of that."""
    return canonical_bytes(msgspec.to_builtins(report))


def bundles(
    scanned: Scanned, outcome: Outcome, keys: RoleKeys, naming: Naming, now_us: int
) -> list[Evidence]:
    """What is signed about a decision, the summary last.

    Args:
        scanned: what was decided on; of a scan that was attested before, only the summary is made.
        outcome: what was decided.
        keys: who signs.
        naming: what things are called.
        now_us: wall time.

    Raises:
        AttestError: a key cannot be used.
        StatementError: a predicate has not the form of its type.
    """
    maker = _Maker(scanned, keys, naming, now_us)
    made: list[Evidence] = []
    inputs = scanned.attested
    if not inputs:
        made = [maker.scan(report) for report in scanned.reports]
        if 0 < len(scanned.bom) <= MAX_BOM:
            made.append(maker.bill())
        inputs = tuple(each.stored.descriptor.digest for each in made)
    inputs += tuple(Digest(each.manifest) for each in scanned.probed if each.manifest)
    summary = maker.summary(outcome, inputs)
    return [*made, *([summary] if summary else [])]


def answers(
    probed: Scanned, target: str, keys: RoleKeys, naming: Naming, now_us: int
) -> list[Evidence]:
    """What is signed about a served model that was asked: see :func:`bundles`.

    Args:
        probed: the artifact, with the reports of those who asked.
        target: name of the served model.
        keys: who signs.
        naming: what things are called.
        now_us: wall time.
    """
    maker = _Maker(probed, keys, naming, now_us)
    return [maker.scan(report, {PROBED: target}) for report in probed.reports]


def said_of(report: Report, finished_us: int) -> scan.Scan:
    """What is attested of a report of a scan that ended then."""
    missed = [each for each in report.coverage if each.status != "complete"]
    statuses = {each.status for each in missed}
    coverage: scan.Coverage = "complete"
    if report.failed:
        coverage = "error"
    elif statuses:
        coverage = "error" if statuses == {"error"} and not _read(report) else "partial"
    counts = dict.fromkeys(SEVERITIES, 0)
    for each in report.findings:
        counts[each.severity] += 1
    return scan.Scan(
        scanner=report.scanner,
        version=report.version or "unknown",
        rules_digest=report.rules,
        findings_digest=sha256(document(report)),
        counts={str(name): count for name, count in counts.items()},
        coverage=coverage,
        not_scanned=tuple(
            dict.fromkeys(printable(each.member, MAX_MEMBER) or "?" for each in missed)
        )[: scan.MAX_NOT_SCANNED],
        started_us=max(0, finished_us - report.seconds_milli * 1000),
        finished_us=finished_us,
        expires_us=finished_us + SCAN_LIFETIME_US,
    )


class _Maker:
    def __init__(self, scanned: Scanned, keys: RoleKeys, naming: Naming, now_us: int) -> None:
        self._scanned = scanned
        self._keys = keys
        self._naming = naming
        self._now_us = now_us

    def _signed(
        self,
        role: Role,
        kind: str,
        predicate: Mapping[str, Any],
        when_us: int = 0,
        more: Mapping[str, str] | None = None,
    ) -> Evidence:
        name = f"{self._naming.host}/{self._scanned.repository}"
        signer = self._keys.signer(role)
        bundle = make_bundle(name, self._scanned.digest, kind, predicate, signer)
        created = time_text(when_us or self._now_us)
        stored = bundle_manifest(self._scanned.descriptor, bundle, kind, created, more)
        return Evidence(predicate_type=kind, bundle=bundle, stored=stored)

    def scan(self, report: Report, more: Mapping[str, str] | None = None) -> Evidence:
        """What one scanner said."""
        said = said_of(report, self._scanned.finished_us)
        return self._signed("scan", scan.TYPE, said.predicate(), more=more)

    def bill(self) -> Evidence:
        """The bill of materials."""
        value = parse(self._scanned.bom, fold_keys=False, max_bytes=len(self._scanned.bom))
        return self._signed("scan", bom.TYPE, bom.predicate(value))

    def summary(self, outcome: Outcome, inputs: tuple[Digest, ...]) -> Evidence | None:
        """What the gate says of it; newer than what it said before, whatever the clock says."""
        last = self._scanned.summary_us
        if outcome.word == "review" and not last:
            return None
        when = max(self._now_us, last // _SECOND_US * _SECOND_US + _SECOND_US if last else 0)
        passed = outcome.word == "admit"
        said = vsa.VerificationSummary(
            verifier=self._naming.gate,
            time_us=when,
            resource=f"oci://{self._naming.host}/{self._scanned.repository}",
            policy_uri=self._naming.policy,
            policy_digest=outcome.policy,
            result="PASSED" if passed else "FAILED",
            inputs=tuple(vsa.Input(digest=each) for each in inputs[: vsa.MAX_INPUTS]),
            expires_us=outcome.expires_us if passed else 0,
        )
        return self._signed("gate", vsa.TYPE, said.predicate(), when)


def _read(report: Report) -> bool:
    return any(each.status == "complete" for each in report.coverage)
