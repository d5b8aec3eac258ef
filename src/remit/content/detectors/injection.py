"""Prompt injection: instructions in a text that are addressed to the model that reads it.

Every reading of the text is scored by a linear n-gram model, window by window; rules that match in
a window add to its logit. A finding is a run of windows above the channel's threshold. Data, scores
and known failures: ``docs/reference/injection-model.md``.

LIMIT: an ordinary request inside a document ("translate this to French") looks like what it is.
Whether it was the user's wish is not in the text; labels and provenance have to answer that.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from remit.content import _injection_rules as rules
from remit.content import _ngrams as ngrams
from remit.content._injection_views import Piece, pieces
from remit.content.base import ALL_CHANNELS, Channel, Finding, Severity, Surroundings, Views

_HIGH, _CRITICAL = 1.5, 5.0
# The model was trained on sentences: of names, labels and fragments it knows nothing.
_FRAGMENT = re.compile(r"[\W_]*(?:[A-Za-z0-9]+[\W_]*){0,3}")
_FRAGMENT_LENGTH = 40


class _Scored(NamedTuple):
    """A span of the original with its logit and what contributed most."""

    start: int
    end: int
    logit: float
    label: str
    rule: str


class InjectionDetector:
    """Detector ``injection``."""

    name = "injection"
    version = "injection/1"
    tier: Literal["model"] = "model"
    channels: frozenset[Channel] = ALL_CHANNELS

    def find(self, text: Views, around: Surroundings) -> Iterable[Finding]:
        """Windows above the threshold, those that overlap as one.

        Raises:
            ContentError: the text holds more candidates for rules than can be looked at.
        """
        return self.find_all((text,), around)[0]

    def find_all(self, texts: Sequence[Views], around: Surroundings) -> Sequence[Iterable[Finding]]:
        """The same for each of ``texts``, all of them scored at once."""
        model = ngrams.load()
        threshold = model.thresholds[ngrams.CHANNELS.index(around.channel)]
        return [
            [self._finding(span, model, threshold) for span in _merged(scored)]
            for scored in score(texts, model, threshold)
        ]

    def _finding(self, span: _Scored, model: ngrams.Model, threshold: float) -> Finding:
        return Finding(
            kind="injection",
            label=span.label,
            severity=_severity(span.logit - threshold),
            score_milli=model.milli(span.logit),
            start=span.start,
            end=span.end,
            rule=span.rule,
            version=self.version,
        )


def score(
    texts: Sequence[Views], model: ngrams.Model, threshold: float
) -> Sequence[Sequence[_Scored]]:
    """For each text windows of readings that say something new, from a logit on.

    They are in places of the original.
    """
    some: list[tuple[int, Piece, rules.Hits]] = []
    for number, text in enumerate(texts):
        hides = any(view.name == "hidden" for view in text.views)
        for piece in pieces(text):
            found = rules.hits(piece.text)
            as_it_is = piece.view is text.views[0] or (hides and piece.view.name == "fold")
            if not as_it_is or found.all or not _is_fragment(piece.text):
                some.append((number, piece, found))
    scored: list[list[_Scored]] = [[] for _ in texts]
    for window in ngrams.score([piece.text for _, piece, _ in some], model):
        number, piece, found = some[window.number]
        inside = found.within(window.start, window.end) if found.all else ()
        logit = window.logit + piece.prior
        if inside:
            logit = rules.weigh(inside).on(logit)
        if logit >= threshold:
            scored[number].append(_scored(piece, window, inside, logit))
    return scored


def _is_fragment(text: str) -> bool:
    short = text.strip()
    return len(short) <= _FRAGMENT_LENGTH and _FRAGMENT.fullmatch(short) is not None


def _scored(
    piece: Piece, window: ngrams.Window, inside: Sequence[rules.Hit], logit: float
) -> _Scored:
    """A window, or the best of the rules that match in it."""
    if not inside:
        start, end = piece.origin(window.start, window.end)
        return _Scored(start, end, logit, "suspicious", "ngrams")
    top = max(inside, key=lambda h: (h.points, -h.start))
    start, end = piece.origin(top.start, top.end)
    return _Scored(start, end, logit, top.rule.label, top.rule.id)


def _merged(scored: Iterable[_Scored]) -> list[_Scored]:
    """Spans that overlap become one; the highest logit names it."""
    merged: list[_Scored] = []
    for span in sorted(scored):
        last = merged[-1] if merged else None
        if last is None or span.start >= last.end:
            merged.append(span)
        else:
            top = max(last, span, key=lambda s: s.logit)
            merged[-1] = top._replace(start=last.start, end=max(last.end, span.end))
    return merged


def _severity(margin: float) -> Severity:
    if margin >= _CRITICAL:
        return "critical"
    return "high" if margin >= _HIGH else "medium"


DETECTOR = InjectionDetector()
