r"""Expand templates.

``{a|b}`` is one of them, ``$name`` an entry of ``words.txt``, ``\n`` a line break, ``¦`` a bar.
``## kind channel`` opens a group; a line of a group is a template. Everything here is our own text
under CC0-1.0.
"""

import random
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

TEXTS = Path(__file__).parent / "texts"
_CHOICE = re.compile(r"\{([^{}|]*(?:\|[^{}|]*)+)\}")
_NAME = re.compile(r"\$([a-z]+)")


class Template(NamedTuple):
    """A line of a file: where it stands, its group, and the template."""

    place: str
    kind: str
    channel: str
    text: str


def words(path: Path = TEXTS / "words.txt") -> dict[str, list[str]]:
    """The lists that templates name."""
    lists = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, _, entries = line.partition(": ")
            lists[name] = entries.split("|")
    return lists


def templates(path: Path) -> Iterator[Template]:
    """The templates of a file."""
    kind = channel = ""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("## ") and len(line.split()) == 3:
            _, kind, channel = line.split()
        elif line and kind:
            yield Template(f"{path.stem}:{number}", kind, channel, line)


def expand(template: str, lists: Mapping[str, list[str]], rng: random.Random) -> str:
    """One text out of a template; braces without ``|`` stay as they are."""
    text = template
    while True:
        chosen = _CHOICE.sub(lambda m: rng.choice(m[1].split("|")), text)
        if chosen == text:
            break
        text = chosen
    text = _NAME.sub(lambda m: rng.choice(lists[m[1]]) if m[1] in lists else m[0], text)
    return text.replace("\\n", "\n").replace("¦", "|")
