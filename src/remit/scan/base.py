"""What a scanner is, and what it says: findings, and of everything that it saw whether it was read.

A file that was not read looks exactly like a clean one. So each scanner says of every member what
became of it, and a member of a kind that can execute must be ``complete`` for at least one scanner
that claims it; anything else blocks (:func:`remit.scan.verdict.judge`).

A new scanner is one new module in ``remit.scan.scanners`` that registers an instance::

    @register
    class Pickles(Scanner): ...
"""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from typing import Any, BinaryIO, ClassVar, Literal, Protocol, runtime_checkable

import msgspec

from remit.core.digest import Digest, sha256
from remit.core.errors import RemitError

Severity = Literal["critical", "high", "medium", "low", "info"]
SEVERITIES: tuple[Severity, ...] = ("critical", "high", "medium", "low", "info")
Status = Literal["complete", "partial", "unsupported", "error"]
MAX_EVIDENCE = 512


class ScanError(RemitError):
    """A scan that could not be done."""

    code = "scan.error"


class Region(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where in a member: bytes, a line, or a value of a document.

    Attributes:
        start, length: in bytes.
        line: from 1; 0 if it is not known.
        pointer: JSON pointer (RFC 6901).
    """

    start: int = 0
    length: int = 0
    line: int = 0
    pointer: str = ""


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that a scanner saw.

    Attributes:
        rule: stable, ``family.technique``.
        title: one sentence, for a person.
        severity: how bad it is if it is true.
        confidence: how sure it is, in thousandths.
        member: path in the artifact; ``!/`` goes into an archive.
        region: where in the member.
        evidence: what was seen, control characters escaped, secrets masked.
        scanner: who says so.
    """

    rule: str
    title: str
    severity: Severity
    confidence: int = 1000
    member: str
    region: Region = Region()
    evidence: str = ""
    scanner: str = ""

    @property
    def fingerprint(self) -> str:
        """The same for the same thing seen again, wherever in the member it moved."""
        text = "\0".join((self.rule, self.member, " ".join(self.evidence.split())))
        return hashlib.sha256(text.encode()).hexdigest()


class Coverage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of a member.

    Attributes:
        member: path in the artifact.
        status: ``complete`` if all of it was read and understood.
        reason: why it is not.
        executes: whether a reader of this format may run what it holds.
        format: what it was read as.
    """

    member: str
    status: Status
    reason: str = ""
    executes: bool = False
    format: str = ""


class Report(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one scanner says of one artifact.

    Attributes:
        scanner, version: who.
        rules: digest of the rules that were in force.
        findings, coverage: what was seen, and what of it was read.
        failed: why there is no result; then nothing else counts.
        seconds_milli: how long it took.
        document: what it made instead of findings, such as a bill of materials.
    """

    scanner: str
    version: str
    rules: Digest
    findings: tuple[Finding, ...] = ()
    coverage: tuple[Coverage, ...] = ()
    failed: str = ""
    seconds_milli: int = 0
    document: str = ""


class Member(Protocol):
    """A file of an artifact, or of an archive in it."""

    @property
    def path(self) -> str:
        """In the artifact; ``!/`` goes into an archive."""
        ...

    @property
    def size(self) -> int:
        """In bytes."""
        ...

    @property
    def head(self) -> bytes:
        """Its first 4,096 bytes."""
        ...

    def open(self) -> BinaryIO:
        """Its bytes, seekable, to be read in pieces and closed."""
        ...


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator says; nothing in an artifact can say it.

    Attributes:
        indexes: host names of package indexes that the operator vouches for, in lower case.
        advisories: directory of the offline database of advisories; empty without one.
        advisories_digest: of that database (:func:`remit.scan.advisories.settled`).
        today: the day of the scan, ISO 8601 (UTC): how old something is counts from it; empty if
            it is not known.
    """

    indexes: tuple[str, ...] = ()
    advisories: str = ""
    advisories_digest: str = ""
    today: str = ""


NO_SETTINGS = Settings()


class Artifact(msgspec.Struct, frozen=True, kw_only=True):
    """What is scanned.

    Attributes:
        digest: of its manifest.
        kind: of artifact, empty if it is none that Remit knows.
        members: every file, also those of archives.
        metadata: configuration of the artifact (a Kitfile as JSON), empty without one.
        settings: what the operator says.
    """

    digest: str
    kind: str = ""
    members: Sequence[Member] = ()
    metadata: dict[str, Any] = {}
    settings: Settings = NO_SETTINGS


Result = Finding | Coverage


class Scanner(Protocol):
    """Something that looks at artifacts.

    Attributes:
        name: stable.
        version: of its code.
        rules: digest of its rules; a change of either asks for new scans.
    """

    name: ClassVar[str]
    version: ClassVar[str]

    @property
    def rules(self) -> Digest:
        """Digest of everything that decides what it finds."""
        ...

    def claims(self, artifact: Artifact, member: Member) -> bool:
        """Whether it reads members of this kind. By content first, then by name."""
        ...

    def scan(self, artifact: Artifact, claimed: Sequence[Member]) -> Iterator[Result]:
        """Look at the members that it claims: findings, and one coverage for each of them.

        It may raise: what has no coverage then counts as ``error``.
        """
        ...


@runtime_checkable
class Configured(Protocol):
    """A scanner that also finds by what the operator gives it."""

    def rules_with(self, settings: Settings) -> Digest:
        """Digest of everything that decides what it finds, with these settings."""
        ...


def rules_in_force(scanner: Scanner, settings: Settings) -> Digest:
    """Digest of everything that decides what a scanner finds."""
    if isinstance(scanner, Configured):
        return scanner.rules_with(settings)
    return scanner.rules


def fingerprint(settings: Settings = NO_SETTINGS, names: Collection[str] = ()) -> Digest:
    """One digest over all scanners: their names, versions and rules, and the operator's settings.

    Where it is another than at the last scan of an artifact, a new scan of that is due.

    Args:
        settings: with the digest of their database (:func:`remit.scan.advisories.settled`).
        names: of the scanners that are asked; all without.
    """
    from remit.scan.rules import rules_of

    found = scanners()
    parts = [rules_of("walk.py", "worker.py", "verdict.py"), *sorted(settings.indexes)]
    for name, scanner in found.items():
        if not names or name in names:
            parts += [name, scanner.version, rules_in_force(scanner, settings)]
    return sha256("\0".join(parts).encode())


_SCANNERS: dict[str, Scanner] = {}


def register(scanner: type[Scanner]) -> type[Scanner]:
    """Make a scanner known."""
    _SCANNERS[scanner.name] = scanner()
    return scanner


def scanners() -> dict[str, Scanner]:
    """All scanners of this package by name; imports their modules."""
    import importlib
    import pkgutil

    from remit.scan import scanners as package

    for found in pkgutil.iter_modules(package.__path__):
        if not found.name.startswith("_"):
            importlib.import_module(f"{package.__name__}.{found.name}")
    return dict(sorted(_SCANNERS.items()))


def evidence(data: bytes | str) -> str:
    """Bytes or text of an artifact, as a finding may show them."""
    from remit.core.text import printable

    text = data if isinstance(data, str) else data.decode("utf-8", "backslashreplace")
    return printable(text, MAX_EVIDENCE)
