"""Start a server once, list its tools, stop it: for writing bundles and for accepting pins."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from remit import __version__
from remit.guard.errors import GuardError
from remit.guard.mcp.catalog import list_tools as list_pages
from remit.guard.mcp.framing import Line, Overlong
from remit.guard.mcp.messages import Message, Notification, Refused, Response, encode, parse_message
from remit.guard.mcp.methods import META_CAPABILITIES, META_CLIENT, META_VERSION, MODERN_VERSIONS
from remit.guard.mcp.own import OwnRequests
from remit.guard.mcp.pipes import Server

LEGACY_VERSION = "2025-11-25"
MAX_BYTES = 32 << 20


class Probe(msgspec.Struct, frozen=True):
    """What a server says of itself.

    Attributes:
        server_info: its self-asserted name and version.
        instructions: its text for models, empty if none.
        tools: raw definitions, all pages.
    """

    server_info: dict[str, Any]
    instructions: str
    tools: list[dict[str, Any]]


async def probe(
    command: Sequence[str], env: Mapping[str, str] | None = None, timeout_s: float = 60.0
) -> Probe:
    """Start ``command``, open it in either era, list its tools and stop it.

    The legacy opening is tried first: every server of today answers it, while a failed modern
    probe locks some of them.

    Raises:
        GuardError: it cannot be started, does not answer in time, or is no MCP server.
    """
    own: OwnRequests

    def receive(line: Line | Overlong) -> None:
        if isinstance(line, Overlong):
            return
        try:
            message = parse_message(line.data, fold_keys=False, max_bytes=MAX_BYTES)
        except Refused:
            return
        if isinstance(message, Response):
            own.settle(message)

    def write(message: Message) -> None:
        server.send(encode(message))

    server = Server(MAX_BYTES, receive, lambda reason: own.fail(f"the server {reason}"))
    own = OwnRequests(write)
    await server.start(command, {**os.environ, **(env or {})}, None)
    try:
        info = {"name": "remit", "version": __version__}
        meta: dict[str, Any] = {}
        params = {"protocolVersion": LEGACY_VERSION, "capabilities": {}, "clientInfo": info}
        try:
            opened = await own.ask("initialize", params, timeout_s)
            write(Notification(method="notifications/initialized", params={}))
        except GuardError as error:
            if error.code != "mcp.own_request":
                raise
            meta = {META_VERSION: max(MODERN_VERSIONS), META_CAPABILITIES: {}, META_CLIENT: info}
            opened = await own.ask("server/discover", {"_meta": meta}, timeout_s)

        async def page(method: str, given: dict[str, Any]) -> dict[str, Any]:
            return await own.ask(method, {**given, "_meta": meta} if meta else given, timeout_s)

        tools = await list_pages(page)
    finally:
        await server.stop()
    instructions, server_info = opened.get("instructions", ""), opened.get("serverInfo", {})
    return Probe(
        server_info if isinstance(server_info, dict) else {},
        instructions if isinstance(instructions, str) else "",
        tools,
    )


def list_tools(
    command: Sequence[str], env: Mapping[str, str] | None = None, timeout_s: float = 60.0
) -> Probe:
    """:func:`probe` for callers without an event loop."""
    return asyncio.run(probe(command, env, timeout_s))
