"""MCP servers: their tools, what these take, and how the server is started.

Reads ``tools/list`` answers, ``tools.lock`` of a policy bundle (``spec/bundle.md``) and the
``manifest.json`` of an MCPB bundle. Descriptions are instructions to a model: a changed one is
new code.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from remit.artifacts.diff.base import (
    Change,
    NotLookedIntoError,
    Pair,
    Severity,
    Work,
    capped,
)
from remit.artifacts.diff.comparers.structured import value_changes
from remit.artifacts.diff.comparers.text import COMPARER as TEXT
from remit.artifacts.diff.comparers.text import text_changes
from remit.artifacts.diff.schema import Direction, SchemaChange, schema_changes
from remit.artifacts.diff.structure import MAX_JSON_BYTES, load_json, phrase, places, short
from remit.artifacts.diff.text import looks_like_text, read_bytes, shown
from remit.core.canonical import digest_bytes

NAME = "tools"
_FILES = ("manifest.json", "tools.json", "tools.lock", "tools-list.json", "tools_list.json")
MAX_TOOLS = 5000
_SCHEMAS = ("inputSchema", "outputSchema", "input_schema", "output_schema", "parameters")
_OF_DIRECTION: Mapping[Direction, Severity] = {"wider": "medium", "narrower": "low", "other": "low"}
_TEXTS = ("description", "title", "instructions")

_Tool = Mapping[str, Any]


class ToolComparer:
    """Tools by their names."""

    name = NAME
    order = 400

    def takes(self, pair: Pair) -> bool:
        """By the names that such files have."""
        return pair.name in _FILES and all(map(looks_like_text, pair.heads))

    def compare(self, pair: Pair, work: Work) -> Iterator[Change]:
        """Tool by tool, then everything else that the file says."""
        try:
            before = load_json(read_bytes(pair.a, MAX_JSON_BYTES))
            after = load_json(read_bytes(pair.b, MAX_JSON_BYTES))
        except NotLookedIntoError:
            yield from TEXT.compare(pair, work)
            return
        old, new = _listing(before), _listing(after)
        if old is None or new is None:
            yield from value_changes(NAME, pair.path, before, after)
            return
        yield from capped(
            _tools(pair.path, old[0], new[0]),
            lambda left: Change(
                comparer=NAME,
                kind="tool.more",
                path=pair.path,
                severity="medium",
                summary=f"{left} more changes of tools",
            ),
        )
        yield from _around(pair.path, old[1], new[1])


def _listing(value: Any) -> tuple[dict[str, _Tool], Any] | None:
    """Tools by name, and the rest of the document; ``None`` if it is no list of tools."""
    if isinstance(value, list):
        return _by_name(value, ""), {}
    if not isinstance(value, Mapping):
        return None
    if isinstance(value.get("servers"), Mapping):  # tools.lock
        tools: dict[str, _Tool] = {}
        rest: dict[str, Any] = {}
        for server, body in value["servers"].items():
            pinned = body.get("tools") if isinstance(body, Mapping) else None
            if not isinstance(pinned, list):
                return None
            found = [t.get("definition") if isinstance(t, Mapping) else None for t in pinned]
            tools |= _by_name(found, f"{server}/")
            rest[server] = {k: v for k, v in body.items() if k != "tools"}
        return tools, {**{k: v for k, v in value.items() if k != "servers"}, "servers": rest}
    result = value.get("result")
    if isinstance(result, Mapping) and isinstance(result.get("tools"), list):
        return _by_name(result["tools"], ""), {**value, "result": _without_tools(result)}
    if isinstance(value.get("tools"), list):
        return _by_name(value["tools"], ""), _without_tools(value)
    if "server" in value and ("manifest_version" in value or "dxt_version" in value):
        return {}, value
    return None


def _without_tools(value: Mapping[str, Any]) -> dict[str, Any]:
    return {key: each for key, each in value.items() if key != "tools"}


def _by_name(tools: list[Any], prefix: str) -> dict[str, _Tool]:
    if len(tools) > MAX_TOOLS:
        raise NotLookedIntoError(f"it has more than {MAX_TOOLS} tools")
    found: dict[str, _Tool] = {}
    for tool in tools:
        name = tool.get("name") if isinstance(tool, Mapping) else None
        if not isinstance(name, str):
            raise NotLookedIntoError("it lists a tool without a name")
        if prefix + name in found:
            raise NotLookedIntoError("it lists two tools of one name")
        found[prefix + name] = tool
    return found


def _tools(path: str, old: Mapping[str, _Tool], new: Mapping[str, _Tool]) -> Iterator[Change]:
    gone = {name: old[name] for name in old if name not in new}
    come = {name: new[name] for name in new if name not in old}
    for was, now in _renamed(gone, come):
        del gone[was], come[now]
        yield Change(
            comparer=NAME,
            kind="tool.renamed",
            path=path,
            subject=shown(now),
            severity="medium",
            summary=f"was called `{shown(was)}`",
            before=shown(was),
            after=shown(now),
        )
    for name, tool in gone.items():
        yield Change(comparer=NAME, kind="tool.removed", path=path, subject=shown(name),
                     severity="low", summary="tool removed", before=short(tool, 2000))  # fmt: skip
    for name, tool in come.items():
        yield Change(comparer=NAME, kind="tool.added", path=path, subject=shown(name),
                     severity="medium", summary=f"tool added: {_says(tool)}",
                     after=short(tool, 2000))  # fmt: skip
    for name in old:
        if name in new:
            yield from _tool(path, name, old[name], new[name])


def _says(tool: _Tool) -> str:
    return phrase(tool.get("description") or "no description")


def _renamed(gone: Mapping[str, _Tool], come: Mapping[str, _Tool]) -> list[tuple[str, str]]:
    """Tools that are the same in everything but their name."""
    kept: dict[bytes, list[str]] = {}
    for name, tool in gone.items():
        kept.setdefault(_nameless(tool), []).append(name)
    found = []
    for name, tool in come.items():
        names = kept.get(_nameless(tool))
        if names and len(tool) > 1:
            found.append((names.pop(0), name))
    return found


def _nameless(tool: _Tool) -> bytes:
    return digest_bytes({key: value for key, value in tool.items() if key != "name"})


def _tool(path: str, name: str, old: _Tool, new: _Tool) -> Iterator[Change]:
    for key in [*old, *(k for k in new if k not in old)]:
        was, now = old.get(key), new.get(key)
        if digest_bytes(was) == digest_bytes(now) and (key in old) == (key in new):
            continue
        if key in _TEXTS and isinstance(was, str | None) and isinstance(now, str | None):
            like = Change(comparer=NAME, kind=f"tool.{key}", path=path, subject=shown(name),
                          severity="high", summary=f"{key} of the tool")  # fmt: skip
            yield from text_changes(like, was or "", now or "")
        elif key in _SCHEMAS:
            for change in schema_changes(was, now):
                yield from _schema(path, name, key, change)
        else:
            yield from _field(path, name, key, was, now)


def _schema(path: str, name: str, key: str, change: SchemaChange) -> Iterator[Change]:
    where = f"parameter `{shown(change.parameter)}`" if change.parameter else "parameters"
    if key.lower().startswith("output"):
        where = f"result `{shown(change.parameter)}`" if change.parameter else "result"
    if change.words is not None:
        like = Change(comparer=NAME, kind="tool.parameter_description", path=path,
                      subject=shown(name), severity="high",
                      summary=f"{change.summary} of {where}")  # fmt: skip
        yield from text_changes(like, *change.words)
        return
    direction = "" if change.direction == "other" else f" ({change.direction})"
    yield Change(
        comparer=NAME,
        kind="tool.schema",
        path=path,
        subject=shown(name),
        severity=_OF_DIRECTION[change.direction],
        summary=f"{where}: {change.summary}{direction}",
        details={
            "schema": key,
            "parameter": shown(change.parameter),
            "direction": change.direction,
        },
    )


def _field(path: str, name: str, key: str, was: Any, now: Any) -> Iterator[Change]:
    for place in places(
        {key: was} if was is not None else {}, {key: now} if now is not None else {}
    ):
        yield Change(
            comparer=NAME,
            kind="tool.annotations" if key == "annotations" else "tool.field",
            path=path,
            subject=shown(name),
            severity="medium",
            summary=f"{shown(place.pointer)}: {phrase(place.before)} → {phrase(place.after)}"
            if not place.added and not place.removed
            else f"{shown(place.pointer)} {'added' if place.added else 'removed'}: "
            f"{phrase(place.after if place.added else place.before)}",
            before=short(place.before),
            after=short(place.after),
        )


def _around(path: str, before: Any, after: Any) -> Iterator[Change]:
    """What a manifest says besides tools: how the server is started, its prompts, its settings."""
    for change in value_changes(NAME, path, before, after):
        place = change.subject
        if place.startswith("/servers/") or "instructions" in place:
            yield msgspec.structs.replace(change, kind="server.instructions", severity="high")
        elif place.startswith("/server"):
            starts = "mcp_config" in place or "entry_point" in place or "type" in place
            yield msgspec.structs.replace(
                change,
                kind="server.start" if starts else "server.changed",
                severity="high" if starts else "medium",
            )
        elif place.startswith("/prompts"):
            yield msgspec.structs.replace(change, severity="high")
        else:
            yield change


COMPARER = ToolComparer()
