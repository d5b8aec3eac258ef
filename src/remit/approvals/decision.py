"""A person's signed word on a request: built by whoever signs, checked by Guard.

:func:`statement` is the whole content of an approval, a pure function of request, approver and
word. :func:`check` takes verified bytes and accepts them only if they say exactly that; what it
does not check: whether the approver may (policy, asked when it is used) and whether it was used.
"""

from typing import Any, Literal

import msgspec

from remit.approvals.errors import ApprovalError
from remit.approvals.rendering import LOCALE, RENDERER, displayed, iso
from remit.approvals.request import Request
from remit.attest.dsse import (
    Statement,
    VerifiedPayload,
    statement_bytes,
    statement_of,
)
from remit.attest.ecdsa import PublicKey
from remit.core.digest import Digest, sha256

APPROVAL = "https://remit.example/approval/v1"
WORDS = ("approve", "deny")
MAX_REASON = 2000
MAX_TICKET = 200
SKEW_US = 60_000_000
"""How far the clock of a signer may be ahead of Guard's."""

Word = Literal["approve", "deny"]


class Approver(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who was enrolled.

    Attributes:
        id: what policy calls the user.
        name: printed name, as it stands in the evidence.
        key: SubjectPublicKeyInfo of the P-256 key, DER.
        credential: id of the passkey that holds the key; empty if it signs Sigstore bundles.
        issuer: of the OpenID provider that said who this is; empty if an operator did.
        enrolled_us: wall time.
        revoked_us: wall time from which the key counts no more; 0 while it does.
    """

    id: str
    name: str
    key: bytes
    credential: bytes = b""
    issuer: str = ""
    enrolled_us: int = 0
    revoked_us: int = 0

    @property
    def public(self) -> PublicKey:
        """The key."""
        return PublicKey(self.key)


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """A word that was checked.

    Attributes:
        request: id of the request.
        approver: id of who signed.
        word: what was decided.
        reason, ticket: as the approver wrote them.
        signed_us: wall time by the signer's clock, in whole seconds.
        uses: how many calls it lets through.
        digest: of the signed statement; by it uses are counted.
    """

    request: str
    approver: str
    word: Word
    reason: str
    ticket: str
    signed_us: int
    uses: int
    digest: Digest


def meaning(word: Word, uses: int) -> str:
    """What the signature means, in words (21 CFR 11.50)."""
    if word == "deny":
        return "I have read this action in full and refuse it"
    often = "once" if uses == 1 else f"up to {uses} times until the request expires"
    return f"I have read this action in full and approve that it is carried out {often}"


def statement(
    request: Request, approver: Approver, word: Word,
    *, reason: str, ticket: str, signed_us: int, uses: int = 1,
) -> bytes:  # fmt: skip
    """The bytes that an approver signs.

    Raises:
        ApprovalError: a reason or ticket that is too long, more uses than policy allows.
    """
    if not 1 <= uses <= request.max_uses:
        raise ApprovalError(
            f"policy lets this be approved for {request.max_uses} calls at most",
            code="approval.uses",
        )
    if len(reason) > MAX_REASON or len(ticket) > MAX_TICKET:
        raise ApprovalError(
            f"a reason has at most {MAX_REASON} characters and a ticket {MAX_TICKET}",
            code="approval.too_long",
        )
    hexes = request.action.digest.removeprefix("sha256:")
    predicate: dict[str, Any] = {
        "decision": word,
        "rule": request.rule,
        "policyDigest": request.action.policy_digest,
        "approver": {
            "id": approver.id,
            "name": approver.name,
            **({"idp": approver.issuer} if approver.issuer else {}),
        },
        "meaning": meaning(word, uses),
        "reason": reason,
        "ticket": ticket,
        "displayed": {
            "sha256": displayed(request).removeprefix("sha256:"),
            "locale": LOCALE,
            "renderer": RENDERER,
        },
        "quorum": {"k": request.quorum, "approvers": request.approvers},
        "requestedAt": iso(request.requested_us),
        "signedAt": iso(signed_us),
        "expiresAt": iso(request.expires_us),
        "maxUses": uses,
        "nonce": request.nonce,
        "audience": request.guard,
        "audit": {"origin": request.guard, "index": request.index},
    }
    subject = Statement(
        name=f"call/{request.id}", sha256=hexes, predicate_type=APPROVAL, predicate=predicate
    )
    return statement_bytes(subject)


def check(payload: VerifiedPayload, request: Request, approver: Approver, now_us: int) -> Decided:
    """What verified bytes decide about ``request``.

    1. The statement is an approval statement, and its subject is the action.
    2. Every member is what :func:`statement` would write for this request and approver.
    3. It was signed between the request and its end, and not in the future.

    Args:
        payload: verified with the key of ``approver``.
        request: what was asked.
        approver: whose key verified it.
        now_us: wall time.

    Raises:
        ApprovalError: it decides nothing about this request.
    """
    found = statement_of(payload)
    if found.predicate_type != APPROVAL:
        raise ApprovalError("this is no approval", code="approval.kind")
    word, reason, ticket = (found.predicate.get(k) for k in ("decision", "reason", "ticket"))
    uses = found.predicate.get("maxUses")
    if (
        word not in WORDS
        or not isinstance(reason, str)
        or not isinstance(ticket, str)
        or type(uses) is not int
    ):
        raise ApprovalError("this is neither an approval nor a refusal", code="approval.kind")
    signed_us = _time(found.predicate.get("signedAt"))
    expected = statement(
        request, approver, word, reason=reason, ticket=ticket, signed_us=signed_us, uses=uses
    )
    if payload != expected:
        raise ApprovalError(
            "what was signed is not this request",
            hint="show the request again, and sign what is shown",
            code="approval.mismatch",
        )
    if signed_us > now_us + SKEW_US or signed_us < request.requested_us - SKEW_US:
        raise ApprovalError("it was signed at another time", code="approval.time")
    if request.expires_us <= now_us or signed_us >= request.expires_us:
        raise ApprovalError("the request has expired", code="approval.expired")
    return Decided(
        request=request.id,
        approver=approver.id,
        word=word,
        reason=reason,
        ticket=ticket,
        signed_us=signed_us,
        uses=uses,
        digest=sha256(payload),
    )


def _time(text: Any) -> int:
    from datetime import datetime

    try:
        return int(datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z").timestamp()) * 1_000_000
    except (TypeError, ValueError) as error:
        raise ApprovalError("the statement has no time", code="approval.time") from error
