"""The MCP registry, v0.1: what IDEs ask for the MCP servers that they may offer.

Implements the reading half of the generic registry API of modelcontextprotocol/registry
(``/v0.1/servers`` and below, OpenAPI of 2025-12-01), over the artifacts of kind ``mcp-server`` that
are admitted. The optional writing half answers 501: servers are pushed as artifacts. Nothing is
listed as deleted: what was taken away is not there any more.

Rules, in order:

1. A server is one that has its name: names belong to the repository that used them first, so that
   nobody can offer another program under a known name.
2. Only what is admitted and what the caller may pull is listed.
3. Of several artifacts with one version, the one that was pushed last is that version.
"""

import base64
import datetime as dt
import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import msgspec

from remit.artifacts.servers import MAX_NAME, Server, precedence, server_json
from remit.hub.api.documents import time_of
from remit.hub.api.errors import BadRequest, NotFound
from remit.hub.api.gate import Gate
from remit.hub.api.parameters import limit_of, singles, unpadded
from remit.hub.catalog.ports import Admission, Catalog, Item, Listed, Sees
from remit.hub.registry.access import ANONYMOUS, Caller, require
from remit.hub.registry.errors import RegistryError, Unsupported
from remit.hub.registry.http import Receive, Reply, Request, Scope, Send, json_reply

PREFIX = "/v0.1/"
OFFICIAL = "io.modelcontextprotocol.registry/official"
ARTIFACT = "example.remit/artifact"
"""Our member of ``_meta``: which artifact a server is."""
CORS = (
    ("access-control-allow-origin", "*"),
    ("access-control-allow-methods", "GET, OPTIONS"),
    ("access-control-allow-headers", "Authorization, Content-Type"),
)
"""What the clients of the registry ask for; no credentials of a browser are taken."""
DEFAULT_LIMIT, MAX_LIMIT, MAX_SEARCH = 30, 100, 200
_VERSIONS = re.compile(
    r"/v0\.1/servers/(?P<name>[^/]+/[^/]+)/versions(?:/(?P<version>[^/]+))?", re.ASCII
)
_LIST = frozenset({"cursor", "limit", "search", "updated_since", "version", "include_deleted"})
_ONE = frozenset({"include_deleted"})


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """A version of a server, and whether there is no later one."""

    item: Item
    server: Server
    latest: bool


class Servers:
    """Answers below ``/v0.1/``.

    Args:
        gate: who asks, refusals, records.
        catalog: what is known.
        admission: which of it may be used.
    """

    def __init__(self, gate: Gate, catalog: Catalog, admission: Admission) -> None:
        self._gate = gate
        self._catalog = catalog
        self._admission = admission

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await self._gate.run(scope, receive, send, self._answer, refusal)

    async def _answer(self, request: Request) -> Reply:
        if request.method == "OPTIONS":
            age = (("access-control-max-age", "86400"), ("content-length", "0"))
            return Reply(status=204, headers=(*CORS, *age))
        caller = await self._gate.caller(request)
        if caller.name == ANONYMOUS and not caller.grants:
            require(caller, request, self._gate.realm(request), "catalog", ("list", "pull"))
        found = _VERSIONS.fullmatch(request.path)
        if request.method not in {"GET", "HEAD"}:
            error = Unsupported("servers are pushed to this registry as OCI artifacts")
            error.status = 501
            raise error
        if request.path == f"{PREFIX}servers":
            return await self._list(request, caller)
        if found is None:
            raise NotFound("there is nothing at this address")
        singles(request, _ONE, frozenset())
        return await self._versions(request, caller, found["name"], found["version"])

    async def _releases(self, name: str, caller: Caller) -> list[Release]:
        listed = await self._catalog.servers(name, pulls(caller))
        admitted = await self._admission.admitted([each.item for each in listed])
        return list(releases([each for each, yes in zip(listed, admitted, strict=True) if yes]))

    async def _list(self, request: Request, caller: Caller) -> Reply:
        given = singles(request, _LIST, frozenset())
        limit = limit_of(given, DEFAULT_LIMIT, MAX_LIMIT)
        search, version = given.get("search", "").lower(), given.get("version", "")
        if len(search) > MAX_SEARCH or len(version) > MAX_NAME:
            raise BadRequest("`search` or `version` is too long")
        since = _time_in(given["updated_since"]) if "updated_since" in given else 0
        last = _place_in(given["cursor"]) if given.get("cursor") else None
        every = await self._releases("", caller)
        wanted = [
            each
            for each in _behind(every, last)
            if search in each.server.name.lower()
            and each.item.pushed_us >= since
            and (version in {"", each.server.version} or (version == "latest" and each.latest))
        ]
        page = wanted[:limit]
        bodies = await self._catalog.server_bodies([each.item for each in page])
        metadata: dict[str, Any] = {"count": len(bodies)}
        if len(wanted) > limit:
            metadata["nextCursor"] = _place(page[-1].server)
        shown = {(each.name, each.version): each for each in bodies}
        answers = [
            self._response(request, each, body)
            for each in page
            if (body := shown.get((each.server.name, each.server.version))) is not None
        ]
        await self._gate.given(caller, request, {"what": "mcp-servers", "count": len(answers)})
        return _reply({"servers": answers, "metadata": metadata})

    async def _versions(
        self, request: Request, caller: Caller, name: str, version: str | None
    ) -> Reply:
        found = await self._releases(name, caller) if len(name) <= MAX_NAME else []
        if not found:
            raise NotFound("Server not found")
        if version is None:
            answers = [self._response(request, each, each.server) for each in found]
            await self._gate.given(
                caller, request, {"what": "mcp-servers", "count": len(answers), "name": name}
            )
            return _reply({"servers": answers, "metadata": {"count": len(answers)}})
        for each in found:
            if version == each.server.version or (version == "latest" and each.latest):
                item = each.item
                given = {"repository": item.repository, "digest": item.digest, "what": "mcp-server"}
                await self._gate.given(caller, request, given)
                return _reply(self._response(request, each, each.server))
        raise NotFound("Server not found")

    def _response(self, request: Request, release: Release, server: Server) -> dict[str, Any]:
        item = release.item
        pushed = time_of(item.pushed_us)
        return {
            "server": server_json(server, url=self._gate.url(request), repository=item.repository),
            "_meta": {
                OFFICIAL: {
                    "status": "active",
                    "statusChangedAt": pushed,
                    "publishedAt": pushed,
                    "updatedAt": pushed,
                    "isLatest": release.latest,
                },
                ARTIFACT: {
                    "repository": item.repository,
                    "digest": item.digest,
                    "tags": item.tags,
                },
            },
        }


def releases(listed: Sequence[Listed]) -> Iterator[Release]:
    """Versions by name, the latest of each name first.

    Args:
        listed: in the order of names, and of one name the last that was pushed first.
    """
    for _, group in groupby(listed, key=lambda each: each.server.name):
        versions: dict[str, Listed] = {}
        for each in group:
            versions.setdefault(each.server.version, each)
        ordered = sorted(
            versions.values(),
            key=lambda each: (precedence(each.server.version), each.item.pushed_us),
            reverse=True,
        )
        for at, each in enumerate(ordered):
            yield Release(item=each.item, server=each.server, latest=at == 0)


def pulls(caller: Caller) -> Sees:
    """What the caller may be shown the content of."""

    def allowed(name: str) -> bool:
        return caller.role_allows(name, "pull") and caller.token_allows(name, "pull")

    return allowed


def _behind(every: Sequence[Release], last: tuple[str, str] | None) -> Sequence[Release]:
    """What comes after a place in the list, whether what was there is still there or not."""
    if last is None:
        return every
    name, version = last
    at = next((at for at, each in enumerate(every) if each.server.name >= name), len(every))
    exact = at
    while exact < len(every) and every[exact].server.name == name:
        if every[exact].server.version == version:
            return every[exact + 1 :]
        exact += 1
    key = precedence(version)
    while at < exact and precedence(every[at].server.version) >= key:
        at += 1
    return every[at:]


def _place(server: Server) -> str:
    place = msgspec.json.encode([server.name, server.version])
    return base64.urlsafe_b64encode(place).decode().rstrip("=")


def _place_in(text: str) -> tuple[str, str]:
    try:
        return msgspec.json.decode(unpadded(text), type=tuple[str, str])
    except (ValueError, msgspec.MsgspecError):
        raise BadRequest("the cursor is none that this list gave") from None


def _time_in(text: str) -> int:
    """Microseconds since the Unix epoch of an RFC 3339 time."""
    try:
        found = msgspec.convert(text, dt.datetime, strict=False)
    except msgspec.ValidationError:
        found = None
    if found is None or found.tzinfo is None:
        raise BadRequest("`updated_since` is a time like 2026-01-31T12:00:00Z")
    return max(0, int(found.timestamp() * 1_000_000))


def _reply(document: Any) -> Reply:
    return json_reply(document, headers=CORS)


def refusal(error: RegistryError) -> Reply:
    """An error as the specification shows it."""
    return json_reply(
        {"error": error.message}, status=error.status, headers=(*CORS, *error.headers)
    )
