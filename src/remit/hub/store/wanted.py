"""Which scanners the Hubs of a database expect a report of; each says so again and again.

A worker that lacks one of them takes no job: what it scanned could only be refused. Hubs that are
there count together; while none is, what the last one said counts.
"""

import hashlib
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from remit.core.clock import Clock
from remit.hub.store import rows
from remit.hub.store.database import Database
from remit.hub.store.tables import settings

_PREFIX = "expects/"
ALIVE_US = 60_000_000
"""How long a Hub is believed to be there after it said so."""


class Expects(msgspec.Struct, frozen=True, kw_only=True):
    """What a Hub said.

    Attributes:
        names: of scanners.
        seen_us: when.
    """

    names: tuple[str, ...]
    seen_us: int


def say(connection: Connection, node: str, said: Expects) -> None:
    """Say what the Hub ``node`` expects."""
    key = _PREFIX + hashlib.sha256(node.encode()).hexdigest()[:24]
    value = msgspec.json.encode(said)
    connection.execute(
        rows.insert_into(connection, settings)
        .values(name=key, value=value)
        .on_conflict_do_update(index_elements=["name"], set_={"value": value})
    )


def names(connection: Connection, now_us: int) -> frozenset[str]:
    """What is expected now."""
    found: Any = connection.scalars(
        select(settings.c.value).where(settings.c.name > _PREFIX, settings.c.name < _PREFIX + "~")
    )
    every = [msgspec.json.decode(each, type=Expects) for each in found]
    alive = [each for each in every if each.seen_us > now_us - ALIVE_US]
    last = max(every, key=lambda each: each.seen_us, default=None)
    counted = alive or ([last] if last is not None else [])
    return frozenset(name for each in counted for name in each.names)


def lacking(connection: Connection, have: tuple[str, ...], now_us: int) -> tuple[str, ...]:
    """Which of them somebody with these scanners does not have."""
    return tuple(sorted(names(connection, now_us) - set(have)))


class Expecting:
    """Says what a Hub expects, whenever it is called.

    Args:
        database, clock: of the Hub.
        node: which Hub: the origin of its log.
        names: of the scanners.
    """

    def __init__(self, database: Database, clock: Clock, node: str, names: tuple[str, ...]) -> None:
        self._database = database
        self._clock = clock
        self._node = node
        self._names = names

    async def __call__(self) -> None:
        """Write it down.

        Raises:
            StoreError: the database cannot be used.
        """
        said = Expects(names=self._names, seen_us=self._clock.now_us())
        await self._database.change(lambda c: say(c, self._node, said))
