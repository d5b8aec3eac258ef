"""The words of this package: changes, what was not looked into, and what a comparer is."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal, Protocol

import msgspec

from remit.artifacts.diff.tree import Entry, Tree
from remit.artifacts.errors import ArtifactError
from remit.core.errors import RemitError

Severity = Literal["info", "low", "medium", "high", "critical"]
SEVERITIES: tuple[Severity, ...] = ("info", "low", "medium", "high", "critical")
"""From what nobody needs to look at to what somebody must."""

FORMAT = 1
"""Version of the form in ``spec/diff.md``."""
HEAD_BYTES = 4096
MAX_CHANGES = 500
"""Changes of one comparer in one file that are kept; of more, the number is told."""
MAX_TOTAL_CHANGES = 20_000


class DifferenceError(ArtifactError):
    """Two things that cannot be compared at all."""

    code = "artifact.diff"


class NotLookedIntoError(ArtifactError):
    """A file that a comparer could not read, or not to the end; the message says why."""

    code = "artifact.diff.unread"


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """What fails in it, whatever it is, was not looked into: hostile bytes find every gap.

    Raises:
        RemitError: as it was raised in it.
        NotLookedIntoError: it failed otherwise.
    """
    try:
        yield
    except RemitError:
        raise
    except Exception as error:
        raise NotLookedIntoError(f"the comparer failed ({type(error).__name__})") from error


class Span(msgspec.Struct, frozen=True):
    """A part of a line; ``changed`` if the other side has it otherwise."""

    text: str
    changed: bool = False


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a text difference.

    Attributes:
        kind: ``removed`` is of the first side, ``added`` of the second, ``context`` of both,
            ``gap`` stands for lines that are equal and not shown, or for what was cut.
        a, b: its number on either side, from 1; 0 where it is not.
        spans: its text; whatever could act on a terminal or deceive a reader is escaped.
    """

    kind: Literal["context", "removed", "added", "gap"]
    a: int = 0
    b: int = 0
    spans: tuple[Span, ...] = ()

    @property
    def text(self) -> str:
        """The whole line."""
        return "".join(span.text for span in self.spans)


class Change(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One difference.

    Attributes:
        comparer: who saw it.
        kind: stable name of what happened, for example ``tensor.values``, ``tool.description``.
        path: file in which; empty for the artifact itself. ``!/`` leads into an archive.
        subject: what changed in the file: a tensor, a tool, an import, a column; may be empty.
        severity: how soon somebody should look at it; a hint, not a verdict.
        summary: one sentence.
        before, after: JSON values of both sides, where they are short.
        details: further JSON values by name.
        lines: of a text.
    """

    comparer: str
    kind: str
    path: str = ""
    subject: str = ""
    severity: Severity = "info"
    summary: str
    before: Any = None
    after: Any = None
    details: Mapping[str, Any] = {}
    lines: tuple[Line, ...] = ()


class Unread(msgspec.Struct, frozen=True, kw_only=True):
    """Something that differs or may differ, and that nobody looked into.

    Attributes:
        path: the file; empty for a whole side.
        side: ``a``, ``b`` or ``both``.
        reason: one sentence.
    """

    path: str
    side: Literal["a", "b", "both"] = "both"
    reason: str


class Side(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One of the two things that were compared.

    Attributes:
        name: as the caller gave it.
        kind: ``directory``, ``file`` or ``artifact``.
        digest: of its manifest, if it is an artifact.
        files, size: how many, and how many bytes together.
    """

    name: str
    kind: str
    digest: str = ""
    files: int = 0
    size: int = 0


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was found.

    Attributes:
        version: :data:`FORMAT`.
        a, b: what was compared.
        equal: nothing differs, and everything that could was looked into.
        changes: files by name, in each what matters most first.
        unread: what was not looked into.
    """

    version: int = FORMAT
    a: Side
    b: Side
    equal: bool
    changes: tuple[Change, ...] = ()
    unread: tuple[Unread, ...] = ()

    @property
    def severity(self) -> Severity:
        """The worst of all changes; ``high`` at least if something was not looked into."""
        worst = max((SEVERITIES.index(each.severity) for each in self.changes), default=0)
        return SEVERITIES[max(worst, SEVERITIES.index("high") if self.unread else 0)]


class Pair:
    """The two states of one file.

    Attributes:
        path: its name; that of the second side where it was moved.
        a, b: what each side has.
        head_a, head_b: the first bytes, to recognise what it is.
    """

    def __init__(self, path: str, a: Entry, b: Entry) -> None:
        self.path = path
        self.a = a
        self.b = b
        self.head_a = _head(a)
        self.head_b = _head(b)

    @property
    def name(self) -> str:
        """The last part of the path, in lower case."""
        return self.path.rpartition("/")[2].lower()

    @property
    def suffix(self) -> str:
        """``.json`` and the like, in lower case; empty if there is none."""
        dot = self.name.rfind(".")
        return self.name[dot:] if dot > 0 else ""

    @property
    def heads(self) -> tuple[bytes, bytes]:
        """The first bytes of both sides."""
        return self.head_a, self.head_b


class Work(Protocol):
    """What comparers may ask for while they work."""

    def unread(self, path: str, reason: str, side: Literal["a", "b", "both"] = "both") -> None:
        """Say that something was not looked into."""
        ...

    def nested(self, path: str, a: Tree, b: Tree) -> Iterable[Change]:
        """Compare what is in two archives; paths of the changes start with ``path`` and ``!/``.

        Raises:
            NotLookedIntoError: archives in archives, too many of them.
        """
        ...


class Comparer(Protocol):
    """One kind of file.

    Attributes:
        name: the module's name.
        order: who is asked first: lower numbers.
    """

    name: str
    order: int

    def takes(self, pair: Pair) -> bool:
        """Whether this is its kind; decided by names and first bytes."""
        ...

    def compare(self, pair: Pair, work: Work) -> Iterable[Change]:
        """What changed. Memory and work are bounded whatever the bytes are.

        Raises:
            NotLookedIntoError: it cannot be read, or only beyond the bounds.
        """
        ...


class Aspect(Protocol):
    """What concerns both trees as a whole: metadata, licences, signatures, a policy bundle.

    Attributes:
        name: the module's name.
    """

    name: str

    def claims(self, a: Tree, b: Tree) -> frozenset[str]:
        """Paths of files that it explains in place of the comparers of files."""
        ...

    def compare(self, a: Tree, b: Tree, work: Work) -> Iterable[Change]:
        """What changed; bounded as :meth:`Comparer.compare`."""
        ...


def worst_first(changes: Iterable[Change]) -> list[Change]:
    """Changes by severity, else in the order they came."""
    return sorted(changes, key=lambda each: -SEVERITIES.index(each.severity))


def capped(
    changes: Iterable[Change], more: Callable[[int], Change], limit: int = MAX_CHANGES
) -> Iterable[Change]:
    """At most ``limit`` changes; ``more`` makes the one that tells how many were left out."""
    left = 0
    for count, change in enumerate(changes):
        if count < limit:
            yield change
        else:
            left += 1
    if left:
        yield more(left)


def _head(entry: Entry) -> bytes:
    with entry.open() as file:
        return file.read(HEAD_BYTES)
