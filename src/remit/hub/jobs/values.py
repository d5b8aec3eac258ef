"""Jobs: durable work about an artifact."""

from typing import Literal

import msgspec

from remit.artifacts.oci.manifest import Descriptor
from remit.core.digest import Digest

JobState = Literal["waiting", "running", "done", "failed", "cancelled"]
Reason = Literal["push", "demand", "rescan", "schedule", "sweep"]
PRIORITIES: dict[str, int] = {"push": 40, "demand": 30, "sweep": 20, "rescan": 20, "schedule": 10}
"""What is done first; of the same, what was asked for first."""
SCAN = "scan"
LEASE_US = 30_000_000
RENEW_S = 10.0
MAX_ATTEMPTS = 3
BACKOFF_US = (2_000_000, 15_000_000, 60_000_000)


def scan_slot(repository: int, digest: str) -> str:
    """The slot of an artifact's scan: of the same, one is open at a time."""
    return f"{SCAN}:{repository}:{digest}"


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A job as it is shown; times in microseconds since the Unix epoch, 0 for never.

    Attributes:
        id: sorts by when it was made.
        kind: of work.
        repository, digest: of the artifact.
        reason: why it was made.
        priority: see :data:`PRIORITIES`.
        state: where it is.
        attempts: how often it was begun and failed.
        worker: who has it, or had it last.
        progress: thousandths.
        error: why it failed.
        decided: whether what it found was decided on.
    """

    id: str
    kind: str
    repository: str
    digest: str
    reason: str
    priority: int
    state: JobState
    attempts: int
    worker: str
    progress: int
    error: str
    made_us: int
    due_us: int
    started_us: int
    leased_us: int
    ended_us: int
    decided: bool = False


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A worker, as it says of itself.

    Attributes:
        name: unique.
        seen_us: when it said so.
        short: whether its disk has no room, so that it takes no job.
        scanners: digest of its scanners and their rules.
        lacks: scanners that a Hub expects and it does not have, so that it takes no job.
    """

    name: str
    seen_us: int
    short: bool = False
    scanners: str = ""
    lacks: tuple[str, ...] = ()


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """How the gate is.

    Attributes:
        artifacts: how many are in each state.
        jobs: how many are in each state.
        undecided: scans that are over and not decided on.
        oldest_s: seconds since the oldest job that is not over was made; 0 without one.
        workers: those that were there a moment ago.
    """

    artifacts: dict[str, int]
    jobs: dict[str, int]
    undecided: int
    oldest_s: int
    workers: tuple[Seen, ...]


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """A job in the hands of a worker.

    Attributes:
        id: of the job.
        worker: who holds its lease; nobody else can end it.
        repository: name.
        descriptor: of the manifest.
        body: bytes of the manifest.
        kind: of artifact.
    """

    id: str
    worker: str
    repository: str
    descriptor: Descriptor
    body: bytes
    kind: str

    @property
    def digest(self) -> Digest:
        """Of the manifest."""
        return self.descriptor.digest
