"""The second form of signed evidence: a statement signed by a passkey (WebAuthn).

An authenticator signs no bytes of ours, only a challenge: that is SHA-256 over the statement's
predicate type, a zero byte and the statement. So the evidence holds the statement beside what the
authenticator signed, and whoever has the public key can check both without Guard.

The media type says what the statement is; evidence of an enrolment never counts as an approval.
"""

import msgspec

from remit.approvals.decision import APPROVAL
from remit.approvals.enrolment import ENROLMENT
from remit.attest.dsse import MAX_PAYLOAD, VerifiedPayload, b64, parse_object, unb64
from remit.attest.ecdsa import PublicKey
from remit.attest.errors import StatementError
from remit.attest.webauthn import Assertion, Party, challenge_of, verify_assertion
from remit.core.canonical import canonical_bytes

_MEDIA = {
    APPROVAL: "application/vnd.remit.webauthn.approval.v1+json",
    ENROLMENT: "application/vnd.remit.webauthn.enrolment.v1+json",
}
_MEMBERS = ("statement", "credentialId", "clientDataJSON", "authenticatorData", "signature")
MAX_EVIDENCE = 2 * MAX_PAYLOAD


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """A signed statement; nothing of it is verified.

    Attributes:
        purpose: predicate type of the statement.
        statement: its bytes.
        assertion: what the authenticator gave.
    """

    purpose: str
    statement: bytes
    assertion: Assertion


def dump_evidence(evidence: Evidence) -> bytes:
    """The stored form."""
    one = evidence.assertion
    values = (
        evidence.statement, one.credential, one.client_data, one.authenticator_data, one.signature,
    )  # fmt: skip
    members = {name: b64(value) for name, value in zip(_MEMBERS, values, strict=True)}
    return canonical_bytes({"mediaType": _MEDIA[evidence.purpose], **members})


def is_evidence(data: bytes) -> bool:
    """Whether bytes claim to be of this form, rather than a Sigstore bundle.

    Raises:
        StatementError: they are no JSON object.
    """
    return parse_object(data, MAX_EVIDENCE).get("mediaType") in _MEDIA.values()


def parse_evidence(data: bytes) -> Evidence:
    """Read the stored form, which is the only one.

    Raises:
        StatementError: it is another.
    """
    value = parse_object(data, MAX_EVIDENCE)
    purpose = next((p for p, media in _MEDIA.items() if value.get("mediaType") == media), None)
    if purpose is None or value.keys() != {"mediaType", *_MEMBERS}:
        raise StatementError("this is no evidence of a passkey", code="attest.bundle")
    statement, credential, client, authenticator, signature = (
        unb64(value[name]) for name in _MEMBERS
    )
    found = Evidence(
        purpose=purpose,
        statement=statement,
        assertion=Assertion(
            credential=credential,
            client_data=client,
            authenticator_data=authenticator,
            signature=signature,
        ),
    )
    if dump_evidence(found) != data:
        raise StatementError("the evidence is not in its one form", code="attest.bundle")
    return found


def verify_evidence(
    evidence: Evidence, purpose: str, credential: bytes, key: PublicKey, party: Party
) -> VerifiedPayload:
    """The statement, if the credential's key signed it for this purpose on a page of ``party``.

    Raises:
        StatementError: it did not.
    """
    if evidence.purpose != purpose:
        raise StatementError("this was signed for something else", code="attest.payload_type")
    challenge = challenge_of(purpose, evidence.statement)
    verify_assertion(evidence.assertion, credential, key, party, challenge)
    return VerifiedPayload(evidence.statement)
