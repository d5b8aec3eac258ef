"""What a Hub notes of its upstream: bytes are counted once, and a state has one kind of Hub."""

import json

import pytest
from sqlalchemy import create_engine, select

from remit.artifacts.oci.digests import digest_of
from remit.artifacts.oci.manifest import MANIFEST, parse_manifest
from remit.hub.errors import HubError
from remit.hub.registry.errors import Denied
from remit.hub.registry.ports import Placed
from remit.hub.store import accounts, blobs, front, rows
from remit.hub.store.rows import Rule
from remit.hub.store.tables import manifests, metadata, references, repositories, tags


@pytest.fixture
def connection():
    engine = create_engine("sqlite://")
    with engine.begin() as found:
        metadata.create_all(found)
        yield found
    engine.dispose()


def _digest(text):
    return digest_of(text.encode())


def _placed(*layers, tags=(), size=100, **more):
    config = {"mediaType": "application/x", "digest": _digest("config"), "size": 2}
    found = [{"mediaType": "x/y", "digest": _digest(each), "size": size} for each in layers]
    document = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": found}
    body = json.dumps({**document, **more}).encode()
    return Placed(
        repository="a/b",
        digest=digest_of(body),
        body=body,
        manifest=parse_manifest(body, MANIFEST),
        tags=tags,
    )


def _used(connection):
    return connection.execute(select(repositories.c.used_bytes)).scalar_one()


def test_a_blob_of_two_manifests_is_counted_once(connection):
    one, two = _placed("x", "y"), _placed("y", "z")
    assert front.note(connection, one, "upstream", 1)
    assert _used(connection) == len(one.body) + 202
    assert front.note(connection, two, "upstream", 2)
    assert _used(connection) == len(one.body) + len(two.body) + 302
    assert not front.note(connection, two, "upstream", 3)
    assert front.forget(connection, "a/b", one.digest)
    assert _used(connection) == len(two.body) + 202
    assert not front.forget(connection, "a/b", one.digest)
    assert front.forget(connection, "a/b", two.digest)
    assert _used(connection) == 0
    for table in (manifests, references, tags):
        assert connection.execute(select(table)).all() == []


def test_tags_follow_the_upstream(connection):
    accounts.set_rule(connection, Rule(pattern="**", immutable="v*"))
    one, two = _placed("x", tags=("v1",)), _placed("y", tags=("v1", "latest"))
    front.note(connection, one, "ann", 1)
    # Whoever moved it did so past the Hub: noting it is not allowing it.
    assert front.note(connection, two, "upstream", 2)
    assert connection.execute(select(tags.c.name, tags.c.digest).order_by(tags.c.name)).all() == [
        ("latest", two.digest),
        ("v1", two.digest),
    ]
    assert front.fixed(connection, one) == ("v1",)
    for name in ("v1", two.digest):
        with pytest.raises(Denied, match="must not move"):
            front.check_drop(connection, "a/b", name)
    front.check_drop(connection, "a/b", one.digest)
    assert front.forget(connection, "a/b", "latest")
    assert not front.forget(connection, "a/b", "latest")
    assert not front.forget(connection, "nowhere", "latest")


def test_a_quota_counts_what_would_be_new(connection):
    one = _placed("x", tags=("v1",))
    accounts.set_rule(connection, Rule(pattern="a/b", quota_bytes=len(one.body) + 102))
    assert front.fixed(connection, one) == ()
    front.note(connection, one, "ann", 1)
    assert front.fixed(connection, one) == ()
    with pytest.raises(Denied, match="may hold"):
        front.fixed(connection, _placed("y"))
    front.room(connection, "a/b", _digest("x"), 100)
    with pytest.raises(Denied, match="may hold"):
        front.room(connection, "a/b", _digest("y"), 100)
    with pytest.raises(Denied, match="refers to"):
        front.check_blob(connection, "a/b", _digest("x"))
    front.check_blob(connection, "a/b", _digest("y"))


def test_sizes_that_no_database_counts_to(connection):
    one = _placed("x", "y", size=2**63 - 1)
    assert front.note(connection, one, "upstream", 1)
    assert _used(connection) == 2**63 - 1
    assert front.forget(connection, "a/b", one.digest)
    assert _used(connection) == 0


def test_a_database_belongs_to_one_upstream(connection):
    assert front.bind(connection, "") == ""
    assert front.bind(connection, "https://a.example") == ""
    assert front.upstream_of(connection) == "https://a.example"
    assert front.bind(connection, "https://b.example") == "https://a.example"
    assert front.upstream_of(connection) == "https://b.example"
    with pytest.raises(HubError, match="stands before `https://b"):
        front.bind(connection, "")


def test_a_hub_with_bytes_of_its_own_stands_before_nothing(connection):
    rows.hold(connection, "a/b", create_us=1)
    blobs.add(connection, "a/b", _digest("x"), 1, 1)
    with pytest.raises(HubError, match="keeps its bytes itself"):
        front.bind(connection, "https://a.example")
    assert front.bind(connection, "") == ""
