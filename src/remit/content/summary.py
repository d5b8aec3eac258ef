"""What policies and records need of the findings in a message.

Short texts of a message are read together, one line each beside its key, as a person would read a
form: many values are something only by their name, and a message of ten thousand words would cost
ten thousand inspections. Long ones are read by themselves. Detectors of tier ``model`` know prose,
not forms, so they read the texts without their keys, and sentences by themselves.
"""

import bisect
import re
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from remit.content.base import SEVERITIES, Detector, Finding, Surroundings
from remit.content.inspect import inspect, wanted
from remit.content.values import Piece, walk
from remit.content.vault import TOKEN, Vault

MAX_KEPT = 200
MAX_LINE = 400
MAX_FORM = 16_000
MAX_KEY = 64
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

    def by(self, rule: str) -> "tuple[Finding, ...]":
        """The findings of one rule."""
        return tuple(seen.finding for seen in self.seen if seen.finding.rule == rule)

    def plus(self, findings: "Iterable[Finding]") -> "Summary":
        """With findings about the whole message."""
        return Summary((*self.seen, *(Seen("", finding) for finding in findings)), self.complete)

    def fact(self) -> Mapping[str, Any]:
        """``context.content`` of policies; types in spec/policy-schema.md."""
        findings = [seen.finding for seen in self.seen]
        kinds = self.kinds
        severity = max((SEVERITIES.index(f.severity) + 1 for f in findings), default=0)
        injected = (f.score_milli for f in findings if f.kind == "injection")
        return {
            "findings": sorted(kinds | {f"{f.kind}:{f.label}" for f in findings}),
            "max_severity": severity,
            "injection": max(injected, default=0) // 10,
            "inspected": "uninspected" not in kinds,
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
    return Summary(tuple(dict.fromkeys(seen)), walked.complete)


class _Form:
    """Short texts below each other, and from which of them a place is."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._starts: list[int] = []
        self._pieces: list[tuple[str, int]] = []
        self.size = 0

    def add(self, piece: Piece, *, beside_key: bool = True) -> None:
        key = piece.key[:MAX_KEY] if beside_key and piece.what != "key" else ""
        prefix = f"{key}: " if key else ""
        self._starts.append(self.size)
        self._pieces.append((piece.path, len(prefix)))
        line = f"{prefix}{piece.text}\n"
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
            path, before = self._pieces[at]
            length = len(self._parts[at]) - before - 1
            begin = self._starts[at] + before
            start = min(max(finding.start - begin, 0), length)
            end = min(max(finding.end - begin, 0), length)
            if end > start or finding.start == finding.end:
                yield Seen(path, msgspec.structs.replace(finding, start=start, end=end))


def _look(pieces: Iterable[Piece], around: Surroundings, vault: Vault | None) -> Iterator[Seen]:
    every = wanted(around)
    patterns = [d for d in every if d.tier != "model"]
    models = [d for d in every if d.tier == "model"]
    form, prose = _Form(), _Form()
    sentences = 0
    for piece in pieces:
        if len(piece.text) > MAX_LINE:
            yield from _alone(piece, around, vault, every)
            continue
        form = yield from _gather(form, piece, around, vault, patterns)
        if piece.what in _FORMAL or _FRAGMENT.fullmatch(piece.text):
            continue
        sentences += 1
        if sentences <= MAX_SENTENCES:
            yield from _alone(piece, around, vault, models)
        else:
            prose = yield from _gather(prose, piece, around, vault, models)
    yield from _read(form, around, vault, patterns)
    yield from _read(prose, around, vault, models)


def _alone(
    piece: Piece, around: Surroundings, vault: Vault | None, using: Sequence[Detector]
) -> Iterator[Seen]:
    for finding in _known(piece.text, inspect(piece.text, around, using=using), vault):
        yield Seen(piece.path, finding)


def _gather(
    form: _Form, piece: Piece, around: Surroundings, vault: Vault | None, using: Sequence[Detector]
) -> Generator[Seen, None, _Form]:
    """Put a text into the form; read the form when it is full, and give the one to go on with."""
    form.add(piece, beside_key=any(d.tier == "pattern" for d in using))
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
