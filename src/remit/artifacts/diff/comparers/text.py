"""Texts: prompts, skills, documents, code. The last resort for everything that is a text."""

import re
from collections.abc import Iterator

import msgspec

from remit.artifacts.diff.base import Change, Pair, Severity, Work
from remit.artifacts.diff.text import (
    counts,
    difference,
    hidden,
    looks_like_text,
    names_of,
    read_text,
)

_INSTRUCTIONS = re.compile(
    r"(^|/)(skill|agents?|claude|gemini|copilot-instructions|system|memory)\.md$|prompt"
    r"|(^|/)skills?/.*\.(md|txt)$|\.(prompt|jinja2?|j2)$|(^|/)\.cursorrules$",
    re.IGNORECASE,
)
_CODE = re.compile(
    r"\.(py|pyi|js|mjs|cjs|ts|tsx|jsx|sh|bash|zsh|ps1|bat|go|rs|c|h|cc|cpp|java|rb|pl|lua|sql|cedar"
    r"|ipynb|r|php|swift|kt|scala)$|(^|/)(dockerfile|makefile)$",
    re.IGNORECASE,
)


class TextComparer:
    """Lines and words."""

    name = "text"
    order = 1000

    def takes(self, pair: Pair) -> bool:
        """Everything whose beginning is a text on both sides."""
        return all(map(looks_like_text, pair.heads))

    def compare(self, pair: Pair, work: Work) -> Iterator[Change]:
        """One change for the text, and one for characters that nobody sees."""
        del work
        before, after = read_text(pair.a), read_text(pair.b)
        like = Change(
            comparer=self.name,
            kind="text.changed",
            path=pair.path,
            severity=_severity(pair.path),
            summary="text",
        )
        yield from text_changes(like, before, after)


def text_changes(like: Change, before: str, after: str) -> Iterator[Change]:
    """What changed in a text, as comparers of other files use it, too.

    Args:
        like: the change without lines; its summary is what the text is called in a sentence.
        before: the text of the first side.
        after: the text of the second side.
    """
    if before == after:
        return
    removed, added = counts(before, after)
    yield msgspec.structs.replace(
        like,
        summary=f"{like.summary} changed: {_many(removed)} removed, {_many(added)} added",
        details={"removed_lines": removed, "added_lines": added},
        lines=difference(before, after),
    )
    found = hidden(before, after)
    if found is not None:
        yield msgspec.structs.replace(
            like,
            kind="text.invisible",
            severity=found[0],
            summary=f"{like.summary} has characters now that nobody sees: {names_of(found[1])}",
            details={"characters": found[1]},
        )


def _many(lines: int) -> str:
    return f"{lines} line" if lines == 1 else f"{lines} lines"


def _severity(path: str) -> Severity:
    if _INSTRUCTIONS.search(path):
        return "medium"
    return "low" if _CODE.search(path) else "info"


COMPARER = TextComparer()
