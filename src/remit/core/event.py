"""Events: one thing about to happen, or that just happened, in one canonical shape.

Every surface (MCP today; model gateway, client hooks and launch later) builds the same
:class:`Event`, and the corridor sees nothing else. ``spec/event.md`` is the normative text.
"""

import enum
from collections.abc import Mapping
from typing import Any

import msgspec


class Kind(enum.StrEnum):
    """What an event is about; it names the action unless the event is a tool call."""

    TOOL_CALL = "tool.call"
    TOOL_RESULT = "tool.result"
    MCP_CONNECT = "mcp.connect"
    MCP_LIST = "mcp.list"
    MCP_PROMPT = "mcp.prompt"
    MCP_COMPLETE = "mcp.complete"
    MCP_SAMPLE = "mcp.sample"
    MCP_ELICIT = "mcp.elicit"
    MCP_ROOTS = "mcp.roots"
    MCP_LOG = "mcp.log"
    MCP_SUBSCRIBE = "mcp.subscribe"
    MCP_TASK = "mcp.task"
    RESOURCE_READ = "resource.read"


class ToolClass(enum.StrEnum):
    """What a call can do to the world; a tool that nobody classified is destructive."""

    READ = "read"
    WRITE = "write"
    DESTRUCTIVE = "destructive"


class Agent(msgspec.Struct, frozen=True, kw_only=True):
    """The program that acts, as the operating system shows it, never as it says of itself.

    Attributes:
        id: name for policies, for example ``claude-code``; ``unknown`` if nothing is known.
        executable: absolute path of the program; empty if it could not be read.
        process: its process id; 0 if it is no process of this machine.
        claimed: the self-asserted client name and version: for the record, never for decisions.
        on_behalf_of: the chain of actors that a verified token names (RFC 8693), the current one
            first, separated by spaces; empty if there is none.
    """

    id: str
    executable: str = ""
    process: int = 0
    claimed: str = ""
    on_behalf_of: str = ""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to be judged.

    Attributes:
        id: ULID; a call and its result share it.
        kind: see :class:`Kind`.
        server: id of the server in the configuration (Guard's name, not the server's own).
        action: Cedar action id: ``<server>/<tool>`` for tool calls, else the kind.
        agent, user: who acts, and the operating system's user on whose behalf.
        session: ULID of the connection.
        input: what policy may read as ``context.input``: the arguments of a tool call, the name
            of a prompt, the URI of a resource. Parsed by :mod:`remit.core.strictjson`.
        tool_class: class of the tool; ``None`` for events that are not tool calls.
        schema_digest: digest of the pinned tool definition.
        method: protocol method, for the record.
        correlation: ids by which the client knows this call (already checked to be text).
        content: decoded text that goes along and is no ``input``: a result, what a server asks or
            tells, a call's ``_meta``. Detectors look into it; it is not part of the record.
        inbound: whether its content is brought to the agent, instead of going out with its input.
            The surface says so, by the side that the text comes from.
    """

    id: str
    kind: Kind
    server: str
    action: str
    agent: Agent
    user: str
    session: str
    input: Mapping[str, Any]
    tool: str = ""
    tool_class: ToolClass | None = None
    schema_digest: str = ""
    method: str = ""
    correlation: Mapping[str, str] = {}
    content: Any = None
    inbound: bool = False

    @property
    def side_effects(self) -> bool:
        """Whether the decision must be durable before the event is forwarded."""
        return self.kind is Kind.TOOL_CALL and self.tool_class is not ToolClass.READ
