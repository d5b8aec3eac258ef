"""What the gate decided, over HTTP, and what curators say (spec/hub-api.md, "The gate").

Reading is for whoever may see a repository; findings are content and need `pull`. Deciding and
suppressing is for curators, and each is a record in the transaction of the change.
"""

import re
from typing import Any, TypeVar

import msgspec

from remit.artifacts.members import shown
from remit.artifacts.oci.digests import is_digest
from remit.artifacts.oci.names import is_repository, is_tag
from remit.hub.admission.answering import Answered
from remit.hub.admission.asking import Given, WordError
from remit.hub.admission.desk import Desk
from remit.hub.api.artifacts import refusal
from remit.hub.api.documents import time_of
from remit.hub.api.errors import NotFound
from remit.hub.api.gate import Gate
from remit.hub.api.parameters import limit_of, singles
from remit.hub.api.reviewed import admission_json, request_json, suppression_json, withdrawal_json
from remit.hub.api.sight import sees
from remit.hub.app import Application
from remit.hub.catalog.ports import Catalog, Item
from remit.hub.registry.access import ANONYMOUS, CATALOG, Caller, require
from remit.hub.registry.errors import Denied, Unsupported
from remit.hub.registry.http import Receive, Reply, Request, Scope, Send, empty, json_reply

PREFIX = "/api/v1/"
SUPPRESSIONS = f"{PREFIX}suppressions"
WITHDRAWALS = f"{PREFIX}withdrawals"
CURATORS = frozenset({"curator", "admin"})
MAX_BODY = 256 * 1024
CURATE = ("curate", "push")
_ABOUT = re.compile(
    r"/api/v1/repositories/(?P<repository>.+?)/artifacts/(?P<name>[^/]+)"
    r"/(?P<what>admission|decision|decisions/(?P<id>[0-9A-Z]{26})|findings/(?P<scanner>[a-z0-9][a-z0-9._-]{0,63}))"
)
_SUPPRESSION = re.compile(r"/api/v1/suppressions/(?P<id>[0-9A-Z]{26})")
_T = TypeVar("_T")
_NUMBER = re.compile(r"[0-9]{1,17}")


class Review:
    """Answers what is its own below ``/api/v1/``, and leaves the rest to another.

    Args:
        gate: who asks, refusals, records.
        catalog: what is known of artifacts.
        desk: what was decided, and what people say.
        rest: answers everything else.
    """

    def __init__(self, gate: Gate, catalog: Catalog, desk: Desk, rest: Application) -> None:
        self._gate = gate
        self._catalog = catalog
        self._desk = desk
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path: str = scope["path"]
        mine = path.startswith((SUPPRESSIONS, WITHDRAWALS)) or _ABOUT.fullmatch(path)
        if not mine:
            await self._rest(scope, receive, send)
            return
        await self._gate.run(scope, receive, send, self._answer, refusal)

    async def _answer(self, request: Request) -> Reply:
        caller = await self._gate.caller(request)
        found = _ABOUT.fullmatch(request.path)
        if found is not None:
            return await self._about(request, caller, found)
        if request.path == WITHDRAWALS:
            return await self._withdrawals(request, caller)
        if request.path == SUPPRESSIONS:
            if request.method == "POST":
                return await self._suppress(request, caller)
            return await self._suppressions(request, caller)
        one = _SUPPRESSION.fullmatch(request.path)
        if one is None:
            raise NotFound("there is nothing at this address")
        if request.method != "DELETE":
            raise Unsupported("a suppression is listed, made, or revoked with DELETE")
        return await self._revoke(request, caller, one["id"])

    # -- one artifact --------------------------------------------------------------------------

    async def _about(self, request: Request, caller: Caller, found: re.Match[str]) -> Reply:
        repository, name, what = found["repository"], found["name"], found["what"]
        if not is_repository(repository) or not (is_tag(name) or is_digest(name)):
            raise NotFound(f"`{shown(repository)}` `{shown(name)}` names no artifact")
        if what == "decision":
            await self._gate.allow(caller, request, repository, CURATE)
        elif what == "admission":
            await self._gate.allow(caller, request, repository, ("list", "pull"))
        else:
            await self._gate.allow(caller, request, repository, ("pull",))
        artifact = await self._catalog.find(repository, name)
        if artifact is None:
            raise NotFound(f"`{shown(name)}` is not in `{repository}`")
        item = artifact.item
        if what == "decision" and request.method == "POST":
            return await self._decide(request, caller, item)
        _reads(request)
        if what == "decision":
            given = singles(request, frozenset({"until_us"}), frozenset())
            asked = await self._desk.request(repository, item.digest, _number(given, "until_us"))
            return json_reply({**request_json(asked), "you": caller.name})
        singles(request, frozenset(), frozenset())
        if what == "admission":
            return await self._admission(caller, item)
        if found["id"]:
            return await self._filed(request, caller, item, found["id"])
        return await self._findings(request, caller, item, found["scanner"])

    async def _admission(self, caller: Caller, item: Item) -> Reply:
        case = await self._desk.case(item.repository, item.digest)
        content = caller.role_allows(item.repository, "pull") and caller.token_allows(
            item.repository, "pull"
        )
        return json_reply(admission_json(item, case, content=content))

    async def _findings(self, request: Request, caller: Caller, item: Item, scanner: str) -> Reply:
        data = await self._desk.findings(item.repository, item.digest, scanner)
        if data is None:
            raise NotFound(f"there is no report of `{scanner}`")
        given = {"repository": item.repository, "digest": item.digest, "what": "findings"}
        await self._gate.given(caller, request, given)
        head = (("content-type", "application/json"), ("content-length", str(len(data))))
        return Reply(status=200, headers=head, body=data)

    async def _filed(self, request: Request, caller: Caller, item: Item, id_: str) -> Reply:
        filed = await self._desk.filed(item.repository, item.digest, id_)
        if filed is None:
            raise NotFound("there is no such decision")
        given = {"repository": item.repository, "digest": item.digest, "what": "decision"}
        await self._gate.given(caller, request, given)
        return json_reply({**request_json(filed.request), "bundle": filed.bundle.decode() or None})

    async def _decide(self, request: Request, caller: Caller, item: Item) -> Reply:
        singles(request, frozenset(), frozenset())
        given = await _body(request, Given)
        said = await self._desk.decide(
            item.repository, item.digest, given, caller.name, request.peer
        )
        return json_reply({"id": said.id, "decision": said.word, "key": said.key}, status=201)

    # -- suppressions --------------------------------------------------------------------------

    def _somebody(self, caller: Caller, request: Request) -> None:
        """Curators and administrators, with a password or a token that was asked for this."""
        if caller.name == ANONYMOUS:
            require(caller, request, self._gate.realm(request), "catalog", CURATE)
        if not any(each.role in CURATORS for each in caller.grants):
            raise Denied(f"`{caller.name}` curates no repository")
        if caller.scopes is not None and CATALOG not in caller.scopes:
            raise Denied("the token is not good for suppressions; ask for registry:catalog:*")

    async def _suppress(self, request: Request, caller: Caller) -> Reply:
        self._somebody(caller, request)
        singles(request, frozenset(), frozenset())
        said = await self._desk.suppress(await _body(request, Answered), caller.name, request.peer)
        return json_reply(suppression_json(said), status=201)

    async def _suppressions(self, request: Request, caller: Caller) -> Reply:
        _reads(request)
        self._somebody(caller, request)
        given = singles(request, frozenset({"after", "limit"}), frozenset())
        limit = limit_of(given)
        found = await self._desk.suppressions(given.get("after", "")[:26], limit + 1)
        document: dict[str, Any] = {
            "hub": self._desk.hub,
            "you": caller.name,
            "suppressions": [suppression_json(each) for each in found[:limit]],
        }
        if len(found) > limit:
            document["next"] = found[limit - 1].id
        return json_reply(document)

    async def _revoke(self, request: Request, caller: Caller, id_: str) -> Reply:
        self._somebody(caller, request)
        said = await self._desk.suppression(id_)
        if said is None:
            raise NotFound("there is no such suppression")
        admin = any(each.role == "admin" and each.pattern == "**" for each in caller.grants)
        if said.by != caller.name and not admin:
            raise Denied(f"`{said.by}` made it; they can revoke it, and an administrator of all")
        if not await self._desk.revoke(said, caller.name, request.peer):
            raise NotFound("it is revoked already")
        return empty(204)

    # -- withdrawals ---------------------------------------------------------------------------

    async def _withdrawals(self, request: Request, caller: Caller) -> Reply:
        _reads(request)
        if caller.name == ANONYMOUS and not caller.grants:
            require(caller, request, self._gate.realm(request), "catalog", ("list", "pull"))
        given = singles(request, frozenset({"since", "limit"}), frozenset())
        limit = limit_of(given, 500, 1000)
        since = _number(given, "since")
        found, following, more = await self._desk.withdrawals(since, limit, sees(caller))
        document = {
            "withdrawals": [withdrawal_json(each) for each in found],
            "next": str(following),
            "more": more,
            "at": time_of(self._desk.now_us()),
        }
        tag = f'"{self._desk.mark(found, following, more=more)}"'
        if request.headers.get("if-none-match") == tag:
            return Reply(status=304, headers=(("etag", tag), ("content-length", "0")))
        return json_reply(document, headers=(("etag", tag), ("cache-control", "no-cache")))


def _reads(request: Request) -> None:
    if request.method not in {"GET", "HEAD"}:
        raise Unsupported(f"{shown(request.method)} is not something that can be done here")


def _number(given: dict[str, str], name: str) -> int:
    text = given.get(name, "0")
    if _NUMBER.fullmatch(text) is None:
        raise WordError(f"`{name}` is a number")
    return int(text)


async def _body(request: Request, kind: type[_T]) -> _T:
    data = await request.read(MAX_BODY)
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise WordError(f"the body cannot be read: {str(error)[:200]}") from error
