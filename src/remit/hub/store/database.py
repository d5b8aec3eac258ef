"""One way to a database, SQLite or PostgreSQL: work is a plain function over a connection.

SQLite runs it in threads, one for changes and a few for looks; PostgreSQL on the event loop, over
asyncpg. A change is one transaction, durable when it returns: ``synchronous = FULL`` in SQLite, and
PostgreSQL's default. Looks wait for nobody (WAL), and each of their statements sees what was
committed before it.

SQLite's one writer is queued for here, in order, so that a burst of changes waits and does not
fail; several processes on one file wait for each other in the database.
"""

import asyncio
import contextlib
import fcntl
import os
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import QueuePool

from remit.hub.errors import HubError

__all__ = ["Change", "Connection", "Database", "Postgres", "Sqlite", "StoreError", "connect"]

_R = TypeVar("_R")
READERS = 4
BUSY_MS = 20_000
TRIES = 5
CONNECT_S = 10.0
SILENT_S = 30.0
"""How long PostgreSQL may say nothing to a statement."""
_SERVER = {
    # A machine that lost power holds its locks until the server notices; others wait for these.
    "idle_in_transaction_session_timeout": "120s",
    "tcp_keepalives_idle": "20",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "4",
}
_AGAIN = {"40001", "40P01"}
"""Serialization failure and deadlock: the transaction did nothing and may be tried again."""


class StoreError(HubError):
    """The Hub's database cannot be reached or used."""

    code = "hub.database"


class Change(Protocol):
    """A transaction that is open for changes."""

    async def run(self, work: Callable[[Connection], _R]) -> _R:
        """Do ``work`` in the transaction."""
        ...


class Database(Protocol):
    """A database of the Hub."""

    dialect: str

    async def look(self, work: Callable[[Connection], _R]) -> _R:
        """Do ``work``, which changes nothing."""
        ...

    async def change(self, work: Callable[[Connection], _R]) -> _R:
        """Do ``work`` in a transaction of its own; durable when this returns."""
        ...

    def changing(self) -> contextlib.AbstractAsyncContextManager[Change]:
        """A transaction around several steps, committed at the end if nothing was raised."""
        ...

    async def close(self) -> None:
        """Give up all connections."""
        ...


@contextlib.contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error, OSError) as error:
        cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
        text = " ".join(str(cause).split())[:200]
        raise StoreError(
            f"the database cannot be used: {text}",
            hint="nothing was changed; see that it runs and that its disk is not full",
        ) from error


class _SqliteChange:
    def __init__(self, connection: Connection, pool: ThreadPoolExecutor) -> None:
        self._connection = connection
        self._pool = pool

    async def run(self, work: Callable[[Connection], _R]) -> _R:
        loop = asyncio.get_running_loop()
        return await _finished(loop.run_in_executor(self._pool, work, self._connection))


async def _finished(future: asyncio.Future[_R]) -> _R:
    """Wait for a thread to the end: a connection must not go back while it is still used."""
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        with contextlib.suppress(Exception):
            await future
        raise


class Sqlite:
    """The database in one file."""

    dialect = "sqlite"

    def __init__(self, path: Path) -> None:
        self._path = path
        self._readers = self._engine(READERS)
        self._writer = self._engine(1)
        event.listen(self._writer, "begin", lambda c: c.exec_driver_sql("BEGIN IMMEDIATE"))
        self._kept = threading.local()
        self._lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._looks = ThreadPoolExecutor(READERS, "hub-look")
        self._changes = ThreadPoolExecutor(1, "hub-change")
        self._turn = asyncio.Lock()

    def _engine(self, size: int) -> Engine:
        engine = create_engine(
            f"sqlite:///{self._path}",
            poolclass=QueuePool,
            pool_size=size,
            max_overflow=0,
            connect_args={"check_same_thread": False},
        )

        @event.listens_for(engine, "connect")
        def _connected(connection: sqlite3.Connection, _record: Any) -> None:
            connection.isolation_level = None
            for pragma in (
                "journal_mode = WAL",
                "synchronous = FULL",
                "foreign_keys = ON",
                f"busy_timeout = {BUSY_MS}",
                "journal_size_limit = 67108864",
            ):
                connection.execute(f"PRAGMA {pragma}")

        return engine

    def _reader(self) -> Connection:
        """The connection of this thread: taking one from a pool costs more than a look."""
        found: Connection | None = getattr(self._kept, "connection", None)
        if found is None:
            # Without transactions: each statement sees what was committed before it.
            found = self._readers.connect().execution_options(isolation_level="AUTOCOMMIT")
            self._kept.connection = found
        return found

    async def look(self, work: Callable[[Connection], _R]) -> _R:
        """Do ``work``; each statement sees what was committed before it."""

        def run() -> _R:
            with _told():
                try:
                    return work(self._reader())
                except BaseException:
                    if (kept := getattr(self._kept, "connection", None)) is not None:
                        self._kept.connection = None
                        kept.close()
                    raise

        return await asyncio.get_running_loop().run_in_executor(self._looks, run)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Be the one process that writes.

        SQLite would wait for another one by asking again and again, every 100 ms in the end; a lock
        of the system wakes whoever waits.
        """
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    async def change(self, work: Callable[[Connection], _R]) -> _R:
        """Do ``work`` as the one writer."""

        def run() -> _R:
            with _told(), self._alone(), self._writer.begin() as connection:
                return work(connection)

        async with self._turn:
            loop = asyncio.get_running_loop()
            return await _finished(loop.run_in_executor(self._changes, run))

    @contextlib.asynccontextmanager
    async def changing(self) -> AsyncIterator[Change]:
        """Be the one writer over several steps."""
        loop = asyncio.get_running_loop()

        def step(work: Callable[[], _R]) -> asyncio.Future[_R]:
            def run() -> _R:
                with _told():
                    return work()

            return loop.run_in_executor(self._changes, run)

        async with self._turn, contextlib.AsyncExitStack() as stack:
            # Given back whatever happens: a wait that is cancelled may have got it all the same.
            stack.callback(fcntl.flock, self._lock, fcntl.LOCK_UN)
            await _finished(step(lambda: fcntl.flock(self._lock, fcntl.LOCK_EX)))
            connection = await _finished(step(self._writer.connect))
            try:
                transaction = await _finished(step(connection.begin))
                try:
                    yield _SqliteChange(connection, self._changes)
                except BaseException:
                    await _finished(step(transaction.rollback))
                    raise
                await _finished(step(transaction.commit))
            finally:
                await _finished(step(connection.close))

    async def close(self) -> None:
        """Close the file."""
        self._looks.shutdown()
        self._changes.shutdown()
        self._readers.dispose()
        self._writer.dispose()
        os.close(self._lock)


class _PostgresChange:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def run(self, work: Callable[[Connection], _R]) -> _R:
        with _told():
            return await self._connection.run_sync(work)


def _again(error: DBAPIError) -> bool:
    return getattr(error.orig, "sqlstate", None) in _AGAIN


class Postgres:
    """The database on a server; several Hubs may use it."""

    dialect = "postgresql"

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @classmethod
    def at(cls, url: str) -> Self:
        """Use the database at ``url``, ``postgresql://USER:PASSWORD@HOST/NAME``."""
        with _told():
            address = make_url(url).set(drivername="postgresql+asyncpg")
            return cls(
                create_async_engine(
                    address,
                    pool_size=16,
                    max_overflow=16,
                    pool_pre_ping=True,
                    connect_args={
                        "timeout": CONNECT_S,
                        "command_timeout": SILENT_S,
                        "server_settings": _SERVER,
                    },
                )
            )

    async def look(self, work: Callable[[Connection], _R]) -> _R:
        """Do ``work``; each statement sees what was committed before it."""
        with _told():
            async with self._engine.connect() as connection:
                return await connection.run_sync(work)

    async def change(self, work: Callable[[Connection], _R]) -> _R:
        """Do ``work`` in a transaction, again if it met another one."""
        with _told():
            for attempt in range(TRIES):
                try:
                    async with self._engine.begin() as connection:
                        return await connection.run_sync(work)
                except DBAPIError as error:
                    if not _again(error) or attempt == TRIES - 1:
                        raise
                await asyncio.sleep(0.02 * 2**attempt)
        raise AssertionError

    @contextlib.asynccontextmanager
    async def changing(self) -> AsyncIterator[Change]:
        """A transaction over several steps; it is not tried again."""
        transaction = self._engine.begin()
        with _told():
            connection = await transaction.__aenter__()
        try:
            yield _PostgresChange(connection)
        except BaseException as error:
            await transaction.__aexit__(type(error), error, error.__traceback__)
            raise
        with _told():
            await transaction.__aexit__(None, None, None)

    async def close(self) -> None:
        """Close all connections."""
        await self._engine.dispose()


def connect(url: str, state: Path) -> Sqlite | Postgres:
    """The database at ``url``, or SQLite's in the state directory if it is empty.

    Raises:
        StoreError: an address of another kind of database.
    """
    if not url:
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        return Sqlite(state / "hub.db")
    try:
        backend = make_url(url).get_backend_name()
    except ArgumentError:
        backend = ""
    if backend == "postgresql":
        return Postgres.at(url)
    raise StoreError(
        "the address of the database is not one that the Hub can use",
        hint="postgresql://USER:PASSWORD@HOST/NAME, or none for SQLite in the state directory",
    )
