"""JSON-RPC 2.0 messages as MCP narrows them: parsed strictly, written anew, never passed through.

MCP forbids batches (since 2025-06-18), ``null`` ids and positional parameters; every message must
be one JSON object on one line.
"""

import json
import re
from typing import Any

import msgspec

from remit.core.errors import RemitError
from remit.core.strictjson import StrictJsonError, dumps, parse
from remit.core.text import fold_name

Id = int | str

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
UNSUPPORTED_VERSION = -32022
# Our own codes lie outside -32768..-32000, which JSON-RPC and MCP keep for themselves.
DENIED = -31001
UPSTREAM_FAILED = -31002

MAX_ID = 256
MAX_NUMBER = 2**63 - 1
MEMBERS = frozenset({"jsonrpc", "id", "method", "params", "result", "error"})
_ID = re.compile(rb'"id"\s*:\s*(-?\d{1,15}|"[\x20\x21\x23-\x5b\x5d-\x7e]{1,128}")\s*[,}]')


class Request(msgspec.Struct, frozen=True):
    """A call that wants an answer."""

    id: Id
    method: str
    params: dict[str, Any]


class Notification(msgspec.Struct, frozen=True):
    """A message that wants no answer."""

    method: str
    params: dict[str, Any]


class Response(msgspec.Struct, frozen=True):
    """An answer: exactly one of ``result`` and ``error`` is given."""

    id: Id | None
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None


Message = Request | Notification | Response


class Refused(RemitError):  # noqa: N818 - it says what happened to the message
    """A message that does not go on.

    Attributes:
        rpc_code: the JSON-RPC error code of the answer.
        id: the request's id if it could be read without doubt, else ``None``.
    """

    code = "mcp.refused"

    def __init__(
        self,
        message: str,
        *,
        rpc_code: int = INVALID_REQUEST,
        id: Id | None = None,  # noqa: A002 - JSON-RPC's own name
        code: str = "",
    ) -> None:
        super().__init__(message, code=code or None)
        self.rpc_code = rpc_code
        self.id = id


def parse_message(line: bytes, *, fold_keys: bool, max_bytes: int) -> Message:
    """Parse one line into a message.

    Args:
        line: the line without its line feed.
        fold_keys: refuse keys that differ only by case at every depth (messages of the client);
            else only among the members of the message itself.
        max_bytes: size limit.

    Raises:
        Refused: for everything that is not exactly one well-formed message.
    """
    try:
        value = parse(line, fold_keys=fold_keys, max_bytes=max_bytes)
    except StrictJsonError as error:
        syntax = error.code in {"json.syntax", "json.encoding"}
        raise Refused(
            error.message,
            rpc_code=PARSE_ERROR if syntax else INVALID_REQUEST,
            id=None if syntax else _lenient_id(line),
            code=error.code,
        ) from error
    if isinstance(value, list):
        raise Refused("batches are not part of this protocol", code="mcp.batch")
    if not isinstance(value, dict):
        raise Refused("a message is a JSON object", code="mcp.envelope")
    return _envelope(value)


def _envelope(value: dict[str, Any]) -> Message:
    if not value.keys() <= MEMBERS:
        _refuse_member(value)
    number = value.get("id")
    usable = _usable(number)
    if value.get("jsonrpc") != "2.0":
        raise Refused('`jsonrpc` must be "2.0"', id=usable, code="mcp.version")
    if "id" in value and usable is None and not ("error" in value and number is None):
        raise Refused("`id` must be an integer or a short string", code="mcp.id")
    if "method" in value:
        return _call(value, usable)
    if ("result" in value) == ("error" in value) or "id" not in value or "params" in value:
        raise Refused(
            "a message is a request, a notification or a response", id=usable, code="mcp.envelope"
        )
    answer = value.get("result", value.get("error"))
    if not isinstance(answer, dict):
        raise Refused("`result` and `error` must be objects", id=usable, code="mcp.envelope")
    if "result" in value:
        return Response(id=usable, result=answer)
    if type(answer.get("code")) is not int or type(answer.get("message")) is not str:
        raise Refused("`error` needs a code and a message", id=usable, code="mcp.envelope")
    return Response(id=usable, error=answer)


def _call(value: dict[str, Any], usable: Id | None) -> Request | Notification:
    method, params = value["method"], value.get("params", {})
    if "result" in value or "error" in value:
        raise Refused("a message cannot be call and answer", id=usable, code="mcp.envelope")
    if type(method) is not str:
        raise Refused("`method` must be a string", id=usable, code="mcp.method")
    if type(params) is not dict:
        raise Refused(
            "`params` must be an object", rpc_code=INVALID_PARAMS, id=usable, code="mcp.params"
        )
    if usable is None:
        return Notification(method=method, params=params)
    return Request(id=usable, method=method, params=params)


def _usable(number: Any) -> Id | None:
    """The id of a message, if it is one that Guard remembers."""
    if type(number) is int:
        return number if -MAX_NUMBER <= number <= MAX_NUMBER else None
    if type(number) is not str or len(number) > MAX_ID:
        return None
    return None if any("\ud800" <= c <= "\udfff" for c in number) else number


def _refuse_member(value: dict[str, Any]) -> None:
    usable = _usable(value.get("id"))
    for key in value:
        if key not in MEMBERS:
            look = fold_name(key)
            code = "mcp.case_variant" if look in MEMBERS else "mcp.envelope"
            raise Refused("a member of the message is unknown", id=usable, code=code)


def _lenient_id(line: bytes) -> Id | None:
    """The id of a message that was refused although it is JSON, so that its sender is answered."""
    numbers = top_level_ids(line)
    if numbers is None:
        return sample_id(line[:512], line[-512:])
    return numbers[0] if len(numbers) == 1 else None


def top_level_ids(line: bytes) -> list[Id] | None:
    """Every usable id that a JSON object gives itself; ``None`` if the line is not JSON at all."""
    try:
        value = json.loads(line, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        return None
    members = value if isinstance(value, _Pairs) else ()
    return [number for key, v in members if key == "id" and (number := _usable(v)) is not None]


class _Pairs(list[tuple[str, Any]]):
    """The members of a JSON object as they came."""


def sample_id(head: bytes, tail: bytes) -> Id | None:
    """The id of a message of which only the ends are known; only for answering, never to judge.

    ``None`` unless exactly one id is seen.
    """
    seen = {*_ID.findall(head), *_ID.findall(tail)}
    if len(seen) != 1:
        return None
    text = seen.pop()
    return text[1:-1].decode("ascii") if text.startswith(b'"') else int(text)


def encode(message: Message) -> bytes:
    """The bytes that go on: one line, members in fixed order."""
    value: dict[str, Any] = {"jsonrpc": "2.0"}
    if isinstance(message, Response):
        value["id"] = message.id
        if message.error is not None:
            value["error"] = message.error
        else:
            value["result"] = message.result
    else:
        if isinstance(message, Request):
            value["id"] = message.id
        value["method"] = message.method
        if message.params:
            value["params"] = message.params
    return dumps(value) + b"\n"


def failure(id: Id | None, code: int, message: str, data: Any = None) -> Response:  # noqa: A002 - JSON-RPC's own name
    """An error answer."""
    error: dict[str, Any] = {"code": code, "message": message}
    if data is not None:
        error["data"] = data
    return Response(id=id, error=error)
