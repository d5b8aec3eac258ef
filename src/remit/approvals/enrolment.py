"""Enrolment: how somebody's key comes to be theirs, signed with that key (proof of possession)."""

import hashlib
import re

from remit.approvals.decision import Approver
from remit.approvals.errors import ApprovalError
from remit.attest.dsse import (
    Envelope,
    Statement,
    VerifiedPayload,
    sign,
    statement_bytes,
    statement_of,
    verify,
)
from remit.attest.ecdsa import PublicKey, Signer
from remit.core.text import printable

ENROLMENT = "https://remit.example/enrolment/v1"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@:-]{0,99}")
MAX_NAME = 200


def enrol(user: str, name: str, guard: str, signer: Signer) -> Envelope:
    """Sign that the key of ``signer`` is that of ``user``, for one Guard.

    Raises:
        ApprovalError: a name that cannot be shown.
    """
    return sign(enrolment_bytes(user, name, guard, signer.public), signer)


def enrolled(
    envelope: Envelope, key: PublicKey, guard: str, now_us: int
) -> tuple[Approver, VerifiedPayload]:
    """The approver that an enrolment names.

    Raises:
        StatementError: the key did not sign it.
        ApprovalError: it says something else.
    """
    payload = verify(envelope, key)
    found = statement_of(payload)
    user, name = found.predicate.get("id"), found.predicate.get("name")
    if not isinstance(user, str) or not isinstance(name, str):
        raise ApprovalError("this is no enrolment", code="approval.kind")
    if payload != enrolment_bytes(user, name, guard, key):
        raise ApprovalError("this is no enrolment at this Guard", code="approval.mismatch")
    return Approver(id=user, name=name, key=key.der, enrolled_us=now_us), payload


def enrolment_bytes(user: str, name: str, guard: str, key: PublicKey) -> bytes:
    """The bytes that whoever has the key signs to say that it is that of ``user``.

    Raises:
        ApprovalError: a name that cannot be shown, or an id that no policy can have.
    """
    return statement_bytes(_statement(user, name, guard, key))


def check_person(user: str, name: str) -> None:
    """Refuse what cannot be enrolled.

    Raises:
        ApprovalError: a name that cannot be shown, or an id that no policy can have.
    """
    if not _ID.fullmatch(user):
        raise ApprovalError(
            f"`{printable(user, 80)}` cannot be the id of a user",
            hint="letters, digits and . _ @ : -, as the policy bundle writes it",
            code="approval.user",
        )
    plain = printable(name, MAX_NAME) == name and "\n" not in name and "\t" not in name
    if not name.strip() or len(name) > MAX_NAME or not plain:
        raise ApprovalError("a printed name is one line of plain text", code="approval.name")


def _statement(user: str, name: str, guard: str, key: PublicKey) -> Statement:
    check_person(user, name)
    return Statement(
        name=f"user/{user}",
        sha256=hashlib.sha256(key.der).hexdigest(),
        predicate_type=ENROLMENT,
        predicate={"id": user, "name": name, "audience": guard},
    )
