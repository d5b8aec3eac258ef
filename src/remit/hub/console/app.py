"""The console as an ASGI application, below ``/`` and ``/ui/``.

Whatever is asked, in this order: the log must take records; a form comes from a page of ours; who
is logged in is looked up again; whatever goes wrong is a page that says so, and nothing is done.
"""

import contextlib
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import quote, urlencode

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from remit.core.errors import RemitError
from remit.hub.console.door import HOME, LOGIN, Door
from remit.hub.console.pages import asset, page
from remit.hub.console.words import Look
from remit.hub.ledger import Ledger, LogUnavailableError
from remit.hub.registry.errors import RegistryError
from remit.hub.registry.http import Receive, Scope, Send
from remit.web.errors import PageError, WebError
from remit.web.exchange import MAX_FORM, Asked, Reply, read_form, read_query, see

PREFIX = "/ui/"
_HOST = re.compile(r"[A-Za-z0-9.:\[\]-]{1,255}")
_log = logging.getLogger("remit.hub")

View = Callable[[Look, Mapping[str, str]], Awaitable[Reply]]
"""Answers a request of somebody who is logged in; gets what the path names."""


class Console:
    """See the module's text. Belongs to the event loop's thread.

    Args:
        door: who is there, and how they come in.
        views: what they see: ``GET`` or ``POST`` and a path of Starlette, to a view.
        ledger: the Hub's log.
        url: how browsers reach the Hub; empty for what they say in ``Host``.
    """

    def __init__(
        self, door: Door, views: Mapping[tuple[str, str], View], ledger: Ledger, *, url: str = ""
    ) -> None:
        self._door = door
        self._ledger = ledger
        self._url = url.rstrip("/")
        routes = [Route("/", self._home, methods=["GET"]), Route("/ui", self._home)]
        routes.append(Route("/ui/", self._home, methods=["GET"]))
        routes.append(Route("/ui/static/{name}", self._asset, methods=["GET"]))
        for (method, path), handler in door.routes.items():
            routes.append(Route(path, self._open(handler), methods=[method]))
        for (method, path), view in views.items():
            routes.append(Route(path, self._closed(view), methods=[method]))
        self._app = Starlette(
            routes=routes, exception_handlers={404: self._missing, 405: self._missing}
        )
        # It would answer by itself, without the headers that every page of ours has.
        self._app.router.redirect_slashes = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        with contextlib.suppress(ClientDisconnect):
            await self._app(scope, receive, send)

    # --- what every request goes through --------------------------------------------------------

    def _open(
        self, handler: Callable[[Look], Awaitable[Reply]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            return await self._told(request, handler)

        return answer

    def _closed(self, view: View) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            async def seen(look: Look) -> Reply:
                if look.caller is None:
                    return _to_login(look)
                return await view(look, request.path_params)

            return await self._told(request, seen)

        return answer

    async def _told(
        self, request: Request, handler: Callable[[Look], Awaitable[Reply]]
    ) -> Response:
        look: Look | None = None
        try:
            self._ledger.check()
            look = await self._look(request)
            if request.method == "POST":
                look.asked.form = await self._form(request, look)
                self._door.check_form(look)
            return _response(await handler(look))
        except ClientDisconnect:
            raise
        except Exception as error:  # noqa: BLE001 - fail closed: whatever it was, nothing is done
            return _response(_failed(error, look))

    async def _look(self, request: Request) -> Look:
        scheme, host = request.url.scheme, request.headers.get("host", "")
        if not self._url and _HOST.fullmatch(host) is None:
            raise PageError(400, "the request names no host", code="web.host")
        origin = _origin(self._url) if self._url else f"{scheme}://{host.lower()}"
        asked = Asked(
            method=request.method,
            path=request.url.path,
            query=read_query(b"?" + request.scope.get("query_string", b"")),
            form={},
            address=request.client.host if request.client else "",
            by_person="hx-request" not in request.headers,
        )
        return await self._door.look(asked, request.headers.get("cookie", ""), origin)

    async def _form(self, request: Request, look: Look) -> dict[str, str]:
        if request.headers.get("origin") != look.origin:
            raise PageError(403, "the form is of another page", code="web.origin")
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > MAX_FORM:
                raise PageError(413, "the form is too long", code="web.form")
        return read_form(request.headers, bytes(body))

    # --- what is open to everybody --------------------------------------------------------------

    async def _home(self, request: Request) -> Response:
        del request
        return _response(see(HOME))

    async def _asset(self, request: Request) -> Response:
        try:
            return _response(asset(request.path_params["name"]))
        except PageError as error:
            return _response(_failed(error, None))

    async def _missing(self, request: Request, error: Exception) -> Response:
        del error
        look: Look | None = None
        with contextlib.suppress(Exception):
            look = await self._look(request)
        return _response(_failed(PageError(404, "there is no such page", code="web.unknown"), look))


def _to_login(look: Look) -> Reply:
    """The login page, which comes back to what was wanted."""
    asked = look.asked
    if not asked.by_person:
        # The page asked by itself: it is to be loaded as a whole, and then it is the login's.
        return Reply(more={"hx-refresh": "true"})
    if asked.method != "GET" or asked.path == HOME:
        return see(LOGIN)
    # What decoding made of the path goes back into its form.
    wanted = quote(asked.path, safe="/:@-._~")
    if asked.query:
        wanted += "?" + urlencode(asked.query)
    return see(f"{LOGIN}?{urlencode({'to': wanted})}")


def _failed(error: Exception, look: Look | None) -> Reply:
    """The page about what went wrong."""
    shown: RemitError
    if isinstance(error, (PageError, RegistryError)):
        status, shown = error.status, error
    elif isinstance(error, LogUnavailableError):
        status, shown = 503, error
    elif isinstance(error, WebError):
        status, shown = 502, error
    elif isinstance(error, (RemitError, OSError)):
        _log.error("%s", error)
        status, shown = 503, PageError(503, "the Hub's storage cannot be used now")
    else:
        _log.error("a page failed", exc_info=error)
        status, shown = 500, PageError(500, "the Hub could not do this; its operator sees why")
    here = look if look is not None and look.caller is not None else None
    return page("error", status=status, look=here, csrf=here.csrf if here else "", error=shown)


def _response(reply: Reply) -> Response:
    return Response(reply.body, reply.status, headers=reply.headers)


def _origin(url: str) -> str:
    """``https://HOST[:PORT]`` of a URL, as browsers say it."""
    scheme, _, rest = url.partition("://")
    host = rest.partition("/")[0].lower()
    usual = {"https": ":443", "http": ":80"}.get(scheme, "")
    return f"{scheme}://{host.removesuffix(usual) if usual else host}"
