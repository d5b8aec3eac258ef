"""The stream window: lets a text through piece by piece, and never a part of what is found in it.

A piece is released only up to the leftmost point at which something that a detector looks for could
have begun without having ended (:mod:`remit.content.hold`). Rules:

1. Nothing is released in the middle of a run (characters without white space).
2. Nothing is released that was not inspected together with what stood before it (``CONTEXT``) and
   with everything that has arrived after it.
3. A finding that reaches beyond the point of release moves the point back to where it begins.
4. What is held grows to ``MAX_HELD`` bytes at most; then the stream is blocked for good.
5. A blocked stream releases nothing any more, at its end neither.

It does no I/O, knows nothing of events, and keeps a state per choice. It does not see what a person
would put together from two choices, and a word that makes a value a secret counts only within
``CONTEXT`` characters before it.
"""

import codecs
from collections.abc import Iterable
from typing import Literal

from remit.content.base import Detector, Finding, Surroundings
from remit.content.hold import breaks, hold
from remit.content.inspect import detectors, inspect
from remit.content.redact import Style, Wanted, everything, mark_for, spans
from remit.content.redact_json import redact_arguments

MAX_HELD = 16 << 10
MAX_ARGUMENTS = 1 << 20
CONTEXT = 256

Action = Literal["redact", "block"]


class _Choice:
    """One stream: released text that is still context, and what is held."""

    def __init__(self) -> None:
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.context = ""
        self.held = ""
        self.parts: list[str] = []
        self.size = 0
        self.half = ""
        self.blocked: Finding | None = None
        self.done = False


class Window:
    """A window over the streams of one response. Belongs to one thread."""

    def __init__(
        self,
        around: Surroundings,
        style: Style | None = None,
        *,
        action: Action = "redact",
        wanted: Wanted = everything,
        using: Iterable[Detector] | None = None,
    ) -> None:
        """A new window.

        Args:
            around: where the stream comes from.
            style: how values are replaced; masked if not given.
            action: replace what is found, or block the stream at the first finding.
            wanted: which findings count; ``uninspected`` always blocks.
            using: detectors, instead of all of tier ``pattern``: a model reads more than a window.
        """
        self._around = around
        self._style = style or Style()
        self._action = action
        self._wanted = wanted
        chosen = [d for d in detectors() if d.tier == "pattern"] if using is None else list(using)
        self._using = tuple(d for d in chosen if around.channel in d.channels)
        self._choices: dict[int, _Choice] = {}
        self._findings: list[Finding] = []

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was replaced or blocked so far; spans are within the text that was inspected."""
        return tuple(self._findings)

    def blocked(self, index: int = 0) -> Finding | None:
        """Why a stream was blocked; ``None`` while it is not."""
        return self._choice(index).blocked

    def feed(self, piece: str | bytes, index: int = 0) -> str:
        """Take the next piece of choice ``index``; returns what may be delivered now.

        Bytes may end within a code point, and text within a surrogate pair.
        """
        choice = self._choice(index)
        if choice.blocked or choice.done:
            return ""
        text = self._text(choice, piece)
        choice.parts.append(text)
        choice.size += len(text.encode("utf-8", "surrogatepass"))
        if not breaks(text):
            return self._full(choice)
        self._gather(choice)
        whole = choice.context + choice.held
        point = max(hold(whole, self._around, self._using), len(choice.context))
        return self._release(choice, whole, point) or self._full(choice)

    def finish(self, index: int = 0) -> str:
        """The stream has ended (or was cancelled, or failed): inspect and return the rest."""
        choice = self._choice(index)
        if choice.blocked or choice.done:
            return ""
        choice.parts.append(choice.half + choice.decoder.decode(b"", final=True))
        choice.half = ""
        self._gather(choice)
        whole = choice.context + choice.held
        released = self._release(choice, whole, len(whole)) if choice.held else ""
        choice.done = True
        return released

    def _choice(self, index: int) -> _Choice:
        return self._choices.setdefault(index, _Choice())

    def _text(self, choice: _Choice, piece: str | bytes) -> str:
        text = choice.decoder.decode(piece) if isinstance(piece, bytes) else piece
        text, choice.half = choice.half + text, ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, choice.half = text[:-1], text[-1]
        if any("\ud800" <= c <= "\udfff" for c in text) if not text.isascii() else False:
            text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return text

    def _gather(self, choice: _Choice) -> None:
        choice.held += "".join(choice.parts)
        choice.parts = []

    def _full(self, choice: _Choice) -> str:
        if choice.size > MAX_HELD:
            self._block(choice, _over("window_full"))
        return ""

    def _release(self, choice: _Choice, whole: str, point: int) -> str:
        begin = len(choice.context)
        if point <= begin:
            return ""
        found = inspect(whole, self._around, using=self._using)
        for finding in found:
            if finding.kind == "uninspected":
                return self._block(choice, finding)
        cuts = spans(whole, [f for f in found if f.end > begin and self._wanted(f)])
        cuts = [c for c in cuts if c[1] > begin]
        if cuts and self._action == "block":
            return self._block(choice, cuts[0][2])
        if point < len(whole):
            for start, end, _ in reversed(cuts):
                if start < point < end:
                    point = max(start, begin)
        out: list[str] = []
        at = begin
        for start, end, finding in cuts:
            if end > point:
                break
            out += (
                whole[at : max(start, at)],
                mark_for(whole[max(start, at) : end], finding, self._style),
            )
            at = end
            self._findings.append(finding)
        out.append(whole[at:point])
        choice.context = whole[max(0, point - CONTEXT) : point]
        choice.held = whole[point:]
        choice.size = len(choice.held.encode("utf-8", "surrogatepass"))
        return "".join(out)

    def _block(self, choice: _Choice, finding: Finding) -> str:
        self._findings.append(finding)
        choice.blocked = finding
        choice.held = choice.context = ""
        choice.parts = []
        return ""


class ArgumentsWindow:
    """Arguments of one tool call, which arrive as fragments of JSON text.

    Half of a JSON text means nothing, so all is held, then decoded, cleaned and written anew.
    """

    def __init__(
        self,
        around: Surroundings,
        style: Style | None = None,
        *,
        action: Action = "redact",
        wanted: Wanted = everything,
    ) -> None:
        self._around = around
        self._style = style or Style()
        self._action = action
        self._wanted = wanted
        self._parts: list[str] = []
        self._size = 0
        self.blocked: Finding | None = None

    def feed(self, fragment: str) -> str:
        """Take a fragment; returns nothing, ever."""
        self._size += len(fragment)
        if self._size > MAX_ARGUMENTS:
            self.blocked = self.blocked or _over("arguments_full")
            self._parts = []
        elif self.blocked is None:
            self._parts.append(fragment)
        return ""

    def finish(self) -> str:
        """The whole arguments, cleaned; nothing if they are blocked or are not JSON."""
        if self.blocked is not None:
            return ""
        text = "".join(self._parts)
        self._parts = []
        if not text:
            return ""
        cleaned = redact_arguments(text, self._around, self._style, wanted=self._wanted)
        if cleaned is None:
            self.blocked = _over("arguments_not_json")
        elif cleaned != text and self._action == "block":
            self.blocked = _over("found")
        return "" if self.blocked is not None or cleaned is None else cleaned


def _over(rule: str) -> Finding:
    return Finding(
        kind="uninspected",
        label=rule,
        severity="high",
        score_milli=1000,
        start=0,
        end=0,
        rule=rule,
        version="window/1",
    )
