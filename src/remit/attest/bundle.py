"""Sigstore bundles v0.3 that carry a DSSE envelope signed with a plain key.

A bundle names its key by a hint and holds no key: the hint only selects among the keys that the
verifier trusts already (GHSA-fx35-mq7g-6g98 is what taking one from the bundle leads to). The hint
is that of cosign: base64 of SHA-256 over the key's DER bytes.
"""

import base64
import hashlib
from typing import Any

from remit.attest.dsse import Envelope, b64, parse_object, unb64
from remit.attest.ecdsa import PublicKey
from remit.attest.errors import StatementError
from remit.core.canonical import canonical_bytes

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
MAX_BUNDLE = 2 * 1024 * 1024
_SIGSTORE = "application/vnd.dev.sigstore.bundle"
# Members of what cosign wrote before bundles, with the raw key or certificate beside the signature.
_LEGACY = frozenset({"base64Signature", "cert", "rekorBundle", "SignedEntryTimestamp"})


def hint_of(key: PublicKey) -> str:
    """How bundles name ``key``."""
    return base64.b64encode(hashlib.sha256(key.der).digest()).decode()


def dump_bundle(envelope: Envelope, key: PublicKey) -> bytes:
    """The bundle of an envelope that ``key`` signed."""
    return canonical_bytes(
        {
            "mediaType": MEDIA_TYPE,
            "verificationMaterial": {
                "publicKey": {"hint": hint_of(key)},
                "tlogEntries": [],
                "timestampVerificationData": {"rfc3161Timestamps": []},
            },
            "dsseEnvelope": {
                "payload": b64(envelope.payload),
                "payloadType": envelope.payload_type,
                "signatures": [{"sig": b64(envelope.signature), "keyid": ""}],
            },
        }
    )


def parse_bundle(data: bytes, limit: int = MAX_BUNDLE) -> tuple[str, Envelope]:
    """The hint and the envelope of a bundle; nothing in it is verified yet.

    Args:
        data: the bytes of the bundle.
        limit: how many there may be.

    Raises:
        StatementError: it is no such bundle (``attest.bundle``), of an older form
            (``attest.bundle_legacy``), or brings a certificate or a key of its own
            (``attest.bundle_key``).
    """
    value = parse_object(data, limit)
    said = value.get("mediaType")
    if value.keys() & _LEGACY or (said != MEDIA_TYPE and str(said).startswith(_SIGSTORE)):
        raise StatementError(
            "this is a bundle of an older form, which can bring its own key",
            hint="sign again with a program that writes Sigstore bundles v0.3",
            code="attest.bundle_legacy",
        )
    if said != MEDIA_TYPE:
        raise StatementError("this is no Sigstore bundle v0.3", code="attest.bundle")
    material, envelope = value.get("verificationMaterial"), value.get("dsseEnvelope")
    if not isinstance(material, dict) or not isinstance(envelope, dict):
        raise StatementError("the bundle holds no DSSE envelope", code="attest.bundle")
    known = {"publicKey", "tlogEntries", "timestampVerificationData"}
    public: Any = material.get("publicKey")
    if material.keys() - known or not isinstance(public, dict) or public.keys() != {"hint"}:
        raise StatementError(
            "the bundle has no hint at a key, or brings a key or certificate of its own",
            code="attest.bundle_key",
        )
    signatures = envelope.get("signatures")
    hint, kind = public["hint"], envelope.get("payloadType")
    if (
        not isinstance(hint, str)
        or not isinstance(kind, str)
        or not isinstance(signatures, list)
        or len(signatures) != 1
        or not isinstance(signatures[0], dict)
    ):
        raise StatementError("the envelope needs one signature", code="attest.bundle")
    return hint, Envelope(
        payload=unb64(envelope.get("payload")),
        payload_type=kind,
        signature=unb64(signatures[0].get("sig")),
    )
