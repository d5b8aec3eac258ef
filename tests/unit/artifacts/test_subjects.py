"""The index by subject: the same as reading everything, whatever happened to the store."""

import asyncio
import json
import os

import pytest

from remit.artifacts import subjects
from remit.artifacts.attestations import stored_attestations
from remit.artifacts.layout import Layout
from remit.artifacts.transfer.attach import attach
from remit.artifacts.transfer.layouts import LayoutTarget
from tests.rig.exchange import put_artifact
from tests.unit.artifacts.vouching import signed

WHEN = "2026-06-01T12:00:00Z"


@pytest.fixture
def store(tmp_path):
    return Layout.open(tmp_path / "store", create=True)


@pytest.fixture
def subject(store):
    return put_artifact(store, "team/model:v1", b"weights")


def put(store, subject, data=None, kind="https://example.com/review/v1"):
    return asyncio.run(attach(LayoutTarget(store), subject, data or signed().data, kind, WHEN))


def found(store, subject):
    return [each.manifest for each in stored_attestations(store, subject.digest)]


def test_what_comes_and_goes(store, subject):
    other = put_artifact(store, "team/other:v1", b"other")
    assert found(store, subject) == []
    first = put(store, subject)
    assert found(store, subject) == [first.digest]
    foreign = put(store, other)
    second = put(store, subject, signed().data)
    assert found(store, subject) == [first.digest, second.digest]
    assert found(store, other) == [foreign.digest]
    index = json.loads((store.root / "index.json").read_bytes())
    index["manifests"] = [e for e in index["manifests"] if e["digest"] != first.digest]
    (store.root / "index.json").write_text(json.dumps(index))
    assert found(store, subject) == [second.digest]


def test_nothing_else_is_read_while_nothing_changes(store, subject, monkeypatch):
    for number in range(5):
        put(store, put_artifact(store, f"team/x:{number}", b"%d" % number))
    mine = put(store, subject)
    assert found(store, subject) == [mine.digest]
    monkeypatch.setattr(Layout, "entries", lambda self: pytest.fail("the index was read"))
    read = []
    original = Layout.read
    monkeypatch.setattr(
        Layout, "read", lambda self, digest, *, limit: read.append(digest) or original(self, digest, limit=limit)
    )  # fmt: skip
    assert found(store, subject) == [mine.digest]
    assert len(read) == 2


@pytest.mark.parametrize("name", ["stamp", "seen", "subject"])
@pytest.mark.parametrize("content", [None, b"", b"{", b"[1]"])
def test_files_that_somebody_broke(store, subject, name, content):
    mine = put(store, subject)
    assert found(store, subject) == [mine.digest]
    path = store.root / "subjects" / (subject.digest[7:] if name == "subject" else name)
    if content is None:
        if name == "subject":
            return  # what is taken away from a store is not there
        path.unlink()
    else:
        path.write_bytes(content)
    assert found(store, subject) == [mine.digest]
    another = put(store, subject, signed().data)
    assert found(store, subject) == [mine.digest, another.digest]


def test_a_manifest_that_comes_late(store, subject):
    mine = put(store, subject)
    data = store.path(mine.digest).read_bytes()
    store.path(mine.digest).unlink()
    assert found(store, subject) == []
    store.path(mine.digest).write_bytes(data)
    assert found(store, subject) == [mine.digest]


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_store_that_cannot_be_written(store, subject):
    mine = put(store, subject)
    store.root.chmod(0o555)
    try:
        assert found(store, subject) == [mine.digest]
    finally:
        store.root.chmod(0o755)


def test_a_store_whose_lock_cannot_be_had(store, subject, monkeypatch):
    mine = put(store, subject)

    def refuse(path):
        raise OSError(30, "read-only file system")

    monkeypatch.setattr(subjects, "exclusive", refuse)
    assert found(store, subject) == [mine.digest]
    assert not (store.root / "subjects" / "stamp").exists()
