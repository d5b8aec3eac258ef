"""Signatures, attestations and scans of both artifacts: who signed what kind of claim.

Nothing is verified here: ``remit verify`` does that. Signers are named as the bundle names them,
so this shows what a registry *says* changed.
"""

import base64
import binascii
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from remit.artifacts.diff.base import Change, NotLookedIntoError, Work
from remit.artifacts.diff.findings import finding_changes, findings_of
from remit.artifacts.diff.structure import load_json
from remit.artifacts.diff.text import shown
from remit.artifacts.diff.tree import Referrer, Tree

NAME = "referrers"
MAX_BYTES = 4 * 1024 * 1024
_BUNDLE = "application/vnd.dev.sigstore.bundle"
_COSIGN = "application/vnd.dev.cosign.simplesigning.v1+json"
_NOTATION = "application/vnd.cncf.notary.signature"
_CERTIFICATE = "dev.sigstore.cosign/certificate"

_Claim = tuple[str, str, str]
"""What it is, its type, and who signed."""


class ReferrerAspect:
    """Only where both sides are artifacts."""

    name = NAME

    def claims(self, a: Tree, b: Tree) -> frozenset[str]:
        """No files."""
        del a, b
        return frozenset()

    def compare(self, a: Tree, b: Tree, work: Work) -> Iterator[Change]:
        """Signers and types of claims, then findings in claims of the same type."""
        if a.metadata is None or b.metadata is None:
            return
        before, old = _read(a.metadata.referrers, work, "a")
        after, new = _read(b.metadata.referrers, work, "b")
        for claim in sorted(before.keys() | after.keys()):
            if before[claim] != after[claim]:
                yield _claim(claim, before[claim], after[claim])
        for kind in sorted(old.keys() | new.keys()):
            yield from finding_changes("", old.get(kind), new.get(kind))


def _claim(claim: _Claim, was: int, now: int) -> Change:
    what, kind, signer = claim
    by = f" by {shown(signer)}" if signer else ""
    happened = "added" if was == 0 else "removed" if now == 0 else "changed"
    return Change(
        comparer=NAME,
        kind=f"{what}.{happened}",
        subject=shown(kind),
        severity="high" if now < was else "low",
        summary=f"{what} {happened}{by}" + (f": {was} → {now}" if was and now else ""),
        before=was,
        after=now,
        details={"signer": shown(signer)} if signer else {},
    )


def _read(
    referrers: tuple[Referrer, ...], work: Work, side: Any
) -> "tuple[Counter[_Claim], dict[str, Any]]":
    """How often each claim is made, and the reports of scanners in them by type."""
    claims: Counter[_Claim] = Counter()
    reports: dict[str, Any] = {}
    for referrer in referrers:
        if not referrer.layers:
            claims["attachment", referrer.artifact_type, ""] += 1
        for media_type, annotations, data in referrer.layers:
            try:
                claim, predicate = _layer(referrer, media_type, annotations, data)
            except NotLookedIntoError as error:
                claim, predicate = ("attachment", referrer.artifact_type or media_type, ""), None
                work.unread("", f"referrer `{referrer.digest[:19]}`: {error.message}", side)
            claims[claim] += 1
            if findings_of(predicate) is not None:
                reports.setdefault(claim[1], predicate)
    return claims, reports


def _layer(
    referrer: Referrer, media_type: str, annotations: Mapping[str, str], data: bytes
) -> tuple[_Claim, Any]:
    if media_type.startswith(_BUNDLE):
        return _bundle(load_json(data, MAX_BYTES))
    if media_type == _COSIGN:
        return ("signature", media_type, _named(annotations.get(_CERTIFICATE, ""))), None
    if referrer.artifact_type == _NOTATION:
        return ("signature", _NOTATION, ""), None
    kind = referrer.artifact_type or media_type
    value = load_json(data, MAX_BYTES) if media_type.endswith("json") else None
    if isinstance(value, Mapping) and "payload" in value and "payloadType" in value:
        return _statement(value, "")
    return ("attachment", kind, ""), value


def _bundle(value: Any) -> tuple[_Claim, Any]:
    material = value.get("verificationMaterial") if isinstance(value, Mapping) else None
    if not isinstance(material, Mapping):
        raise NotLookedIntoError("it is no Sigstore bundle")
    key, certificate = material.get("publicKey"), material.get("certificate")
    chain = material.get("x509CertificateChain")
    signer = ""
    if isinstance(key, Mapping):
        signer = f"key {key.get('hint', '')}"
    elif isinstance(certificate, Mapping):
        signer = _named(str(certificate.get("rawBytes", "")))
    elif isinstance(chain, Mapping) and isinstance(chain.get("certificates"), list):
        first = chain["certificates"][0] if chain["certificates"] else None
        signer = _named(str(first.get("rawBytes", ""))) if isinstance(first, Mapping) else ""
    envelope = value.get("dsseEnvelope")
    if isinstance(envelope, Mapping):
        return _statement(envelope, signer)
    return ("signature", "messageSignature", signer), None


def _statement(envelope: Mapping[str, Any], signer: str) -> tuple[_Claim, Any]:
    """What a signed statement claims, by the type of its predicate."""
    try:
        payload = base64.b64decode(str(envelope.get("payload", "")), validate=True)
    except (binascii.Error, ValueError) as error:
        raise NotLookedIntoError("its payload is not base64") from error
    statement = load_json(payload, MAX_BYTES)
    if not isinstance(statement, Mapping):
        raise NotLookedIntoError("its payload is no statement")
    kind = str(statement.get("predicateType") or envelope.get("payloadType") or "")
    what = "signature" if "cosign/sign" in kind or "signature" in kind else "attestation"
    return (what, kind, signer), statement.get("predicate")


def _named(certificate: str) -> str:
    """A certificate by its fingerprint."""
    if not certificate:
        return ""
    return f"certificate sha256:{hashlib.sha256(certificate.strip().encode()).hexdigest()[:16]}"


ASPECT = ReferrerAspect()
