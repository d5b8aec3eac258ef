"""Garbage collection while everybody goes on: mark in the database, then take the bytes away.

1. Uploads that nobody goes on with are forgotten.
2. What rules of retention no longer keep is dropped: tags, then manifests without one. Without a
   rule nothing that was pushed is ever dropped. What refers to a living manifest lives with it,
   but for what the Hub itself signed about it and has signed anew since, when that is old.
3. Links to blobs that no manifest of the repository needs are dropped when their lease is over.
4. Blobs that no repository links are marked: nobody sees them any more. A push revives them.
5. A while later, under the lock that a push takes, bytes and row of what is still marked go.
6. Scans of what is gone, and old ones that no decision rests on, are forgotten.
7. Bytes that the database does not know, left by a crash, go when they are old.

Each step is many short transactions with a pause after each as long as it took, so that a push
waits for one of them at most. A crash in between leaves something for the next run, never a row
without bytes that anybody can see.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import TypeVar

import msgspec

from remit.core.clock import Clock
from remit.core.digest import Digest
from remit.core.ids import ulid
from remit.hub.registry.ports import BlobStore, Record, Upload
from remit.hub.store import collect, gatecheck, manifests, outbox, rows, spent, uploads
from remit.hub.store.database import Connection, Database

_R = TypeVar("_R")
BATCH = 200
REMOVE_BATCH = 8
SECOND_GRACE_US = 15 * 60 * 1_000_000
"""Between marking a blob and taking its bytes."""
STRAY_US = 24 * 3600 * 1_000_000


class Collected(msgspec.Struct, kw_only=True):
    """What a run did."""

    uploads: int = 0
    tags: int = 0
    manifests: int = 0
    links: int = 0
    marked: int = 0
    blobs: int = 0
    bytes: int = 0
    documents: int = 0
    strays: int = 0
    scans: int = 0


class Collector:
    """Collects garbage of one database and blob store.

    Args:
        database, store: of the Hub.
        clock: decides what is old.
        node: whose records go into the outbox.
        entropy: randomness of their ids.
        grace_us: between marking a blob and taking its bytes.
        stray_us: age of bytes that nobody knows.
        retention: drop what rules no longer keep; not where an upstream has the bytes.
    """

    def __init__(  # noqa: PLR0913 - all are of the run
        self,
        database: Database,
        store: BlobStore,
        clock: Clock,
        node: str,
        entropy: Callable[[int], bytes],
        *,
        grace_us: int = SECOND_GRACE_US,
        stray_us: int = STRAY_US,
        retention: bool = True,
    ) -> None:
        self._database = database
        self._store = store
        self._clock = clock
        self._node = node
        self._entropy = entropy
        self._grace_us = grace_us
        self._stray_us = stray_us
        self._retains = retention
        self._done = Collected()

    async def run(self) -> Collected:
        """Collect once; what was done, of which the log gets a record."""
        self._done = Collected()
        await self._uploads()
        if self._retains:
            await self._retention()
            await self._evidence()
        await self._links()
        await self._blobs()
        await self._documents()
        await self._scans()
        await self._strays()
        await self._leftovers()
        found = msgspec.to_builtins(self._done)
        if any(found.values()):
            record = Record(kind="registry.collect", body={"collected": found})
            await self._change(lambda c: self._write(c, record))
        return self._done

    async def _change(self, work: Callable[[Connection], _R]) -> _R:
        started = time.monotonic()
        result = await self._database.change(work)
        await asyncio.sleep(min(1.0, time.monotonic() - started))
        return result

    def _write(self, connection: Connection, record: Record) -> None:
        now = self._clock.now_us()
        id_ = ulid(now, self._entropy(10))
        outbox.write(connection, record, id_=id_, node=self._node, now_us=now)

    async def _uploads(self) -> None:
        while True:
            now = self._clock.now_us()
            found = await self._database.look(partial(uploads.expired, now_us=now, count=BATCH))
            if not found:
                return
            for upload in found:
                await self._store.discard(upload)
                await self._change(partial(uploads.end, id_=upload.id))
                self._done.uploads += 1

    async def _retention(self) -> None:
        async for name in self._names():
            rule = await self._database.look(partial(rows.rule_for, name=name))
            if rule.keep_us:
                await self._outdated_tags(name, rule)
            if rule.untagged_us:
                await self._untagged(name, rule)

    async def _names(self) -> AsyncIterator[str]:
        last = ""
        while page := await self._database.look(
            partial(manifests.repository_names, last=last, count=BATCH)
        ):
            for name in page:
                yield name
            last = page[-1]

    async def _outdated_tags(self, name: str, rule: rows.Rule) -> None:
        now = self._clock.now_us()
        for each in await self._database.look(lambda c: collect.outdated_tags(c, name, rule, now)):

            def work(connection: Connection, each: collect.Outdated = each) -> bool:
                gone = collect.drop_tag(connection, each, now - rule.keep_us)
                if gone:
                    self._write(connection, _retired(each, rule))
                return gone

            self._done.tags += await self._change(work)

    async def _untagged(self, name: str, rule: rows.Rule) -> None:
        # A dropped subject sets what refers to it free, so look until nothing more is found.
        while True:
            now, dropped = self._clock.now_us(), 0
            for each in await self._database.look(
                partial(collect.untagged, repository=name, rule=rule, now_us=now)
            ):

                def work(
                    connection: Connection, each: collect.Outdated = each, now: int = now
                ) -> bool:
                    gone = collect.drop_untagged(connection, each, rule, now)
                    if gone:
                        self._write(connection, _retired(each, rule))
                    return gone

                dropped += await self._change(work)
            self._done.manifests += dropped
            if not dropped:
                return

    async def _evidence(self) -> None:
        async for name in self._names():
            last = ""
            while True:
                now = self._clock.now_us()
                found, last = await self._database.look(
                    partial(spent.spent, repository=name, now_us=now, after=last)
                )
                for digest in found:

                    def work(
                        connection: Connection, name: str = name, digest: Digest = digest
                    ) -> bool:
                        gone = spent.drop(connection, name, digest, self._clock.now_us())
                        if gone:
                            self._write(connection, _superseded(name, digest))
                        return gone

                    self._done.manifests += await self._change(work)
                if not last:
                    break

    async def _links(self) -> None:
        while True:
            now = self._clock.now_us()
            names = await self._database.look(partial(collect.loose_links, now_us=now, count=BATCH))
            dropped = 0
            for name in names:
                dropped += await self._change(
                    partial(collect.unlink_loose, repository=name, now_us=now, count=BATCH)
                )
            self._done.links += dropped
            if not dropped:
                return

    async def _blobs(self) -> None:
        while marked := await self._change(lambda c: collect.doom(c, self._clock.now_us(), BATCH)):
            self._done.marked += marked
        before = self._clock.now_us() - self._grace_us
        while found := await self._database.look(lambda c: collect.doomed(c, before, REMOVE_BATCH)):
            started = time.monotonic()
            async with self._database.changing() as change:
                for digest, size in found:
                    if await change.run(partial(collect.still_doomed, digest=digest)):
                        await self._store.remove(digest)
                        await change.run(partial(collect.forget_blob, digest=digest))
                        self._done.blobs += 1
                        self._done.bytes += size
            await asyncio.sleep(min(1.0, time.monotonic() - started))

    async def _documents(self) -> None:
        before = self._clock.now_us() - self._grace_us
        while gone := await self._change(lambda c: collect.drop_documents(c, before, BATCH)):
            self._done.documents += gone

    async def _scans(self) -> None:
        now = self._clock.now_us()
        while gone := await self._change(lambda c: gatecheck.forget_scans(c, now, BATCH)):
            self._done.scans += gone

    async def _strays(self) -> None:
        before = self._clock.now_us() - self._stray_us
        batch: list[Digest] = []
        async for digest, _, written in self._store.digests():
            if written < before:
                batch.append(digest)
            if len(batch) >= BATCH:
                await self._remove_strays(batch)
                batch = []
        await self._remove_strays(batch)

    async def _remove_strays(self, batch: list[Digest]) -> None:
        known = await self._database.look(lambda c: collect.known_blobs(c, batch))
        for digest in batch:
            if digest in known:
                continue
            # A push of the very same content may be about to publish it: look under its lock.
            async with self._database.changing() as change:
                if await change.run(partial(collect.claim_stray, digest=digest)):
                    await self._store.remove(digest)
                    await change.run(partial(collect.forget_blob, digest=digest))
                    self._done.strays += 1

    async def _leftovers(self) -> None:
        before = self._clock.now_us() - self._stray_us
        old = {id_ async for id_, written in self._store.leftovers() if written < before}
        names = sorted(old)
        for at in range(0, len(names), BATCH):
            part = names[at : at + BATCH]
            known = await self._database.look(partial(collect.known_uploads, ids=part))
            for id_ in part:
                if id_ not in known:
                    await self._store.discard(Upload(id=id_, repository=""))
                    self._done.strays += 1


def _superseded(repository: str, digest: Digest) -> Record:
    artifact = {"repository": repository, "digest": digest, "rule": "superseded"}
    return Record(kind="registry.retire", body={"artifact": artifact})


def _retired(outdated: collect.Outdated, rule: rows.Rule) -> Record:
    artifact: dict[str, object] = {
        "repository": outdated.repository,
        "digest": outdated.digest,
        "rule": rule.pattern,
    }
    if outdated.tag:
        artifact["tag"] = outdated.tag
    return Record(kind="registry.retire", body={"artifact": artifact})
