"""The match fact: which of the bundle's named patterns are found in a text.

Patterns are RE2: no pattern and no text can make it slow. A pattern is searched anywhere in the
text (write ``^`` and ``$`` to anchor it), in the text as it is and in its NFC form.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from remit.core.text import normal
from remit.facts.base import Environment, FactError, Raw, shape, texts

MAX_TEXT = 1024 * 1024
MAX_PATTERN = 4096
MAX_PROGRAM_BYTES = 4 * 1024 * 1024


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of the match fact.

    Attributes:
        patterns: names of matchers of the bundle.
    """

    patterns: tuple[str, ...]

    def __post_init__(self) -> None:
        """A fact without patterns would say "nothing found" of everything."""
        if not self.patterns:
            raise ValueError("`patterns` is empty")


class Match:
    """Extractor ``match``."""

    name = "match"
    options = Options
    shape = shape(matched="Set<String>")
    worst: Mapping[str, Raw] = {"matched": ("unknown",)}

    def extract(
        self, values: Sequence[Any], options: Options, env: Environment
    ) -> Mapping[str, Raw]:
        """Names of the patterns that are found in at least one value."""
        patterns: dict[str, Any] = {}
        for name in options.patterns:
            if name not in env.matchers:
                raise FactError(f"there is no matcher `{name}`", code="facts.bad_options")
            patterns[name] = compile_pattern(env.matchers[name])
        matched: set[str] = set()
        for text in texts(values, limit=MAX_TEXT):
            forms = {text, normal("NFC", text)}
            matched |= {
                name for name, pattern in patterns.items() if any(map(pattern.search, forms))
            }
        return {"matched": matched}


@functools.lru_cache(maxsize=512)
def compile_pattern(pattern: str) -> Any:
    """The compiled RE2 pattern; a bundle's loader calls it to refuse bad ones early.

    Raises:
        FactError: ``facts.bad_pattern``.
    """
    import re2

    if not 0 < len(pattern) <= MAX_PATTERN:
        raise FactError(
            f"a pattern is 1 to {MAX_PATTERN} characters long", code="facts.bad_pattern"
        )
    options = re2.Options()
    options.max_mem = MAX_PROGRAM_BYTES
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0] if error.args else ""
        reason = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        raise FactError(
            f"a pattern does not compile: {reason[:200]}",
            hint="the syntax is RE2's: no look-around, no back references",
            code="facts.bad_pattern",
        ) from None


EXTRACTOR = Match()
