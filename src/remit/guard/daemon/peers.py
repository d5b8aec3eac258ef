"""Guard's socket: what its peers may ask, and the sessions that they hand over.

What a peer may do is decided by the kernel's word for who it is; it names a server and nothing
else.
"""

import asyncio
import io
import os
from typing import Any, BinaryIO

from remit.core.errors import RemitError
from remit.core.text import printable
from remit.guard.approvals.operations import OPERATIONS, answer
from remit.guard.daemon.daemon import Daemon
from remit.guard.daemon.protocol import (
    SIGN_OF_LIFE,
    Hello,
    ended,
    granted,
    parse_hello,
    refused,
)
from remit.guard.daemon.sessions import Origin
from remit.guard.daemon.shown import status
from remit.guard.daemon.unix import Caller, Peer
from remit.guard.errors import GuardError
from remit.guard.identity import ancestors, identify, lineage
from remit.guard.ledger import Ledger
from remit.guard.mcp.session import Limits
from remit.guard.mcp.stdio import StdioSession

SIGN_OF_LIFE_S = 2.0
STREAMS = 3


class Peers:
    """Serves the socket. Belongs to the event loop's thread.

    Args:
        daemon: is asked.
        ledger: records.
        limits: bounds of each session.
    """

    def __init__(self, daemon: Daemon, ledger: Ledger, limits: Limits) -> None:
        self._daemon = daemon
        self._ledger = ledger
        self._limits = limits
        self._peers: set[Caller] = set()

    async def keep_alive(self) -> None:
        """Tell the hand-over sockets that Guard lives, for as long as it does."""
        while True:
            await asyncio.sleep(SIGN_OF_LIFE_S)
            for caller in self._peers:
                caller.say_now(SIGN_OF_LIFE)

    async def handle(self, caller: Caller) -> None:
        """One connection to the socket."""
        try:
            hello = parse_hello(caller.line)
            if hello.op == "mcp":
                await self._session(caller, hello)
                return
            said = granted(**await self._control(hello, caller.peer))
        except RemitError as error:
            said = refused(error)
        await caller.say(said)

    async def _control(self, hello: Hello, peer: Peer) -> dict[str, Any]:
        if peer.uid not in {0, os.getuid()}:
            raise GuardError(f"`{peer.user}` may not control this Guard", code="guard.not_yours")
        if hello.op in OPERATIONS:
            self._not_an_agent(hello, peer)
            return await answer(self._daemon.desk, self._daemon.invitations, hello, peer)
        match hello.op:
            case "status":
                return status(self._daemon)
            case "reload":
                await self._daemon.renew()
                return {"reload": self._daemon.reloaded}
            case "stop":
                self._daemon.stopping.set()
                return {}
            case "questions":
                return {"questions": self._daemon.questions.listing()}
            case _:
                return self._answer(hello, peer)

    def _not_an_agent(self, hello: Hello, peer: Peer) -> None:
        """What people decide, the agents that wait for it do not."""
        asking = self._daemon.sessions.executables()
        line = lineage(peer.pid)
        if line is None or not line[0].executable or any(p.executable in asking for p in line):
            self._ledger.note(
                "confirmation.refused",
                op=hello.op,
                question=printable(hello.question or hello.request, 60),
                pid=peer.pid,
            )
            raise GuardError(
                "an agent cannot confirm or approve a call",
                code="guard.agent_answers",
                hint="run this command in a terminal of your own",
            )

    def _answer(self, hello: Hello, peer: Peer) -> dict[str, Any]:
        """A person's word on a question."""
        self._not_an_agent(hello, peer)
        if not self._daemon.questions.is_open(hello.question):
            name = printable(hello.question, 40)
            raise GuardError(f"no question `{name}` is open", code="guard.no_question")
        # A word that cannot be recorded is none.
        self._ledger.note(
            "confirmation.answer", question=hello.question, yes=hello.yes, user=peer.user
        )
        self._daemon.questions.answer(hello.question, yes=hello.yes)
        return {}

    async def _session(self, caller: Caller, hello: Hello) -> None:
        try:
            server = self._daemon.server(hello.server)
            if len(caller.descriptors) != STREAMS:
                raise GuardError("the standard streams did not come", code="guard.no_streams")
            parties = self._daemon.sessions.parties(server, caller.peer.user)
            agent = identify(ancestors(caller.peer.pid))
            source, sink, errors = _streams(caller.descriptors)
        except RemitError as error:
            await self._turn_away(caller, hello, error)
            return
        connect = self._daemon.connect(server, agent, parties.user, errors)
        link = StdioSession(parties, agent, self._limits, connect)
        with source, sink, errors:
            try:
                await self._serve(caller, link, source, sink)
            except RemitError as error:
                await self._turn_away(caller, hello, error)
            finally:
                await link.close()

    async def _turn_away(self, caller: Caller, hello: Hello, error: RemitError) -> None:
        self._ledger.note(
            "session.refused",
            server=printable(hello.server, 100),
            code=error.code,
            pid=caller.peer.pid,
            user=printable(caller.peer.user, 100),
        )
        await caller.say(refused(error))

    async def _serve(
        self, caller: Caller, link: StdioSession, source: BinaryIO, sink: BinaryIO
    ) -> None:
        """Run a session to its end.

        Raises:
            RemitError: it could not begin.
        """
        origin = Origin(transport="stdio", user=caller.peer.user, pid=caller.peer.pid)
        live = self._daemon.sessions.add(link.session, origin, link.done.set)
        watch = asyncio.get_running_loop().create_task(_watch(caller, link))
        try:
            await link.start()
            await caller.say(granted(session=link.session.id))
            self._peers.add(caller)
            await link.serve(source, sink)
            reason = link.session.gone
            await caller.say(ended(1 if reason else 0, reason))
        finally:
            watch.cancel()
            self._peers.discard(caller)
            await self._daemon.sessions.remove(live, link.session.gone)


async def _watch(caller: Caller, link: StdioSession) -> None:
    await caller.gone()
    link.done.set()


def _streams(descriptors: list[int]) -> tuple[BinaryIO, BinaryIO, BinaryIO]:
    """Files of the descriptors; each that becomes one is taken out of the list.

    Raises:
        GuardError: one of them is no stream.
    """
    made: list[io.FileIO] = []
    try:
        for mode in ("rb", "wb", "wb"):
            made.append(io.FileIO(descriptors[0], mode))
            descriptors.pop(0)
    except OSError as error:
        for file in made:
            file.close()
        raise GuardError("a standard stream is no stream", code="guard.bad_streams") from error
    source, sink, errors = made
    return source, sink, errors
