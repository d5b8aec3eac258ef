"""What the gate needs of the machine, and of the policy."""

from collections.abc import Collection, Sequence
from typing import Protocol

from remit.core.digest import Digest
from remit.hub.admission.people import Decision, Suppression
from remit.hub.admission.values import Admission, Outcome, Scanned, Sealed
from remit.hub.registry.ports import Record


class Admissions(Protocol):
    """What was decided, for whoever gives content out."""

    async def manifest(self, repository: str, digest: Digest) -> Admission:
        """What holds of a manifest now; ``quarantined`` if nothing is known of it."""
        ...

    async def gives_blob(self, repository: str, digest: Digest) -> bool:
        """Whether something that may be pulled from the repository refers to the blob."""
        ...

    async def behind(self, repository: str, digest: Digest) -> tuple[Digest, Admission] | None:
        """The manifest in the gravest state that refers to the blob; ``None`` if none does."""
        ...


class Policy(Protocol):
    """Decides by what scanners, signers and people said."""

    @property
    def digest(self) -> Digest:
        """Of everything that decides, besides its input."""
        ...

    def decide(
        self,
        scanned: Scanned,
        suppressed: Collection[Suppression],
        decisions: Collection[Decision],
        now_us: int,
    ) -> Outcome:
        """Judge an artifact. Whatever it raises is a refusal."""
        ...


class Probes(Protocol):
    """What served models answered, and nobody attested."""

    async def unattested(self, count: int) -> Sequence[tuple[Scanned, str]]:
        """The oldest of it: the artifact with the reports, and the target that was asked."""
        ...

    async def claim_record(self, job: str) -> tuple[str, Record] | None:
        """The record that a prober left for a Hub to log; nobody else gets it."""
        ...

    async def attest(
        self, probed: Scanned, sealed: Sealed | None, why: str = ""
    ) -> Sequence[tuple[str, Record]] | None:
        """Let a result count, in one transaction with its evidence and records.

        Args:
            probed: the result.
            sealed: its evidence; without any it counts as one that covered nothing.
            why: there is none.

        Returns:
            What is to be settled; ``None`` if another Hub did it, or the artifact is gone.
        """
        ...


class Cases(Protocol):
    """Scans that are over, and nobody decided on."""

    async def undecided(self, count: int) -> Sequence[Scanned]:
        """The oldest of them."""
        ...

    async def claim_record(self, job: str) -> tuple[str, Record] | None:
        """The record that a scan left for a Hub to log; nobody else gets it."""
        ...

    async def decide(
        self, scanned: Scanned, outcome: Outcome, evidence: Sealed | None = None
    ) -> Sequence[tuple[str, Record]] | None:
        """Set the state, in one transaction with evidence and records.

        Returns:
            What is to be settled; ``None`` if another Hub decided, or the artifact is gone.
        """
        ...
