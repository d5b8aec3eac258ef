"""What a client says of itself and of its calls: for record and detectors, believed nowhere."""

from collections.abc import Mapping
from typing import Any

import msgspec

from remit.core.event import Agent
from remit.guard.mcp.calls import Call
from remit.guard.mcp.methods import META_CLIENT


def claimed(agent: Agent, call: Call) -> Agent:
    """The agent with what the client says of itself, for the record."""
    params = call.request.params
    info = params["_meta"].get(META_CLIENT) if call.modern else params.get("clientInfo")
    if not isinstance(info, dict):
        return agent
    text = f"{info.get('name', '')} {info.get('version', '')}".strip()
    return msgspec.structs.replace(agent, claimed=text[:200])


def beside(call: Call, given: Mapping[str, Any]) -> dict[str, Any] | None:
    """What goes to the server with a request and is not in ``given``: detectors look into it.

    An id goes up as it came, and up to 256 characters of it are the client's own words. The
    ``requestState`` is Guard's.
    """
    params = call.request.params
    rest = {
        key: value
        for key, value in params.items()
        if key != "requestState" and (key not in given or given[key] != value)
    }
    if isinstance(call.id, str):
        rest["id"] = call.id
    return rest or None


def correlation(params: dict[str, Any]) -> dict[str, str]:
    """Ids by which clients know a call: Claude Code and Codex send them, W3C trace context too."""
    meta = params.get("_meta")
    if not isinstance(meta, dict):
        return {}
    names = (
        ("claudecode/toolUseId", "tool_use_id"),
        ("callId", "call_id"),
        ("traceparent", "trace"),
    )
    found = {name: meta[key] for key, name in names if isinstance(meta.get(key), str)}
    turn = meta.get("x-codex-turn-metadata")
    if isinstance(turn, dict):
        ids = ("session_id", "thread_id", "turn_id")
        found |= {f"codex_{key}": turn[key] for key in ids if isinstance(turn.get(key), str)}
    return found
