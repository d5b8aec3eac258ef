"""Jobs: durable work about an artifact."""

import re
from typing import Literal

import msgspec

from remit.artifacts.oci.manifest import Descriptor
from remit.core.digest import Digest

JobState = Literal["waiting", "running", "done", "failed", "cancelled"]
Reason = Literal["push", "demand", "rescan", "schedule", "sweep"]
PRIORITIES: dict[str, int] = {"push": 40, "demand": 30, "sweep": 20, "rescan": 20, "schedule": 10}
"""What is done first; of the same, what was asked for first."""
SCAN = "scan"
PROBE = "probe"
"""A model that is served is asked by a program; see :class:`Questions`."""
TARGET = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
"""Names of served models."""
MAX_QUESTIONS = 100
MAX_GENERATIONS = 1000
LEASE_US = 30_000_000
RENEW_S = 10.0
MAX_ATTEMPTS = 3
BACKOFF_US = (2_000_000, 15_000_000, 60_000_000)


def scan_slot(repository: int, digest: str) -> str:
    """The slot of an artifact's scan: of the same, one is open at a time."""
    return f"{SCAN}:{repository}:{digest}"


def probe_slot(repository: int, digest: str, target: str) -> str:
    """The slot of asking a target about an artifact."""
    return f"{PROBE}:{repository}:{digest}:{target}"


class Questions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a served model is to be asked: the ``detail`` of a job of the kind :data:`PROBE`.

    Attributes:
        target: name of the served model, as probers know it.
        probes: of garak, by module or class; sorted.
        generations: answers to each prompt.
        evidence: digest of the manifest with the attestation, once there is one.
    """

    target: str
    probes: tuple[str, ...]
    generations: int = 1
    evidence: str = ""

    @property
    def same(self) -> tuple[str, tuple[str, ...], int]:
        """Two with the same ask the same, so that the later result replaces the earlier one."""
        return self.target, self.probes, self.generations


def questions_in(detail: bytes) -> Questions:
    """What a job asks; nothing if a worker of an older version took it for a scan."""
    try:
        return msgspec.json.decode(detail, type=Questions)
    except msgspec.MsgspecError:
        return Questions(target="", probes=())


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
        target: the served model that is asked; empty for a scan.
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
    target: str = ""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A worker, as it says of itself.

    Attributes:
        name: unique.
        seen_us: when it said so.
        short: whether its disk has no room, so that it takes no job.
        scanners: digest of its scanners and their rules.
        lacks: scanners that a Hub expects and it does not have, so that it takes no job.
        targets: served models that it asks; then it scans nothing.
    """

    name: str
    seen_us: int
    short: bool = False
    scanners: str = ""
    lacks: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """How the gate is.

    Attributes:
        artifacts: how many are in each state.
        jobs: how many scans are in each state.
        undecided: scans that are over and not decided on.
        oldest_s: seconds since the oldest scan that is not over was made; 0 without one.
        workers: those that scan and were there a moment ago.
        probes: how many jobs that ask served models are in each state.
        probers: those that ask them and were there a moment ago.
        unasked: targets that a job waits for and no prober has.
    """

    artifacts: dict[str, int]
    jobs: dict[str, int]
    undecided: int
    oldest_s: int
    workers: tuple[Seen, ...]
    probes: dict[str, int] = {}
    probers: tuple[Seen, ...] = ()
    unasked: tuple[str, ...] = ()


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """A job in the hands of a worker.

    Attributes:
        id: of the job.
        worker: who holds its lease; nobody else can end it.
        repository: name.
        descriptor: of the manifest.
        body: bytes of the manifest.
        kind: of artifact.
        questions: for a served model; ``None`` for a scan.
    """

    id: str
    worker: str
    repository: str
    descriptor: Descriptor
    body: bytes
    kind: str
    questions: Questions | None = None

    @property
    def digest(self) -> Digest:
        """Of the manifest."""
        return self.descriptor.digest
