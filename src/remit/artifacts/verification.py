"""Whether an artifact is what trusted keys say it is: everything that decides, and nothing else.

:class:`Verifier` examines every attestation by these rules, in this order, and stops at the first
that it breaks:

1. *bundle*: a Sigstore bundle v0.3 with one signature, and no key or certificate of its own.
2. *key*: its hint selects keys of the trust root. A key never comes from anywhere else.
3. *signature*: one of them signed exactly these payload bytes and this payload type.
4. *revocation*: the key is not revoked, whenever it signed: who has a key can also write any time.
5. *window*: the key counts now.
6. *statement*: the payload, parsed from the verified bytes, is an in-toto statement whose predicate
   has the form of its type.
7. *subject*: one of its subjects has the digest of the artifact. Names are not looked at.
8. *role*: the key may sign this type of predicate.
9. *scope*: the key may speak for the repository, and for that which a summary is about.
10. *time*: what it says is neither over nor in the future.

Then the artifact:

11. *signed*: a signature (``cosign/sign/v1``) keeps all of the rules.
12. *summary*: of the verification summaries that keep the rules 1 to 9, under the policy that is
    asked for, the newest is PASSED, keeps rule 10, and is not older than it may be. If no policy is
    asked for, a newest one that is FAILED still refuses.
13. *required*: there is one of each predicate type that is asked for, which keeps all of the rules.

Attestations beside those do no harm: anybody may store one, and what is missing denies. Not checked
here: that bytes have the digest (whoever reads them does), transparency logs and the time of a
signature (there is none to trust), and what the findings of a scan mean (the gate's policy does).
"""

from collections.abc import Sequence
from typing import NewType

import msgspec

from remit.artifacts.attestations import Attestation
from remit.artifacts.errors import ArtifactError
from remit.artifacts.examination import SKEW_US, Check, Examination, Examined, broken, kept
from remit.attest.predicates import known, signature, vsa
from remit.attest.predicates.fields import time_text
from remit.attest.trust import TrustRoot
from remit.core.digest import Digest

VerifiedSubject = NewType("VerifiedSubject", Digest)
"""Digest of an artifact that was verified."""

MAX_AGE_US = 30 * 24 * 3600 * 1_000_000


class NotVerifiedError(ArtifactError):
    """An artifact that no trusted key vouches for, or not for this; ``code`` says why."""

    code = "verify.refused"


class Demand(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of an artifact.

    Attributes:
        signature: it is signed.
        policy_digest: it has a summary under this policy, ``sha256:<hex>``; empty to ask for none.
        summary: it has a summary under that policy, or under any if none is named.
        resource: what that is about, as a URI; empty for anything that its key may speak for.
        max_age_us: how old that may be.
        types: predicate types of which there is one each.
    """

    signature: bool = True
    policy_digest: str = ""
    summary: bool = False
    resource: str = ""
    max_age_us: int = MAX_AGE_US
    types: tuple[str, ...] = ()


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it.

    Attributes:
        subject: digest of the artifact.
        repository: for which it was verified.
        examined: every attestation.
        checks: of the artifact.
    """

    subject: Digest
    repository: str
    examined: tuple[Examined, ...]
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether everything that is asked for is there."""
        return bool(self.checks) and all(each.passed for each in self.checks)

    def require(self) -> VerifiedSubject:
        """The digest, verified.

        Raises:
            NotVerifiedError: something that is asked for is not there; the first of it.
        """
        for each in self.checks:
            if not each.passed:
                raise NotVerifiedError(each.sentence, hint=each.hint, code=each.code)
        if not self.checks:
            raise NotVerifiedError("nothing was asked for", code="verify.nothing")
        return VerifiedSubject(self.subject)


class Verifier:
    """Verifies artifacts by a trust root; the rules are those of this module.

    Args:
        trust: the trust root. That its serial does not go back is for whoever remembers the last
            (:meth:`TrustRoot.usable`).
        now_us: the time, microseconds since 1970.

    Raises:
        TrustError: the trust root expired.
    """

    def __init__(self, trust: TrustRoot, now_us: int) -> None:
        trust.usable(now_us)
        self._trust = trust
        self._now_us = now_us

    def verify(
        self,
        subject: Digest,
        repository: str,
        attestations: Sequence[Attestation],
        demand: Demand | None = None,
    ) -> Verification:
        """Judge an artifact by what refers to it.

        Args:
            subject: digest of its manifest.
            repository: ``HOST/NAME`` for which it is to be used; empty if it has no name.
            attestations: everything that refers to it.
            demand: what is asked for; a signature unless it says otherwise.
        """
        wanted = demand or Demand()
        examined = tuple(self.examine(subject, repository, each) for each in attestations)
        checks: list[Check] = []
        if wanted.signature:
            checks.append(_present("signed", signature.TYPE, examined))
        summary = self._summary(examined, wanted)
        if summary is not None:
            checks.append(summary)
        checks += (_present("required", each, examined) for each in wanted.types)
        return Verification(
            subject=subject, repository=repository, examined=examined, checks=tuple(checks)
        )

    def examine(self, subject: Digest, repository: str, attestation: Attestation) -> Examined:
        """Hold one attestation against the rules 1 to 10."""
        return Examination(self._trust, self._now_us, subject, repository).run(attestation)

    def _summary(self, examined: Sequence[Examined], wanted: Demand) -> Check | None:
        """Rule 12; None if nothing is asked for and nothing speaks against it."""
        found = [each.summary for each in examined if each.summary is not None]
        asked = wanted.policy_digest
        needed = wanted.summary or bool(asked)
        fitting = [
            each
            for each in found
            if asked in {"", each.policy_digest} and wanted.resource in {"", each.resource}
        ]
        if not fitting and not needed:
            return None
        if not fitting:
            if found:
                return broken(
                    "summary",
                    "verify.vsa_policy",
                    "no verification summary is under the policy (or about the resource) asked for",
                    f"they are under {', '.join(sorted({each.policy_digest for each in found}))}",
                )
            return _absent("summary", vsa.TYPE, examined, "verify.no_vsa")
        # The last word counts; of two at the same time the one that refuses.
        last = max(fitting, key=lambda each: (each.time_us, each.result == "FAILED"))
        when = time_text(last.time_us)
        if last.result != "PASSED":
            return broken(
                "summary",
                "verify.vsa_failed",
                f"the gate found at {when} that the artifact FAILED its policy",
                "the Hub shows the findings; a newer summary that is PASSED replaces this one",
            )
        if not needed:
            return None
        age = self._now_us - last.time_us
        if age < -SKEW_US:
            return broken("summary", "verify.future", f"the summary is of {when}, in the future")
        if age > wanted.max_age_us or (last.expires_us and self._now_us >= last.expires_us):
            return broken(
                "summary",
                "verify.vsa_stale",
                f"the verification summary of {when} is too old",
                "let the gate look at the artifact again",
            )
        return kept("summary", f"PASSED at {when} under {last.policy_digest}")


def _present(rule: str, kind: str, examined: Sequence[Examined]) -> Check:
    """Whether there is one of a type that keeps all of the rules."""
    for each in examined:
        if each.passed and each.predicate_type == kind:
            return kept(rule, f"{known.short_of(kind)} by `{each.key}`")
    missing = "verify.no_signature" if rule == "signed" else "verify.missing"
    return _absent(rule, kind, examined, missing)


def _absent(rule: str, kind: str, examined: Sequence[Examined], code: str) -> Check:
    """Why there is none: the reason of the one that came furthest, if any might have been it."""
    short = known.short_of(kind)
    near = [each for each in examined if not each.passed and each.predicate_type in {"", kind}]
    if not near:
        return broken(
            rule,
            code,
            f"the artifact has no attestation of type `{short}`",
            "`remit sign` and `remit attest` make them",
        )
    last = max(near, key=lambda each: len(each.checks)).checks[-1]
    return broken(rule, last.code, last.sentence, last.hint)
