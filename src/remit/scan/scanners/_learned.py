"""What the trained models say of texts, and what that makes of what the patterns found.

A model judges every reading of a text, unit by unit; the unit that reads most like an attack counts.
From its limits on that is a finding of its own. Patterns about what sentences say block only where the
model sees something as well, and ask a person elsewhere; the weakest of them are only recorded where all
of a text reads like a description. What hides, runs or names places counts whatever the model says.

LIMIT: who can try often will find a wording that the models pass, or one that calms them.
"""

import math
import re
from collections.abc import Iterable, Iterator

import msgspec

from remit.content._injection_views import pieces
from remit.content.views import read
from remit.scan.base import Finding, Member, Severity
from remit.scan.scanners import _definition_model, _text
from remit.scan.scanners._definition_model import Name
from remit.scan.scanners._definition_units import Place, units

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
        logit: of the unit that reads most like an attack.
        start, end: of that unit in the original text.
        shown: the unit as it was read.
    """

    model: Name
    logit: float
    start: int
    end: int
    shown: str


def judged(text: str, place: Place, name: Name) -> Judged | None:
    """The judgement of a text; ``None`` if there is no sentence in it."""
    model = _definition_model.load(name)
    best: Judged | None = None
    count = 0
    for piece in pieces(read(text)):
        for unit in units(piece.text):
            logit = model.logit(unit, place)
            count += piece.view.name in {"original", "fold"}
            if best is None or logit > best.logit:
                best = Judged(name, logit, *piece.origin(unit.start, unit.end), unit.text)
    if best is None:
        return None
    return msgspec.structs.replace(best, logit=model.among(best.logit, count))


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
        elif severity == "medium" and seen.logit < model.calm and weak:
            severity = "low"
        yield msgspec.structs.replace(finding, severity=severity)


def _confidence(logit: float) -> int:
    """Thousandths: a logit is about that of a probability."""
    return round(1000 / (1 + math.exp(-min(max(logit, -20.0), 20.0))))
