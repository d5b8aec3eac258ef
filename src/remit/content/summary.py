"""What policies and records need of the findings in a message.

Short texts of a message are read together, one line each beside its key, as a person would read a
form: many values are something only by their name, and a message of ten thousand words would cost
ten thousand inspections. Long ones are read by themselves, and their beginnings beside their keys.
What its neighbours call a value (``{"name": "DB_PASSWORD", "value": …}``) is a form of its own.
Detectors of tier ``model`` know prose,
not forms, so they read the texts without their keys, and sentences by themselves.
"""

import bisect
import re
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from remit.content._fields import FREE
from remit.content._names_beside import blank, says_little
from remit.content.base import SEVERITIES, Detector, Finding, Surroundings
from remit.content.inspect import inspect, inspect_all, wanted
from remit.content.values import Piece, walk
from remit.content.vault import TOKEN, Vault

MAX_KEPT = 200
MAX_LINE = 400
MAX_FORM = 16_000
MAX_KEY = 64
MAX_HEAD = 512
_BLANK = frozenset(" \t\r\n\v\f")
_FORMAL = frozenset({"key", "number"})
MAX_SENTENCES = 200
_FRAGMENT = re.compile(r"\W{0,9}(?:[A-Za-z0-9]{1,15}\W{0,9}){0,3}")
"""Names and labels: put together they would make sentences that nobody wrote."""


class Seen(msgspec.Struct, frozen=True):
    """A finding and where in the message it is (JSON pointer)."""

    path: str
    finding: Finding


class Summary(msgspec.Struct, frozen=True):
    """Findings in one message.

    Attributes:
        seen: the findings, the most severe first.
        complete: whether all of the message was inspected.
    """

    seen: tuple[Seen, ...] = ()
    complete: bool = True

    @property
    def kinds(self) -> frozenset[str]:
        """Kinds of the findings."""
        found = frozenset(seen.finding.kind for seen in self.seen)
        return found if self.complete else found | {"uninspected"}

    @property
    def names(self) -> list[str]:
        """Kinds, and ``kind:label``, of the findings, sorted."""
        return sorted(
            self.kinds | {f"{seen.finding.kind}:{seen.finding.label}" for seen in self.seen}
        )

    def by(self, rule: str) -> "tuple[Finding, ...]":
        """The findings of one rule."""
        return tuple(seen.finding for seen in self.seen if seen.finding.rule == rule)

    def plus(self, findings: "Iterable[Finding]") -> "Summary":
        """With findings about the whole message."""
        return Summary((*self.seen, *(Seen("", finding) for finding in findings)), self.complete)

    def fact(self) -> Mapping[str, Any]:
        """``context.content`` of policies; types in spec/policy-schema.md."""
        findings = [seen.finding for seen in self.seen]
        severity = max((SEVERITIES.index(f.severity) + 1 for f in findings), default=0)
        injected = (f.score_milli for f in findings if f.kind == "injection")
        return {
            "findings": self.names,
            "max_severity": severity,
            "injection": max(injected, default=0) // 10,
            "inspected": "uninspected" not in self.kinds,
        }


NOTHING = Summary()


def summarise(value: Any, around: Surroundings, vault: Vault | None = None) -> Summary:
    """Inspect every text of a decoded message; never raises.

    Args:
        value: arguments of a call, a result, or whatever else was decoded.
        around: where it goes or comes from, and what else detectors know.
        vault: its tokens are no findings.
    """
    try:
        walked = walk(value)
        seen = list(_look(walked.pieces, around, vault))
    except Exception:  # noqa: BLE001 - what cannot be walked was not inspected
        return Summary(complete=False)
    seen.sort(key=lambda s: (-SEVERITIES.index(s.finding.severity), -s.finding.score_milli))
    # One value may be seen beside each of its names; the surest of them counts.
    once: dict[tuple[object, ...], Seen] = {}
    for each in seen:
        f = each.finding
        once.setdefault((each.path, f.kind, f.label, f.start, f.end, f.rule), each)
    return Summary(tuple(once.values()), walked.complete)


class _Form:
    """Short texts below each other, and from which of them a place is."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._starts: list[int] = []
        self._pieces: list[tuple[str, int, int]] = []
        self.size = 0

    def add(self, path: str, name: str, text: str, skipped: int = 0) -> None:
        """A line; ``text`` is that of ``path`` without the first ``skipped`` characters."""
        prefix = f"{name[:MAX_KEY]}: " if name else ""
        self._starts.append(self.size)
        self._pieces.append((path, len(prefix), skipped))
        line = f"{prefix}{text}\n"
        self._parts.append(line)
        self.size += len(line)

    @property
    def text(self) -> str:
        return "".join(self._parts)

    def place(self, finding: Finding) -> Iterator[Seen]:
        """The finding in each of the texts that it reaches into."""
        first = bisect.bisect_right(self._starts, finding.start) - 1
        for at in range(max(first, 0), len(self._starts)):
            if self._starts[at] >= max(finding.end, 1):
                return
            path, before, skipped = self._pieces[at]
            length = len(self._parts[at]) - before - 1
            begin = self._starts[at] + before
            start = min(max(finding.start - begin, 0), length)
            end = min(max(finding.end - begin, 0), length)
            if end > start or finding.start == finding.end:
                start, end = start + skipped, end + skipped
                yield Seen(path, msgspec.structs.replace(finding, start=start, end=end))


def _look(pieces: Iterable[Piece], around: Surroundings, vault: Vault | None) -> Iterator[Seen]:
    every = wanted(around)
    patterns = [d for d in every if d.tier != "model"]
    models = [d for d in every if d.tier == "model"]
    form, keys, named, prose = _Form(), _Form(), _Form(), _Form()
    sentences: list[Piece] = []
    for piece in pieces:
        for name, text, skipped in _beside(piece):
            named.add(piece.path, name, text, skipped)
            named = yield from _full(named, around, vault, patterns)
        if len(piece.text) > MAX_LINE:
            yield from _alone([piece], around, vault, every)
            continue
        if piece.what == "key":
            # Not among the values: detectors take the line above for what a value is called.
            keys.add(piece.path, "", piece.text)
            keys = yield from _full(keys, around, vault, patterns)
            continue
        # A key of free text says nothing of a value, and some detectors take `body:` for a part.
        form.add(piece.path, "" if piece.key.lower() in FREE else piece.key, piece.text)
        form = yield from _full(form, around, vault, patterns)
        if piece.what in _FORMAL or _FRAGMENT.fullmatch(piece.text):
            continue
        if len(sentences) < MAX_SENTENCES:
            sentences.append(piece)
        else:
            prose.add(piece.path, "", piece.text)
            prose = yield from _full(prose, around, vault, models)
    yield from _alone(sentences, around, vault, models)
    yield from _read(named, around, vault, patterns)
    yield from _read(keys, around, vault, patterns)
    yield from _read(form, around, vault, patterns)
    yield from _read(prose, around, vault, models)


def _alone(
    pieces: Sequence[Piece], around: Surroundings, vault: Vault | None, using: Sequence[Detector]
) -> Iterator[Seen]:
    every = inspect_all([piece.text for piece in pieces], around, using=using)
    for piece, findings in zip(pieces, every, strict=True):
        for finding in _known(piece.text, findings, vault):
            yield Seen(piece.path, finding)


def _beside(piece: Piece) -> Iterator[tuple[str, str, int]]:
    """Names of a text that its line in the form does not show it beside; and what is shown."""
    if piece.what in {"key", "joined"}:
        return
    text, skipped = piece.text, 0
    names = list(piece.names)
    long = len(text) > MAX_LINE
    if long or text[:1] in _BLANK or text[:1] > "\x7f":
        skipped = blank(text)
        text = text[skipped : skipped + MAX_HEAD]
        if piece.key and (long or skipped) and not says_little(piece.key):
            names.append(piece.key)
    for name in names:
        yield name, text, skipped


def _full(
    form: _Form, around: Surroundings, vault: Vault | None, using: Sequence[Detector]
) -> Generator[Seen, None, _Form]:
    """Read the form when it is full, and give the one to go on with."""
    if form.size <= MAX_FORM:
        return form
    yield from _read(form, around, vault, using)
    return _Form()


def _read(
    form: _Form, around: Surroundings, vault: Vault | None, using: Sequence[Detector]
) -> Iterator[Seen]:
    text = form.text
    for finding in _known(text, inspect(text, around, using=using), vault) if text else ():
        yield from form.place(finding)


def _known(text: str, findings: Sequence[Finding], vault: Vault | None) -> Iterator[Finding]:
    """The findings that are not just a token of the session's own vault."""
    tokens = (
        [m.span() for m in TOKEN.finditer(text) if vault.get(m[0]) is not None]
        if vault is not None and "<remit:" in text
        else []
    )
    for finding in findings:
        if not any(start <= finding.start and finding.end <= end for start, end in tokens):
            yield finding
