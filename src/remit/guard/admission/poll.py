"""Asking Hubs what they withdrew, in the background: every interval, with jitter and entity tags.

Rules:

1. A Hub that does not answer, or not with a list, has said nothing: what was withdrawn before stays
   withdrawn, and it is asked again later and later, up to :data:`MAX_PAUSE_S`.
2. What it says about repositories that nothing here comes from is not looked at; nor is any member
   of its answer that is not needed.
3. Where it went on asking (``since``) moves only past what is known and on disk. It is not kept:
   whoever starts asks for all, so that a crash between hearing and writing loses nothing, and asks
   for all again every :data:`FULL_EVERY` times, whatever the clock of the Hub did meanwhile.
4. One round reads at most :data:`MAX_PAGES` pages, and waits :data:`ASK_S` for all of them.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from remit.artifacts.oci.errors import NotFoundError, ProtocolError
from remit.artifacts.oci.review import Withdrawals
from remit.core.clock import Clock
from remit.core.errors import RemitError
from remit.core.text import printable

ASK_S = 60.0
MAX_PAUSE_S = 900.0
FULL_EVERY = 60
MAX_PAGES = 16
PAGE, LARGE_PAGE = 200, 1000
LOOK_S = 2.0
SPREAD = 0.2

Ask = Callable[[str, str, str, str, int], Awaitable[Withdrawals]]
"""Asks a Hub: host, one of its repositories (for credentials), since, tag, how many at most.
Raises ``RemitError``."""
Heard = Callable[[str, Sequence[Mapping[str, Any]]], Awaitable[None]]
"""Takes entries of a Hub; raises ``RemitError`` if they are not on disk yet, though they count."""
Note = Callable[..., object]
"""Writes a record: its kind and members."""


class Asked(msgspec.Struct, kw_only=True):
    """How asking a Hub goes.

    Attributes:
        host: of the Hub.
        asked_us: when it was asked last; 0 for not yet.
        heard_us: when it answered last.
        problem: why it has said nothing since then; empty if it did.
        code: of that.
        failures: how often it did not answer since then.
    """

    host: str
    asked_us: int = 0
    heard_us: int = 0
    problem: str = ""
    code: str = ""
    failures: int = 0
    rounds: int = 0
    since: str = "0"
    tag: str = ""


class Poller:
    """Belongs to the event loop's thread; :meth:`run` is a task that never ends.

    Args:
        places: the repositories from which something here comes, by the host of their Hub.
        every_s: the interval, as it is configured now.
        ask: see :data:`Ask`.
        heard: see :data:`Heard`.
        note: see :data:`Note`.
        clock: the time.
        random: numbers from 0 to 1.

    Attributes:
        hubs: how it goes, by host.
    """

    def __init__(
        self,
        places: Callable[[], Mapping[str, frozenset[str]]],
        every_s: Callable[[], float],
        ask: Ask,
        heard: Heard,
        note: Note,
        clock: Clock,
        random: Callable[[], float],
    ) -> None:
        self._places = places
        self._every_s = every_s
        self._ask = ask
        self._heard = heard
        self._note = note
        self._clock = clock
        self._random = random
        self.hubs: dict[str, Asked] = {}

    async def run(self) -> None:
        """Ask each Hub at its time, until cancelled."""
        tasks: dict[str, asyncio.Task[None]] = {}
        loop = asyncio.get_running_loop()
        try:
            while True:
                wanted = self._places() if self._every_s() else {}
                for host in tasks.keys() - wanted.keys():
                    tasks.pop(host).cancel()
                    self.hubs.pop(host, None)
                for host in wanted.keys() - tasks.keys():
                    hub = self.hubs[host] = Asked(host=host)
                    tasks[host] = loop.create_task(self._keep_asking(hub))
                await asyncio.sleep(LOOK_S)
        finally:
            for task in tasks.values():
                task.cancel()

    async def _keep_asking(self, hub: Asked) -> None:
        await asyncio.sleep(self._random() * min(1.0, self._every_s() * SPREAD))
        while True:
            await self.round(hub)
            await asyncio.sleep(self.pause_s(hub))

    def pause_s(self, hub: Asked) -> float:
        """How long to wait before a Hub is asked again."""
        every = self._every_s() or MAX_PAUSE_S
        most = max(every, MAX_PAUSE_S)
        wait = min(most, every * 2.0 ** min(hub.failures, 20))
        return wait * (1.0 + SPREAD * (2.0 * self._random() - 1.0))

    async def round(self, hub: Asked) -> None:
        """Ask a Hub once, for all that it has to say. Never raises."""
        hub.asked_us = self._clock.now_us()
        try:
            async with asyncio.timeout(ASK_S):
                await self._pages(hub)
        except TimeoutError:
            self._silent(hub, "registry.unreachable", f"it did not answer within {ASK_S:g} s")
        except NotFoundError as error:
            self._silent(hub, error.code, "it is no Remit Hub with a gate")
        except RemitError as error:
            self._silent(hub, error.code, error.message)
        except OSError as error:
            self._silent(hub, "registry.unreachable", error.strerror or type(error).__name__)
        except Exception as error:  # noqa: BLE001 - no answer of a Hub may end the asking
            self._silent(
                hub, "registry.protocol", f"its answer cannot be used: {type(error).__name__}"
            )
        else:
            hub.heard_us = self._clock.now_us()
            if hub.failures:
                hub.failures, hub.problem, hub.code = 0, "", ""
                self._say("hub.heard", host=hub.host)

    async def _pages(self, hub: Asked) -> None:
        whole = hub.rounds % FULL_EVERY == 0
        hub.rounds += 1
        since, tag, limit = ("0", "", PAGE) if whole else (hub.since, hub.tag, PAGE)
        for _ in range(MAX_PAGES):
            repository = min(self._places().get(hub.host, frozenset({""})))
            answer = await self._ask(hub.host, repository, since, tag, limit)
            await self._heard(hub.host, answer.found)
            hub.since, hub.tag = answer.following, answer.tag
            if not answer.more:
                return
            if answer.following == since:
                # More of them changed in one moment than fit into a page.
                if limit == LARGE_PAGE:
                    raise ProtocolError("its list of withdrawals does not go on")
                limit = LARGE_PAGE
            since, tag = answer.following, ""
        raise ProtocolError(f"its list of withdrawals is longer than {MAX_PAGES} pages")

    def _silent(self, hub: Asked, code: str, problem: str) -> None:
        hub.failures += 1
        problem = printable(problem, 300)
        first = hub.failures == 1 or code != hub.code
        hub.problem, hub.code = problem, code
        if first:
            self._say("hub.silent", host=hub.host, code=code, detail=problem)

    def _say(self, kind: str, **body: Any) -> None:
        with contextlib.suppress(RemitError):
            self._note(kind, **body)
