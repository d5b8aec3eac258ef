"""Records on their way into the log: written in the transaction of what they tell about.

A process that dies between its change and its record leaves the record here, and it is logged
when a Hub starts or when another finds it. So a record is logged at least once; its id tells two
of the same apart.
"""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, delete, insert, or_, select, update

from remit.hub.registry.ports import Record
from remit.hub.store.tables import outbox


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A record that is not in a log yet."""

    id: str
    kind: str
    body: dict[str, object]


def write(connection: Connection, record: Record, *, id_: str, node: str, now_us: int) -> str:
    """Put a record down; its id."""
    connection.execute(
        insert(outbox).values(
            id=id_,
            node=node,
            kind=record.kind,
            body=msgspec.json.encode(record.body),
            written_us=now_us,
        )
    )
    return id_


def waiting(
    connection: Connection, *, node: str, before_us: int, count: int = 500
) -> list[Waiting]:
    """Records of ``node``, and those of others that have waited since ``before_us``."""
    found = connection.execute(
        select(outbox.c.id, outbox.c.kind, outbox.c.body)
        .where(or_(outbox.c.node == node, outbox.c.written_us < before_us))
        .order_by(outbox.c.id)
        .limit(count)
        .with_for_update(skip_locked=True)
    )
    return [
        Waiting(
            id=row.id, kind=row.kind, body=msgspec.json.decode(row.body, type=dict[str, object])
        )
        for row in found
    ]


def claim(
    connection: Connection, id_: str, *, of: str, node: str, now_us: int
) -> tuple[str, Record] | None:
    """The record of that id that somebody else wrote, which ``node`` then logs; nobody else."""
    row = connection.execute(
        update(outbox)
        .where(outbox.c.id == id_, outbox.c.node == of)
        .values(node=node, written_us=now_us)
        .returning(outbox.c.kind, outbox.c.body)
    ).one_or_none()
    if row is None:
        return None
    return id_, Record(kind=row.kind, body=msgspec.json.decode(row.body, type=dict[str, object]))


def forget(connection: Connection, ids: Sequence[str]) -> None:
    """The records are in a log, durably."""
    connection.execute(delete(outbox).where(outbox.c.id.in_(ids)))
