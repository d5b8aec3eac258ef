"""What a curator decides on, as a request for approval (spec/approval.md), and their word on it.

The action is ``artifact.promote`` on server ``hub``: its arguments name repository, digest, what
was found and until when it would be admitted, its requester is who pushed. So the digest that a
curator signs is of these very results, under this policy, in this repository of this Hub. The
request is a pure function of what the database holds, and is kept nowhere until somebody decided.

Rules for a word, in order:

1. Whoever decides is a person with an account, who did not push the artifact if they admit it.
2. It is about the request as it is now.
3. If the policy's directory lists keys of this person, one of them signed; else a key may have.
4. What is signed is the request, the person and the word, and nothing else.
"""

from typing import Any

import msgspec

from remit.approvals.decision import MAX_REASON, Approver, Word, check
from remit.approvals.request import Action, Request
from remit.attest.bundle import hint_of, parse_bundle
from remit.attest.dsse import verify
from remit.attest.ecdsa import PublicKey
from remit.attest.errors import AttestError
from remit.core.canonical import canonical_bytes
from remit.core.errors import RemitError
from remit.core.strictjson import parse
from remit.hub.admission.people import Decision, Said
from remit.hub.admission.results import results_of
from remit.hub.admission.values import Outcome, Scanned
from remit.hub.registry.accounts import ROBOT_PREFIX
from remit.hub.registry.errors import Denied, RegistryError
from remit.policy.bundle import Directory
from remit.policy.schema import PROMOTE
from remit.scan.verdict import distinct

SERVER = "hub"
OPEN_US = 366 * 86_400_000_000
"""How long a request waits; then the artifact has to be scanned again."""
MAX_FOUND = 100
MAX_TEXT = 300
_WORDS: dict[Said, Word] = {"admit": "approve", "refuse": "deny"}


class WordError(RegistryError):
    """A word that decides nothing about this artifact."""

    status, oci = 400, "BAD_REQUEST"


class ChangedError(RegistryError):
    """What was decided on is not what there is now."""

    status, oci = 409, "CHANGED"


class Filed(msgspec.Struct, frozen=True, kw_only=True):
    """A decision as it is kept: all that somebody needs to check it again.

    Attributes:
        request: what was decided.
        approver: who decided.
        bundle: what they signed, a Sigstore bundle; empty if they signed nothing.
    """

    request: Request
    approver: Approver
    bundle: bytes = b""


def request_of(
    scanned: Scanned, outcome: Outcome, *, hub: str, changed_us: int, until_us: int
) -> Request:
    """What there is to decide.

    Args:
        scanned: the artifact.
        outcome: what policy says without anybody's word.
        hub: origin of the Hub's log.
        changed_us: when its state was set last.
        until_us: when an admission would end, 0 for as long as policy has it.
    """
    arguments: dict[str, Any] = {
        "repository": scanned.repository,
        "digest": scanned.digest,
        "kind": scanned.kind,
        "name": scanned.name,
        "results": results_of(scanned),
        "found": [
            {
                "severity": each.severity,
                "rule": each.rule,
                "member": each.member[:MAX_TEXT],
                "title": each.title[:MAX_TEXT],
            }
            for each in distinct(scanned.reports)[:MAX_FOUND]
        ],
        "until_us": until_us,
    }
    if scanned.attested_scans:
        arguments["attested"] = [
            {
                "scanner": each.scanner,
                "coverage": each.coverage,
                "counts": {name: count for name, count in each.counts.items() if count},
                "document": each.findings,
            }
            for each in scanned.attested_scans[:MAX_FOUND]
        ]
    action = Action(
        agent=scanned.pushed_by,
        user=scanned.pushed_by,
        session=scanned.job,
        server=SERVER,
        name=PROMOTE,
        arguments=canonical_bytes(arguments).decode(),
        policy_digest=outcome.policy,
    )
    mark = canonical_bytes([hub, scanned.job, action.digest, changed_us])
    return Request(
        id=f"APR-{scanned.job}",
        guard=hub,
        action=action,
        rule=" ".join(outcome.rules) or PROMOTE,
        reason="; ".join(outcome.reasons)[:MAX_REASON],
        approvers=outcome.approvers or "curators",
        quorum=outcome.quorum,
        requested_us=changed_us,
        expires_us=changed_us + OPEN_US,
        nonce=_hex(mark),
    )


def _hex(data: bytes) -> str:
    import hashlib

    return hashlib.sha256(data).hexdigest()[:32]


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """A word as it comes.

    Attributes:
        word, reason, ticket: what somebody decided, and why.
        action: digest of the action that they looked at.
        until_us: when an admission ends, 0 for as long as policy has it.
        bundle: what they signed, and ``key`` (PEM) what verifies it; empty if they did not.
    """

    word: Said
    reason: str
    action: str
    ticket: str = ""
    until_us: int = 0
    bundle: str = ""
    key: str = ""


def filed(given: Given, request: Request, by: str, directory: Directory, now_us: int) -> Filed:
    """The decision, if it may be taken.

    Args:
        given: what came.
        request: what there is to decide now.
        by: the account.
        directory: of the policy: whose keys are known.
        now_us: wall time.

    Raises:
        Denied: this person may not decide it, or not so.
        ChangedError: they decided on something else.
        WordError: the word, or what was signed, decides nothing about it.
    """
    if by.startswith(ROBOT_PREFIX):
        raise Denied("a program does not decide on artifacts; log in as a person")
    if given.word == "admit" and by == request.action.user:
        raise Denied(f"`{by}` pushed it and cannot admit it; another curator can")
    if not given.reason.strip() or len(given.reason) > MAX_REASON:
        raise WordError(f"a decision has a reason, of at most {MAX_REASON} characters")
    if given.until_us and given.until_us <= now_us:
        raise WordError("the admission would be over already")
    if given.action != request.action.digest:
        raise ChangedError("what you decided on has changed meanwhile; look at it again")
    known = directory.keys.get(by, ())
    if not given.bundle:
        if known:
            raise Denied(f"the policy lists keys of `{by}`: the decision must be signed by one")
        return Filed(request=request, approver=Approver(id=by, name=by, key=b""))
    return _signed(given, request, by, known, now_us)


def _signed(given: Given, request: Request, by: str, known: tuple[str, ...], now_us: int) -> Filed:
    data = given.bundle.encode()
    try:
        key = PublicKey.from_pem(given.key)
        hint, envelope = parse_bundle(data)
        if hint != hint_of(key):
            raise WordError("the signature names another key")
        if known and key.fingerprint not in known:
            raise Denied(f"`{key.fingerprint}` is none of the keys that the policy lists of `{by}`")
        approver = Approver(id=by, name=by, key=key.der)
        said = check(verify(envelope, key), request, approver, now_us)
    except RegistryError:
        raise
    except (AttestError, RemitError) as error:
        raise WordError(f"what was signed does not decide this: {error.message}") from error
    if (said.word, said.reason, said.ticket) != (_WORDS[given.word], given.reason, given.ticket):
        raise WordError("what was signed says something else than the request")
    return Filed(request=request, approver=approver, bundle=data)


def decision_of(
    found: Filed, *, id_: str, word: Said, by: str, reason: str, made_us: int, expires_us: int
) -> Decision:
    """A decision that was kept, as policy counts it."""
    arguments = parse(found.request.action.arguments.encode(), fold_keys=False)
    return Decision(
        id=id_,
        word=word,
        by=by,
        reason=reason,
        policy=found.request.action.policy_digest,
        results=str(arguments["results"]),
        key=found.approver.public.fingerprint if found.bundle else "",
        made_us=made_us,
        expires_us=expires_us,
    )


def said_word(word: Said) -> Word:
    """The word of an approval statement."""
    return _WORDS[word]
