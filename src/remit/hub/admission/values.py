"""What is decided, and on what: the words that the gate and the artifact policy share."""

from typing import Literal

import msgspec

from remit.artifacts.oci.manifest import Descriptor
from remit.attest.predicates.scan import Result
from remit.core.digest import Digest
from remit.hub.admission.people import Decision, Suppression
from remit.hub.registry.ports import Need, Placed
from remit.scan.base import Report

State = Literal["quarantined", "review", "admitted", "refused", "withdrawn", "exempt", "index"]
"""Of a manifest in a repository; no row means ``quarantined``.

``exempt`` is evidence about another artifact, and may be pulled; ``index`` is what its members are.
"""
Word = Literal["admit", "review", "refuse"]
OPEN: tuple[State, ...] = ("admitted", "exempt")
"""States in which content is given out."""


class Attested(Result, frozen=True, kw_only=True):
    """What somebody else's scanner found, by a key that may say so.

    Attributes:
        findings: digest of the document of findings.
        manifest: digest of the manifest with the attestation, where that is known.
    """

    findings: str
    manifest: str = ""


class Signed(msgspec.Struct, frozen=True, kw_only=True):
    """A signature or attestation that was verified.

    Attributes:
        predicate_type: of the statement; empty for a signature of the artifact itself.
        key: id of the key.
        name: of whoever has it, by the trust root.
        role: what the trust root lets them say.
        scan: what was found, if it is an attestation of a scan.
    """

    predicate_type: str = ""
    key: str = ""
    name: str = ""
    role: str = ""
    scan: Attested | None = None


class Scanned(msgspec.Struct, frozen=True, kw_only=True):
    """An artifact whose scan is over.

    Attributes:
        repository, digest: where it is, and which.
        descriptor: of its manifest.
        kind, name: of artifact, and of its package; empty where that is not known.
        reports: one of each scanner that answered.
        expected: names of the scanners that should have.
        scanners: digest of all scanners and their rules.
        finished_us: when the scan ended.
        job: the scan.
        tags: what it is called now.
        pushed_by: the account.
        state: what it is until now.
        signed: what was signed about it.
        needs: what it needs to run.
        needs_admitted: whether all of that is here and admitted.
        reason: why it was scanned now.
        suppressions, decisions: what people said that may count for it.
        bom: its bill of materials, CycloneDX as JSON; empty if nobody made one.
        attested: digests of the manifests with what scanners said in this scan; empty if nothing
            was signed yet.
        beside: digests of the manifests that others pushed about it, the last ones.
        crowded: whether there are more, or larger ones, than anybody looks at.
        probed: what a served model answered to those whom this Hub had ask it, as it is attested.
        summary_us: when the last summary of the gate about it was made; 0 if there is none.
    """

    repository: str
    digest: Digest
    descriptor: Descriptor
    kind: str
    name: str
    reports: tuple[Report, ...]
    expected: tuple[str, ...]
    scanners: Digest
    finished_us: int
    job: str = ""
    tags: tuple[str, ...] = ()
    pushed_by: str = ""
    state: State = "quarantined"
    signed: tuple[Signed, ...] = ()
    needs: tuple[Need, ...] = ()
    needs_admitted: bool = True
    reason: str = "push"
    suppressions: tuple[Suppression, ...] = ()
    decisions: tuple[Decision, ...] = ()
    bom: bytes = b""
    attested: tuple[Digest, ...] = ()
    beside: frozenset[Digest] = frozenset()
    crowded: bool = False
    probed: tuple[Attested, ...] = ()
    summary_us: int = 0

    @property
    def attested_scans(self) -> tuple[Attested, ...]:
        """What was found by others, of each key the last word, and in served models by probers."""
        own = {*self.expected, *(each.scanner for each in self.reports)}
        found = (each.scan for each in self.signed)
        others = (each for each in found if each is not None and each.scanner not in own)
        return (*others, *self.probed)


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What the artifact policy says.

    Attributes:
        word: ``admit``, ``review`` or ``refuse``.
        reasons: sentences, the gravest first.
        rules: ids of the policies that decided.
        approvers: who may decide a ``review``; empty if anybody who may curate.
        quorum: how many of them.
        policy: digest of the policies.
        expires_us: until when it holds; 0 for no end.
    """

    word: Word
    reasons: tuple[str, ...]
    rules: tuple[str, ...] = ()
    approvers: str = ""
    quorum: int = 1
    policy: Digest = Digest("")
    expires_us: int = 0


class Sealed(msgspec.Struct, frozen=True, kw_only=True):
    """Evidence of a decision, of which the bytes are stored.

    Attributes:
        placed: manifests that are to be placed with the decision.
        summary: digest of the one with the gate's summary; empty if there is none.
        evidence: digest of the first that is no summary; empty if there is none.
    """

    placed: tuple[Placed, ...] = ()
    summary: str = ""
    evidence: str = ""


class Admission(msgspec.Struct, frozen=True, kw_only=True):
    """What is decided of a manifest in a repository.

    Attributes:
        state, reason: see :data:`State`, and why.
        job: the scan that it was decided on; empty if none.
        policy, scanners: digests of what decided.
        expires_us: until when; 0 for no end.
        changed_us: since when.
    """

    state: State = "quarantined"
    reason: str = ""
    job: str = ""
    policy: str = ""
    scanners: str = ""
    decided_by: str = ""
    changed_us: int = 0
    expires_us: int = 0

    @property
    def open(self) -> bool:
        """Whether content is given out."""
        return self.state in OPEN
