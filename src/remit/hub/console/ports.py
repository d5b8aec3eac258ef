"""What the console needs of the machine: rows to show. Who may see them is asked before."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from remit.hub.catalog.ports import Item, Sees
from remit.scan.base import Report

STATES = ("quarantined", "review", "admitted", "refused", "withdrawn")
"""What the gate says of artifacts, as people filter by it."""
OPEN = frozenset({"admitted", "exempt"})
"""States in which content is given out."""
Key = tuple[int, str]
"""Id of a repository, and digest of a manifest."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What the gate says of an artifact in a repository.

    Attributes:
        state: one of :data:`STATES`, or ``exempt``, ``index``; empty if there is no gate.
        reason: sentences.
        job: the scan that it was decided on.
        policy, scanners: digests of what decided.
        decided_by: an account, or the policy.
        changed_us, expires_us: microseconds since the Unix epoch, 0 for never.
    """

    state: str = "quarantined"
    reason: str = ""
    job: str = ""
    policy: str = ""
    scanners: str = ""
    decided_by: str = ""
    changed_us: int = 0
    expires_us: int = 0


class Attached(msgspec.Struct, frozen=True, kw_only=True):
    """What refers to an artifact, by what it says of itself.

    Attributes:
        count: how many manifests.
        signature: whether one says that it is a signature.
    """

    count: int = 0
    signature: bool = False


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """A job as a page shows it; times in microseconds since the Unix epoch, 0 for never.

    Attributes:
        repository, digest, kind, name, tags: of the artifact.
        target: the served model that is asked; empty for a scan.
        state: ``waiting``, ``running``, ``done``, ``failed`` or ``cancelled``.
        progress: thousandths.
        decided: whether what it found was decided on.
    """

    id: str
    what: str
    repository: str
    digest: str
    target: str = ""
    kind: str = ""
    name: str = ""
    tags: tuple[str, ...] = ()
    reason: str
    state: str
    attempts: int = 0
    worker: str = ""
    progress: int = 0
    error: str = ""
    made_us: int = 0
    started_us: int = 0
    due_us: int = 0
    ended_us: int = 0
    decided: bool = False


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What a curator said of an artifact."""

    id: str
    decision: str
    decided_by: str
    reason: str
    rule: str = ""
    made_us: int
    expires_us: int = 0


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """What a served model answered, as far as it counts at the gate.

    Attributes:
        target: name of the served model.
        probes: what it was asked, of garak by module or class.
        generations: answers to each prompt.
        ended_us: when it had answered, microseconds since the Unix epoch.
        covered: whether it was asked all of that, and what it answered is attested.
        over: whether it counts for grave findings only, because it is too old.
        error: why it could not be attested.
        reports: of who asked.
    """

    target: str
    probes: tuple[str, ...]
    generations: int
    ended_us: int
    covered: bool = False
    over: bool = False
    error: str = ""
    reports: tuple[Report, ...] = ()


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """An artifact that waits for people, and since when."""

    item: Item
    standing: Standing


class Shown(Protocol):
    """What the database knows beside the catalogue."""

    async def standings(self, keys: Sequence[Key]) -> Mapping[Key, Standing]:
        """What the gate says of artifacts, by repository's id and digest."""
        ...

    async def attached(self, keys: Sequence[Key]) -> Mapping[Key, Attached]:
        """What refers to each of them."""
        ...

    async def reports(self, repository: int, digest: str, job: str) -> Sequence[Report]:
        """What scanners said in a job, or in the last one that is over with an empty ``job``."""
        ...

    async def answers(self, repository: int, digest: str) -> Sequence[Answers]:
        """What served models answered about an artifact, the last first."""
        ...

    async def queue(self, sees: Sees | None, ended: int) -> tuple[Sequence[Work], Sequence[Work]]:
        """Jobs that are open, the next one first; and so many that ended, the last one first."""
        ...

    async def waiting(self, sees: Sees | None, limit: int) -> Sequence[Waiting]:
        """What waits for people: the longest first."""
        ...

    async def said(self, repository: int, digest: str) -> Sequence[Said]:
        """What curators said of an artifact, the last first."""
        ...

    async def previous(self, item: Item) -> Item | None:
        """The artifact of the same kind that was pushed to the repository before this one."""
        ...
