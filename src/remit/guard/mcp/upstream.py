"""The server's side of a session: what it is to the session, and the form that is a process."""

import os
from collections.abc import Callable, Mapping
from typing import BinaryIO, Protocol

from remit.core.decision import Decision
from remit.guard.config import ServerConfig, Value
from remit.guard.errors import GuardError
from remit.guard.mcp.framing import Line, Overlong
from remit.guard.mcp.messages import Message, encode
from remit.guard.mcp.pipes import Server

OnLine = Callable[[Line | Overlong], None]
OnExit = Callable[[str], None]


class BarredError(GuardError):
    """A server that must not be started. Its upstream answers in its place from now on.

    Attributes:
        decision: the answer to whatever would reach it.
    """

    code = "mcp.barred"

    def __init__(self, message: str, *, hint: str = "", code: str, decision: Decision) -> None:
        super().__init__(message, hint=hint, code=code)
        self.decision = decision


class Upstream(Protocol):
    """A connection to a server, for one session. Belongs to the event loop's thread.

    Attributes:
        on_pressure: called with True when the server does not take what is sent, with False when
            it does again.
        on_barred: called when what was started may not run any more; the upstream answers in its
            place from then on, to nothing that was sent before.
    """

    on_pressure: Callable[[bool], None]
    on_barred: Callable[[Decision], None]

    async def start(self) -> None:
        """Connect; raises ``GuardError``, and ``BarredError`` if it may not be."""
        ...

    def send(self, message: Message) -> None:
        """Send; never blocks and never raises."""
        ...

    @property
    def backlog(self) -> int:
        """Bytes that wait for the server to take them."""
        ...

    def hold(self, why: str, *, full: bool) -> None:
        """Stop reading for a reason, or drop the reason."""
        ...

    async def stop(self, *, at_once: bool = False) -> None:
        """End the connection, and the server if it is ours; ``at_once``: give it no time."""
        ...


Resolve = Callable[[Mapping[str, Value]], dict[str, str]]
"""Puts secrets into values of a configuration."""

Connect = Callable[[OnLine, OnExit], Upstream]
"""Makes the upstream of a session, given who takes its lines and its end."""


class ProcessUpstream:
    """A server that is a process of this session alone.

    It inherits ``inherited``, or Guard's own environment.
    """

    def __init__(
        self,
        config: ServerConfig,
        limit: int,
        errors: BinaryIO | None,
        resolve: Resolve,
        on_line: OnLine,
        on_exit: OnExit,
        inherited: Mapping[str, str] | None = None,
    ) -> None:
        self._config = config
        self._inherited = inherited
        self._resolve = resolve
        self._errors = errors
        self.on_barred: Callable[[Decision], None] = lambda _decision: None
        self._server = Server(limit, on_line, on_exit)

    @property
    def on_pressure(self) -> Callable[[bool], None]:
        """See :class:`Upstream`."""
        return self._server.on_pressure

    @on_pressure.setter
    def on_pressure(self, callback: Callable[[bool], None]) -> None:
        self._server.on_pressure = callback

    async def start(self) -> None:
        """Start the process.

        Raises:
            RemitError: it cannot be started, or a secret of it cannot be had.
        """
        config = self._config
        inherited = os.environ if self._inherited is None else self._inherited
        environment = {**inherited, **self._resolve(config.env)}
        await self._server.start(config.command, environment, str(config.cwd), self._errors)

    def send(self, message: Message) -> None:
        """See :class:`Upstream`."""
        self._server.send(encode(message))

    @property
    def backlog(self) -> int:
        """See :class:`Upstream`."""
        return self._server.backlog

    def hold(self, why: str, *, full: bool) -> None:
        """See :class:`Upstream`."""
        self._server.hold(why, full=full)

    async def stop(self, *, at_once: bool = False) -> None:
        """Stop the process."""
        await self._server.stop(at_once=at_once)


def process(config: ServerConfig, limit: int, errors: BinaryIO | None, resolve: Resolve) -> Connect:
    """Connect to a server by starting it."""

    def connect(on_line: OnLine, on_exit: OnExit) -> Upstream:
        return ProcessUpstream(config, limit, errors, resolve, on_line, on_exit)

    return connect
