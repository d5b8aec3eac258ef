"""``confirmation``: asking the person at the client, or at a terminal, whether this call may run.

A ``confirm: true`` among the arguments is the model's word and never counts. Nothing but an
explicit yes is a yes: silence, a closed dialog, an error and a time-out are refusals.
"""

import asyncio
import contextlib
import os
from collections.abc import Awaitable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from remit.core.decision import Obligation
from remit.core.errors import RemitError
from remit.core.event import Event
from remit.core.strictjson import dumps
from remit.core.text import printable
from remit.guard.judge import Answer
from remit.guard.mcp.calls import Call
from remit.guard.mcp.messages import Notification

if TYPE_CHECKING:
    from remit.guard.mcp.session import Session

PROGRESS_S = 5.0
MAX_SHOWN = 4000
MAX_TYPED = 4096
PATIENCE_S = {
    "claude-code": 540.0, "codex": 240.0, "copilot": 150.0, "gemini": 540.0, "opencode": 50.0,
}  # fmt: skip
"""How long a client was seen to wait for a tool (docs/reference/approvals.md), less a margin."""
DEFAULT_PATIENCE_S = 50.0


def given(answer: Any) -> bool:
    """Whether an elicitation's answer is an explicit yes."""
    if not isinstance(answer, dict) or answer.get("action") != "accept":
        return False
    content = answer.get("content")
    return isinstance(content, dict) and content.get("confirm") is True


class Asker(Protocol):
    """Where a person is asked if the client cannot do it."""

    async def ask(self, text: str, timeout_s: float) -> bool:
        """Show ``text`` and wait for a yes; everything else, and the time-out, is no."""
        ...


class Terminal:
    """A terminal at which a person answers, for clients without elicitation.

    Args:
        path: the terminal's device, for example ``/dev/pts/3``; never one the agent writes to.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = asyncio.Lock()

    async def ask(self, text: str, timeout_s: float) -> bool:
        """Show ``text`` and wait for ``yes``; everything else is no."""
        async with self._lock:
            try:
                terminal = os.open(self._path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            except OSError:
                return False
            try:
                if not os.isatty(terminal):
                    return False
                return await self._ask(terminal, text, timeout_s)
            except OSError:
                return False
            finally:
                os.close(terminal)

    async def _ask(self, terminal: int, text: str, timeout_s: float) -> bool:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[bool] = loop.create_future()
        left = bytearray(f"\n{text}\nType yes to allow this call: ".encode())
        typed = bytearray()

        def settle(answer: bool) -> None:  # noqa: FBT001 - the answer
            if not done.done():
                done.set_result(answer)

        def write() -> None:
            try:
                del left[: os.write(terminal, left)]
            except BlockingIOError:
                return
            except OSError:
                settle(False)
            if not left:
                # Only what was shown in full can be answered, and only after it was shown.
                loop.remove_writer(terminal)
                _discard(terminal)
                loop.add_reader(terminal, read)

        def read() -> None:
            try:
                data = os.read(terminal, 1024)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            typed.extend(data)
            if not data or len(typed) > MAX_TYPED:
                settle(False)
            elif b"\n" in typed:
                settle(typed.split(b"\n")[0].strip().lower() == b"yes")

        timer = loop.call_later(timeout_s, settle, False)
        loop.add_writer(terminal, write)
        try:
            return await done
        finally:
            timer.cancel()
            loop.remove_writer(terminal)
            loop.remove_reader(terminal)


def _discard(terminal: int) -> None:
    """What was typed before the question was there is no answer to it."""
    with contextlib.suppress(OSError):
        while os.read(terminal, 4096):
            pass


class CallFulfiller:
    """Fulfils obligations of one call (or of a server's wish, then without a way to ask)."""

    def __init__(self, session: "Session", call: Call | None) -> None:
        self._session = session
        self._call = call

    async def fulfil(self, event: Event, obligation: Obligation) -> Answer:
        """Ask where a person is: elicitation if the client has it, else the terminal."""
        call, session = self._call, self._session
        if call is None:
            return Answer.REFUSED
        if call.modern:
            if "elicitation" in call.capabilities:
                call.question, call.shown = obligation, event
                return Answer.PENDING
        elif "elicitation" in session.client_capabilities:
            return await self._held(call, self._elicit(event, obligation))
        if session.parties.terminal is None:
            return Answer.REFUSED
        text = question(event, obligation)["message"]
        return await self._held(call, session.parties.terminal.ask(text, session.limits.confirm_s))

    async def hold(self, decided: Awaitable[Any]) -> bool:
        """Hold the call until something is decided elsewhere, as long as its client waits."""
        call, session = self._call, self._session
        if call is None:
            return False
        try:
            async with asyncio.timeout(patience_s(session.agent.id, session.limits.hold_s)):
                await self._held(call, decided)
        except TimeoutError:
            return False
        return True

    async def _elicit(self, event: Event, obligation: Obligation) -> bool:
        try:
            answer = await self._session.own_down.ask(
                "elicitation/create",
                question(event, obligation),
                self._session.limits.confirm_s,
            )
        except RemitError:
            return False
        return given(answer)

    def _sign_of_life(self, call: Call, step: int) -> None:
        if call.token is not None:
            params = {
                "progressToken": call.token,
                "progress": step,
                "message": "waiting for a person to confirm",
            }
            self._session.write_client(Notification(method="notifications/progress", params=params))

    async def _held(self, call: Call, question: Any) -> Answer:
        """Wait for the answer with signs of life, so that the client does not give up."""
        loop = asyncio.get_running_loop()
        step = 0
        timer: asyncio.TimerHandle

        def tick() -> None:
            nonlocal step, timer
            step += 1
            self._sign_of_life(call, step)
            timer = loop.call_later(PROGRESS_S, tick)

        timer = loop.call_later(PROGRESS_S, tick)
        call.asking = True
        try:
            return Answer.GIVEN if await question else Answer.REFUSED
        finally:
            call.asking = False
            timer.cancel()


def patience_s(agent: str, limit_s: float) -> float:
    """How long a call of this agent may be held, in seconds."""
    return min(limit_s, PATIENCE_S.get(agent, DEFAULT_PATIENCE_S))


def question(event: Event, obligation: Obligation) -> dict[str, Any]:
    """The elicitation: what will happen, complete or visibly cut, and one yes-or-no field."""
    shown = printable(dumps(dict(event.input)).decode(), MAX_SHOWN)
    lines = [
        f"Remit: {printable(event.agent.id, 100)} wants to call {printable(event.action, 200)}.",
        f"Arguments: {shown}",
    ]
    if obligation.reason:
        lines.append(f"Why you are asked: {printable(obligation.reason, 300)}")
    lines.append(f"Policy: {obligation.rule}")
    return {
        "message": "\n".join(lines),
        "requestedSchema": {
            "type": "object",
            "properties": {
                "confirm": {"type": "boolean", "title": "Allow this call once"},
            },
            "required": ["confirm"],
        },
    }
