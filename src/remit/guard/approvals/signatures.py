"""Two forms of a signed word: a Sigstore bundle of a key, and the evidence of a passkey.

An approver has one of them, given by how they were enrolled; the other form of the same key never
counts.
"""

from collections.abc import Callable

from remit.approvals.decision import APPROVAL, Approver
from remit.approvals.errors import ApprovalError
from remit.approvals.webauthn import is_evidence, parse_evidence, verify_evidence
from remit.attest.bundle import hint_of, parse_bundle
from remit.attest.dsse import VerifiedPayload, verify
from remit.attest.webauthn import Party


def signer_of(signed: bytes) -> Callable[[Approver], bool]:
    """Whether an approver is the one whose key a word names. It selects, and proves nothing.

    Raises:
        StatementError: it has neither form.
    """
    if is_evidence(signed):
        credential = parse_evidence(signed).assertion.credential
        return lambda approver: bool(credential) and approver.credential == credential
    hint, _ = parse_bundle(signed)
    return lambda approver: not approver.credential and hint_of(approver.public) == hint


def verified(signed: bytes, approver: Approver, party: Party | None) -> VerifiedPayload:
    """The statement that ``approver`` signed.

    Args:
        signed: the bytes as they came.
        approver: whose key must have signed.
        party: the pages on which passkeys sign; ``None`` if there are none.

    Raises:
        RemitError: they did not sign it.
    """
    if not approver.credential:
        _, envelope = parse_bundle(signed)
        return verify(envelope, approver.public)
    if party is None:
        raise ApprovalError(
            "this Guard has no pages, so no passkey counts",
            hint="set [http] so that /approvals is reachable",
            code="approval.no_pages",
        )
    evidence = parse_evidence(signed)
    return verify_evidence(evidence, APPROVAL, approver.credential, approver.public, party)
