"""Two versions compared in the real sandbox: what is read, what is not, and what never ends well."""

import asyncio
import json
import shutil

import pytest

from remit.artifacts.oci.digests import digest_of
from remit.artifacts.oci.manifest import INDEX, MANIFEST
from remit.hub.catalog.ports import Found, Item
from remit.hub.console import difference
from remit.hub.console.difference import MAX_BLOB_BYTES, Differences, NotComparedError

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("bwrap") is None,
        reason="NOT TESTED, no bubblewrap here: run scripts/prerequisites.sh bubblewrap",
    ),
]
TITLE = "org.opencontainers.image.title"


class Store:
    """Blobs in memory; `asked` are those that were read."""

    def __init__(self):
        self.blobs = {}
        self.asked = []

    def put(self, data):
        self.blobs[digest_of(data)] = data
        return digest_of(data)

    async def small(self, repository, descriptor, limit):
        self.asked.append(descriptor.digest)
        return self.blobs.get(descriptor.digest)

    def artifact(self, files, sizes=None):
        """An artifact of files, as the catalogue finds it."""
        layers = [
            {
                "mediaType": "application/octet-stream",
                "digest": self.put(data),
                "size": (sizes or {}).get(name, len(data)),
                "annotations": {TITLE: name},
            }
            for name, data in files.items()
        ]
        config = {
            "mediaType": "application/vnd.oci.empty.v1+json",
            "digest": self.put(b"{}"),
            "size": 2,
        }
        document = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers}
        return self.found(document)

    def found(self, document):
        body = json.dumps(document).encode()
        item = Item(
            id=1, repository="r", digest=digest_of(body), media_type=document["mediaType"],
            artifact_type="", kind="", name="", version="", title="", graph="", subject="",
            size=len(body), total=0, pushed_by="ann", pushed_us=1,
        )  # fmt: skip
        return Found(item=item, body=body)


def compared(store, before, after, patience_s=60.0):
    async def run():
        one = Differences(store.small)
        try:
            return await one.of(before, after, patience_s)
        finally:
            await one.close()

    return asyncio.run(run())


def test_what_both_have_is_not_fetched():
    store = Store()
    same = b"the same in both\n"
    before = store.artifact({"a.txt": b"one\n", "same.txt": same})
    after = store.artifact({"a.txt": b"two\n", "same.txt": same, "new.txt": b"x\n"})
    found = compared(store, before, after)
    paths = [path for path, _ in found.groups]
    assert "a.txt" in paths
    assert "new.txt" in paths
    assert digest_of(same) not in store.asked
    assert not found.found.equal
    assert found.left == 0


def test_what_is_too_large_or_gone_is_told():
    store = Store()
    before = store.artifact({"a.txt": b"one\n"})
    large = store.artifact({"a.txt": b"two\n"}, {"a.txt": MAX_BLOB_BYTES + 1})
    found = compared(store, before, large)
    assert found.found.unread
    assert not found.found.equal
    gone = store.artifact({"a.txt": b"three\n"})
    del store.blobs[digest_of(b"three\n")]
    found = compared(store, before, gone)
    assert found.found.unread


def test_bytes_that_are_not_what_they_should_be():
    store = Store()
    before = store.artifact({"a.txt": b"one\n"})
    after = store.artifact({"a.txt": b"two\n"})
    store.blobs[digest_of(b"two\n")] = b"three\n"
    found = compared(store, before, after)
    assert found.found.unread
    assert "three" not in str(found)


def test_indexes_are_not_compared():
    store = Store()
    one = store.artifact({"a.txt": b"one\n"})
    index = store.found({"schemaVersion": 2, "mediaType": INDEX, "manifests": []})
    with pytest.raises(NotComparedError, match="member by member"):
        compared(store, one, index)


def test_what_takes_too_long_is_ended_and_tried_again_later(monkeypatch):
    store = Store()
    before, after = store.artifact({"a.txt": b"1\n"}), store.artifact({"a.txt": b"2\n"})
    monkeypatch.setattr(difference, "PATIENCE_S", 0.001)

    async def run():
        one = Differences(store.small)
        with pytest.raises(NotComparedError, match="took longer"):
            await one.of(before, after, 30)
        asked = len(store.asked)
        with pytest.raises(NotComparedError):
            await one.of(before, after, 30)
        assert len(store.asked) == asked, "not at once again"
        monkeypatch.setattr(difference, "FAILED_S", -1.0)
        monkeypatch.setattr(difference, "PATIENCE_S", 60.0)
        found = await one.of(before, after, 60)
        await one.close()
        return found

    assert not asyncio.run(run()).found.equal


def test_nobody_waits_longer_than_they_want():
    store = Store()
    before, after = store.artifact({"a.txt": b"1\n"}), store.artifact({"a.txt": b"2\n"})
    assert compared(store, before, after, 0.0) is None
