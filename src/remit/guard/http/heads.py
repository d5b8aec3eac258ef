"""The head of an HTTP request, checked before anything of it is believed. Pure.

Rules (RFC 9110, MCP 2025-11-25 and 2026-07-28, transports):

1. A header that decides anything may come once; of several values none is chosen.
2. Host must name this listener (else a page reaches it by DNS rebinding), Origin must be allowed.
3. A body is JSON in UTF-8, not encoded further, and of known or bounded length.
4. What a header says of the message must be what the body says; the body is what runs.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from remit.guard.errors import GuardError
from remit.guard.mcp.messages import INVALID_REQUEST, Id, Request
from remit.guard.mcp.methods import META_VERSION

HEADER_MISMATCH = -32020
MAX_HEADERS = 100
MAX_HEADER_BYTES = 16 * 1024
MAX_LENGTH_DIGITS = 12
_ONCE = frozenset(
    {
        "host", "origin", "content-type", "content-length", "content-encoding",
        "transfer-encoding", "mcp-session-id", "mcp-protocol-version", "mcp-method", "mcp-name",
        "last-event-id",
    }
)  # fmt: skip
_PATH = re.compile(r"/mcp/([A-Za-z0-9][A-Za-z0-9._-]{0,63})")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_ENCODED = re.compile(r"=\?base64\?([A-Za-z0-9+/]*={0,2})\?=")
_NAMED = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}


class HttpRefusal(GuardError):  # noqa: N818 - it says what happened to the request
    """A request that goes no further.

    Attributes:
        status: HTTP status code.
        headers: of the answer, besides its type and length.
        rpc_code: JSON-RPC error code of the answer's body.
        id: of the request, if it was read.
    """

    code = "http.refused"

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str = "",
        rpc_code: int = INVALID_REQUEST,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, code=code or None)
        self.status = status
        self.rpc_code = rpc_code
        self.headers = headers or {}
        self.id: Id | None = None


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What a listener accepts.

    Attributes:
        hosts: values of Host, with port.
        origins: values of Origin; requests without one come from no page.
        max_body: bytes.
        local: whether only this machine reaches the listener.
    """

    hosts: frozenset[str]
    origins: frozenset[str] = frozenset()
    max_body: int = 4 << 20
    local: bool = True


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """A checked head.

    Attributes:
        method: ``GET``, ``POST`` or ``DELETE``.
        server: id of the server in the path.
        fields: headers by lower-case name.
        authorization: every value of Authorization, as it came.
    """

    method: str
    server: str
    fields: Mapping[str, str]
    authorization: tuple[str, ...] = ()

    @property
    def version(self) -> str:
        """``MCP-Protocol-Version``, empty if absent."""
        return self.fields.get("mcp-protocol-version", "")

    @property
    def session(self) -> str:
        """``Mcp-Session-Id``, empty if absent."""
        return self.fields.get("mcp-session-id", "")


def read_head(
    method: str, path: bytes, headers: Iterable[tuple[bytes, bytes]], rules: Rules
) -> Head:
    """Check the head of a request to an MCP endpoint.

    Args:
        method: of the request.
        path: raw, as it came.
        headers: names in lower case.
        rules: of the listener.

    Raises:
        HttpRefusal: with the status that says why.
    """
    fields, authorization = read_fields(headers, rules)
    server = server_of(path)
    if server is None:
        raise HttpRefusal(404, "there is nothing here; MCP is at /mcp/<server>", code="http.path")
    if method not in {"GET", "POST", "DELETE"}:
        raise HttpRefusal(
            405, "that method is not served here", code="http.method",
            headers={"allow": "GET, POST, DELETE"},
        )  # fmt: skip
    if method == "POST":
        _check_body(fields, rules)
    return Head(method=method, server=server, fields=fields, authorization=authorization)


def server_of(path: bytes) -> str | None:
    """The id in the path of an MCP endpoint; ``None`` if it is not spelled as one."""
    match = _PATH.fullmatch(path.decode("latin-1"))
    return match[1] if match else None


def read_fields(
    headers: Iterable[tuple[bytes, bytes]], rules: Rules
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Headers by name and every Authorization; the request is for this host, of no foreign page.

    Raises:
        HttpRefusal: malformed, too much, or rules 1 and 2 of this module.
    """
    fields, authorization = _fields(headers)
    if fields.get("host", "").lower() not in rules.hosts:
        raise HttpRefusal(421, "this Guard does not serve that host", code="http.host")
    origin = fields.get("origin")
    if origin is not None and origin not in rules.origins:
        raise HttpRefusal(403, "requests of that origin are not served", code="http.origin")
    return fields, authorization


def _fields(headers: Iterable[tuple[bytes, bytes]]) -> tuple[dict[str, str], tuple[str, ...]]:
    fields: dict[str, str] = {}
    authorization: list[str] = []
    size = 0
    for count, (raw_name, raw) in enumerate(headers):
        size += len(raw_name) + len(raw)
        if count >= MAX_HEADERS or size > MAX_HEADER_BYTES:
            raise HttpRefusal(431, "the headers are too large", code="http.headers")
        try:
            name, value = raw_name.decode("ascii").lower(), raw.decode("ascii").strip(" \t")
        except UnicodeDecodeError:
            raise HttpRefusal(400, "a header is not ASCII", code="http.headers") from None
        if not _TOKEN.fullmatch(name) or not value.isprintable():
            raise HttpRefusal(400, "a header is malformed", code="http.headers")
        if name == "authorization":
            authorization.append(value)
        elif name in fields:
            if name in _ONCE or name.startswith("mcp-"):
                raise HttpRefusal(
                    400, f"the header `{name}` came twice", code="http.twice",
                    rpc_code=HEADER_MISMATCH if name.startswith("mcp-") else INVALID_REQUEST,
                )  # fmt: skip
            fields[name] += ", " + value
        else:
            fields[name] = value
    return fields, tuple(authorization)


def _check_body(fields: Mapping[str, str], rules: Rules) -> None:
    media, *parameters = [
        part.strip().lower() for part in fields.get("content-type", "").split(";")
    ]
    if media != "application/json" or any(
        p not in {"charset=utf-8", 'charset="utf-8"'} for p in parameters
    ):
        raise HttpRefusal(415, "the body must be application/json in UTF-8", code="http.type")
    if fields.get("content-encoding", "identity").lower() != "identity":
        raise HttpRefusal(415, "the body must not be encoded", code="http.encoding")
    length = fields.get("content-length")
    if length is not None and "transfer-encoding" in fields:
        raise HttpRefusal(400, "the body has two lengths", code="http.length")
    if length is not None and not (length.isdecimal() and len(length) <= MAX_LENGTH_DIGITS):
        raise HttpRefusal(400, "the length is no number", code="http.length")
    if length is not None and int(length) > rules.max_body:
        raise HttpRefusal(413, f"the body is larger than {rules.max_body} bytes", code="http.size")
    accepted = {part.split(";")[0].strip().lower() for part in fields.get("accept", "").split(",")}
    wanted = ("application/json", "application/*"), ("text/event-stream", "text/*")
    if "*/*" not in accepted and any(accepted.isdisjoint(either) for either in wanted):
        raise HttpRefusal(
            406, "accept both application/json and text/event-stream", code="http.accept"
        )


def check_agrees(head: Head, request: Request, *, modern: bool) -> None:
    """What the headers say of a request must be what its body says.

    The modern era requires them (SEP-2243); in the legacy era they may be missing.

    Raises:
        HttpRefusal: 400 with the code for a mismatch.
    """
    if modern:
        said = request.params["_meta"].get(META_VERSION)
        if head.version != said:
            raise _mismatch("mcp-protocol-version")
    method = head.fields.get("mcp-method")
    if method != request.method and (modern or method is not None):
        raise _mismatch("mcp-method")
    member = _NAMED.get(request.method)
    name = head.fields.get("mcp-name")
    if name is not None:
        if member is None or decoded(name) != request.params.get(member):
            raise _mismatch("mcp-name")
    elif modern and member is not None:
        raise _mismatch("mcp-name")


def check_parameters(head: Head, arguments: Any, schema: Any) -> None:
    """``Mcp-Param-*`` headers must be the arguments that the tool's schema annotates.

    Raises:
        HttpRefusal: 400 with the code for a mismatch.
    """
    given = {name for name in head.fields if name.startswith("mcp-param-")}
    for name, argument in annotated(schema, arguments):
        header = f"mcp-param-{name.lower()}"
        if argument is None:
            if header in given:
                raise _mismatch(header)
            continue
        if header not in given or not _same(decoded(head.fields[header]), argument):
            raise _mismatch(header)
        given.discard(header)
    if given:
        raise _mismatch(min(given))


def annotated(schema: Any, arguments: Any) -> Iterable[tuple[str, Any]]:
    """Name and value of each argument that ``x-mcp-header`` annotates; ``None`` if absent."""
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict):
        return
    for key, below in properties.items():
        value = arguments.get(key) if isinstance(arguments, dict) else None
        name = below.get("x-mcp-header") if isinstance(below, dict) else None
        if isinstance(name, str):
            yield name, value
        elif isinstance(below, dict) and "properties" in below:
            yield from annotated(below, value)


def _same(text: str, value: Any) -> bool:
    if isinstance(value, bool):
        return text == ("true" if value else "false")
    if isinstance(value, int):
        return re.fullmatch(r"-?\d{1,30}", text, re.ASCII) is not None and int(text) == value
    return isinstance(value, str) and text == value


def decoded(value: str) -> str:
    """A header's value; ``=?base64?…?=`` holds text that a header cannot carry.

    Raises:
        HttpRefusal: the encoding is not canonical.
    """
    if not value.lower().startswith("=?base64?"):
        return value
    match = _ENCODED.fullmatch(value)
    text = None
    if match is not None:
        try:
            raw = base64.b64decode(match[1], validate=True)
            text = raw.decode("utf-8") if base64.b64encode(raw).decode() == match[1] else None
        except (ValueError, binascii.Error):
            text = None
    if text is None:
        raise HttpRefusal(
            400, "a header is not canonical base64", code="http.headers", rpc_code=HEADER_MISMATCH
        )
    return text


def encoded(text: str) -> str:
    """The inverse of :func:`decoded`."""
    plain = text.isascii() and text.isprintable() and text == text.strip()
    if plain and not text.lower().startswith("=?base64?"):
        return text
    return f"=?base64?{base64.b64encode(text.encode()).decode()}?="


def _mismatch(name: str) -> HttpRefusal:
    return HttpRefusal(
        400,
        f"the header `{name}` and the body do not agree",
        code="http.mismatch",
        rpc_code=HEADER_MISMATCH,
    )
