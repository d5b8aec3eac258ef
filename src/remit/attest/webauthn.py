"""WebAuthn (Level 3): what a passkey registered and what it signed, ES256 alone. Pure.

:func:`verify_assertion` accepts what an authenticator signed only if all of this holds:

1. The credential is the one that is expected; a key never comes from the message itself.
2. The client data say ``webauthn.get``, the exact challenge and the exact origin.
3. Neither a foreign frame made it (``crossOrigin``, ``topOrigin``).
4. The authenticator saw the relying party's id, a person present, and verified who that is.
5. The key signed exactly these bytes.

Not checked here: the sign count, which passkeys that are synchronised keep at 0. What must not be
said twice needs a challenge that is used once. Attestation of the authenticator's make is not asked
for, and so there is none to check.
"""

import base64
import hashlib
from typing import Any

import msgspec

from remit.attest.dsse import parse_object
from remit.attest.ecdsa import PublicKey
from remit.attest.errors import StatementError

MAX_CLIENT_DATA = 8 * 1024
MAX_AUTHENTICATOR_DATA = 8 * 1024
MAX_CREDENTIAL = 1023
_HEAD = 37
_PRESENT, _VERIFIED, _ELIGIBLE, _BACKED_UP, _ATTESTED, _EXTENDED = 1, 4, 8, 16, 64, 128
# A COSE key for ES256 as CTAP2's canonical CBOR writes it has one form, so no CBOR is parsed.
_COSE = bytes.fromhex("a5010203262001215820"), bytes.fromhex("225820")
_COSE_SIZE = 77
_SPKI = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")


class Party(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks for signatures.

    Attributes:
        id: relying party id, a host name.
        origin: scheme, host and port of its pages.
    """

    id: str
    origin: str


class Assertion(msgspec.Struct, frozen=True, kw_only=True):
    """What an authenticator gave for ``navigator.credentials.get``; nothing of it is verified.

    Attributes:
        credential: id of the credential.
        client_data, authenticator_data: exactly as they were signed.
        signature: DER-encoded ECDSA signature.
    """

    credential: bytes
    client_data: bytes
    authenticator_data: bytes
    signature: bytes


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """What an authenticator registered.

    Attributes:
        id: of the credential.
        key: DER of its public key.
        model: AAGUID in hex, as the authenticator says it; nobody vouches for it.
        synchronised: whether it may be on more than one device.
    """

    id: bytes
    key: bytes
    model: str
    synchronised: bool


def challenge_of(purpose: str, payload: bytes) -> bytes:
    """The challenge whose signature is one of ``payload``, for one purpose alone."""
    return hashlib.sha256(purpose.encode() + b"\0" + payload).digest()


def verify_assertion(
    assertion: Assertion, credential: bytes, key: PublicKey, party: Party, challenge: bytes
) -> None:
    """Accept an assertion, as the module's text says.

    Raises:
        StatementError: it is refused (``attest.webauthn``, or ``attest.signature``).
    """
    if not credential or assertion.credential != credential:
        raise _refused("another credential signed")
    _check_client(assertion.client_data, "webauthn.get", party, challenge)
    flags, rest = _check_authenticator(assertion.authenticator_data, party)
    if flags & _ATTESTED or bool(rest) != bool(flags & _EXTENDED):
        raise _refused("the authenticator data are malformed")
    signed = assertion.authenticator_data + hashlib.sha256(assertion.client_data).digest()
    if not key.verifies(assertion.signature, signed):
        raise StatementError("the signature does not verify", code="attest.signature")


def registered(
    client_data: bytes, authenticator_data: bytes, party: Party, challenge: bytes
) -> Credential:
    """The credential that ``navigator.credentials.create`` made.

    That somebody has its private key is shown by the first assertion, not by this.

    Raises:
        StatementError: it is refused.
    """
    _check_client(client_data, "webauthn.create", party, challenge)
    flags, rest = _check_authenticator(authenticator_data, party)
    if not flags & _ATTESTED:
        raise _refused("no credential was made")
    model, size, rest = rest[:16], int.from_bytes(rest[16:18], "big"), rest[18:]
    name, cose, more = rest[:size], rest[size : size + _COSE_SIZE], rest[size + _COSE_SIZE :]
    if not 0 < size <= MAX_CREDENTIAL or bool(more) != bool(flags & _EXTENDED):
        raise _refused("the authenticator data are malformed")
    return Credential(
        id=name,
        key=_key(cose).der,
        model=model.hex(),
        synchronised=bool(flags & _ELIGIBLE),
    )


def _check_client(data: bytes, kind: str, party: Party, challenge: bytes) -> None:
    value = parse_object(data, MAX_CLIENT_DATA)
    if value.get("type") != kind:
        raise _refused("it was made for something else")
    if value.get("challenge") != base64.urlsafe_b64encode(challenge).decode().rstrip("="):
        raise _refused("something else was signed")
    if value.get("origin") != party.origin:
        raise _refused("it was made on another page than Guard's")
    crossing: Any = value.get("crossOrigin", False)
    if crossing is not False or "topOrigin" in value:
        raise _refused("it was made inside of another page")


def _check_authenticator(data: bytes, party: Party) -> tuple[int, bytes]:
    """Flags and what follows the head."""
    if not _HEAD <= len(data) <= MAX_AUTHENTICATOR_DATA:
        raise _refused("the authenticator data are malformed")
    flags = data[32]
    if data[:32] != hashlib.sha256(party.id.encode()).digest():
        raise _refused("it is a passkey of another site")
    if not flags & _PRESENT or not flags & _VERIFIED:
        raise _refused("the authenticator did not verify who uses it")
    if flags & _BACKED_UP and not flags & _ELIGIBLE:
        raise _refused("the authenticator data are malformed")
    return flags, data[_HEAD:]


def _key(cose: bytes) -> PublicKey:
    before, between = _COSE
    x, y = cose[len(before) : len(before) + 32], cose[-32:]
    if len(cose) != _COSE_SIZE or cose != before + x + between + y:
        raise _refused("the passkey has no ES256 key")
    return PublicKey(_SPKI + b"\x04" + x + y)


def _refused(why: str) -> StatementError:
    return StatementError(f"the passkey's answer is refused: {why}", code="attest.webauthn")
