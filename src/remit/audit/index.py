"""A derived SQLite index for searching a log. Disposable: delete it whenever you like.

It is built and caught up by whoever searches, never by the writer, and it is not evidence: what a
search finds is read from the records, but an index that somebody edited can hide records. It is
built anew when it does not fit the log (other origin, or its last record is another one).
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from remit.audit.disk import regular_file
from remit.audit.errors import AuditError, Corrupt
from remit.audit.merkle import leaf_hash
from remit.audit.read import leaves
from remit.audit.record import MAX_RECORD_BYTES, Entry, entry, field
from remit.audit.segment import HEADER, RECORDS, entry_at, name

FIELDS = {
    "kind": "kind",
    "agent": "actor.agent",
    "user": "actor.user",
    "server": "action.server",
    "tool": "action.tool",
    "action": "action.name",
    "effect": "decision.effect",
    "status": "outcome.status",
    "call": "call",
    "session": "session",
}
"""Searchable column -> dotted path in the record."""

_VERSION = 1
_BATCH = 5000


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """What to look for; everything given must hold.

    Attributes:
        equal: values of :data:`FIELDS`; ``*`` stands for any characters.
        since_us, until_us: bounds of the record's time, inclusive and exclusive; 0 for none.
        text: must occur in the record's bytes (case counts).
        limit: newest records first, at most so many.
    """

    equal: dict[str, str] = {}
    since_us: int = 0
    until_us: int = 0
    text: str = ""
    limit: int = 50


class Index:
    """The index of one log, in its directory, or in memory where that is not writable."""

    def __init__(self, directory: Path, origin: str) -> None:
        """Open and catch up.

        Raises:
            Corrupt, RecordError: the log cannot be read.
        """
        self._directory = directory
        self._origin = origin
        self._db = self._connect()
        self._catch_up()

    def _connect(self) -> sqlite3.Connection:
        path = self._directory / "index.sqlite"
        if not path.is_symlink():
            for _ in range(2):
                try:
                    db = sqlite3.connect(path, timeout=10)
                except sqlite3.OperationalError:
                    break
                try:
                    self._prepare(db)
                except (sqlite3.DatabaseError, Corrupt):
                    db.close()
                    # Not ours, of another log, or damaged: it is derived, so start again.
                    with suppress(OSError):
                        path.unlink(missing_ok=True)
                    continue
                path.chmod(0o600)
                return db
        db = sqlite3.connect(":memory:")
        self._prepare(db)
        return db

    def _prepare(self, db: sqlite3.Connection) -> None:
        columns = ", ".join(f"{column} TEXT" for column in FIELDS)
        db.execute("PRAGMA trusted_schema = OFF")
        db.execute("PRAGMA synchronous = OFF")
        db.execute(
            f"CREATE TABLE IF NOT EXISTS records (seq INTEGER PRIMARY KEY, time INTEGER, "
            f"offset INTEGER, digest BLOB, {columns})"
        )
        db.execute("CREATE TABLE IF NOT EXISTS meta (version INTEGER, origin TEXT)")
        meta = db.execute("SELECT version, origin FROM meta").fetchone()
        if meta is None:
            db.execute("INSERT INTO meta VALUES (?, ?)", (_VERSION, self._origin))
            for column in ("time", *FIELDS):
                db.execute(f"CREATE INDEX IF NOT EXISTS by_{column} ON records ({column})")
        elif meta != (_VERSION, self._origin):
            raise Corrupt("the index is of another log")
        last = db.execute(
            "SELECT seq, offset, digest FROM records ORDER BY seq DESC LIMIT 1"
        ).fetchone()
        if last is not None:
            leaf = self._leaf(last[0], last[1])
            if leaf is None or leaf_hash(leaf) != last[2]:
                raise Corrupt("the index does not fit the log")
        db.commit()

    def _catch_up(self) -> None:
        db = self._db
        start = db.execute("SELECT coalesce(max(seq) + 1, 0) FROM records").fetchone()[0]
        marks = ", ".join("?" * (4 + len(FIELDS)))
        insert = f"INSERT OR REPLACE INTO records VALUES ({marks})"  # noqa: S608 - only marks
        rows: list[tuple[Any, ...]] = []
        offset = 0
        # Offsets count from the first record of a segment, so reading starts there.
        for seq, leaf in leaves(self._directory, start - start % RECORDS):
            if seq % RECORDS == 0:
                offset = 0
            if seq >= start:
                record = entry(seq, leaf).record
                values = [field(record, path) for path in FIELDS.values()]
                rows.append(
                    (
                        seq,
                        record.get("time") if type(record.get("time")) is int else 0,
                        offset,
                        leaf_hash(leaf),
                        *(value if isinstance(value, str) else None for value in values),
                    )
                )
            offset += HEADER.size + len(leaf)
            if len(rows) >= _BATCH:
                db.executemany(insert, rows)
                rows.clear()
        db.executemany(insert, rows)
        db.commit()

    def _leaf(self, seq: int, offset: int) -> bytes | None:
        first = seq - seq % RECORDS
        try:
            with regular_file(self._directory / "seg" / name(first)) as handle:
                data = os.pread(handle, HEADER.size + MAX_RECORD_BYTES, offset)
        except FileNotFoundError:
            return None
        return entry_at(data, 0)

    def get(self, seq: int) -> Entry:
        """Record ``seq``.

        Raises:
            AuditError: there is no such record.
        """
        row = self._db.execute("SELECT offset FROM records WHERE seq = ?", (seq,)).fetchone()
        leaf = self._leaf(seq, row[0]) if row else None
        if leaf is None:
            raise AuditError(f"there is no record {seq}", code="audit.no_record")
        return entry(seq, leaf)

    def search(self, query: Query) -> Iterator[Entry]:
        """Entries that match, newest first.

        Raises:
            AuditError: an unknown field, or the log cannot be read.
        """
        conditions = ["1"]
        values: list[str | int] = []
        for column, value in query.equal.items():
            if column not in FIELDS:
                raise AuditError(f"`{column}` cannot be searched", code="audit.usage")
            glob = "*" in value
            conditions.append(f"{column} {'GLOB' if glob else '='} ?")
            values.append(value.replace("[", "[[]").replace("?", "[?]") if glob else value)
        if query.since_us:
            conditions.append("time >= ?")
            values.append(query.since_us)
        if query.until_us:
            conditions.append("time < ?")
            values.append(query.until_us)
        where = " AND ".join(conditions)
        found = 0
        needle = query.text.encode()
        # The conditions are made of our own column names; values are bound.
        select = f"SELECT seq, offset FROM records WHERE {where} ORDER BY seq DESC"  # noqa: S608
        for seq, offset in self._db.execute(select, values):
            leaf = self._leaf(seq, offset)
            if leaf is None:
                raise Corrupt(f"record {seq} is damaged", code="audit.damaged", seq=seq)
            if needle in leaf:
                yield entry(seq, leaf)
                found += 1
                if found >= query.limit:
                    return

    def close(self) -> None:
        """Close the database."""
        self._db.close()
