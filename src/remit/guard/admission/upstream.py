"""The server's side of a session whose server is an artifact: admitted, or answered for."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from remit import __version__
from remit.core.decision import Decision
from remit.core.errors import RemitError
from remit.core.event import Agent
from remit.guard.admission.admission import Admission, Admitted
from remit.guard.admission.launch import small_environment
from remit.guard.admission.running import Recall
from remit.guard.config import ServerConfig
from remit.guard.governed import GovernedServer
from remit.guard.mcp.framing import Line, Overlong
from remit.guard.mcp.messages import METHOD_NOT_FOUND, Message, Request, Response, encode, failure
from remit.guard.mcp.methods import MODERN_VERSIONS, is_modern
from remit.guard.mcp.upstream import BarredError, Connect, OnExit, OnLine, ProcessUpstream, Upstream
from remit.policy.pins import PinnedServer


class Understudy:
    """Answers in the place of a server that was not started: who it is, and its pinned tools.

    So a client connects, sees the tools that it knows, and is told at each of them why they do
    nothing. Nothing else ever reaches this: the session denies it before.
    """

    def __init__(self, pinned: PinnedServer | None, on_line: OnLine, said: str) -> None:
        self.on_pressure: Callable[[bool], None] = lambda _full: None
        self.on_barred: Callable[[Decision], None] = lambda _decision: None
        self._pinned = pinned
        self._said = said
        self._on_line = on_line
        self._loop = asyncio.get_running_loop()

    async def start(self) -> None:
        """Nothing is started."""

    def send(self, message: Message) -> None:
        """Answer a request."""
        if isinstance(message, Request):
            answer = encode(self._answer(message))
            self._loop.call_soon(self._on_line, Line(answer.rstrip(b"\n")))

    def _answer(self, request: Request) -> Response:
        modern = is_modern(request.params)
        result: dict[str, Any] | None = None
        about: dict[str, Any] = {
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "remit", "version": __version__},
        }
        if self._pinned is not None and self._pinned.instructions:
            about["instructions"] = self._pinned.instructions
        match request.method:
            case "initialize":
                result = {"protocolVersion": request.params.get("protocolVersion"), **about}
            case "server/discover":
                result = {"supportedVersions": sorted(MODERN_VERSIONS), **about}
            case "ping":
                result = {}
            case "tools/list" if self._pinned is not None:
                result = {"tools": [dict(tool.definition) for tool in self._pinned.tools]}
        if result is None:
            return failure(request.id, METHOD_NOT_FOUND, self._said)
        if modern:
            result |= {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
        return Response(id=request.id, result=result)

    @property
    def backlog(self) -> int:
        """Nothing waits."""
        return 0

    def hold(self, why: str, *, full: bool) -> None:
        """There is nothing to hold."""
        del why, full

    async def stop(self, *, at_once: bool = False) -> None:
        """There is nothing to stop."""


class AdmittedUpstream:
    """A server that is verified each time it is started. Belongs to the event loop's thread.

    When what it runs is withdrawn, nothing passes in either direction from that moment, its process
    is killed with all that it started, and the understudy answers in its place. That is so at any
    moment from its admission on, also while it starts.

    Args:
        admit: verifies, and makes the copy that runs.
        begin: makes the upstream of what was admitted; it is told whether lines still count.
        understudy: makes what answers if it was not.
        enter: has it stopped when it is withdrawn, see :meth:`Running.enter`.
    """

    def __init__(
        self,
        admit: Callable[[], Awaitable[Admitted]],
        begin: Callable[[Admitted, Callable[[], bool]], Upstream],
        understudy: Callable[[Decision], Upstream],
        enter: Callable[[Admitted, Recall], Callable[[], None]],
    ) -> None:
        self.on_barred: Callable[[Decision], None] = lambda _decision: None
        self._on_pressure: Callable[[bool], None] = lambda _full: None
        self._admit = admit
        self._begin = begin
        self._understudy = understudy
        self._enter = enter
        self._leave: Callable[[], None] = lambda: None
        self._admitted: Admitted | None = None
        self._inner: Upstream | None = None
        self._recalled: Decision | None = None
        self._started = False
        self._ending: asyncio.Task[None] | None = None

    @property
    def on_pressure(self) -> Callable[[bool], None]:
        """See :class:`Upstream`."""
        return self._on_pressure

    @on_pressure.setter
    def on_pressure(self, callback: Callable[[bool], None]) -> None:
        self._on_pressure = callback
        if self._inner is not None:
            self._inner.on_pressure = callback

    async def start(self) -> None:
        """Verify and start.

        Raises:
            BarredError: it may not be started; something answers in its place.
            RemitError: it cannot be started, or a secret of it cannot be had.
        """
        try:
            self._admitted = await self._admit()
        except BarredError as barred:
            self._inner = self._understudy(barred.decision)
            raise
        try:
            self._leave = self._enter(self._admitted, self._recall)
            self._inner = inner = self._begin(self._admitted, lambda: self._recalled is None)
            inner.on_pressure = self._on_pressure
            await inner.start()
        except BarredError as barred:
            self._inner = self._understudy(barred.decision)
            self._close()
            raise
        except BaseException:
            self._close()
            raise
        self._started = True
        if self._recalled is not None:
            # Withdrawn while it started: nothing was sent to it yet.
            self._end(inner)
            raise BarredError(
                self._recalled.detail, code="artifact.withdrawn", decision=self._recalled
            )

    def _recall(self, decision: Decision) -> None:
        """It may not run any more."""
        inner, self._recalled = self._inner, decision
        self._inner = self._understudy(decision)
        self._inner.on_pressure = self._on_pressure
        self._on_pressure(False)
        if not self._started:
            return
        if inner is not None:
            self._end(inner)
        self.on_barred(decision)

    def _end(self, inner: Upstream) -> None:
        async def work() -> None:
            try:
                await inner.stop(at_once=True)
            finally:
                self._close()

        self._ending = asyncio.get_running_loop().create_task(work())

    def send(self, message: Message) -> None:
        """See :class:`Upstream`."""
        if self._inner is not None:
            self._inner.send(message)

    @property
    def backlog(self) -> int:
        """See :class:`Upstream`."""
        return self._inner.backlog if self._inner is not None else 0

    def hold(self, why: str, *, full: bool) -> None:
        """See :class:`Upstream`."""
        if self._inner is not None:
            self._inner.hold(why, full=full)

    async def stop(self, *, at_once: bool = False) -> None:
        """Stop the server, then remove the copy that it ran."""
        try:
            if self._ending is not None:
                await asyncio.shield(self._ending)
            if self._inner is not None:
                await self._inner.stop(at_once=at_once)
        finally:
            self._close()

    def _close(self) -> None:
        self._leave()
        admitted, self._admitted = self._admitted, None
        if admitted is not None:
            admitted.stage.close()


def admitted(
    admission: Admission,
    governed: GovernedServer,
    agent: Agent,
    user: str,
    make: Callable[[ServerConfig, OnLine, OnExit, dict[str, str]], ProcessUpstream],
) -> Connect:
    """Connect to a server by starting the artifact that it is, if that is admitted.

    Args:
        admission: decides.
        governed: the server.
        agent: for whom.
        user: whose agent that is.
        make: the process of a configuration, with its environment.
    """
    config = governed.config

    def connect(on_line: OnLine, on_exit: OnExit) -> Upstream:
        def begin(found: Admitted, counts: Callable[[], bool]) -> Upstream:
            def heard(line: Line | Overlong) -> None:
                if counts():
                    on_line(line)

            def ended(reason: str) -> None:
                if counts():
                    on_exit(reason)

            launch = found.launch
            started = msgspec.structs.replace(config, command=launch.command, env=launch.env)
            return make(started, heard, ended, small_environment(os.environ))

        def understudy(decision: Decision) -> Upstream:
            return Understudy(_pinned(governed), on_line, decision.detail)

        def enter(found: Admitted, recall: Recall) -> Callable[[], None]:
            return admission.running.enter(found.term, recall)

        return AdmittedUpstream(
            lambda: admission.admit(config, governed.policy, agent, user),
            begin,
            understudy,
            enter,
        )

    return connect


def _pinned(governed: GovernedServer) -> PinnedServer | None:
    """Its accepted tools; None if it was never seen."""
    try:
        return governed.pins.get(governed.config.id)
    except RemitError:
        return None
