"""Policy bundles that are artifacts: which one may be in force.

What decides, in this order:

1. *vouched*: trusted keys signed the artifact and attested a policy check
   (:mod:`remit.attest.predicates.policy_check`), no gate refuses it, and its Hub has not withdrawn
   it since a gate passed it (:mod:`.withdrawn`).
2. *bytes*: the bundle that is loaded has the digest in that check. What is digested is what is
   parsed and decides, so it does not matter what becomes of files meanwhile.
3. *serial*: not lower than that of the bundle that was in force last, whose name it has; with the
   same serial it is the same bundle. The memory of it is sealed (:mod:`.sealed`).
4. *expiry*: it is not over.

What does not keep the rules is refused, and the last good one stays in force: it is kept beside the
memory, and loaded by its digest. Without one nothing is in force, and everything is denied. So it
is when the last good one itself is withdrawn: an older one is never loaded in its place, because
its serial is lower; a newer one is, as soon as there is one.
"""

import contextlib
import shutil
from pathlib import Path
from typing import Any

import msgspec

from remit.artifacts.oci.names import Reference
from remit.artifacts.trust_files import load_trust
from remit.artifacts.unpack import unpack
from remit.artifacts.verification import Demand, NotVerifiedError, Verification, Verifier
from remit.attest.predicates import policy_check
from remit.attest.predicates.policy_check import PolicyCheck
from remit.attest.trust import TrustRoot
from remit.core.clock import Clock
from remit.core.digest import Digest
from remit.core.errors import RemitError
from remit.core.text import printable
from remit.guard.admission import evidence, shelf
from remit.guard.admission.admission import Supply
from remit.guard.admission.sealed import SealedFile
from remit.guard.admission.settings import TrustConfig
from remit.guard.admission.shelf import Held
from remit.guard.admission.withdrawn import Withdrawal, Withdrawn
from remit.guard.errors import GuardError
from remit.policy.bundle import Bundle, load_bundle

KIND = "policy"
_MEMORY, _FILES = "in-force", "bundles"


class InForce(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered of the bundle that is in force.

    Attributes:
        name, serial: of the bundle.
        bundle: digest of its files.
        artifact: digest of the artifact's manifest.
    """

    name: str
    serial: int
    bundle: str
    artifact: str


class BundleRefusedError(GuardError):
    """A policy bundle that may not be in force."""

    code = "policy.refused"


class BundlePlaces(msgspec.Struct, frozen=True, kw_only=True):
    """Where things are.

    Attributes:
        store: the image layout of artifacts.
        directory: memory and the last good bundle are kept there; of this user alone.
        memory: directory in which the serials of trust roots are remembered.
    """

    store: Path
    directory: Path
    memory: Path


class _Look(msgspec.Struct, kw_only=True):
    """What is known of a candidate."""

    held: Held | None = None
    trust: TrustRoot | None = None
    verification: Verification | None = None
    check: PolicyCheck | None = None


class BundleSource:
    """The bundle that a reference names; belongs to one thread.

    Args:
        reference: with a tag, which may move to newer bundles, or a digest.
        trust: by whose word.
        places: where things are.
        supply: where artifacts come from; None to stay offline.
        clock: the time.
        withdrawn: what Hubs have withdrawn; None if nobody remembers that.

    Attributes:
        withdrawn: what Hubs have withdrawn.
        loaded: the artifact of the bundle that was loaded last, with its digest.
        problem: why the last look did not lead to a newer bundle; empty if it did.
        unreachable: why the registry could not be asked; empty if it was.
    """

    def __init__(
        self,
        reference: Reference,
        trust: TrustConfig,
        places: BundlePlaces,
        supply: Supply | None,
        clock: Clock,
        withdrawn: Withdrawn | None = None,
    ) -> None:
        self.withdrawn = withdrawn
        self.loaded: Reference | None = None
        self._reference = reference
        self._trust = trust
        self._store = places.store
        self._directory = places.directory
        self._trust_memory = places.memory
        self._supply = supply
        self._clock = clock
        self._memory = SealedFile(places.directory, _MEMORY)
        self._notes: list[tuple[str, dict[str, Any]]] = []
        self.unreachable = ""
        self.problem = ""

    async def refresh(self) -> None:
        """Ask the registry for the newest bundle. Never raises: what is there stays there."""
        self.unreachable = ""
        if self._supply is None or not self._reference.host:
            return
        try:
            await self._supply.pull(self._reference, self._store)
        except (RemitError, OSError) as error:
            message = error.message if isinstance(error, RemitError) else str(error)
            self.unreachable = printable(message, 300)

    def current(self) -> Bundle:
        """The bundle that may be in force now: the newest, or the last good one.

        Raises:
            RemitError: there is none, or somebody changed the memory.
        """
        remembered = self._remembered()
        if self.withdrawn is not None:
            self.withdrawn.load()
        look = _Look()
        try:
            bundle = self._candidate(look, remembered)
        except (RemitError, OSError) as error:
            self._refused(look, error)
            if remembered is None:
                raise
            found = self._last_good(remembered)
            self.loaded = self._reference.at(Digest(remembered.artifact))
            return found
        self.problem = self.unreachable
        assert look.held is not None
        self.loaded = self._reference.at(look.held.descriptor.digest)
        now = InForce(
            name=bundle.name,
            serial=bundle.serial,
            bundle=bundle.digest,
            artifact=look.held.descriptor.digest,
        )
        if now != remembered:
            self._memory.write(msgspec.to_builtins(now))
            self._forget_others(bundle)
            self._note("artifact.admit", look, {"effect": "allow"})
        return bundle

    def drain(self) -> list[tuple[str, dict[str, Any]]]:
        """Records that wait for a log: kind and body of each, once."""
        notes, self._notes = self._notes, []
        return notes

    def _remembered(self) -> InForce | None:
        value = self._memory.read()
        return None if value is None else msgspec.convert(value, InForce)

    def _candidate(self, look: _Look, remembered: InForce | None) -> Bundle:
        """Rules 1 to 4."""
        now_us = self._clock.now_us()
        look.held = held = shelf.look(self._store, self._reference)
        if held.kind != KIND:
            raise BundleRefusedError(
                f"`{self._reference}` is of the kind `{held.kind or 'unknown'}`, and no policy",
                hint="`remit policy build` packs bundles",
                code="policy.kind",
            )
        look.trust = load_trust(self._trust.root, self._trust.key, now_us, self._trust_memory)
        look.verification, look.check = checked(self._reference, held, look.trust, now_us)
        self._not_withdrawn(held.descriptor.digest, look.verification)
        newer(look.check, remembered, now_us)
        bundle = self._unpacked(held, look.check)
        if bundle.expires_us is not None and now_us >= bundle.expires_us:
            raise BundleRefusedError("the policy bundle has expired", code="policy.expired")
        return bundle

    def _unpacked(self, held: Held, check: PolicyCheck) -> Bundle:
        parent = self._directory / _FILES
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        target = parent / _name_of(check.bundle_digest)
        with contextlib.suppress(RemitError):
            if target.is_dir() and (known := load_bundle(target)).digest == check.bundle_digest:
                return known
        shutil.rmtree(target, ignore_errors=True)
        # The Kitfile is no part of the bundle.
        unpack(held.layout, held.descriptor, target, only=("code",))
        return bundle_of(target, check)

    def withdrawal(self) -> Withdrawal | None:
        """What stands against the bundle that was loaded last, by what is known now."""
        if self.withdrawn is None or self.loaded is None:
            return None
        said = self.withdrawn.about(self.loaded)
        if said is None:
            return None
        try:
            held = shelf.look(self._store, self.loaded)
            now_us = self._clock.now_us()
            trust = load_trust(self._trust.root, self._trust.key, now_us, self._trust_memory)
            found, _ = checked(self.loaded, held, trust, now_us)
        except (RemitError, OSError):
            # Nobody vouches that the gate passed it since.
            return said
        return said if said.stands(self._passed_us(found)) else None

    def newest(self) -> str:
        """Digest of what the reference names now, in the store; empty if that cannot be told."""
        try:
            return shelf.look(self._store, self._reference).descriptor.digest
        except (RemitError, OSError):
            return ""

    def _passed_us(self, found: Verification) -> int:
        return evidence.passed_us(found.examined, self._trust.gate_policy)

    def _not_withdrawn(self, digest: Digest, found: Verification) -> None:
        """The last part of rule 1, also of what other Guards of this place have heard."""
        if self.withdrawn is None:
            return
        said = self.withdrawn.about(self._reference.at(digest))
        if said is not None and said.stands(self._passed_us(found)):
            raise refusal(said)

    def _last_good(self, remembered: InForce) -> Bundle:
        before, self.loaded = self.loaded, self._reference.at(Digest(remembered.artifact))
        if (said := self.withdrawal()) is not None:
            self.loaded = before
            raise refusal(said)
        directory = self._directory / _FILES / _name_of(remembered.bundle)
        found = load_bundle(directory)
        if found.digest != remembered.bundle:
            raise BundleRefusedError(
                f"the last good policy bundle in `{directory}` was changed",
                hint="see who can write there; `remit policy pull` gets it again",
                code="policy.changed",
            )
        return found

    def _forget_others(self, bundle: Bundle) -> None:
        kept = _name_of(bundle.digest)
        for each in (self._directory / _FILES).iterdir():
            if each.name != kept:
                shutil.rmtree(each, ignore_errors=True)

    def _refused(self, look: _Look, error: RemitError | OSError) -> None:
        code = error.code if isinstance(error, RemitError) else "artifact.disk"
        message = error.message if isinstance(error, RemitError) else str(error)
        asked = f"; the registry: {self.unreachable}" if self.unreachable else ""
        self.problem = printable(f"{message}{asked}", 600)
        decision = {"effect": "deny", "error": code, "detail": printable(message, 400)}
        self._note("artifact.deny", look, decision)

    def _note(self, kind: str, look: _Look, decision: dict[str, Any]) -> None:
        artifact = {
            "reference": str(self._reference),
            "repository": shelf.repository_of(self._reference),
            "tag": self._reference.tag,
            "digest": look.held.descriptor.digest if look.held else self._reference.digest,
            "kind": look.held.kind if look.held else "",
        }
        body: dict[str, Any] = {"artifact": artifact, "decision": decision}
        if look.verification is not None and look.trust is not None:
            body |= evidence.recorded(look.verification, look.trust)
        if look.check is not None:
            body["bundle"] = {
                "name": printable(look.check.name, 100),
                "serial": look.check.serial,
                "digest": look.check.bundle_digest,
            }
        if (kind, body) not in self._notes:
            self._notes.append((kind, body))


def refusal(said: Withdrawal) -> BundleRefusedError:
    """That a policy bundle was withdrawn."""
    error = said.error()
    return BundleRefusedError(
        error.message,
        hint="release one with a higher serial; an older one is never loaded again",
        code="policy.withdrawn",
    )


def checked(
    reference: Reference, held: Held, trust: TrustRoot, now_us: int
) -> tuple[Verification, PolicyCheck]:
    """Rule 1, and what the check says: the newest of those that trusted keys attested.

    Raises:
        NotVerifiedError: the artifact is not vouched for.
    """
    demand = Demand(types=(policy_check.TYPE,))
    repository = shelf.repository_of(reference)
    digest = held.descriptor.digest
    found = Verifier(trust, now_us).verify(digest, repository, held.attestations, demand)
    found.require()
    checks = [
        PolicyCheck.read(each.predicate)
        for each in evidence.kept(found.examined, policy_check.TYPE)
    ]
    return found, max(checks, key=lambda each: each.checked_us)


def newer(check: PolicyCheck, remembered: InForce | None, now_us: int) -> None:
    """Rules 3 and 4, by what the check says.

    Raises:
        BundleRefusedError: ``policy.rollback``, ``policy.serial``, ``policy.name``,
            ``policy.expired``.
    """
    if check.expires_us and now_us >= check.expires_us:
        raise BundleRefusedError("the policy bundle has expired", code="policy.expired")
    if remembered is None:
        return
    if check.name != remembered.name:
        raise BundleRefusedError(
            f"the policy bundle is called `{printable(check.name, 100)}`, and"
            f" `{printable(remembered.name, 100)}` is in force",
            hint="another bundle needs another state directory, or a person who removes the memory",
            code="policy.name",
        )
    if check.serial < remembered.serial:
        raise BundleRefusedError(
            f"the policy bundle has the serial {check.serial}, and {remembered.serial} was in"
            " force",
            hint="an older one is never loaded again; release it anew with a higher serial",
            code="policy.rollback",
        )
    if check.serial == remembered.serial and check.bundle_digest != remembered.bundle:
        raise BundleRefusedError(
            f"the policy bundle changed and its serial {check.serial} did not rise",
            hint="whoever changes it adds one to `serial` in bundle.toml",
            code="policy.serial",
        )


def bundle_of(directory: Path, check: PolicyCheck) -> Bundle:
    """Rule 2: the bundle in a directory, if it is the one that was checked.

    Raises:
        BundleRefusedError: it is another; ``policy.digest``.
        BundleError: it does not load.
    """
    found = load_bundle(directory)
    if (found.digest, found.serial, found.name) != (
        check.bundle_digest,
        check.serial,
        check.name,
    ):
        raise BundleRefusedError(
            "the policy bundle is not the one that was checked",
            hint="build and sign it again with `remit policy build`",
            code="policy.digest",
        )
    return found


def _name_of(digest: str) -> str:
    return Digest(digest).removeprefix("sha256:")[:32]


__all__ = [
    "BundleRefusedError",
    "BundleSource",
    "InForce",
    "NotVerifiedError",
    "bundle_of",
    "checked",
    "newer",
]
