"""DSSE envelopes and in-toto statements: bytes first, meaning afterwards.

The signature covers the pre-authentication encoding of the payload type and of the exact payload
bytes (DSSE v1). A payload is parsed only after its signature was verified, and from the very bytes
that were: :data:`VerifiedPayload` is what :func:`verify` gives and :func:`statement_of` takes.

Not checked here: whether the key may sign this kind of statement, about this subject, at this time.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any, NewType

import msgspec

from remit.attest.ecdsa import PublicKey, Signer
from remit.attest.errors import StatementError
from remit.core.canonical import canonical_bytes
from remit.core.strictjson import StrictJsonError, parse

STATEMENT = "https://in-toto.io/Statement/v1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
MAX_PAYLOAD = 1024 * 1024
_SHA256 = re.compile(r"[0-9a-f]{64}")

VerifiedPayload = NewType("VerifiedPayload", bytes)
"""Payload bytes whose signature was verified."""


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """A DSSE envelope with its one signature.

    Attributes:
        payload: the signed bytes.
        payload_type: their media type, which is signed too.
        signature: DER-encoded ECDSA signature.
    """

    payload: bytes
    payload_type: str = PAYLOAD_TYPE
    signature: bytes


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """An in-toto Statement v1 about one subject.

    Attributes:
        name: what the subject is called; never decide by it.
        sha256: lower-case hex digest of the subject.
        predicate_type: URI that says what ``predicate`` means.
        predicate: the claim.
    """

    name: str
    sha256: str
    predicate_type: str
    predicate: dict[str, Any]


def pae(payload_type: str, payload: bytes) -> bytes:
    """The bytes that are signed: DSSE's pre-authentication encoding."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def statement_bytes(statement: Statement) -> bytes:
    """The payload of a statement.

    Raises:
        CanonicalError: the predicate holds what has no canonical form.
    """
    return canonical_bytes(
        {
            "_type": STATEMENT,
            "subject": [{"name": statement.name, "digest": {"sha256": statement.sha256}}],
            "predicateType": statement.predicate_type,
            "predicate": statement.predicate,
        }
    )


def sign(payload: bytes, signer: Signer) -> Envelope:
    """Sign payload bytes."""
    return Envelope(payload=payload, signature=signer.sign(pae(PAYLOAD_TYPE, payload)))


def verify(envelope: Envelope, key: PublicKey) -> VerifiedPayload:
    """The payload, if ``key`` signed it.

    Raises:
        StatementError: another key, other bytes, or another type of payload.
    """
    if envelope.payload_type != PAYLOAD_TYPE:
        raise StatementError("the envelope holds no in-toto statement", code="attest.payload_type")
    if not key.verifies(envelope.signature, pae(envelope.payload_type, envelope.payload)):
        raise StatementError("the signature does not verify", code="attest.signature")
    return VerifiedPayload(envelope.payload)


def statement_of(payload: VerifiedPayload) -> Statement:
    """The statement in verified bytes; fields that this version does not know are ignored.

    Raises:
        StatementError: it is none, or not about exactly one subject with a SHA-256 digest.
    """
    value = parse_object(payload, MAX_PAYLOAD)
    subject = value.get("subject")
    predicate, kind = value.get("predicate"), value.get("predicateType")
    if (
        value.get("_type") != STATEMENT
        or not isinstance(kind, str)
        or not isinstance(predicate, dict)
        or not isinstance(subject, list)
        or len(subject) != 1
        or not isinstance(subject[0], dict)
        or not isinstance(subject[0].get("digest"), dict)
    ):
        raise StatementError("this is no statement about one subject")
    sha256 = subject[0]["digest"].get("sha256")
    name = subject[0].get("name", "")
    if not isinstance(name, str) or not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise StatementError("the subject has no SHA-256 digest")
    return Statement(name=name, sha256=sha256, predicate_type=kind, predicate=predicate)


def parse_object(data: bytes, limit: int) -> Mapping[str, Any]:
    """A JSON object, parsed so that nobody can read it differently.

    Raises:
        StatementError: it is none.
    """
    try:
        value = parse(data, max_bytes=limit)
    except StrictJsonError as error:
        raise StatementError(f"this cannot be read: {error.message}") from error
    if not isinstance(value, dict):
        raise StatementError("this is no JSON object")
    return value


def b64(data: bytes) -> str:
    """Standard base64 with padding."""
    return base64.b64encode(data).decode()


def unb64(text: Any) -> bytes:
    """The bytes of standard base64 in its one canonical form.

    Raises:
        StatementError: it is not.
    """
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (AttributeError, UnicodeEncodeError, binascii.Error) as error:
        raise StatementError("a member is not base64") from error
    if b64(data) != text:
        raise StatementError("a member is not canonical base64")
    return data
