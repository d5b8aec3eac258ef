"""The methods of both protocol eras, and what each is to policy. Everything else is refused.

Legacy: 2024-11-05 to 2025-11-25, opened by ``initialize``. Modern: 2026-07-28, stateless; every
request carries its version in ``_meta``. Source: the schemas of both revisions of the
Model Context Protocol.
"""

import enum
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from remit.core.event import Kind
from remit.core.text import fold_name
from remit.guard.mcp.messages import INVALID_PARAMS, Id, Refused

LEGACY_VERSIONS = frozenset({"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"})
MODERN_VERSIONS = frozenset({"2026-07-28"})
META_VERSION = "io.modelcontextprotocol/protocolVersion"
META_CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
META_CLIENT = "io.modelcontextprotocol/clientInfo"
META_SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"
TASKS_EXTENSION = "io.modelcontextprotocol/tasks"


class Era(enum.StrEnum):
    """Which protocol the two ends settled on; Guard never translates."""

    UNKNOWN = "unknown"
    LEGACY = "legacy"
    MODERN = "modern"


BOTH = frozenset({Era.LEGACY, Era.MODERN})
LEGACY = frozenset({Era.LEGACY})
MODERN = frozenset({Era.MODERN})

Params = dict[str, Any]


class Method(msgspec.Struct, frozen=True, kw_only=True):
    """One method in one direction.

    Attributes:
        eras: where it exists.
        kind: the event it becomes, or ``None`` for plumbing that carries no authority (``ping``,
            ``notifications/initialized`` …).
        fields: the members that ``params`` may have, with their JSON types; others are refused.
        required: members that must be there.
        input: what policy reads as ``context.input``.
    """

    eras: frozenset[Era]
    kind: Kind | None = None
    fields: Mapping[str, tuple[type, ...]] = {}
    required: frozenset[str] = frozenset()
    input: Callable[[Params], dict[str, Any]] = lambda _params: {}


_TEXT = (str,)
_OBJECT = (dict,)
_RETRY = {"inputResponses": _OBJECT, "requestState": _TEXT}


def _list(what: str) -> Method:
    return Method(
        eras=BOTH,
        kind=Kind.MCP_LIST,
        fields={"cursor": _TEXT},
        input=lambda _params: {"what": what},
    )


def _reference(params: Params) -> dict[str, Any]:
    """What is completed: the reference's type says which member a server acts on."""
    ref = params["ref"]
    member = {"ref/prompt": "name", "ref/resource": "uri"}.get(str(ref.get("type")))
    if (
        member is None
        or not isinstance(ref.get(member), str)
        or ref.keys() - {"type", member, "title"}
    ):
        raise Refused("`params.ref` is malformed", rpc_code=INVALID_PARAMS, code="mcp.params")
    return {"ref": ref[member]}


def _task(method: str, eras: frozenset[Era], **fields: tuple[type, ...]) -> Method:
    return Method(
        eras=eras,
        kind=Kind.MCP_TASK,
        fields=fields,
        required=frozenset({"taskId"} & fields.keys()),
        input=lambda _params: {"method": method},
    )


_FILTERS = frozenset({"toolsListChanged", "promptsListChanged", "resourcesListChanged"})
MAX_SUBSCRIPTIONS = 256


def subscribed(params: Params) -> list[str]:
    """The resources that ``subscriptions/listen`` asks to be told of: each is an event of its own.

    Raises:
        Refused: a filter that the protocol does not have, or too many resources.
    """
    wanted = params.get("notifications", {})
    uris = wanted.get("resourceSubscriptions", [])
    known = wanted.keys() - {"resourceSubscriptions"} <= _FILTERS
    flags = all(isinstance(wanted[key], bool) for key in wanted.keys() & _FILTERS)
    listed = isinstance(uris, list) and all(isinstance(uri, str) for uri in uris)
    if not (known and flags and listed) or len(uris) > MAX_SUBSCRIPTIONS:
        raise Refused(
            "`params.notifications` is malformed", rpc_code=INVALID_PARAMS, code="mcp.params"
        )
    return list(dict.fromkeys(uris))


CLIENT_REQUESTS: Mapping[str, Method] = {
    "initialize": Method(
        eras=LEGACY,
        kind=Kind.MCP_CONNECT,
        fields={"protocolVersion": _TEXT, "capabilities": _OBJECT, "clientInfo": _OBJECT},
        required=frozenset({"protocolVersion", "capabilities"}),
    ),
    "server/discover": Method(eras=MODERN, kind=Kind.MCP_CONNECT),
    "ping": Method(eras=LEGACY),
    "tools/list": _list("tools"),
    "prompts/list": _list("prompts"),
    "resources/list": _list("resources"),
    "resources/templates/list": _list("templates"),
    "tools/call": Method(
        eras=BOTH,
        kind=Kind.TOOL_CALL,
        fields={"name": _TEXT, "arguments": _OBJECT, "task": _OBJECT, **_RETRY},
        required=frozenset({"name"}),
        input=lambda params: params.get("arguments", {}),
    ),
    "prompts/get": Method(
        eras=BOTH,
        kind=Kind.MCP_PROMPT,
        fields={"name": _TEXT, "arguments": _OBJECT, **_RETRY},
        required=frozenset({"name"}),
        input=lambda params: {"name": params["name"]},
    ),
    "resources/read": Method(
        eras=BOTH,
        kind=Kind.RESOURCE_READ,
        fields={"uri": _TEXT, **_RETRY},
        required=frozenset({"uri"}),
        input=lambda params: {"uri": params["uri"]},
    ),
    "resources/subscribe": Method(
        eras=LEGACY,
        kind=Kind.MCP_SUBSCRIBE,
        fields={"uri": _TEXT},
        required=frozenset({"uri"}),
        input=lambda params: {"uri": params["uri"]},
    ),
    "resources/unsubscribe": Method(
        eras=LEGACY,
        kind=Kind.MCP_SUBSCRIBE,
        fields={"uri": _TEXT},
        required=frozenset({"uri"}),
        input=lambda params: {"uri": params["uri"]},
    ),
    "subscriptions/listen": Method(
        eras=MODERN,
        kind=Kind.MCP_SUBSCRIBE,
        fields={"notifications": _OBJECT},
        input=lambda _params: {"uri": ""},
    ),
    "completion/complete": Method(
        eras=BOTH,
        kind=Kind.MCP_COMPLETE,
        fields={"ref": _OBJECT, "argument": _OBJECT, "context": _OBJECT},
        required=frozenset({"ref", "argument"}),
        input=_reference,
    ),
    "logging/setLevel": Method(
        eras=LEGACY,
        kind=Kind.MCP_LOG,
        fields={"level": _TEXT},
        required=frozenset({"level"}),
        input=lambda params: {"level": params["level"]},
    ),
    "tasks/get": _task("tasks/get", BOTH, taskId=_TEXT),
    "tasks/result": _task("tasks/result", LEGACY, taskId=_TEXT),
    "tasks/list": _task("tasks/list", LEGACY, cursor=_TEXT),
    "tasks/update": _task("tasks/update", MODERN, taskId=_TEXT, inputResponses=_OBJECT),
    "tasks/cancel": _task("tasks/cancel", BOTH, taskId=_TEXT),
}

CLIENT_NOTIFICATIONS: Mapping[str, Method] = {
    "notifications/initialized": Method(eras=LEGACY),
    "notifications/cancelled": Method(
        eras=BOTH,
        fields={"requestId": (str, int), "reason": _TEXT},
        required=frozenset({"requestId"}),
    ),
    "notifications/progress": Method(
        eras=LEGACY,
        fields={
            "progressToken": (str, int),
            "progress": (int, float),
            "total": (int, float),
            "message": _TEXT,
        },
        required=frozenset({"progressToken", "progress"}),
    ),
    "notifications/roots/list_changed": Method(eras=LEGACY, kind=Kind.MCP_ROOTS),
}

SERVER_REQUESTS: Mapping[str, Method] = {
    "ping": Method(eras=LEGACY),
    "roots/list": Method(eras=LEGACY, kind=Kind.MCP_ROOTS),
    "sampling/createMessage": Method(eras=LEGACY, kind=Kind.MCP_SAMPLE),
    "elicitation/create": Method(
        eras=LEGACY,
        kind=Kind.MCP_ELICIT,
        input=lambda params: {"mode": str(params.get("mode", "form"))},
    ),
}

CAPABILITY_OF: Mapping[str, str] = {
    "roots/list": "roots",
    "sampling/createMessage": "sampling",
    "elicitation/create": "elicitation",
}

SERVER_NOTIFICATIONS: Mapping[str, Method] = {
    "notifications/cancelled": Method(eras=BOTH),
    "notifications/progress": Method(eras=BOTH),
    "notifications/message": Method(
        eras=BOTH,
        kind=Kind.MCP_LOG,
        input=lambda params: {"level": str(params.get("level", ""))[:20]},
    ),
    "notifications/tools/list_changed": Method(eras=BOTH),
    "notifications/prompts/list_changed": Method(eras=BOTH),
    "notifications/resources/list_changed": Method(eras=BOTH),
    "notifications/resources/updated": Method(
        eras=BOTH,
        kind=Kind.MCP_SUBSCRIBE,
        input=lambda params: {"uri": str(params.get("uri", ""))},
    ),
    "notifications/elicitation/complete": Method(eras=LEGACY),
    "notifications/subscriptions/acknowledged": Method(eras=MODERN),
    "notifications/tasks": Method(eras=MODERN),
    "notifications/tasks/status": Method(eras=LEGACY),
}


def check_params(method: Method, params: Params, id: Id | None) -> None:  # noqa: A002 - JSON-RPC's own name
    """Refuse members that the method does not have, are missing, or have the wrong type.

    Raises:
        Refused: naming the member, never its value.
    """
    for key, value in params.items():
        if key == "_meta":
            if type(value) is not dict:
                raise Refused(
                    "`_meta` must be an object",
                    rpc_code=INVALID_PARAMS,
                    id=id,
                    code="mcp.params",
                )
            continue
        types = method.fields.get(key)
        if types is None:
            variant = fold_name(key) in {fold_name(name) for name in (*method.fields, "_meta")}
            raise Refused(
                "a member of `params` is unknown to this method",
                rpc_code=INVALID_PARAMS,
                id=id,
                code="mcp.case_variant" if variant else "mcp.params",
            )
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise Refused(
                f"`params.{key}` has the wrong type",
                rpc_code=INVALID_PARAMS,
                id=id,
                code="mcp.params",
            )
    for key in method.required:
        if key not in params:
            raise Refused(
                f"`params.{key}` is missing", rpc_code=INVALID_PARAMS, id=id, code="mcp.params"
            )


def is_modern(params: Params) -> bool:
    """Whether a request carries the envelope of the modern era."""
    meta = params.get("_meta")
    return isinstance(meta, dict) and META_VERSION in meta
