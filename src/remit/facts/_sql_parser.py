"""sqlglot's parser with a bound on its work.

The parser tries a reading, goes back, and tries the next. Where such places nest (joins without a
condition, ``STRUCT(STRUCT(…``) the work doubles with each: thirty words of SQL would keep it busy
for hours. Going back is counted here and ends the parse; whatever sqlglot tries in future versions
is bounded the same way. The compiled form of sqlglot (its extra ``c``) is four times as fast and
takes no such bound, so it is not used.
"""

import functools
import logging
from collections.abc import Sequence
from typing import Any

from remit.facts.base import FactError

STEPS_PER_TOKEN = 32
"""Ordinary SQL goes back over less than four tokens for each of its own."""
STEPS = 2048


def parse(dialect: Any, tokens: Sequence[Any], sql: str) -> list[Any]:
    """The trees of the statements, without those that are empty.

    Raises:
        FactError: ``facts.size`` if the text takes too much work.
        SqlglotError: it does not parse.
    """
    parser = _bounded(dialect.parser_class)(dialect=dialect)
    parser.steps = STEPS + STEPS_PER_TOKEN * len(tokens)
    trees = parser.parse(tokens, sql)
    return [tree for tree in trees if tree is not None and type(tree).__name__ != "Semicolon"]


@functools.cache
def _bounded(parser_class: Any) -> Any:
    # It warns of every statement that it only keeps as text; the kind `command` says the same.
    logging.getLogger("sqlglot").setLevel(logging.CRITICAL)

    class Bounded(parser_class):  # type: ignore[misc]
        steps = 0

        def _retreat(self, index: int) -> None:
            self.steps -= 1 + abs(self._index - index)
            if self.steps < 0:
                raise FactError("the SQL has too many readings", code="facts.size")
            super()._retreat(index)

    return Bounded
