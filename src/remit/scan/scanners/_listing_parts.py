"""What a listing of an MCP server is made of: its lists, what each definition is about, its texts."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from remit.content.values import Piece
from remit.scan.scanners._definition_units import Kind, Place

LISTS = ("tools", "prompts", "resources", "resourceTemplates")
WORDS = re.compile(r"[_\-. /]+|(?<=[a-z])(?=[A-Z])")
"""What stands between the words of a name."""
Lists = Sequence[tuple[str, str, list[Any]]]
"""Lists of a listing: kind, JSON pointer, items."""


def lists(value: Any, pointer: str) -> Iterator[tuple[str, str, list[Any]]]:
    """Lists of a listing wherever a client would look: (kind, pointer, items)."""
    if isinstance(value, list):
        if any(isinstance(each, dict) and "inputSchema" in each for each in value):
            yield "tools", pointer, value
        for at, each in enumerate(value[:1000]):
            # Recorded sessions: one JSON-RPC message after the other.
            if isinstance(each, dict) and ("jsonrpc" in each or "result" in each):
                yield from lists(each, f"{pointer}/{at}")
    elif isinstance(value, dict):
        yield from _own_lists(value, pointer)
        yield from _lists_below(value, pointer)


def _own_lists(value: dict[str, Any], pointer: str) -> Iterator[tuple[str, str, list[Any]]]:
    for kind in LISTS:
        items = value.get(kind)
        if isinstance(items, list) and any(_definition(kind, each) for each in items):
            yield kind, f"{pointer}/{kind}", items
        elif isinstance(items, dict) and kind == "tools" and "servers" not in value:
            named = [{"name": k, **v} for k, v in items.items() if isinstance(v, dict)]
            if any("inputSchema" in each or "description" in each for each in named):
                yield kind, f"{pointer}/{kind}", named
    if "serverInfo" in value or ("instructions" in value and "capabilities" in value):
        yield "server", pointer, [value]


def _lists_below(value: dict[str, Any], pointer: str) -> Iterator[tuple[str, str, list[Any]]]:
    for key in ("result", "capabilities", "servers", "mcpServers"):
        below = value.get(key)
        if isinstance(below, (dict, list)):
            yield from lists(below, f"{pointer}/{key}")
            if isinstance(below, dict) and key in {"servers", "mcpServers"}:
                for name, each in below.items():
                    yield from lists(each, f"{pointer}/{key}/{name}")


def _definition(kind: str, value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("name"), (str, type(None))):
        return False
    marks = {
        "tools": ("inputSchema", "input_schema", "parameters", "description", "annotations"),
        "prompts": ("arguments", "description", "text", "messages"),
        "resources": ("uri",),
        "resourceTemplates": ("uriTemplate",),
    }
    return any(mark in value for mark in marks[kind])


def topics(lists: Lists) -> Iterator[tuple[str, str]]:
    """What each definition is about: its name, its title, and how its description begins."""
    for _, pointer, items in lists:
        for at, item in enumerate(items):
            if isinstance(item, dict):
                said = str(item.get("description") or "")
                first = re.split(r"(?<=[.!?;:\u3002])\s|[\u3002\n]", said, maxsplit=1)[0]
                name = WORDS.sub(" ", str(item.get("name") or ""))
                yield f"{pointer}/{at}", f"{name}\n{item.get('title') or ''}\n{first[:300]}"


def topic(path: str, topics: Mapping[str, str]) -> str:
    """What the definition is about that a text stands in; with the name of its parameter."""
    parts = path.split("/")
    for end in range(len(parts), 1, -1):
        topic = topics.get("/".join(parts[:end]))
        if topic is not None:
            inside = [each for each in parts[end:] if each not in {"properties", "description"}]
            return f"{topic}\n{WORDS.sub(' ', ' '.join(inside[1:]))}"
    return ""


def own_names(pieces: Sequence[Piece]) -> frozenset[str]:
    """Names of this listing: its texts may speak of these."""
    return frozenset(
        each.text.lower()
        for each in pieces
        if (each.what == "key" or each.path.endswith("/name") or "/enum/" in each.path)
        and len(each.text) <= 128
    )


# What a schema says of types is no sentence; names are judged by how they are written.
_NO_SENTENCE = re.compile(
    r"/(?:name|type|format|uri|mimeType|\$ref|\$schema|pattern|role|version)\Z|/(?:required|icons)/"
)
_VALUE = re.compile(r"/(?:enum|examples)/\d+\Z|/(?:default|const)\Z")


def places(found: Lists, pieces: Sequence[Piece]) -> Iterator[tuple[Piece, Place]]:
    """Texts of a listing that are judged by what they say, and where each stands."""
    own, about = own_names(pieces), dict(topics(found))
    for piece in pieces:
        if piece.what in {"text", "blob"} and _NO_SENTENCE.search(piece.path) is None:
            place = Place(_kind(piece.path), topic(piece.path, about), own)
            yield piece, place


def _kind(path: str) -> Kind:
    if _VALUE.search(path):
        return "value"
    if "/properties/" in path or "/arguments/" in path:
        return "parameter"
    if "/messages/" in path:
        return "prompt"
    return "tool" if any(f"/{each}/" in path for each in LISTS) else "server"
