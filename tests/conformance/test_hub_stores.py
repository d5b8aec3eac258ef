"""Each adapter of the Hub's ports does what the ports say: one suite over all of them."""

import asyncio
import contextlib
import os
import secrets
import time

import pytest

from remit.artifacts.errors import DigestError
from remit.artifacts.oci.manifest import parse_manifest
from remit.core.digest import Digest
from remit.core.ids import EntropyPool
from remit.hub.registry.errors import Busy, Denied, Missing
from remit.hub.registry.ports import Placed, Record, Upload
from remit.hub.store import accounts, outbox
from remit.hub.store.blobs import LEASE_US
from remit.hub.store.database import connect
from remit.hub.store.files import Files
from remit.hub.store.metadata import SqlMetadata
from remit.hub.store.objects import Objects, store_at
from remit.hub.store.records import SqlOutbox
from remit.hub.store.rows import Rule
from remit.hub.store.schema import migrate
from remit.hub.store.uploads import HELD_US
from remit.hub.store.uploads import LEASE_US as UPLOAD_US
from tests.rig.hubs import EMPTY, INDEX, MANIFEST, descriptor, digest, fresh, manifest
from tests.rig.registries import S3_ENVIRONMENT

DATA = bytes(range(256)) * 5000
MIB = 1024 * 1024


async def pieces(*data):
    for each in data:
        yield each


async def broken(*data):
    for each in data:
        yield each
    raise ConnectionError("gone")


async def collected(stream):
    return b"".join([bytes(piece) async for piece in stream])


def new_upload():
    return Upload(id=secrets.token_hex(32), repository="a/b")


# -- bytes ---------------------------------------------------------------------------------------


@pytest.fixture(params=["files", "objects"])
def blob_store(request, tmp_path, servers, monkeypatch):
    """A function that opens the store anew, as another process would."""
    if request.param == "files":
        return lambda: Files(tmp_path / "blobs")
    for name, value in S3_ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    url = servers().blobs()
    return lambda: Objects(store_at(url))


@contextlib.asynccontextmanager
async def opened(blob_store):
    store = blob_store()
    try:
        yield store
    finally:
        await store.close()


async def whole(store, data=DATA, algorithm="sha256"):
    """Take a blob in: its digest."""
    upload = new_upload()
    upload = upload.grown(await store.append(upload, pieces(data)))
    name = Digest(digest(data, algorithm))
    await store.prepare(upload, name)
    await store.publish(upload, name)
    await store.discard(upload)
    return name


async def names(store):
    return {name: size async for name, size, _ in store.digests()}


async def left(store):
    return {name async for name, _ in store.leftovers()}


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("data", [b"", b"x", DATA], ids=["empty", "small", "larger"])
def test_a_blob(blob_store, data, algorithm):
    async def run():
        async with opened(blob_store) as store:
            name = await whole(store, data, algorithm)
            assert await store.size(name) == len(data)
            assert await collected(store.read(name, 0, len(data))) == data
            assert await names(store) == {name: len(data)}
            assert not await left(store)

    asyncio.run(run())


def test_a_part_of_a_blob(blob_store):
    async def run():
        async with opened(blob_store) as store:
            name = await whole(store)
            for start, end in ((0, 1), (5, 5), (100, 70_000), (len(DATA) - 1, len(DATA))):
                assert await collected(store.read(name, start, end)) == DATA[start:end]

    asyncio.run(run())


def test_no_blob(blob_store):
    async def run():
        async with opened(blob_store) as store:
            name = Digest(digest(b"none"))
            assert await store.size(name) is None
            await store.remove(name)
            await store.discard(new_upload())
            assert not await names(store)
            assert not await left(store)

    asyncio.run(run())


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_pieces_also_of_several_processes(blob_store, restart, algorithm):
    async def run():
        data = os.urandom(3 * MIB)
        upload = new_upload()
        stores = [blob_store() for _ in range(3)] if restart else [blob_store()] * 3
        for number, store in enumerate(stores):
            part = data[number * MIB : (number + 1) * MIB]
            upload = upload.grown(await store.append(upload, pieces(part[:1000], part[1000:])))
            assert upload.size == (number + 1) * MIB
        name = Digest(digest(data, algorithm))
        last = stores[0]
        await last.prepare(upload, name)
        assert await last.size(name) is None
        await last.publish(upload, name)
        await last.discard(upload)
        assert await collected(last.read(name, 0, len(data))) == data
        assert not await left(last)
        for store in set(stores):
            await store.close()

    asyncio.run(run())


def test_large_pieces(blob_store):
    """More than an object store takes in one request."""

    async def run():
        data = os.urandom(MIB) * 20
        async with opened(blob_store) as store:
            upload = new_upload()
            for part in (data[: 17 * MIB], data[17 * MIB :]):
                split = [part[at : at + 300_000] for at in range(0, len(part), 300_000)]
                upload = upload.grown(await store.append(upload, pieces(*split)))
            name = Digest(digest(data))
            await store.prepare(upload, name)
            await store.publish(upload, name)
            await store.discard(upload)
            assert digest(await collected(store.read(name, 0, len(data)))) == name
            assert await collected(store.read(name, 9 * MIB, 9 * MIB + 10)) == data[9 * MIB :][:10]
            assert not await left(store)

    asyncio.run(run())


@pytest.mark.parametrize("size", [0, 100, 9 * MIB])
def test_a_piece_that_breaks_off_is_as_if_it_never_came(blob_store, size):
    async def run():
        async with opened(blob_store) as store:
            upload = new_upload()
            upload = upload.grown(await store.append(upload, pieces(b"first")))
            with pytest.raises(ConnectionError):
                await store.append(upload, broken(b"x" * size))
            upload = upload.grown(await store.append(upload, pieces(b" second")))
            name = Digest(digest(b"first second"))
            await store.prepare(upload, name)
            await store.publish(upload, name)
            await store.discard(upload)
            assert await collected(store.read(name, 0, 12)) == b"first second"
            assert await names(store) == {name: 12}
            assert not await left(store)

    asyncio.run(run())


def test_a_piece_that_was_received_and_not_counted(blob_store):
    """The process ended between keeping it and saying so; another goes on from before it."""

    async def run():
        upload = new_upload()
        async with opened(blob_store) as store:
            upload = upload.grown(await store.append(upload, pieces(b"first")))
            await store.append(upload, pieces(b" and much that does not count"))
        async with opened(blob_store) as store:
            name = Digest(digest(b"first"))
            await store.prepare(upload, name)
            await store.publish(upload, name)
            assert await store.size(name) == 5
            assert await collected(store.read(name, 0, 5)) == b"first"
            await store.discard(upload)
            assert not await left(store)

    asyncio.run(run())


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("size", [10, 9 * MIB])
def test_another_digest(blob_store, algorithm, parts, size):
    async def run():
        async with opened(blob_store) as store:
            upload = new_upload()
            for number in range(parts):
                upload = upload.grown(await store.append(upload, pieces(bytes([number]) * size)))
            wrong = Digest(digest(b"other", algorithm))
            with pytest.raises(DigestError):
                await store.prepare(upload, wrong)
            assert await store.size(wrong) is None
            await store.discard(upload)
            assert not await names(store)
            assert not await left(store)

    asyncio.run(run())


def test_a_blob_that_is_there_is_replaced(blob_store):
    """Whoever pushes what is broken repairs it."""

    async def run():
        async with opened(blob_store) as store:
            name = await whole(store)
            assert await whole(store) == name
            assert await names(store) == {name: len(DATA)}

    asyncio.run(run())


def test_remove(blob_store):
    async def run():
        async with opened(blob_store) as store:
            name, other = await whole(store), await whole(store, b"other")
            await store.remove(name)
            assert await store.size(name) is None
            assert await names(store) == {other: 5}
            await whole(store)
            assert await store.size(name) == len(DATA)

    asyncio.run(run())


def test_uploads_that_are_left_over(blob_store):
    async def run():
        async with opened(blob_store) as store:
            before = time.time() * 1e6
            one, two = new_upload(), new_upload()
            for upload in (one, two):
                await store.append(upload, pieces(b"data"))
            found = [each async for each in store.leftovers()]
            assert {name for name, _ in found} == {one.id, two.id}
            assert all(before - 5e6 < when < time.time() * 1e6 + 5e6 for _, when in found)
            await store.discard(one)
            assert await left(store) == {two.id}

    asyncio.run(run())


def test_many_at_once(blob_store):
    async def run():
        async with opened(blob_store) as store:
            data = [os.urandom(50_000) for _ in range(20)]
            found = await asyncio.gather(*(whole(store, each) for each in [*data, *data]))
            assert set(found) == {digest(each) for each in data}
            for each in data:
                assert await collected(store.read(Digest(digest(each)), 0, 50_000)) == each
            assert not await left(store)

    asyncio.run(run())


# -- what is known -------------------------------------------------------------------------------


class Clock:
    """A clock that is set."""

    def __init__(self):
        self.us = time.time_ns() // 1000

    def now_us(self):
        self.us += 1
        return self.us

    def monotonic_ns(self):
        return self.us * 1000


class Known:
    """A database of one kind and the port over it."""

    def __init__(self, url, state):
        self.clock = Clock()
        self.database = connect(url, state)
        self.metadata = SqlMetadata(self.database, self.clock, "node/1", EntropyPool(os.urandom))

    async def blob(self, repository, data=DATA):
        upload = Upload(id=secrets.token_hex(32), repository=repository, size=len(data))
        await self.metadata.start_upload(upload, "ann")
        await self.metadata.hold_upload(repository, upload.id, "h")
        name = Digest(digest(data))
        await self.metadata.add_blob(upload, name, nothing, record(repository), holder="h")
        return name

    async def put(self, repository, document, *tags, media_type=MANIFEST):
        import json

        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        name = Digest(digest(body))
        placed = Placed(
            repository=repository,
            digest=name,
            body=body,
            manifest=parse_manifest(body, media_type),
            tags=tags,
        )
        await self.metadata.put_manifest(placed, "ann", record(repository))
        return name

    async def waiting(self):
        found = await self.database.look(
            lambda c: outbox.waiting(c, node="node/1", before_us=0, count=1000)
        )
        return [each.kind for each in found]


async def nothing():
    pass


async def never():
    raise AssertionError


def record(repository):
    return Record(kind="registry.test", body={"artifact": {"repository": repository}})


@pytest.fixture(params=["sqlite", "postgresql"])
def known(request, tmp_path, servers):
    """Run a coroutine function over an empty database."""
    url = servers().database() if request.param == "postgresql" else ""

    def run(work):
        async def around():
            found = Known(url, tmp_path / "state")
            try:
                await found.database.change(migrate)
                await work(found)
            finally:
                await found.database.close()

        asyncio.run(around())

    return run


def test_an_upload(known):
    async def work(k):
        upload = new_upload()
        assert await k.metadata.upload("a/b", upload.id) is None
        await k.metadata.start_upload(upload, "ann")
        assert await k.metadata.upload("a/b", upload.id) == upload
        assert await k.metadata.upload("other", upload.id) is None
        held = await k.metadata.hold_upload("a/b", upload.id, "h1")
        assert held == upload
        with pytest.raises(Busy) as refused:
            await k.metadata.hold_upload("a/b", upload.id, "h2")
        assert dict(refused.value.headers)["range"] == "0-0"
        grown = Upload(id=upload.id, repository="a/b", size=7, parts=("p1", "p2"))
        assert not await k.metadata.release_upload(grown, "h2")
        assert await k.metadata.release_upload(grown, "h1")
        assert await k.metadata.upload("a/b", upload.id) == grown
        assert await k.metadata.hold_upload("a/b", upload.id, "h2") == grown
        assert await k.metadata.hold_upload("other", upload.id, "h3") is None
        assert await k.metadata.end_upload(upload.id)
        assert not await k.metadata.end_upload(upload.id)
        assert await k.metadata.hold_upload("a/b", upload.id, "h3") is None
        assert not await k.metadata.keep_upload(upload.id, "h2")

    known(work)


def test_a_writer_that_is_silent_is_followed_by_another(known):
    async def work(k):
        upload = new_upload()
        await k.metadata.start_upload(upload, "ann")
        await k.metadata.hold_upload("a/b", upload.id, "h1")
        k.clock.us += HELD_US // 2
        assert await k.metadata.keep_upload(upload.id, "h1")
        k.clock.us += HELD_US // 2 + 1
        with pytest.raises(Busy):
            await k.metadata.hold_upload("a/b", upload.id, "h2")
        k.clock.us += HELD_US
        assert await k.metadata.hold_upload("a/b", upload.id, "h2") == upload
        assert not await k.metadata.keep_upload(upload.id, "h1")
        assert not await k.metadata.release_upload(upload, "h1")

    known(work)


def test_who_was_followed_by_another_publishes_nothing(known):
    """The bytes that were verified may not be those that are there now."""

    async def work(k):
        upload = new_upload()
        await k.metadata.start_upload(upload, "ann")
        await k.metadata.hold_upload("a/b", upload.id, "h1")
        k.clock.us += HELD_US + 1
        await k.metadata.hold_upload("a/b", upload.id, "h2")
        name = Digest(digest(b"x"))
        with pytest.raises(Busy):
            await k.metadata.add_blob(upload, name, never, record("a/b"), holder="h1")
        assert await k.metadata.blob("a/b", name, lease=False) is None
        assert await k.waiting() == []

    known(work)


def test_a_hub_that_starts_again_lets_go_of_what_it_held(known):
    async def work(k):
        ours, other = new_upload(), new_upload()
        for upload in (ours, other):
            await k.metadata.start_upload(upload, "ann")
        await k.metadata.hold_upload("a/b", ours.id, "h1")
        second = SqlMetadata(k.database, k.clock, "node/2", EntropyPool(os.urandom))
        await second.hold_upload("a/b", other.id, "h1")
        assert await k.metadata.let_go() == 1
        assert await k.metadata.hold_upload("a/b", ours.id, "h2") == ours
        with pytest.raises(Busy):
            await k.metadata.hold_upload("a/b", other.id, "h2")

    known(work)


def test_an_upload_expires(known):
    async def work(k):
        upload = new_upload()
        await k.metadata.start_upload(upload, "ann")
        k.clock.us += UPLOAD_US + 1
        assert await k.metadata.upload("a/b", upload.id) is None
        assert await k.metadata.hold_upload("a/b", upload.id, "h1") is None

    known(work)


def test_many_want_to_be_the_writer(known):
    async def work(k):
        upload = new_upload()
        await k.metadata.start_upload(upload, "ann")

        async def hold(number):
            try:
                return await k.metadata.hold_upload("a/b", upload.id, f"h{number}")
            except Busy:
                return None

        found = await asyncio.gather(*(hold(number) for number in range(12)))
        assert [each for each in found if each] == [upload]

    known(work)


def test_a_blob_of_a_repository(known):
    async def work(k):
        name = await k.blob("a")
        assert await k.metadata.blob("a", name, lease=False) == len(DATA)
        assert await k.metadata.blob("a", name, lease=True) == len(DATA)
        assert await k.metadata.blob("b", name, lease=True) is None
        assert await k.metadata.blob("a", Digest(digest(b"no")), lease=True) is None
        assert await k.waiting() == ["registry.test"]

    known(work)


def test_publishing_is_one_step_with_its_row(known):
    async def work(k):
        upload = Upload(id=secrets.token_hex(32), repository="a", size=5)
        await k.metadata.start_upload(upload, "ann")
        await k.metadata.hold_upload("a", upload.id, "h")
        name = Digest(digest(b"x"))

        async def failing():
            raise OSError(5, "broken")

        with pytest.raises(OSError, match="broken"):
            await k.metadata.add_blob(upload, name, failing, record("a"), holder="h")
        assert await k.metadata.blob("a", name, lease=False) is None
        assert await k.metadata.upload("a", upload.id) is not None
        assert await k.waiting() == []
        await k.metadata.add_blob(upload, name, nothing, record("a"), holder="h")
        assert await k.metadata.blob("a", name, lease=False) == 5
        assert await k.metadata.upload("a", upload.id) is None

    known(work)


def test_a_mount(known):
    async def work(k):
        name = await k.blob("a")
        assert await k.metadata.mount_blob("b", name, "a", record("b"))
        assert await k.metadata.blob("b", name, lease=False) == len(DATA)
        assert await k.metadata.mount_blob("b", name, "a", record("b"))
        assert await k.metadata.mount_blob("b", name, "none", record("b")) is None
        assert await k.metadata.mount_blob("c", Digest(digest(b"")), "a", record("c")) is None
        assert await k.metadata.unlink_blob("a", name, record("a"))
        assert await k.metadata.unlink_blob("a", name, record("a")) is None
        assert await k.metadata.blob("b", name, lease=False) == len(DATA)
        assert len(await k.waiting()) == 4

    known(work)


async def artifact(k, repository, *tags, **more):
    config = descriptor(await k.blob(repository, b"{}"), b"{}", EMPTY)
    return await k.put(repository, manifest(config, **more), *tags)


def test_a_manifest(known):
    async def work(k):
        name = await artifact(k, "a", "v1", "v2")
        for each in (name, "v1", "v2"):
            found = await k.metadata.manifest("a", each)
            assert (found.digest, found.media_type) == (name, MANIFEST)
            assert digest(found.body) == name
        assert await k.metadata.manifest("a", "v3") is None
        assert await k.metadata.manifest("b", name) is None
        assert await artifact(k, "a", "v3") == name
        assert await k.metadata.tags("a", "", 10) == ["v1", "v2", "v3"]
        with pytest.raises(Denied):
            await k.metadata.unlink_blob("a", Digest(digest(b"{}")), record("a"))
        assert await k.metadata.drop_tag("a", "v3", record("a"))
        assert await k.metadata.drop_tag("a", "v3", record("a")) is None
        assert await k.metadata.drop_tag("none", "v3", record("none")) is None
        assert await k.metadata.drop_manifest("a", name, record("a"))
        assert await k.metadata.drop_manifest("a", name, record("a")) is None
        assert await k.metadata.manifest("a", "v1") is None
        assert await k.metadata.tags("a", "", 10) == []
        assert await k.metadata.unlink_blob("a", Digest(digest(b"{}")), record("a"))

    known(work)


def test_a_manifest_whose_parts_are_not_here(known):
    async def work(k):
        config = descriptor(await k.blob("elsewhere", b"{}"), b"{}", EMPTY)
        with pytest.raises(Missing) as refused:
            await k.put("a", manifest(config), "v1")
        assert refused.value.detail == {"digest": digest(b"{}"), "missing": 1}
        assert await k.metadata.tags("a", "", 10) is None
        await k.blob("a", b"{}")
        child = descriptor(digest(b"child"), b"child", MANIFEST)
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [child]}
        with pytest.raises(Missing):
            await k.put("a", index, "all", media_type=INDEX)
        assert await k.metadata.tags("a", "", 10) == []

    known(work)


def test_pages_of_tags_are_in_the_order_of_bytes(known):
    async def work(k):
        tags = ["B", "_x", "a", "a-b", "a.b", "a_b", "b", "v1", "v10", "v2"]
        await artifact(k, "a", *reversed(tags))
        assert await k.metadata.tags("a", "", 100) == sorted(tags)
        found, last = [], ""
        while page := await k.metadata.tags("a", last, 3):
            found += page
            last = page[-1]
        assert found == sorted(tags)
        assert await k.metadata.tags("a", "v10", 100) == ["v2"]
        assert await k.metadata.tags("a", "", 0) == []
        assert await k.metadata.tags("none", "", 5) is None

    known(work)


def test_pages_of_referrers(known):
    async def work(k):
        subject = digest(b"subject")
        said = descriptor(subject, b"subject", MANIFEST)
        kinds = ["a/b", "c/d"]
        names = [
            await artifact(
                k, "a", subject=said, artifactType=kinds[n % 2], annotations={"n": str(n)}
            )
            for n in range(7)
        ]
        await artifact(k, "b", subject=said)
        found, last = [], ""
        while page := await k.metadata.referrers("a", Digest(subject), "", last, 3):
            found += page
            last = page[-1].digest
        assert [each.digest for each in found] == sorted(names)
        assert {each.annotations["n"] for each in found} == set("0123456")
        some = await k.metadata.referrers("a", Digest(subject), "c/d", "", 100)
        assert [each.digest for each in some] == sorted(names[1::2])
        assert {each.artifact_type for each in some} == {"c/d"}
        assert await k.metadata.referrers("a", Digest(digest(b"")), "", "", 5) == []

    known(work)


def test_repositories(known):
    async def work(k):
        for name in ("b", "a/b", "a", "a-b", "a0", "z/z"):
            await k.metadata.start_upload(Upload(id=secrets.token_hex(32), repository=name), "ann")
        everything = sorted(("b", "a/b", "a", "a-b", "a0", "z/z"))
        assert list(await k.metadata.repositories("", 100)) == everything
        assert list(await k.metadata.repositories("a/b", 2)) == ["a0", "b"]

    known(work)


def test_many_pushes_of_one_tag(known):
    async def work(k):
        config = descriptor(await k.blob("a", b"{}"), b"{}", EMPTY)
        names = await asyncio.gather(
            *(k.put("a", manifest(config, annotations={"n": str(n)}), "v1") for n in range(20))
        )
        assert len(set(names)) == 20
        assert (await k.metadata.manifest("a", "v1")).digest in names
        for name in names:
            assert await k.metadata.manifest("a", name) is not None

    known(work)


def test_many_pushes_into_many_repositories(known):
    """Also crosswise mounts, which must not wait for each other for ever."""

    async def work(k):
        names = [await k.blob(f"r{n}", bytes([n]) * 10) for n in range(4)]

        async def cross(a, b):
            await k.metadata.mount_blob(f"r{a}", names[b], f"r{b}", record(f"r{a}"))
            await k.blob(f"r{a}", b"shared")
            await artifact(k, f"r{a}", f"v{b}")

        pairs = [(a, b) for a in range(4) for b in range(4) if a != b]
        await asyncio.gather(*(cross(a, b) for a, b in [*pairs, *pairs]))
        for a, b in pairs:
            assert await k.metadata.blob(f"r{a}", names[b], lease=False) == 10
            assert await k.metadata.manifest(f"r{a}", f"v{b}") is not None

    known(work)


def test_a_quota_and_tags_that_do_not_move(known):
    async def work(k):
        rule = Rule(pattern="a", quota_bytes=1000, immutable="v*")
        await k.database.change(lambda c: accounts.set_rule(c, rule))
        await k.blob("a", b"x" * 700)
        with pytest.raises(Denied):
            await k.blob("a", b"y" * 700)
        assert await k.metadata.blob("a", Digest(digest(b"y" * 700)), lease=False) is None
        other = await k.blob("b", b"z" * 700)
        with pytest.raises(Denied):
            await k.metadata.mount_blob("a", other, "b", record("a"))
        assert await k.metadata.blob("a", other, lease=False) is None
        await k.metadata.unlink_blob("a", Digest(digest(b"x" * 700)), record("a"))
        name = await artifact(k, "a", "v1")
        with pytest.raises(Denied):
            await artifact(k, "a", "v1", annotations={"a": "b"})
        for refused in (
            k.metadata.drop_tag("a", "v1", record("a")),
            k.metadata.drop_manifest("a", name, record("a")),
        ):
            with pytest.raises(Denied):
                await refused
        assert (await k.metadata.manifest("a", "v1")).digest == name

    known(work)


def test_records_wait_until_they_are_in_a_log(known):
    async def work(k):
        for _ in range(3):
            await k.blob(fresh(), b"x")
        mine = SqlOutbox(k.database, k.clock, "node/1")
        other = SqlOutbox(k.database, k.clock, "node/2")
        assert len(await mine.waiting(mine=True)) == 3
        assert not await other.waiting(mine=True)
        assert not await mine.waiting(mine=False)
        k.clock.us += 120_000_000
        found = await other.waiting(mine=False)
        assert [each.kind for _, each in found] == ["registry.test"] * 3
        assert found == sorted(found, key=lambda each: each[0])
        await other.forget([found[0][0]])
        assert len(await mine.waiting(mine=True)) == 2
        await other.forget([])

    known(work)


def test_what_is_asked_for_is_kept(known):
    """Between a HEAD and the manifest that names the blob, nothing may vanish."""
    from sqlalchemy import select

    from remit.hub.store.tables import links

    async def work(k):
        name = await k.blob("a")
        k.clock.us += LEASE_US
        await k.metadata.blob("a", name, lease=False)
        leased = select(links.c.leased_us).where(links.c.digest == name)
        before = await k.database.look(lambda c: c.scalar(leased))
        await k.metadata.blob("a", name, lease=True)
        assert await k.database.look(lambda c: c.scalar(leased)) >= before + LEASE_US

    known(work)
