"""Who works: each worker says so every few seconds, and whether its disk has room."""

import hashlib
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, select

from remit.hub.jobs.values import Seen
from remit.hub.store import rows
from remit.hub.store.tables import settings

_PREFIX = "worker/"
ALIVE_US = 45_000_000
"""How long a worker is believed to live after it said so."""
FORGET_US = 3_600_000_000


def _key(name: str) -> str:
    return _PREFIX + hashlib.sha256(name.encode()).hexdigest()[:24]


def beat(connection: Connection, seen: Seen) -> None:
    """Say that a worker is there; forget those that were not for long."""
    value = msgspec.json.encode(seen)
    connection.execute(
        rows.insert_into(connection, settings)
        .values(name=_key(seen.name), value=value)
        .on_conflict_do_update(index_elements=["name"], set_={"value": value})
    )
    for key, each in _all(connection):
        if each.seen_us < seen.seen_us - FORGET_US:
            connection.execute(delete(settings).where(settings.c.name == key))


def gone(connection: Connection, name: str) -> None:
    """A worker ends."""
    connection.execute(delete(settings).where(settings.c.name == _key(name)))


def alive(connection: Connection, now_us: int) -> list[Seen]:
    """The workers that scan and were there a moment ago, by name."""
    return [each for each in _alive(connection, now_us) if not each.targets]


def probers(connection: Connection, now_us: int) -> list[Seen]:
    """Those that ask served models, likewise."""
    return [each for each in _alive(connection, now_us) if each.targets]


def _alive(connection: Connection, now_us: int) -> list[Seen]:
    found = [each for _, each in _all(connection) if each.seen_us > now_us - ALIVE_US]
    return sorted(found, key=lambda each: each.name)


def _all(connection: Connection) -> list[tuple[str, Seen]]:
    found: Any = connection.execute(
        select(settings.c.name, settings.c.value).where(
            settings.c.name > _PREFIX, settings.c.name < _PREFIX + "~"
        )
    )
    return [(row.name, msgspec.json.decode(row.value, type=Seen)) for row in found]
