"""Pins: the tools of a server as somebody once saw and accepted them.

A tool whose definition is not byte for byte what was pinned is hidden and denied until a person
accepts the change: its description is read by a model, so a changed description is new code.
``tools.lock`` is the text form (``spec/bundle.md``).
"""

import difflib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from remit.core.canonical import CanonicalError, digest_bytes
from remit.core.digest import Digest, sha256
from remit.core.errors import RemitError
from remit.core.strictjson import parse
from remit.core.text import fold_name, printable
from remit.policy.errors import PinError

LOCK_VERSION = 1
MAX_TOOLS = 2000
MAX_NAME = 200
MAX_LOCK_BYTES = 32 * 1024 * 1024
MAX_DIFF_LINES = 200
_SERVER_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")

# Letters of other scripts, and digits, that look like the ASCII letter below them (a selection of
# Unicode UTS 39). Compared after folding, so only lower case is listed.
_LOOKS = str.maketrans(
    "аɑαеорсухіјѕԁԛԝһқкмтвнгηνοικτρυωℓıǀ013",  # noqa: RUF001 - the point of the table
    "aaaeopcyxijsdqwhkkmtbhrnvoiktpuwlilole",
)


class PinnedTool(msgspec.Struct, frozen=True):
    """One tool.

    Attributes:
        name: exact name, as in ``tools/call``.
        definition: the raw JSON object of ``tools/list``, every field the server sent.
        digest: over :func:`remit.core.canonical.digest_bytes` of the definition.
    """

    name: str
    definition: dict[str, Any]
    digest: Digest


class PinnedServer(msgspec.Struct, frozen=True):
    """What one server offered.

    Attributes:
        id: our name of the server.
        instructions: the text it gives to models, empty if none.
        instructions_digest: over its UTF-8 bytes.
        tools: sorted by name.
    """

    id: str
    instructions: str
    instructions_digest: Digest
    tools: tuple[PinnedTool, ...]

    def tool(self, name: str) -> PinnedTool | None:
        """The tool of exactly this name."""
        return next((tool for tool in self.tools if tool.name == name), None)


class Lock(msgspec.Struct, frozen=True):
    """The contents of one ``tools.lock``: server id → pins."""

    servers: Mapping[str, PinnedServer] = {}


class Change(msgspec.Struct, frozen=True):
    """One difference between pins and the live list.

    Attributes:
        kind: ``look_alike`` is a new tool whose name can be taken for another one's.
        tool: its name, empty for ``instructions``.
        detail: for people: a unified diff, or one sentence; safe to print.
    """

    kind: Literal["added", "removed", "changed", "look_alike", "instructions"]
    tool: str
    detail: str


def skeleton(name: str) -> str:
    """The form in which names that a person cannot tell apart are equal."""
    return fold_name(name).translate(_LOOKS)


def check_server_id(server_id: str) -> None:
    """Server ids are file-name safe, so ``<server>/<tool>`` has one reading.

    Raises:
        PinError: for any other text.
    """
    if not _SERVER_ID.match(server_id):
        raise PinError(
            f"`{printable(server_id, 80)}` cannot name a server",
            hint="use letters, digits, `.`, `_` and `-`, starting with a letter or digit",
        )


def pin(server_id: str, tools: Sequence[Mapping[str, Any]], instructions: str = "") -> PinnedServer:
    """Pin a list of tools.

    Args:
        server_id: our name of the server.
        tools: raw JSON objects, all pages of ``tools/list``.
        instructions: the server's instructions, empty if none.

    Raises:
        PinError: not a list of objects with distinct, distinguishable, printable names.
    """
    check_server_id(server_id)
    if not isinstance(instructions, str):
        raise PinError(f"the instructions of server `{server_id}` are not text")
    if len(tools) > MAX_TOOLS:
        raise PinError(f"server `{server_id}` lists more than {MAX_TOOLS} tools")
    pinned: dict[str, PinnedTool] = {}
    looks: dict[str, str] = {}
    for raw in tools:
        if not isinstance(raw, Mapping):
            raise PinError(f"server `{server_id}` lists a tool that is not an object")
        name = raw.get("name")
        if (
            not isinstance(name, str)
            or not 0 < len(name) <= MAX_NAME
            or printable(name) != name
            or "\n" in name
            or "\t" in name
        ):
            raise PinError(f"server `{server_id}` lists a tool without a printable name")
        if name in pinned:
            raise PinError(f"server `{server_id}` lists tool `{name}` twice")
        twin = looks.setdefault(skeleton(name), name)
        if twin != name:
            raise PinError(f"tools `{twin}` and `{name}` of server `{server_id}` look alike")
        definition = dict(raw)
        pinned[name] = PinnedTool(name, definition, _digest(definition, name))
    return PinnedServer(
        server_id,
        instructions,
        sha256(instructions.encode("utf-8", "surrogatepass")),
        tuple(pinned[name] for name in sorted(pinned)),
    )


def _digest(definition: Mapping[str, Any], name: str) -> Digest:
    try:
        json.dumps(definition, allow_nan=False)  # the digest would write NaN as null
        return sha256(digest_bytes(definition))
    except (CanonicalError, UnicodeEncodeError, TypeError, ValueError, RecursionError) as error:
        raise PinError(f"the definition of tool `{name}` is not JSON") from error


def compare(
    pinned: PinnedServer, live: PinnedServer, others: Iterable[PinnedServer] = ()
) -> tuple[Change, ...]:
    """What changed between ``pinned`` and ``live``, sorted by tool.

    Args:
        pinned: what was accepted.
        live: what the server offers now.
        others: pins of other servers; a new tool that can be taken for one of theirs is a
            ``look_alike``.
    """
    before = {tool.name: tool for tool in pinned.tools}
    after = {tool.name: tool for tool in live.tools}
    looks = {skeleton(name): f"`{name}`" for name in before}
    for other in others:
        if other.id != pinned.id:
            for tool in other.tools:
                looks.setdefault(skeleton(tool.name), f"`{tool.name}` of server `{other.id}`")
    changes: list[Change] = []
    if pinned.instructions_digest != live.instructions_digest:
        changes.append(Change("instructions", "", _diff(pinned.instructions, live.instructions)))
    for name in sorted(before.keys() | after.keys()):
        if name not in after:
            changes.append(Change("removed", name, "the server no longer offers it"))
        elif name not in before:
            twin = looks.get(skeleton(name))
            if twin:
                changes.append(Change("look_alike", name, f"can be taken for {twin}"))
            else:
                changes.append(Change("added", name, _diff("", _pretty(after[name].definition))))
        elif before[name].digest != after[name].digest:
            detail = _diff(_pretty(before[name].definition), _pretty(after[name].definition))
            changes.append(Change("changed", name, detail))
    return tuple(changes)


def accepted(pinned: PinnedServer, live: PinnedServer) -> tuple[PinnedTool, ...]:
    """The tools of ``live`` that equal their pin: only these may be shown and called."""
    digests = {tool.name: tool.digest for tool in pinned.tools}
    return tuple(tool for tool in live.tools if digests.get(tool.name) == tool.digest)


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)


def _diff(before: str, after: str) -> str:
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), "pinned", "live", lineterm="", n=2
    )
    out = []
    for count, line in enumerate(lines):
        if count == MAX_DIFF_LINES:
            out.append(f"… (cut after {MAX_DIFF_LINES} lines)")
            break
        # A diff line is one line: whatever could draw another is made visible.
        out.append(printable(line.replace("\n", "\\n")))
    return "\n".join(out)


def dump_lock(lock: Lock) -> bytes:
    """The text form of a lock: sorted, indented, one trailing newline, for reviews and diffs."""
    value = {
        "version": LOCK_VERSION,
        "servers": {
            server.id: {
                "instructions": server.instructions,
                "tools": [
                    {"name": t.name, "digest": t.digest, "definition": t.definition}
                    for t in server.tools
                ],
            }
            for server in lock.servers.values()
        },
    }
    text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return text.encode() + b"\n"


def parse_lock(data: bytes) -> Lock:
    """Read ``tools.lock``.

    Raises:
        PinError: not strict JSON, unknown or missing keys, or a digest that does not belong to its
            definition.
    """
    try:
        value = parse(data, fold_keys=False, max_bytes=MAX_LOCK_BYTES)
    except RemitError as error:
        raise PinError(f"the lock file is not readable: {error.message}") from error
    _keys(value, {"version", "servers"}, "the lock file")
    if value["version"] != LOCK_VERSION or isinstance(value["version"], (bool, float)):
        raise PinError(f"the lock file is not of version {LOCK_VERSION}")
    if not isinstance(value["servers"], dict):
        raise PinError("`servers` of the lock file is not an object")
    servers: dict[str, PinnedServer] = {}
    for server_id, body in value["servers"].items():
        _keys(body, {"instructions", "tools"}, f"server `{server_id}` of the lock file")
        if not isinstance(body["tools"], list):
            raise PinError(f"`tools` of server `{server_id}` is not a list")
        for entry in body["tools"]:
            _keys(entry, {"name", "digest", "definition"}, f"a tool of server `{server_id}`")
        servers[server_id] = pin(
            server_id, [entry["definition"] for entry in body["tools"]], body["instructions"]
        )
        for entry in body["tools"]:
            tool = servers[server_id].tool(str(entry["name"]))
            if tool is None or tool.digest != entry["digest"]:
                raise PinError(
                    f"a digest in server `{server_id}` of the lock file does not match",
                    hint="the file was edited by hand; pin the server again",
                )
    return Lock(servers)


def _keys(value: Any, keys: set[str], what: str) -> None:
    if not isinstance(value, dict) or value.keys() != keys:
        raise PinError(f"{what} must have exactly the keys {', '.join(sorted(keys))}")
