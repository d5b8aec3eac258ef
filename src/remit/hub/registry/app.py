"""The registry as an ASGI application: find out who asks, what they may do, do it, record it.

A reader should see these steps in this order in :meth:`Registry._answer`. Whatever goes wrong is a
refusal in the specification's words; nothing is changed and nothing is given out.
"""

import collections
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from remit.artifacts.oci.digests import is_digest
from remit.core.digest import Digest
from remit.core.errors import RemitError
from remit.hub.admission.gatekeeper import Gatekeeper
from remit.hub.ledger import Ledger, LogUnavailableError
from remit.hub.registry.access import (
    ANONYMOUS,
    CATALOG,
    Authenticator,
    Caller,
    authenticate,
    challenge,
    require,
    service,
)
from remit.hub.registry.endpoints import Giving, Taking
from remit.hub.registry.errors import (
    Denied,
    NameUnknown,
    RegistryError,
    Unauthorized,
    Unavailable,
    Unsupported,
)
from remit.hub.registry.http import (
    GoneError,
    Receive,
    Reply,
    Request,
    Scope,
    Send,
    json_reply,
    link_next,
    respond,
)
from remit.hub.registry.oauth import read_form
from remit.hub.registry.ports import Metadata, Stored
from remit.hub.registry.pulls import error_body, page_size
from remit.hub.registry.routes import Route, route_of
from remit.hub.registry.tokens import Tokens

_log = logging.getLogger("remit.hub")
_NEEDS = {
    ("uploads", "POST"): ("push",),
    ("upload", "PATCH"): ("push",),
    ("upload", "PUT"): ("push",),
    # Whoever has the id of an upload began it; clients ask with the token of the method.
    ("upload", "GET"): ("push", "push", "pull"),
    ("upload", "DELETE"): ("push", "push", "delete"),
    ("blob", "GET"): ("pull",),
    ("blob", "HEAD"): ("pull",),
    ("blob", "DELETE"): ("delete",),
    ("manifest", "GET"): ("pull",),
    ("manifest", "HEAD"): ("pull",),
    ("manifest", "PUT"): ("push",),
    ("manifest", "DELETE"): ("delete",),
    ("tags", "GET"): ("list", "pull"),
    ("referrers", "GET"): ("list", "pull"),
}
"""The action that a role must allow, and those of which a token must name one."""
_VERSION = (("docker-distribution-api-version", "registry/2.0"),)
NO_SPACE = 28
REFUSED = 400
READS = frozenset({"GET", "HEAD"})
MAX_STRANGERS = 60
"""Wrong credentials of one address that are recorded in a minute."""


class Registry:
    """Answers below ``/v2/`` and at ``/token``.

    Args:
        metadata: what is known.
        pulls, pushes: the endpoints.
        authenticator: who asks.
        tokens: gives Bearer tokens; with ``None`` clients are asked for Basic credentials.
        ledger: the Hub's log.
        url: how clients reach the Hub; empty for what they say in ``Host``.
        gatekeeper: says what may be given out; ``None`` for a registry without a gate.
    """

    def __init__(  # noqa: PLR0913 - all are of the registry
        self,
        metadata: Metadata,
        pulls: Giving,
        pushes: Taking,
        authenticator: Authenticator,
        tokens: Tokens | None,
        ledger: Ledger,
        *,
        url: str = "",
        gatekeeper: Gatekeeper | None = None,
    ) -> None:
        self._gatekeeper = gatekeeper
        self._metadata = metadata
        self._pulls = pulls
        self._pushes = pushes
        self._authenticator = authenticator
        self._tokens = tokens
        self._ledger = ledger
        self._url = url
        self._minute = 0
        self._strangers: collections.Counter[str] = collections.Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            request = Request(scope, receive)
        except RegistryError as error:
            await respond(_refusal(error), None, send)
            return
        with contextlib.suppress(GoneError):
            reply = await self._guarded(request)
            if reply.status >= REFUSED and request.method not in READS:
                with contextlib.suppress(RegistryError):
                    await request.drain()
            try:
                await respond(reply, request, send)
            except RemitError as error:
                # The reply has begun. It ends here, shorter than it said: the client sees that.
                _log.error("%s %s was cut off: %s", request.method, request.path, error.message)
                if "content-length" not in dict(reply.headers):
                    raise

    async def _guarded(self, request: Request) -> Reply:
        try:
            with request.watched():
                return await self._answer(request)
        except RegistryError as error:
            return _refusal(error)
        except GoneError:
            raise
        except LogUnavailableError as error:
            return _refusal(Unavailable(error.message))
        except (RemitError, OSError) as error:
            return _refusal(_unavailable(error))
        except Exception:  # noqa: BLE001 - fail closed: whatever it was, the answer is a refusal
            _log.exception("%s %s failed", request.method, request.path)
            return _refusal(Unavailable("the Hub could not do this; its operator sees why"))

    def _realm(self, request: Request) -> str:
        if self._tokens is None:
            return ""
        return f"{self._url or f'{request.scheme}://{service(request)}'}/token"

    async def _answer(self, request: Request) -> Reply:
        realm = self._realm(request)
        self._ledger.check()
        try:
            caller = await authenticate(request, self._authenticator, realm)
        except Unauthorized as error:
            await self.stranger(request, error)
            raise
        if request.path == "/token" and self._tokens is not None:
            return await self._token(request, caller, realm)
        if request.path in {"/v2/", "/v2"}:
            return self._version(request, caller, realm)
        if request.path == "/v2/_catalog":
            return await self._catalog(request, caller, realm)
        route = route_of(request.path, request.method)
        if route is None:
            raise NameUnknown("there is nothing at this address")
        needs = _NEEDS.get((route.kind, request.method))
        if needs is None:
            raise Unsupported(f"{request.method} is not something that can be done here")
        try:
            require(caller, request, realm, route.repository, needs)
            return await self._do(request, route, caller)
        except Denied as error:
            body = _denied(caller.name, request, error)
            body["artifact"] = {"repository": route.repository, "name": route.value}
            if isinstance(error.detail, dict) and "state" in error.detail:
                body["artifact"] |= {key: error.detail[key] for key in ("digest", "state")}
            await self._ledger.note("registry.deny", body)
            raise

    async def stranger(self, request: Request, error: RegistryError) -> None:
        """Record wrong credentials: of one address so many a minute, that none can fill the log."""
        minute = int(time.monotonic() // 60)
        if minute != self._minute:
            self._minute, self._strangers = minute, collections.Counter()
        self._strangers[request.peer] += 1
        count = self._strangers[request.peer]
        if count <= MAX_STRANGERS:
            body = _denied("", request, error)
            if count == MAX_STRANGERS:
                body["decision"]["detail"] = "more of this minute are not recorded"
            await self._ledger.note("registry.deny", body)

    async def _mountable(self, request: Request, caller: Caller) -> bool:
        """Whether the caller could get the blob that is to be mounted where it is now.

        Else somebody who curates one repository got there what another one holds back.
        """
        source, digest = request.first("from"), request.first("mount")
        if self._gatekeeper is None or source is None or digest is None or not is_digest(digest):
            return True
        try:
            await self._gatekeeper.blob(caller, source, Digest(digest))
        except Denied:
            return False
        return True

    async def _do(self, request: Request, route: Route, caller: Caller) -> Reply:
        by = caller.name
        mountable = route.kind != "uploads" or await self._mountable(request, caller)
        write: dict[tuple[str, str], Callable[[], Awaitable[Reply]]] = {
            ("uploads", "POST"): lambda: self._pushes.start(
                request, route, by, lambda name: mountable and _may_pull(caller, name)
            ),
            ("upload", "GET"): lambda: self._pushes.status(route),
            ("upload", "PATCH"): lambda: self._pushes.append(request, route),
            ("upload", "PUT"): lambda: self._pushes.finish(request, route, by),
            ("upload", "DELETE"): lambda: self._pushes.cancel(route),
            ("blob", "DELETE"): lambda: self._pushes.drop_blob(request, route, by),
            ("manifest", "PUT"): lambda: self._pushes.put_manifest(request, route, by),
            ("manifest", "DELETE"): lambda: self._pushes.drop_manifest(request, route, by),
            ("tags", "GET"): lambda: self._pulls.tags(request, route),
            ("referrers", "GET"): lambda: self._pulls.referrers(request, route),
        }
        if (done := write.get((route.kind, request.method))) is not None:
            return await done()
        if request.method == "HEAD":
            return await self._look(request, route)
        quarantined = False
        if self._gatekeeper is not None and route.kind == "blob":
            quarantined = await self._blob(route, caller)
        reply = await self._look(request, route)
        try:
            if self._gatekeeper is not None and route.kind == "manifest":
                # By the digest of what is about to be sent: its tag may have moved meanwhile.
                stored = _stored(reply)
                quarantined = await self._gatekeeper.manifest(caller, route.repository, stored)
            body = _pulled(by, request, route, reply)
            if quarantined:
                body["quarantined"] = True
            await self._ledger.note("registry.pull", body)
        except BaseException:
            if reply.done is not None:
                await reply.done()
            raise
        return reply

    async def _blob(self, route: Route, caller: Caller) -> bool:
        assert self._gatekeeper is not None
        try:
            return await self._gatekeeper.blob(caller, route.repository, route.digest)
        except Denied:
            # What is not there at all is not held back; clients tell the two apart.
            await self._pulls.check_blob(route)
            raise

    async def _look(self, request: Request, route: Route) -> Reply:
        look = self._pulls.blob if route.kind == "blob" else self._pulls.manifest
        return await look(request, route)

    def _version(self, request: Request, caller: Caller, realm: str) -> Reply:
        # Every login begins here: somebody without credentials is asked for them.
        _only_reads(request)
        if caller.name == ANONYMOUS and "authorization" not in request.headers:
            header = (("www-authenticate", challenge(request, realm)),)
            raise Unauthorized("log in to use this registry", headers=(*header, *_VERSION))
        return json_reply({}, headers=_VERSION)

    async def _token(self, request: Request, caller: Caller, realm: str) -> Reply:
        assert self._tokens is not None
        if request.method not in {"GET", "POST"}:
            raise Unsupported("a token is asked for by GET or POST")
        if caller.scopes is not None:
            # Else whoever finds a token for one thing had all that its account may do, for ever.
            header = (("www-authenticate", challenge(request, realm)),)
            raise Unauthorized("a token is given for a password, not for a token", headers=header)
        asked = [value for key, value in request.query if key == "scope"]
        if request.method == "POST":
            try:
                caller, more = await read_form(request, caller, self._authenticator)
            except Unauthorized as error:
                await self._ledger.note("registry.deny", _denied("", request, error))
                raise
            asked += more
        return await self._tokens.answer(request, caller, asked, self._ledger)

    async def _catalog(self, request: Request, caller: Caller, realm: str) -> Reply:
        """Names of the repositories that the caller may list (Docker's catalogue)."""
        _only_reads(request)
        header = (("www-authenticate", challenge(request, realm, scope=CATALOG)),)
        if caller.name == ANONYMOUS and not caller.grants:
            raise Unauthorized("log in to list repositories", headers=header)
        if caller.scopes is not None and CATALOG not in caller.scopes:
            raise Denied("the token is not good for the list of repositories", headers=header)
        count = page_size(request)
        last, found = request.first("last") or "", list[str]()
        more = count > 0
        while more and len(found) <= count:
            page = await self._metadata.repositories(last, count + 1)
            found += [each for each in page if caller.role_allows(each, "list")]
            more = len(page) > count
            last = page[-1] if page else ""
        headers: tuple[tuple[str, str], ...] = ()
        if 0 < count < len(found):
            headers = (link_next("/v2/_catalog", {"n": str(count), "last": found[count - 1]}),)
        return json_reply({"repositories": found[:count]}, headers=headers)


def _only_reads(request: Request) -> None:
    if request.method not in READS:
        raise Unsupported(f"{request.method[:16]} is not something that can be done here")


def _may_pull(caller: Caller, repository: str) -> bool:
    return caller.role_allows(repository, "pull") and caller.token_allows(repository, "pull")


def _pulled(by: str, request: Request, route: Route, reply: Reply) -> dict[str, Any]:
    digest = dict(reply.headers).get("docker-content-digest", "")
    artifact = {"repository": route.repository, "digest": digest, "what": route.kind}
    if route.value != digest:
        artifact["tag"] = route.value
    return {"actor": {"user": by, "peer": request.peer}, "artifact": artifact}


def _stored(reply: Reply) -> Stored:
    headers = dict(reply.headers)
    return Stored(
        digest=Digest(headers["docker-content-digest"]),
        media_type=headers["content-type"],
        body=reply.body,
    )


def _denied(by: str, request: Request, error: RegistryError) -> dict[str, Any]:
    return {
        "actor": {"user": by, "peer": request.peer},
        "request": {"method": request.method[:16], "path": request.path[:300]},
        "decision": {"effect": "deny", "reasons": [error.message[:300]]},
    }


def _unavailable(error: Exception) -> RegistryError:
    if isinstance(error, OSError) and error.errno == NO_SPACE:
        return Unavailable("the Hub's disk is full; nothing was changed")
    message = error.message if isinstance(error, RemitError) else str(error)
    _log.error("%s", message)
    return Unavailable("the Hub's storage cannot be used now; nothing was changed")


def _refusal(error: RegistryError) -> Reply:
    body = error_body(error)
    return Reply(
        status=error.status,
        headers=(
            ("content-type", "application/json"),
            ("content-length", str(len(body))),
            *error.headers,
        ),
        body=body,
    )
