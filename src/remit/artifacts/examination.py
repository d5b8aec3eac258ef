"""One attestation held against the rules 1 to 10 of :mod:`remit.artifacts.verification`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from remit.artifacts.attestations import MAX_BUNDLE_BYTES, Attestation
from remit.attest.bundle import parse_bundle
from remit.attest.dsse import Envelope, VerifiedPayload, verify
from remit.attest.ecdsa import PublicKey
from remit.attest.errors import AttestError, StatementError
from remit.attest.predicates import known, policy_check, scan, vsa
from remit.attest.predicates.fields import PredicateError, time_text, time_us
from remit.attest.statements import ArtifactStatement, artifact_statement
from remit.attest.trust import TrustedKey, TrustRoot
from remit.core.digest import Digest

SKEW_US = 5 * 60 * 1_000_000
"""How far the clocks of signer and verifier may be apart."""
_OCI = "oci://"
_OVER = "verify.expired"


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One rule and what came of it.

    Attributes:
        rule: its name in the text above.
        passed: whether it is kept.
        code: stable identifier of the reason; empty if it is kept.
        sentence: what was found.
        hint: what to do about it.
    """

    rule: str
    passed: bool
    code: str = ""
    sentence: str
    hint: str = ""


class Examined(msgspec.Struct, frozen=True, kw_only=True):
    """An attestation and how far it kept the rules.

    Attributes:
        manifest: digest of the referrer.
        predicate_type: empty unless the signature was verified.
        key: name of the key that signed; empty unless that was verified.
        checks: in the order of the rules, up to the first that is broken.
        predicate: as signed; empty if a rule before *role* was broken.
        summary: the same, for a verification summary that keeps the rules 1 to 9.
    """

    manifest: Digest
    predicate_type: str = ""
    key: str = ""
    checks: tuple[Check, ...]
    predicate: Mapping[str, Any] = {}
    summary: vsa.VerificationSummary | None = None

    @property
    def passed(self) -> bool:
        """Whether it keeps all of the rules."""
        return all(each.passed for each in self.checks)

    @property
    def over(self) -> bool:
        """Whether it keeps all of them but the last: its time is over."""
        return bool(self.checks) and self.checks[-1].code == _OVER


def kept(rule: str, sentence: str) -> Check:
    """A rule that is kept."""
    return Check(rule=rule, passed=True, sentence=sentence)


def broken(rule: str, code: str, sentence: str, hint: str = "") -> Check:
    """A rule that is broken."""
    return Check(rule=rule, passed=False, code=code, sentence=sentence, hint=hint)


class _StopError(Exception):
    """The rule that is broken."""

    def __init__(self, code: str, sentence: str, hint: str = "") -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence
        self.hint = hint


class Examination:
    """Holds one attestation against the rules; made anew for each."""

    def __init__(self, trust: TrustRoot, now_us: int, subject: Digest, repository: str) -> None:
        self._trust = trust
        self._now_us = now_us
        self._subject = subject
        self._repository = repository
        self._key: TrustedKey | None = None
        self._kind = ""
        self._predicate: Mapping[str, Any] = {}
        self._summary: vsa.VerificationSummary | None = None
        self._payload = VerifiedPayload(b"")
        self._statement = ArtifactStatement(subjects=(), predicate_type="", predicate={})

    def run(self, attestation: Attestation) -> Examined:
        """Up to the first rule that it breaks."""
        checks: list[Check] = []
        summary: vsa.VerificationSummary | None = None
        for rule, step in self._rules(attestation):
            if rule == "time":
                summary = self._summary
            try:
                checks.append(kept(rule, step()))
            except _StopError as stop:
                checks.append(broken(rule, stop.code, stop.sentence, stop.hint))
                break
        return Examined(
            manifest=attestation.manifest,
            predicate_type=self._kind,
            key=self._key.name if self._key else "",
            checks=tuple(checks),
            predicate=self._predicate,
            summary=summary,
        )

    def _rules(self, attestation: Attestation) -> Sequence[tuple[str, Callable[[], str]]]:
        parsed: list[tuple[str, Envelope]] = []
        return (
            ("bundle", lambda: self._bundle(attestation, parsed)),
            ("key", lambda: self._known(parsed[0][0])),
            ("signature", lambda: self._signed(*parsed[0])),
            ("revocation", self._revocation),
            ("window", self._window),
            ("statement", self._parsed),
            ("subject", self._about),
            ("role", self._role),
            ("scope", self._scope),
            ("time", self._time),
        )

    def _bundle(self, attestation: Attestation, parsed: list[tuple[str, Envelope]]) -> str:
        if attestation.problem is not None:
            problem = attestation.problem
            raise _StopError("verify.unreadable", problem.message, problem.hint)
        try:
            parsed.append(parse_bundle(attestation.data, MAX_BUNDLE_BYTES))
        except StatementError as error:
            code = error.code.replace("attest.", "verify.")
            raise _StopError(
                code if code.startswith("verify.bundle") else "verify.bundle",
                error.message,
                error.hint,
            ) from error
        return "a Sigstore bundle v0.3 with one signature"

    def _known(self, hint: str) -> str:
        found = self._trust.named(hint)
        if not found:
            raise _StopError(
                "verify.unknown_key",
                "a key signed it that the trust root does not hold",
                f"the trust root `{self._trust.name}` holds "
                + (", ".join(each.name for each in self._trust.keys[:10]) or "no key"),
            )
        return f"its hint selects {', '.join(each.name for each in found[:10])}"

    def _signed(self, hint: str, envelope: Envelope) -> str:
        for key in self._trust.named(hint):
            try:
                self._payload = verify(envelope, PublicKey.from_pem(key.public))
            except AttestError as error:
                if error.code == "attest.payload_type":
                    raise _StopError("verify.payload_type", error.message) from error
                continue
            self._key = key
            return f"`{key.name}` signed it"
        raise _StopError(
            "verify.signature",
            "the signature does not verify: the statement, the signature or the hint was changed",
        )

    @property
    def _signer(self) -> TrustedKey:
        if self._key is None:
            raise _StopError("verify.signature", "nobody signed it")
        return self._key

    def _revocation(self) -> str:
        if self._signer.revoked:
            raise _StopError(
                "verify.revoked_key",
                f"the key `{self._signer.name}` is revoked: {self._signer.revoked}",
                "sign again with a key that counts",
            )
        return "the key is not revoked"

    def _window(self) -> str:
        key = self._signer
        if key.not_before_us and self._now_us < key.not_before_us:
            raise _StopError(
                "verify.key_window",
                f"the key `{key.name}` counts from {time_text(key.not_before_us)} on",
            )
        if key.not_after_us and self._now_us >= key.not_after_us:
            raise _StopError(
                "verify.key_window",
                f"the key `{key.name}` counted until {time_text(key.not_after_us)}",
                "sign again with its successor",
            )
        return "the key counts now"

    def _parsed(self) -> str:
        try:
            self._statement = artifact_statement(self._payload)
            self._kind = self._statement.predicate_type
            known.check(self._kind, self._statement.predicate)
        except StatementError as error:
            raise _StopError("verify.statement", error.message, error.hint) from error
        return f"a statement of type {known.short_of(self._kind)}"

    def _about(self) -> str:
        if not self._statement.is_about(self._subject):
            raise _StopError(
                "verify.subject",
                "the statement is about something else",
                f"it was signed for {_digests(self._statement.subjects[0].digests)}",
            )
        self._predicate = self._statement.predicate
        return f"it is about {self._subject}"

    def _role(self) -> str:
        key = self._signer
        if self._kind not in key.predicates:
            raise _StopError(
                "verify.role",
                f"the key `{key.name}` may not sign statements of type `{self._kind}`",
                f"its roles are: {', '.join(key.roles) or 'none'}",
            )
        return f"`{key.name}` may sign that"

    def _scope(self) -> str:
        key = self._signer
        if not key.speaks_for(self._repository):
            raise _StopError(
                "verify.scope",
                f"the key `{key.name}` may not speak for `{self._repository or 'no repository'}`",
                f"it may for {', '.join(key.repositories[:10])}",
            )
        if self._kind == vsa.TYPE:
            summary = vsa.VerificationSummary.read(self._predicate)
            about = _repository(summary.resource)
            if not key.speaks_for(about):
                raise _StopError(
                    "verify.scope", f"the key `{key.name}` may not speak for `{summary.resource}`"
                )
            self._summary = summary
        return f"`{key.name}` may speak for it"

    def _time(self) -> str:
        begins, ends = _times(self._kind, self._predicate)
        if begins > self._now_us + SKEW_US:
            raise _StopError("verify.future", f"it is of {time_text(begins)}, in the future")
        if ends and self._now_us >= ends:
            raise _StopError(_OVER, f"it counted until {time_text(ends)}", "make a new one")
        return f"it counts until {time_text(ends)}" if ends else "it has no end"


_BEGINS = {
    policy_check.TYPE: "checkedOn",
    scan.TYPE: "finishedOn",
    vsa.TYPE: "timeVerified",
}
_ENDS = {scan.TYPE: "expires", vsa.TYPE: "remit_expires"}


def _times(kind: str, predicate: Mapping[str, Any]) -> tuple[int, int]:
    """When a statement begins and ends to count; 0 where it does not say."""
    found = []
    for names in (_BEGINS, _ENDS):
        said = predicate.get(names[kind]) if kind in names else None
        try:
            found.append(0 if said is None else time_us(said, names[kind]))
        except PredicateError as error:
            raise _StopError("verify.statement", error.message) from error
    return found[0], found[1]


def _repository(resource: str) -> str:
    """``HOST/NAME`` of ``oci://HOST/NAME[:TAG][@DIGEST]``; other URIs as they are."""
    if not resource.startswith(_OCI):
        return resource
    name = resource.removeprefix(_OCI).partition("@")[0]
    head, slash, last = name.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}"


def _digests(found: Mapping[str, str]) -> str:
    return ", ".join(f"{key[:20]}:{value[:140]}" for key, value in list(found.items())[:3])
