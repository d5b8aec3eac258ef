"""The words of this package: findings, views of a text, and what a detector is."""

import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, Protocol

import msgspec

from remit.content._news import News
from remit.core.errors import RemitError

Channel = Literal["user_prompt", "completion", "tool_args", "tool_result"]
Severity = Literal["low", "medium", "high", "critical"]
SEVERITIES: Sequence[Severity] = ("low", "medium", "high", "critical")


_ASCII = bytes(range(0x80))


class ContentError(RemitError):
    """Base of this package's errors."""

    code = "content.error"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What a detector saw, and where.

    Attributes:
        kind: ``secret``, ``pii``, ``phi``, ``injection``, ``exfiltration``, ``invisible``,
            ``canary``, ``term``, ``poisoning``, ``uninspected`` (a detector failed, or the text is
            too large: nobody can say what is in it), or ``unjudged`` (a model that was asked for a
            second opinion gave none).
        label: what it is within its kind, for example ``github_token``, ``CREDIT_CARD``.
        severity: how bad it is where it does not belong.
        score_milli: how sure the detector is, 0 to 1000.
        start, end: code points of the original text.
        rule: the rule within the detector.
        version: of the detector, as ``<name>/<number>``.
    """

    kind: str
    label: str
    severity: Severity
    score_milli: int
    start: int
    end: int
    rule: str
    version: str


class View(msgspec.Struct, frozen=True, dict=True):
    """One reading of a text.

    Attributes:
        name: ``original``, ``fold``, ``base64`` …; nested ones are joined by ``>``.
        text: what is read.
        starts: for each character of ``text`` the code point of the original that it begins at;
            ``None`` if they are the same.
        ends: likewise where it ends.
        news: where it says what no reading before it does; ``None``: anywhere.
    """

    name: str
    text: str
    starts: Sequence[int] | None = None
    ends: Sequence[int] | None = None
    news: News | None = None

    @functools.cached_property
    def utf8(self) -> bytes:
        """The text in UTF-8, with ``?`` for a lone surrogate."""
        return self.text.encode("utf-8", "replace")

    @functools.cached_property
    def sound(self) -> str:
        """The text with ``?`` for lone surrogates, which RE2 does not take; same offsets."""
        return self.text if self.text.isascii() else self.utf8.decode("utf-8")

    @functools.cached_property
    def plain(self) -> bytes:
        """The text in ASCII with ``?`` for what is not: one byte a character."""
        return self.utf8 if self.text.isascii() else self.text.encode("ascii", "replace")

    @functools.cached_property
    def others(self) -> str:
        """The characters outside ASCII, in order, without lone surrogates."""
        return "" if self.text.isascii() else self.utf8.translate(None, _ASCII).decode()

    @functools.cached_property
    def news_utf8(self) -> News | None:
        """:attr:`news` in places of :attr:`utf8`."""
        return None if self.news is None else self.news.encoded(self.text)

    def places(self, reach: int) -> Sequence[tuple[int, int]]:
        """Where all lies that is new here, if nothing that counts is longer than ``reach``."""
        if self.news is None:
            return ((0, len(self.text)),)
        return self.news.around(reach, len(self.text))

    def origin(self, start: int, end: int) -> tuple[int, int]:
        """The span of the original that ``text[start:end]`` was read from; ``end > start``."""
        if self.starts is None or self.ends is None:
            return start, end
        low, high = self.starts[start], self.ends[end - 1]
        if low < high:
            return low, high
        return self.starts[end - 1], self.ends[start]  # it runs the other way


class Views(msgspec.Struct, frozen=True):
    """A text and its readings, made once for all detectors.

    Attributes:
        original: the text.
        views: the original first, then every reading that differs from those before it.
        complete: whether every reading was made within the limits of work; what was not read was
            not inspected.
    """

    original: str
    views: tuple[View, ...]
    complete: bool = True


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What detectors know besides the text.

    Attributes:
        channel: where the text goes or comes from.
        trusted_domains: hosts that links may lead to; ``example.com`` also means below it.
        canaries: texts that must not turn up anywhere, by the name of each.
        terms: words and phrases of the bundle, by the label of their list.
        optional: names of detectors of tier ``judge`` that are wanted.
    """

    channel: Channel = "tool_result"
    trusted_domains: frozenset[str] = frozenset()
    canaries: Mapping[str, str] = {}
    terms: Mapping[str, tuple[str, ...]] = {}
    optional: frozenset[str] = frozenset()


class Detector(Protocol):
    """Finds one kind of thing. A module of ``detectors/`` with a ``DETECTOR`` is found by itself.

    Attributes:
        name: the module's name.
        version: ``<name>/<number>``; it changes with what is found.
        tier: ``pattern`` and ``model`` are always on, ``judge`` only where it is asked for.
        channels: where it looks.
    """

    name: str
    version: str
    tier: Literal["pattern", "model", "judge"]
    channels: frozenset[Channel]

    def find(self, text: Views, around: Surroundings) -> Iterable[Finding]:
        """Everything it sees. Work must grow no faster than the text; raising is a failure."""
        ...


class Together(Detector, Protocol):
    """One that looks at many short texts in much less time than at each of them."""

    def find_all(self, texts: Sequence[Views], around: Surroundings) -> Sequence[Iterable[Finding]]:
        """What ``find`` gives for each of ``texts``, in order."""
        ...


ALL_CHANNELS: frozenset[Channel] = frozenset(
    ("user_prompt", "completion", "tool_args", "tool_result")
)

Sure = tuple[Severity, int]
"""How bad a finding is, and how sure, in thousandths."""


class PatternDetector:
    """What detectors of tier ``pattern`` have in common.

    Attributes:
        kind: of their findings.
    """

    name: str
    version: str
    kind: str
    tier: Literal["pattern", "model", "judge"] = "pattern"
    channels: frozenset[Channel] = ALL_CHANNELS

    def finding(
        self, label: str, sure: Sure, span: tuple[int, int], rule: str, *, kind: str = ""
    ) -> Finding:
        """A finding of this detector, of another ``kind`` if it is given."""
        severity, score = sure
        return Finding(
            kind=kind or self.kind,
            label=label,
            severity=severity,
            score_milli=score,
            start=span[0],
            end=span[1],
            rule=rule,
            version=self.version,
        )
