"""A finding that somebody answers for: what comes, what is checked, what is kept.

1. It is a person's, with an account; that they may curate is asked of each repository when it is
   used, so a pattern never reaches further than its maker's role.
2. It ends, within :data:`MAX_LIFETIME_US`.
3. If the policy's directory lists keys of this person, one of them signed; else a key may have.
4. What is signed says the same as what came, for this Hub.
"""

import re

import msgspec

from remit.attest.bundle import hint_of, parse_bundle
from remit.attest.dsse import verify
from remit.attest.ecdsa import PublicKey
from remit.attest.errors import AttestError
from remit.attest.predicates import suppression
from remit.attest.statements import artifact_statement
from remit.core.errors import RemitError
from remit.hub.admission.asking import WordError
from remit.hub.admission.people import Suppression
from remit.hub.errors import HubError
from remit.hub.patterns import check_pattern
from remit.hub.registry.accounts import ROBOT_PREFIX
from remit.hub.registry.errors import Denied, RegistryError
from remit.policy.bundle import Directory

MAX_LIFETIME_US = 366 * 86_400_000_000
SKEW_US = 60_000_000
MAX_REASON = 2000
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_RULE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:-]{0,254}")


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """A suppression as it comes.

    Attributes:
        fingerprint, rule: of the finding.
        repositories: pattern of those for which it does not count.
        reason: why not.
        signed_us, expires_us: from when until when.
        bundle: what they signed, and ``key`` (PEM) what verifies it; empty if they did not.
    """

    fingerprint: str
    rule: str
    repositories: str
    reason: str
    signed_us: int
    expires_us: int
    bundle: str = ""
    key: str = ""


def statement_of(given: Answered, by: str, hub: str) -> suppression.SuppressionStatement:
    """What somebody signs who answers for a finding."""
    return suppression.SuppressionStatement(
        hub=hub,
        by=by,
        pattern=given.repositories,
        rule=given.rule,
        reason=given.reason,
        signed_us=given.signed_us // 1_000_000 * 1_000_000,
        expires_us=given.expires_us // 1_000_000 * 1_000_000,
    )


def suppression_of(
    given: Answered, by: str, hub: str, directory: Directory, now_us: int, id_: str
) -> Suppression:
    """The suppression, if it may be taken.

    Raises:
        Denied: this person may not, or not so.
        WordError: it is malformed, or what was signed says something else.
    """
    if by.startswith(ROBOT_PREFIX):
        raise Denied("a program does not answer for findings; log in as a person")
    if _FINGERPRINT.fullmatch(given.fingerprint) is None or _RULE.fullmatch(given.rule) is None:
        raise WordError(
            "a finding is named by its fingerprint, 64 hexadecimal digits, and its rule"
        )
    try:
        check_pattern(given.repositories)
    except HubError as error:
        raise WordError(error.message) from error
    if not given.reason.strip() or len(given.reason) > MAX_REASON:
        raise WordError(f"a suppression has a reason, of at most {MAX_REASON} characters")
    if not now_us < given.expires_us <= now_us + MAX_LIFETIME_US:
        raise WordError("a suppression ends, within a year from now")
    if abs(given.signed_us - now_us) > SKEW_US:
        raise WordError("it was made at another time; see that the clocks are right")
    known = directory.keys.get(by, ())
    if known and not given.bundle:
        raise Denied(f"the policy lists keys of `{by}`: the suppression must be signed by one")
    key = _checked(given, by, hub, known) if given.bundle else ""
    return Suppression(
        id=id_,
        fingerprint=given.fingerprint,
        pattern=given.repositories,
        rule=given.rule,
        by=by,
        reason=given.reason,
        key=key,
        made_us=now_us,
        expires_us=given.expires_us,
    )


def _checked(given: Answered, by: str, hub: str, known: tuple[str, ...]) -> str:
    """Fingerprint of the key that signed exactly this."""
    try:
        key = PublicKey.from_pem(given.key)
        hint, envelope = parse_bundle(given.bundle.encode())
        if hint != hint_of(key):
            raise WordError("the signature names another key")
        if known and key.fingerprint not in known:
            raise Denied(f"`{key.fingerprint}` is none of the keys that the policy lists of `{by}`")
        found = artifact_statement(verify(envelope, key))
        if found.predicate_type != suppression.TYPE:
            raise WordError("what was signed is no suppression")
        if not found.is_about(f"sha256:{given.fingerprint}") or len(found.subjects) != 1:
            raise WordError("what was signed is about another finding")
        said = suppression.SuppressionStatement.read(found.predicate)
    except RegistryError:
        raise
    except (AttestError, RemitError) as error:
        raise WordError(f"what was signed is no suppression: {error.message}") from error
    if said != statement_of(given, by, hub):
        raise WordError("what was signed says something else than the request")
    return key.fingerprint
