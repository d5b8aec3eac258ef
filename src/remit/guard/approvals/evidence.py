"""Evidence of one request in one file: ``spec/approval.md`` is the normative text.

Everything in the file is covered by a signature or a digest, so that whoever has the approvers'
keys and the key of the log needs nothing of Remit to check it. Reads a state directory, beside a
Guard that may be running; writes nothing.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson

from remit.approvals.errors import ApprovalError
from remit.approvals.rendering import render
from remit.approvals.request import Request
from remit.approvals.webauthn import dump_evidence, is_evidence, parse_evidence
from remit.attest.bundle import dump_bundle, parse_bundle
from remit.attest.cipher import SubjectCipher
from remit.attest.dsse import b64
from remit.attest.ecdsa import PublicKey
from remit.audit.checkpoint import NoteVerifier
from remit.audit.proof import Prover
from remit.audit.read import leaves
from remit.audit.verify import checkpoint_note, read_checkpoint
from remit.core.canonical import canonical_bytes
from remit.core.digest import Digest, sha256
from remit.core.text import printable
from remit.guard.store.approvals import ApprovalStore, Kept, Said

MEDIA_TYPE = "application/vnd.remit.approval-evidence.v1+json"
_KINDS = (b'"approval.', b'"approver.enrol"')

_Found = tuple[int, bytes, dict[str, Any]]


class Log:
    """Records of one log that have to do with approvals.

    Args:
        directory: of the log.
        vkey, verifier: its trusted key.
    """

    def __init__(self, directory: Path, vkey: str, verifier: NoteVerifier) -> None:
        self.directory = directory
        self.vkey = vkey
        self._verifier = verifier
        self._found: list[_Found] = [
            (seq, leaf, orjson.loads(leaf))
            for seq, leaf in leaves(directory)
            if any(kind in leaf for kind in _KINDS)
        ]

    def of(self, kind: str, **members: str) -> Iterator[_Found]:
        """Records of a kind with these members, in their order."""
        for found in self._found:
            record = found[2]
            if record["kind"] == kind and all(record.get(k) == v for k, v in members.items()):
                yield found

    def prover(self) -> Callable[[_Found], str]:
        """What makes proofs below the newest checkpoint.

        Raises:
            AuditError: there is no checkpoint of the trusted key.
        """
        note = checkpoint_note(self.directory)
        head = read_checkpoint(note, self.vkey.partition("+")[0], self._verifier)
        prover = Prover(self.directory, note, head)
        return lambda found: prover.prove(found[0], found[1]).dump().decode()


def evidence(state: Path, name: str, log: Log) -> bytes:
    """The evidence file of the request called ``name``.

    Args:
        state: directory of the Guard that asked.
        name: id of the request.
        log: the log of that Guard.

    Raises:
        RemitError: there is no such request, or it cannot be proved (yet).
    """
    path = state / "approvals.db"
    if not path.is_file():
        raise ApprovalError(f"`{state}` holds no approvals", code="approval.unknown")
    store = ApprovalStore(path, SubjectCipher(state / "keys" / "subjects"))
    try:
        kept = store.get(name)
        if kept is None:
            raise ApprovalError(
                f"there is no request `{printable(name, 60)}`",
                hint="`remit approvals list` and `list --closed` show them",
                code="approval.unknown",
            )
        enrolments = {said.key: store.enrolment(said.key) for said in kept.said}
    finally:
        store.close()
    return canonical_bytes(_value(kept, enrolments, log)) + b"\n"


def _value(kept: Kept, enrolments: dict[bytes, bytes], log: Log) -> dict[str, Any]:
    request = kept.request
    proof = log.prover()
    asked = _only(log.of("approval.request", request=request.id), "the request")
    if asked[2].get("digest") != request.action.digest:
        raise ApprovalError(
            "the arguments of this request were erased; what was approved cannot be shown",
            code="approval.erased",
        )
    uses = log.of("approval.consume", request=request.id)
    return {
        "mediaType": MEDIA_TYPE,
        "log": log.vkey,
        "action": request.action.encode().decode(),
        "displayed": render(request),
        "request": proof(asked),
        "approvals": [
            _approval(said, enrolments[said.key], log, request, proof) for said in kept.said
        ],
        "uses": [proof(use) for use in uses],
    }


def _approval(
    said: Said, enrolment: bytes, log: Log, request: Request, proof: Callable[[_Found], str]
) -> dict[str, str]:
    """What somebody said, who they are, and that the log has both."""
    key = PublicKey(said.key)
    of_key = {"key": key.fingerprint, "attestation": _attestation(enrolment)}
    of_word = {"request": request.id, "attestation": _attestation(said.bundle)}
    who = f"the enrolment of {said.decided.approver}"
    return {
        "key": b64(key.der),
        "enrolment": _plain(enrolment, key),
        "enrolled": proof(_only(log.of("approver.enrol", **of_key), who)),
        "decision": _plain(said.bundle, key),
        "decided": proof(_only(log.of("approval.decision", **of_word), "a decision")),
    }


def _only(found: Iterator[_Found], what: str) -> _Found:
    first = next(found, None)
    if first is None:
        raise ApprovalError(
            f"the log has no record of {what}",
            hint="take the state directory of the Guard that asked",
            code="approval.no_record",
        )
    return first


def _attestation(bundle: bytes) -> Digest:
    if is_evidence(bundle):
        return sha256(parse_evidence(bundle).statement)
    return sha256(parse_bundle(bundle)[1].payload)


def _plain(bundle: bytes, key: PublicKey) -> str:
    """The bundle as Remit writes it, without what a signer may have added to it unsigned."""
    if is_evidence(bundle):
        return dump_evidence(parse_evidence(bundle)).decode()
    return dump_bundle(parse_bundle(bundle)[1], key).decode()
