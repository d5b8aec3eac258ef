"""What the trained models say of texts, and what that makes of what the patterns found.

A linear model judges every reading of a text, unit by unit, and an encoder the windows that these stand
in; the unit that reads most like an attack to both counts. From its limits on that is a finding of its
own. Patterns about what sentences say block only where the models see something as well, and ask a person
elsewhere; the weakest of them are only recorded where all of a text reads like a description to both. What
hides, runs or names places counts whatever the models say.

LIMIT: who can try often will find a wording that the models pass, or one that calms them.
"""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from remit.content._injection_views import Piece, pieces
from remit.content.views import read
from remit.scan.base import Finding, Member, Severity
from remit.scan.scanners import _definition_model, _encoder, _text
from remit.scan.scanners._definition_model import Name
from remit.scan.scanners._definition_units import Place, Unit, units, window_of, windows
from remit.scan.scanners._encoder import Asked

WINDOW = 360
"""Characters of ASCII that the encoder reads at a time; its longest input holds them."""
MOST_WINDOWS = 1_024
"""Of an artifact that the encoder reads, each in one part: a minute of processor time, two at worst."""
_WHOLE = frozenset({"original", "fold"})

_FAMILIES: dict[Name, str] = {"listing": "mcp", "prompt": "prompt"}
_TITLES: dict[Name, str] = {
    "listing": "a definition that reads like an attack on the model or its user",
    "prompt": "a prompt that reads like an order against its user or owner",
}
# Patterns about what a sentence says: none of them blocks unless the model sees something, too.
_SAID = re.compile(
    r"\.(?:keep_secret|conversation_out|environment_out|first_of_all|other_tools|sleeper|what_was_said"
    r"|talks_down|adds_recipient|confidential|credentials_away|never_refuse|remote_orders"
    r"|concealed(?:_step)?|remote_rules|waits_and_drops_rules|lifts_rules|outranks|plants_backdoor"
    r"|sends_words|drops_rules|poisoning\.\w+)\Z"
)
# Those of them, and others, that harmless texts meet often: in a calm text they are only recorded.
_WEAK = re.compile(
    r"\.(?:off_topic_\w+|waits_for_word|concealment|conceals|keep_secret|drops_rules"
    r"|injection\.(?:suspicious|tool_bait|prompt_leak)"
    r"|poisoning\.(?:secrecy|secret_request|instruction))\Z"
)


class Judged(msgspec.Struct, frozen=True):
    """What a model says of a text.

    Attributes:
        model: which one.
        logit: of the unit that reads most like an attack to both models together.
        linear: of the unit that does so to the linear model alone.
        start, end: of that unit in the original text.
        shown: the unit as it was read.
    """

    model: Name
    logit: float
    linear: float
    start: int
    end: int
    shown: str


class Budget:
    """Windows that the encoder may still read of an artifact.

    Attributes:
        short: whether some were wanted that it did not read; the linear model judged these alone.
    """

    def __init__(self, windows: int = MOST_WINDOWS) -> None:
        self._left = windows
        self.short = False

    def take(self, parts: int) -> bool:
        """Whether a window of so many parts may be read."""
        if parts > self._left:
            self.short = True
            return False
        self._left -= parts
        return True

    def findings(self, name: Name, member: Member) -> Iterator[Finding]:
        """That a person has to look, if there were not enough; ``member`` is the last one."""
        if self.short:
            yield _text.found(
                f"{_FAMILIES[name]}.much_text", "more text than is judged with all care", "medium",
                member,
            )  # fmt: skip


class _Read(NamedTuple):
    """A unit of a reading, and the window it stands in: one of all that are asked of the encoder."""

    text: int
    piece: Piece
    unit: Unit
    logit: float
    window: int


def judged(text: str, place: Place, name: Name, budget: Budget | None = None) -> Judged | None:
    """The judgement of a text; ``None`` if there is no sentence in it."""
    return judgements([(text, place)], name, budget)[0]


def judgements(
    texts: Sequence[tuple[str, Place]], name: Name, budget: Budget | None = None
) -> list[Judged | None]:
    """The judgement of each text of a file, see :func:`judged`; all its units raise the limits."""
    model = _definition_model.load(name)
    asked: dict[Asked, int] = {}
    read_all: list[_Read] = []
    for at, (text, place) in enumerate(texts):
        read_all += _units(at, text, place, model, asked)
    encoded = _encoded(read_all, list(asked), name, budget or Budget())
    found: list[Judged | None] = [None] * len(texts)
    count = sum(each.piece.view.name in _WHOLE for each in read_all)
    linear = dict.fromkeys(range(len(texts)), -math.inf)
    for each in read_all:
        linear[each.text] = max(linear[each.text], each.logit)
        logit = model.both(each.logit, encoded.get(each.window, each.logit))
        best = found[each.text]
        if best is None or logit > best.logit:
            start, end = each.piece.origin(each.unit.start, each.unit.end)
            found[each.text] = Judged(name, logit, logit, start, end, each.unit.text)
    return [
        best
        and msgspec.structs.replace(
            best, logit=model.among(best.logit, count), linear=model.among(linear[at], count)
        )
        for at, best in enumerate(found)
    ]


def _units(
    at: int, text: str, place: Place, model: _definition_model.Model, asked: dict[Asked, int]
) -> Iterator[_Read]:
    topic = topic_of(place)
    for piece in pieces(read(text)):
        spans = windows(piece.text, WINDOW)
        numbers = [
            asked.setdefault(Asked(topic, piece.text[start:end]), len(asked))
            for start, end in spans
        ]
        for unit in units(piece.text):
            window = numbers[window_of(unit, spans)]
            yield _Read(at, piece, unit, model.logit(unit, place), window)


def topic_of(place: Place) -> str:
    """What the encoder is told of where a window stands."""
    return f"{place.kind}: {' '.join(place.topic.split())}"


def _encoded(
    read_all: Iterable[_Read], asked: Sequence[Asked], name: Name, budget: Budget
) -> dict[int, float]:
    """What the encoder says of windows: of those first in which a unit reads most like an attack."""
    worst: dict[int, float] = {}
    for each in read_all:
        worst[each.window] = max(each.logit, worst.get(each.window, each.logit))
    if not worst:
        return {}
    encoder, chosen = _encoder.load(), []
    for window in sorted(worst, key=lambda window: -worst[window]):
        if not budget.take(len(encoder.inputs(asked[window]))):
            break
        chosen.append(window)
    logits = encoder.logits(name, [asked[window] for window in chosen])
    return dict(zip(chosen, logits, strict=True))


def findings(seen: Judged, text: str, member: Member, *, pointer: str = "") -> Iterator[Finding]:
    """The finding that a judgement is, if any."""
    model = _definition_model.load(seen.model)
    if seen.logit < model.review:
        return
    severity: Severity = "high" if seen.logit >= model.block else "medium"
    if _text.mentioned(text, seen.start, seen.end):
        severity = "low"
    yield _text.found(
        f"{_FAMILIES[seen.model]}.learned", _TITLES[seen.model], severity, member,
        shown=seen.shown, pointer=pointer, line=_text.line_of(text, seen.start),
        confidence=_confidence(seen.logit),
    )  # fmt: skip


def weighed(found: Iterable[Finding], seen: Judged | None) -> Iterator[Finding]:
    """What patterns found in a text that was judged."""
    for finding in found:
        if seen is None:
            yield finding
            continue
        model = _definition_model.load(seen.model)
        severity = finding.severity
        weak = _WEAK.search(finding.rule) is not None
        if (
            severity == "high"
            and seen.logit < model.review
            and (weak or _SAID.search(finding.rule))
        ):
            severity = "medium"
        elif severity == "medium" and max(seen.logit, seen.linear) < model.calm and weak:
            severity = "low"
        yield msgspec.structs.replace(finding, severity=severity)


def _confidence(logit: float) -> int:
    """Thousandths: a logit is about that of a probability."""
    return round(1000 / (1 + math.exp(-min(max(logit, -20.0), 20.0))))
