"""Garbage collection: at every step of a push, after crashes, and by rules of retention."""

import asyncio
import json
import os

import pytest

from remit.artifacts.oci.digests import digest_of
from remit.artifacts.oci.manifest import MANIFEST, parse_manifest
from remit.hub.collector import Collector
from remit.hub.fsck import fsck
from remit.hub.registry.errors import Missing
from remit.hub.registry.ports import Placed, Record, Upload
from remit.hub.store import accounts, blobs
from remit.hub.store.database import Sqlite
from remit.hub.store.files import Files
from remit.hub.store.metadata import SqlMetadata
from remit.hub.store.rows import Rule
from remit.hub.store.schema import migrate

RECORD = Record(kind="registry.push", body={})
HOUR = 3600 * 1_000_000
DAY = 24 * HOUR


class Clock:
    """A clock that tests turn; files have the machine's times, so it begins there."""

    def __init__(self):
        import time

        self.us = time.time_ns() // 1000

    def now_us(self):
        return self.us

    def monotonic_ns(self):
        return self.us * 1000


class Stage:
    """A database and a blob store, without a server."""

    def __init__(self, root):
        self.clock = Clock()
        self.database = Sqlite(root / "hub.db")
        self.store = Files(root / "blobs")
        self.metadata = SqlMetadata(self.database, self.clock, "n", os.urandom)
        self.collector = Collector(
            self.database, self.store, self.clock, "n", os.urandom, grace_us=HOUR
        )

    async def upload(self, repository, data):
        upload = Upload(id=os.urandom(32).hex(), repository=repository)
        await self.metadata.start_upload(upload, "u")

        async def body():
            yield data

        return upload.grown(await self.store.append(upload, body()))

    async def blob(self, repository, data):
        upload = await self.upload(repository, data)
        digest = digest_of(data)
        await self.store.prepare(upload, digest)
        await self.metadata.hold_upload(repository, upload.id, "h")
        await self.metadata.add_blob(
            upload, digest, lambda: self.store.publish(upload, digest), RECORD, holder="h"
        )
        return digest

    async def manifest(self, repository, blobs, *tags, subject=None, note=""):
        def described(digest):
            return {"mediaType": "a/b", "digest": digest, "size": 1}

        document = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": described(blobs[0]),
            "layers": [described(each) for each in blobs[1:]],
            "annotations": {"note": note},
        }
        if subject:
            document["subject"] = described(subject) | {"mediaType": MANIFEST}
        body = json.dumps(document).encode()
        digest = digest_of(body)
        placed = Placed(
            repository=repository,
            digest=digest,
            body=body,
            manifest=parse_manifest(body),
            tags=tags,
        )
        await self.metadata.put_manifest(placed, "u", RECORD)
        return digest

    async def there(self, digest):
        return await self.store.size(digest) is not None


@pytest.fixture
def played(tmp_path):
    """Runs a coroutine of a stage in a loop of its own, and checks the Hub afterwards."""

    def play(story):
        async def run():
            stage = Stage(tmp_path)
            await stage.database.change(migrate)
            try:
                await story(stage)
                checked = await fsck(stage.database, stage.store, deep=True)
                assert checked.problems == []
            finally:
                await stage.store.close()
                await stage.database.close()

        asyncio.run(run())

    return play


def test_what_a_manifest_needs_stays_and_the_rest_goes_after_lease_and_grace(played):
    async def story(stage):
        kept, loose = await stage.blob("a", b"1"), await stage.blob("a", b"2")
        await stage.manifest("a", [kept], "v1")
        assert (await stage.collector.run()).links == 0
        stage.clock.us += blobs.LEASE_US + 1
        first = await stage.collector.run()
        assert (first.links, first.marked, first.blobs) == (1, 1, 0)
        assert await stage.metadata.blob("a", loose, lease=False) is None
        assert await stage.there(loose)
        stage.clock.us += HOUR + 1
        second = await stage.collector.run()
        assert (second.blobs, second.bytes) == (1, 1)
        assert not await stage.there(loose)
        assert await stage.there(kept)

    played(story)


def test_a_blob_that_was_looked_for_is_kept_for_the_push_to_come(played):
    async def story(stage):
        digest = await stage.blob("a", b"1")
        stage.clock.us += blobs.LEASE_US - 1
        assert await stage.metadata.blob("a", digest, lease=True) == 1
        stage.clock.us += blobs.LEASE_US - 1
        assert (await stage.collector.run()).links == 0
        await stage.manifest("a", [digest], "v1")
        stage.clock.us += 2 * blobs.LEASE_US
        assert (await stage.collector.run()).links == 0
        assert await stage.there(digest)

    played(story)


def test_a_manifest_that_comes_after_its_blob_was_collected_is_refused_whole(played):
    async def story(stage):
        digest = await stage.blob("a", b"1")
        stage.clock.us += blobs.LEASE_US + 1
        await stage.collector.run()
        with pytest.raises(Missing):
            await stage.manifest("a", [digest], "v1")
        assert await stage.metadata.tags("a", "", 10) == []

    played(story)


def test_pushing_a_marked_blob_again_brings_it_back(played):
    async def story(stage):
        digest = await stage.blob("a", b"1")
        stage.clock.us += blobs.LEASE_US + 1
        assert (await stage.collector.run()).marked == 1
        await stage.blob("b", b"1")
        stage.clock.us += HOUR + 1
        assert (await stage.collector.run()).blobs == 0
        assert await stage.there(digest)
        assert await stage.metadata.blob("b", digest, lease=False) == 1
        assert await stage.metadata.blob("a", digest, lease=False) is None

    played(story)


def test_a_blob_of_two_repositories_lives_as_long_as_one_needs_it(played):
    async def story(stage):
        digest = await stage.blob("a", b"1")
        assert await stage.metadata.mount_blob("b", digest, "a", RECORD)
        assert await stage.metadata.mount_blob("c", digest, "none", RECORD) is None
        await stage.manifest("b", [digest], "v1")
        stage.clock.us += blobs.LEASE_US + 1
        assert (await stage.collector.run()).links == 1
        stage.clock.us += HOUR + 1
        await stage.collector.run()
        assert await stage.metadata.blob("b", digest, lease=False) == 1

    played(story)


def test_pushes_of_the_same_content_while_it_is_collected_lose_nothing(played):
    async def story(stage):
        stage.collector._grace_us = 0
        contents = [bytes([at]) * 3 for at in range(20)]

        async def push(name):
            for data in contents * 3:
                await stage.blob(name, data)

        async def collect():
            for _ in range(15):
                stage.clock.us += blobs.LEASE_US + 1
                await stage.collector.run()

        await asyncio.gather(push("a"), push("b"), collect())
        for data in contents:
            await stage.blob("a", data)
            assert await stage.metadata.blob("a", digest_of(data), lease=False) == 3
            assert await stage.there(digest_of(data))

    played(story)


def test_an_upload_that_nobody_goes_on_with_is_forgotten(played):
    async def story(stage):
        upload = await stage.upload("a", b"half")
        stage.clock.us += 25 * HOUR
        assert (await stage.collector.run()).uploads == 1
        assert await stage.metadata.upload("a", upload.id) is None
        assert [each async for each in stage.store.leftovers()] == []

    played(story)


def test_bytes_that_a_crash_left_are_removed_when_they_are_old(played):
    async def story(stage):
        upload = await stage.upload("a", b"stray")
        digest = digest_of(b"stray")
        await stage.store.prepare(upload, digest)
        await stage.store.publish(upload, digest)
        left = await stage.upload("a", b"left")
        await stage.metadata.end_upload(left.id)
        assert (await stage.collector.run()).strays == 0
        stage.clock.us += 25 * HOUR
        assert (await stage.collector.run()).strays == 2
        assert not await stage.there(digest)
        assert [each async for each in stage.store.leftovers()] == []

    played(story)


def test_without_a_rule_nothing_that_was_pushed_is_dropped(played):
    async def story(stage):
        digest = await stage.blob("a", b"1")
        await stage.manifest("a", [digest])
        await stage.manifest("a", [digest], "v1")
        stage.clock.us += 1000 * DAY
        done = await stage.collector.run()
        assert (done.tags, done.manifests, done.links) == (0, 0, 0)

    played(story)


def test_retention_keeps_the_newest_the_young_the_fixed_and_who_refers_to_the_living(played):
    async def story(stage):
        rule = Rule(pattern="a", keep_tags=1, keep_us=10 * DAY, untagged_us=5 * DAY, immutable="v*")
        await stage.database.change(lambda c: accounts.set_rule(c, rule))
        blob = await stage.blob("a", b"1")
        made = {}
        for tag in ("v1", "old", "older", "new"):
            made[tag] = await stage.manifest("a", [blob], tag, note=tag)
            made[f"{tag} signed"] = await stage.manifest(
                "a", [blob], subject=made[tag], note=f"{tag} signed"
            )
            stage.clock.us += DAY
        await stage.manifest("b", [await stage.blob("b", b"1")], "old")
        stage.clock.us += 20 * DAY
        done = await stage.collector.run()
        assert done.tags == 2
        assert done.manifests == 4
        assert await stage.metadata.tags("a", "", 10) == ["new", "v1"]
        assert await stage.metadata.tags("b", "", 10) == ["old"]
        for tag in ("v1", "new"):
            assert await stage.metadata.manifest("a", made[tag])
            assert await stage.metadata.manifest("a", made[f"{tag} signed"])
        for tag in ("old", "older"):
            assert await stage.metadata.manifest("a", made[tag]) is None
            assert await stage.metadata.manifest("a", made[f"{tag} signed"]) is None

    played(story)


def test_fsck_names_what_is_wrong(tmp_path):
    async def run():
        stage = Stage(tmp_path)
        await stage.database.change(migrate)
        gone, changed = await stage.blob("a", b"gone"), await stage.blob("a", b"changed")
        await stage.manifest("a", [gone, changed], "v1")
        (tmp_path / "blobs/blobs/sha256" / gone[7:9] / gone[7:]).unlink()
        (tmp_path / "blobs/blobs/sha256" / changed[7:9] / changed[7:]).write_bytes(b"chAnged")
        shallow = await fsck(stage.database, stage.store, deep=False)
        assert [(each.code, each.where) for each in shallow.problems] == [("blob.missing", gone)]
        deep = await fsck(stage.database, stage.store, deep=True)
        assert sorted(each.code for each in deep.problems) == ["blob.changed", "blob.missing"]
        from sqlalchemy import text

        await stage.database.change(lambda c: c.execute(text("DELETE FROM links")))
        await stage.database.change(lambda c: c.execute(text("DELETE FROM documents WHERE 0")))
        codes = {
            each.code for each in (await fsck(stage.database, stage.store, deep=False)).problems
        }
        assert codes == {"blob.missing", "blob.unlinked", "quota.sum"}
        await stage.store.close()
        await stage.database.close()

    asyncio.run(run())
