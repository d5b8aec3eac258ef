"""What every kind has: a name, and a look at a directory that says whether it is one."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from remit.artifacts.errors import DefinitionError
from remit.artifacts.kitfile import SECTIONS, Entry, Kitfile, Section
from remit.artifacts.tree import Tree
from remit.artifacts.yamltree import is_null, load

KINDS = ("agent", "code", "dataset", "docs", "mcp-server", "model", "policy", "prompt", "skill")
"""The kinds of artifacts, in the order of the alphabet."""

MAX_ENTRIES = 400
MAX_TEXT_BYTES = 1024 * 1024
_DOCUMENTS = ("readme", "license", "licence", "notice", "changelog", "citation", "use_policy")


class Recognised(msgspec.Struct, frozen=True, kw_only=True):
    """What a directory was recognised as.

    Attributes:
        kind: one of :data:`KINDS`.
        kitfile: what its Kitfile would be.
        why: what it was recognised by, for people.
    """

    kind: str
    kitfile: Kitfile
    why: str


Detector = Callable[[Tree], Recognised | None]
"""Looks at a directory; ``None`` if it is not of its kind. It raises ``DefinitionError`` or
``PackError`` if it is, but cannot be packed as it is."""


def front_matter(text: str, what: str) -> tuple[dict[str, Any], str]:
    """The YAML between two lines ``---`` at the start of a text, and the rest.

    Raises:
        DefinitionError: there is a start and no end, or it is no YAML mapping.
    """
    lines = text.splitlines(keepends=True)
    if not lines or lines[0].rstrip() != "---":
        return {}, text
    for at, line in enumerate(lines[1:], 1):
        if line.rstrip() == "---":
            value = load("".join(lines[1:at]).encode(), what)
            if is_null(value):
                value = {}
            if not isinstance(value, dict):
                raise DefinitionError(f"the front matter of `{what}` is no mapping")
            return value, "".join(lines[at + 1 :])
    raise DefinitionError(
        f"the front matter of `{what}` has no end", hint="it ends with a line `---`"
    )


def field(values: Mapping[str, object], name: str) -> str:
    """A text of a mapping; empty if it is missing or no text."""
    value = values.get(name)
    return "" if is_null(value) or not isinstance(value, str) else str(value)


def is_document(name: str) -> bool:
    """Whether a file is about the artifact: its read-me, its licence."""
    last = name.rpartition("/")[2].lower()
    return "/" not in name and last.partition(".")[0] in _DOCUMENTS


def grouped(tree: Tree, section_of: Callable[[str], Section]) -> tuple[Entry, ...]:
    """Entries for all files: one for each file at the top, one for each directory of one section.

    A directory whose files belong to several sections is split into its files. If that makes too
    many, or two models, the whole is one entry of the section that has most bytes.
    """
    tops: dict[str, list[str]] = {}
    for name in tree.files:
        tops.setdefault(name.partition("/")[0], []).append(name)
    entries: list[Entry] = []
    for top, names in tops.items():
        sections = {section_of(name) for name in names}
        if len(sections) == 1 and names != [top]:
            entries.append(Entry(section=sections.pop(), path=top))
        else:
            entries.extend(Entry(section=section_of(name), path=name) for name in names)
    if len(entries) <= MAX_ENTRIES:
        return in_order(entries)
    weights: dict[Section, int] = {}
    for name, size in tree.files.items():
        section = section_of(name)
        weights[section] = weights.get(section, 0) + size
    return (Entry(section=max(weights, key=lambda each: weights[each]), path="."),)


def in_order(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Entries in the order of their sections."""
    return tuple(sorted(entries, key=lambda each: SECTIONS.index(each.section)))
