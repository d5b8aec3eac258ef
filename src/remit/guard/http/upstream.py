"""A server over Streamable HTTP, for one session.

Connections are pooled per session and kept; redirects are not followed, TLS is verified, answers
are read as they come and bounded. Guard's own credentials for the server are put in here and
nowhere else.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import orjson

from remit.core.decision import Decision
from remit.core.errors import RemitError
from remit.core.text import printable
from remit.guard.config import Secret, ServerConfig
from remit.guard.errors import GuardError
from remit.guard.http.events import EventReader
from remit.guard.http.heads import annotated, encoded
from remit.guard.mcp.framing import Line
from remit.guard.mcp.messages import (
    UPSTREAM_FAILED,
    Id,
    Message,
    Notification,
    Request,
    encode,
    failure,
)
from remit.guard.mcp.methods import META_VERSION, is_modern
from remit.guard.mcp.upstream import Connect, OnExit, OnLine, Resolve, Upstream

if TYPE_CHECKING:
    import aiohttp

CONNECT_S = 10.0
KEEP_ALIVE_S = 4.0
"""Shorter than usual servers keep theirs (5 s): a call that meets a closing connection is lost."""
FIRST_S = 5.0
LINGER_S = 1.0
MAX_HEADER = 1024
MIN_SECRET = 6
MAX_IN_FLIGHT = 1024
MAX_CONNECTIONS = 32
RETRY_S = (0.5, 1.0, 2.0, 4.0, 8.0)
_NAMED = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
_INITIALIZED = "notifications/initialized"
_OK, _ACCEPTED, _NOT_FOUND, _NOT_ALLOWED = 200, 202, 404, 405


class HttpUpstream:
    """See the module's text. Belongs to the event loop's thread."""

    def __init__(
        self,
        config: ServerConfig,
        limit: int,
        resolve: Resolve,
        on_line: OnLine,
        on_exit: OnExit,
    ) -> None:
        self.on_pressure: Callable[[bool], None] = lambda _full: None
        self.on_barred: Callable[[Decision], None] = lambda _decision: None
        self._config = config
        self._limit = limit
        self._resolve = resolve
        self._on_line = on_line
        self._on_exit = on_exit
        self._headers: dict[str, str] = {}
        self._http: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._requests: dict[Id, asyncio.Task[None]] = {}
        self._secrets: tuple[bytes, ...] = ()
        self._initialized: asyncio.Task[None] | None = None
        self._session = ""
        self._version = ""
        self._last_event = ""
        self._schemas: dict[str, Any] = {}
        self._holds: set[str] = set()
        self._open = asyncio.Event()
        self._open.set()

    async def start(self) -> None:
        """Make the pool; nothing is sent before the client sends something.

        Raises:
            RemitError: a credential of the server cannot be had.
        """
        import aiohttp

        self._headers = self._resolve(self._config.headers)
        self._secrets = tuple(
            self._headers[name].removeprefix(value.prefix).encode()
            for name, value in self._config.headers.items()
            if isinstance(value, Secret)
        )
        connector = aiohttp.TCPConnector(limit=MAX_CONNECTIONS, keepalive_timeout=KEEP_ALIVE_S)
        self._http = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            headers={"accept-encoding": "identity", "user-agent": "remit"},
        )

    def send(self, message: Message) -> None:
        """Post a message; its answer, or why there is none, comes as a line."""
        if isinstance(message, Request) and len(self._requests) >= MAX_IN_FLIGHT:
            self._fail(message, "too many requests are under way")
            return
        if isinstance(message, Notification) and self._cancels(message):
            return
        task = asyncio.get_running_loop().create_task(self._post(message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if isinstance(message, Request):
            self._requests[message.id] = task
        elif isinstance(message, Notification) and message.method == _INITIALIZED:
            self._initialized = task

    def _cancels(self, message: Notification) -> bool:
        """Close the response of a request that is cancelled; whether that says it all.

        It does in the modern era; in the legacy one the server is told besides.
        """
        if message.method != "notifications/cancelled":
            return False
        task = self._requests.pop(message.params.get("requestId", ""), None)
        if task is not None:
            task.cancel()
        return self._version not in _LEGACY_SEEN

    @property
    def backlog(self) -> int:
        """Nothing waits here: what a server does not take keeps its own request waiting."""
        return 0

    def hold(self, why: str, *, full: bool) -> None:
        """Stop reading answers for a reason, or drop the reason."""
        (self._holds.add if full else self._holds.discard)(why)
        (self._open.clear if self._holds else self._open.set)()

    async def stop(self, *, at_once: bool = False) -> None:
        """Say goodbye to the server's session, unless ``at_once``, and close the pool."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._http is None:
            return
        if self._session and not at_once:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(2.0):
                    async with self._http.delete(
                        self._config.url, headers=self._with_session({}), allow_redirects=False
                    ):
                        pass
        await self._http.close()
        self._http = None

    # --- requests -------------------------------------------------------------------------------

    async def _post(self, message: Message) -> None:
        try:
            if self._initialized is not None and self._initialized is not asyncio.current_task():
                # Each goes on a connection of its own, and a server wants this one first.
                await asyncio.wait({self._initialized}, timeout=FIRST_S)
            await self._exchange(message)
        except asyncio.CancelledError:
            raise
        except RemitError as error:
            self._fail(message, error.message)
        except Exception as error:  # noqa: BLE001 - whatever the network does, who waits is told
            self._fail(message, f"the server cannot be reached: {type(error).__name__}")
        finally:
            if isinstance(message, Request):
                self._requests.pop(message.id, None)

    async def _exchange(self, message: Message) -> None:
        assert self._http is not None
        async with self._http.post(
            self._config.url,
            data=encode(message)[:-1],
            headers=self._head(message),
            allow_redirects=False,
        ) as response:
            if isinstance(message, Request) and message.method == "initialize":
                session = response.headers.get("mcp-session-id", "")
                self._session = _visible(session)
                if session != self._session:
                    raise GuardError("the server's session id is malformed", code="http.session")
            kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            if response.headers.get("content-encoding", "identity").lower() != "identity":
                raise GuardError("the server encodes its answer", code="http.encoding")
            if response.status == _NOT_FOUND and self._session:
                self._on_exit("has ended the session")
                return
            if isinstance(message, Request):
                await self._answer(message, response, kind)
            elif response.status not in {_OK, _ACCEPTED, 204}:
                raise GuardError(f"the server answers {response.status}", code="http.status")
        if isinstance(message, Notification) and message.method == _INITIALIZED:
            self._listen()

    async def _answer(
        self, message: Request, response: "aiohttp.ClientResponse", kind: str
    ) -> None:
        if kind == "text/event-stream" and response.status == _OK:
            if not await self._events(response, message.id):
                raise GuardError("the server's answer broke off", code="http.cut")
            return
        if kind == "application/json":
            data = await self._whole(response)
            meant = _answers(data, message.id)
            if response.status == _OK or meant:
                self._note(message, data)
                self._give(data)
                if not meant:
                    raise GuardError("the server's answer is of something else", code="http.other")
                return
            reason = _reason(self._clean(data))
            raise GuardError(f"the server answers {response.status}{reason}", code="http.status")
        raise GuardError(f"the server answers {response.status}", code="http.status")

    async def _whole(self, response: "aiohttp.ClientResponse") -> bytes:
        parts: list[bytes] = []
        size = 0
        async for part in response.content.iter_any():
            await self._open.wait()
            size += len(part)
            if size > self._limit:
                raise GuardError("the server's answer is too large", code="json.size")
            parts.append(part)
        return b"".join(parts)

    async def _events(self, response: "aiohttp.ClientResponse", number: Id | None) -> bool:
        """Take server-sent events; whether the answer to request ``number`` was among them."""
        reader = EventReader(self._limit)
        answered = False
        try:
            async with asyncio.timeout(None) as patience:
                async for part in response.content.iter_any():
                    await self._open.wait()
                    for event in reader.feed(part):
                        if number is None and event.id:
                            self._last_event = event.id
                        if number is not None and not answered and _answers(event.data, number):
                            answered = True
                            now = asyncio.get_running_loop().time()
                            patience.reschedule(now + LINGER_S)
                        self._give(event.data)
        except TimeoutError:
            # The answer is here, and the server leaves the response open.
            pass
        except Exception:
            if not answered:
                raise
        return answered

    def _give(self, data: bytes) -> None:
        self._on_line(Line(self._clean(data)))

    def _clean(self, data: bytes) -> bytes:
        """Without Guard's own credentials, which careless servers repeat."""
        for secret in self._secrets:
            if len(secret) >= MIN_SECRET and secret in data:
                data = data.replace(secret, b"[credential]")
        return data

    def _note(self, message: Request, data: bytes) -> None:
        """Remember what later requests need: the version agreed on, what tools want in headers."""
        if message.method not in {"initialize", "tools/list"}:
            return
        with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
            result = orjson.loads(data)["result"]
            if message.method == "initialize":
                self._version = _visible(result["protocolVersion"])
            else:
                self._schemas |= {tool["name"]: tool["inputSchema"] for tool in result["tools"]}

    def _head(self, message: Message) -> dict[str, str]:
        headers = {
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
        }
        modern = isinstance(message, Request) and is_modern(message.params)
        if modern:
            assert isinstance(message, Request)
            headers["mcp-protocol-version"] = str(message.params["_meta"][META_VERSION])
            headers["mcp-method"] = message.method
            named = message.params.get(_NAMED.get(message.method, ""))
            if isinstance(named, str):
                headers["mcp-name"] = encoded(named)
            if message.method == "tools/call":
                headers |= self._parameters(message)
            return {**headers, **self._headers}
        return self._with_session(headers)

    def _parameters(self, message: Request) -> dict[str, str]:
        schema = self._schemas.get(str(message.params.get("name")))
        return {
            f"mcp-param-{name.lower()}": encoded(_text(value))
            for name, value in annotated(schema, message.params.get("arguments"))
            if value is not None
        }

    def _with_session(self, headers: dict[str, str]) -> dict[str, str]:
        if self._session:
            headers["mcp-session-id"] = self._session
        if self._version:
            headers["mcp-protocol-version"] = self._version
        return {**headers, **self._headers}

    # --- what the server says by itself ---------------------------------------------------------

    def _listen(self) -> None:
        task = asyncio.get_running_loop().create_task(self._listening())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _listening(self) -> None:
        """Keep the stream of server messages open (legacy era), with pauses that grow."""
        assert self._http is not None
        for pause in (*RETRY_S, *[RETRY_S[-1]] * 1000):
            headers = self._with_session({"accept": "text/event-stream"})
            if self._last_event:
                headers["last-event-id"] = self._last_event
            with contextlib.suppress(Exception):
                async with self._http.get(
                    self._config.url, headers=headers, allow_redirects=False
                ) as response:
                    kind = response.headers.get("content-type", "").partition(";")[0].strip()
                    if response.status in {_NOT_ALLOWED, _NOT_FOUND, 400, 501}:
                        return
                    if response.status == _OK and kind.lower() == "text/event-stream":
                        await self._events(response, None)
            await asyncio.sleep(pause)

    def _fail(self, message: Message, reason: str) -> None:
        if isinstance(message, Request):
            text = f"the server `{self._config.id}` failed: {printable(reason, 200)}"
            answer = failure(message.id, UPSTREAM_FAILED, text)
            self._on_line(Line(encode(answer)[:-1]))


_LEGACY_SEEN = frozenset({"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"})


def _answers(data: bytes, number: Id) -> bool:
    """Whether ``data`` is meant as the answer to request ``number``; the session judges it."""
    try:
        frame = orjson.loads(data)
    except orjson.JSONDecodeError:
        return False
    if not isinstance(frame, dict) or "method" in frame:
        return False
    found = frame.get("id")
    return type(found) is type(number) and found == number


def _reason(data: bytes) -> str:
    with contextlib.suppress(ValueError, KeyError, TypeError):
        return f": {printable(str(orjson.loads(data)['error']['message']), 150)}"
    return ""


def _visible(text: str) -> str:
    """A header's value as the protocol permits it, else nothing."""
    return text if text.isascii() and text.isprintable() and len(text) <= MAX_HEADER else ""


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def over_http(config: ServerConfig, limit: int, resolve: Resolve) -> Connect:
    """Connect to a server by its URL."""

    def connect(on_line: OnLine, on_exit: OnExit) -> Upstream:
        return HttpUpstream(config, limit, resolve, on_line, on_exit)

    return connect
