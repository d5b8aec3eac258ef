"""The catalogue over SQLite and over PostgreSQL: both give the same answers."""

import asyncio
import json
import os

import pytest

from remit.artifacts.oci.digests import digest_of
from remit.artifacts.oci.manifest import INDEX, MANIFEST, parse_manifest
from remit.artifacts.servers import Server
from remit.hub.catalog.ports import After, Query
from remit.hub.registry.ports import About, Need, Placed, Record
from remit.hub.store import manifests
from remit.hub.store.cataloged import SqlCatalog
from remit.hub.store.database import connect
from remit.hub.store.metadata import SqlMetadata
from remit.hub.store.schema import migrate
from tests.rig.registries import postgresql

RECORD = Record(kind="registry.push", body={})


@pytest.fixture(scope="module")
def server():
    with postgresql() as url:
        yield url


class Clock:
    us = 1_700_000_000_000_000

    def now_us(self):
        self.us += 1
        return self.us

    def monotonic_ns(self):
        return 0


class Stage:
    """A database with artifacts, and the catalogue over it."""

    def __init__(self, database):
        self.database = database
        self.catalog = SqlCatalog(database)
        self.clock = Clock()
        self.metadata = SqlMetadata(database, self.clock, "n", os.urandom)

    async def put(self, repository, note, *tags, about=None, members=(), subject=None):
        document = {"schemaVersion": 2, "mediaType": MANIFEST, "annotations": {"note": note}}
        if members:
            document |= {
                "mediaType": INDEX,
                "manifests": [
                    {"mediaType": MANIFEST, "digest": each, "size": 1} for each in members
                ],
            }
        else:
            config = {"mediaType": "a/b", "digest": digest_of(b"{}"), "size": 2, "urls": ["x:"]}
            document |= {"config": config, "layers": []}
        if subject:
            document["subject"] = {"mediaType": MANIFEST, "digest": subject, "size": 1}
        body = json.dumps(document).encode()
        digest = digest_of(body)
        placed = Placed(
            repository=repository, digest=digest, body=body, manifest=parse_manifest(body),
            tags=tags, about=about or About(),
        )  # fmt: skip
        now = self.clock.now_us()
        await self.database.change(lambda c: manifests.put(c, placed, "ann", now))
        return digest

    async def names(self, sees=None, **query):
        found = await self.catalog.search(Query(**query), sees)
        return [each.repository for each in found]


@pytest.fixture(params=["sqlite", "postgresql"])
def played(request, tmp_path, server):
    def play(story):
        url = server if request.param == "postgresql" else ""

        async def run():
            database = connect(url, tmp_path)
            try:
                if url:
                    await database.change(emptied)
                await database.change(migrate)
                await story(Stage(database))
            finally:
                await database.close()

        asyncio.run(run())

    return play


def emptied(connection):
    connection.exec_driver_sql("DROP SCHEMA public CASCADE")
    connection.exec_driver_sql("CREATE SCHEMA public")


def test_words_are_found_as_they_are_and_not_as_patterns(played):
    async def story(stage):
        await stage.put("a/percent", "1", "v1", about=About(kind="model", title="100% Wool_x"))
        await stage.put("b/other", "2", "V2-Beta", about=About(kind="docs", title="hundred"))
        await stage.put("c/c", "3", "release_1")
        assert await stage.names(words=("100%",)) == ["a/percent"]
        assert await stage.names(words=("%",)) == ["a/percent"]
        assert await stage.names(words=("l_x",)) == ["a/percent"]
        assert await stage.names(words=("e_1",)) == ["c/c"]
        assert await stage.names(words=("v2-beta",)) == ["b/other"]
        assert await stage.names(words=("wool", "model")) == ["a/percent"]
        assert await stage.names(words=("\\",)) == []
        assert await stage.names(kinds=("docs", "model"), sort="kind") == ["b/other", "a/percent"]

    played(story)


@pytest.mark.parametrize(
    "sort", ["pushed", "-pushed", "repository", "-repository", "size", "-size", "kind", "-kind"]
)
def test_pages_in_every_order_have_everything_once(played, sort):
    async def story(stage):
        for number in range(7):
            kind = ("model", "agent")[number % 2]
            for note in "ab":
                await stage.put(f"r{number // 2}/x", f"{number}{note}", about=About(kind=kind))
        seen, after = [], None
        while True:
            page = await stage.catalog.search(Query(sort=sort, after=after, limit=3), None)
            seen += [each.digest for each in page[:3]]
            if len(page) <= 3:
                break
            last = page[2]
            keys = {"pushed": last.pushed_us, "repository": last.repository, "size": last.total,
                    "kind": last.kind}  # fmt: skip
            after = After(
                sort=sort, key=keys[sort.strip("-")], repository=last.id, digest=last.digest
            )
        assert len(seen) == 14
        assert len(set(seen)) == 14

    played(story)


def test_what_refers_is_not_listed_and_what_has_no_tag_can_be_left_out(played):
    async def story(stage):
        subject = await stage.put("a/a", "1", "v1")
        await stage.put("a/a", "2", subject=subject)
        await stage.put("b/b", "3")
        assert await stage.names(sort="repository") == ["a/a", "b/b"]
        assert await stage.names(referrers=True, sort="repository") == ["a/a", "a/a", "b/b"]
        assert await stage.names(tagged=True) == ["a/a"]
        assert await stage.names(tagged=False) == ["b/b"]
        assert await stage.names(repository="b/*") == ["b/b"]
        assert await stage.names(lambda name: name == "b/b") == ["b/b"]
        assert await stage.names(lambda name: False) == []
        found = await stage.catalog.find("a/a", "v1")
        assert [each.digest for each in found.referrers]
        assert await stage.catalog.find("a/a", "v2") is None

    played(story)


def need(digest, role="skill", name="n"):
    return Need(role=role, name=name, digest=digest, reference="host.example/x:v1")


def test_the_graph_is_walked_to_its_end_and_no_further(played):
    async def story(stage):
        leaf = await stage.put("m/leaf", "leaf", "v1", about=About(kind="model"))
        index = await stage.put("m/leaf", "index", "all", members=(leaf,))
        agent = await stage.put(
            "a/agent", "agent", "v1",
            about=About(kind="agent", graph="unlocked", needs=(need(index), need("", name="o"))),
        )  # fmt: skip
        above = await stage.put(
            "a/above", "above", "v1",
            about=About(kind="agent", graph="complete", needs=(need(agent), need(leaf, name="l"))),
        )  # fmt: skip
        reach = await stage.catalog.needs(above, None)
        assert reach.whole
        assert {(each.subject, each.digest) for each in reach.edges} == {
            (above, agent), (above, leaf), (agent, index), (agent, ""), (index, leaf),
        }  # fmt: skip
        assert set(reach.items) == {above, agent, index, leaf}
        uses = await stage.catalog.uses(leaf, None)
        assert {(each.item.digest, each.role) for each in uses} == {
            (index, "member"), (above, "skill"), (agent, "skill"),
        }  # fmt: skip
        seen = await stage.catalog.needs(above, lambda name: name == "a/above")
        assert {each.digest for each in seen.edges} == {agent, leaf}
        assert set(seen.items) == {above}
        assert await stage.catalog.uses(leaf, lambda name: name == "m/leaf") != uses
        await stage.metadata.drop_manifest("a/above", above, RECORD)
        assert {e.item.digest for e in await stage.catalog.uses(leaf, None)} == {index, agent}

    played(story)


def test_a_name_belongs_to_the_first_until_it_has_none_of_it(played):
    async def story(stage):
        def server(version):
            return About(kind="mcp-server", server=Server(name="io.example/x", version=version))

        first = await stage.put("one/x", "1", "v1", about=server("1.0.0"))
        await stage.put("two/x", "2", "v1", about=server("2.0.0"))
        await stage.put("one/x", "3", about=server("3.0.0"))

        async def offered(sees=None):
            return [(e.repository, e.version) for e in await stage.catalog.offers("", sees)]

        assert await offered() == [("one/x", "1.0.0")]
        assert await offered(lambda name: name == "two/x") == []
        (offer,) = await stage.catalog.offers("io.example/x", None)
        assert offer.updated_us == offer.pushed_us
        listed = await stage.catalog.servers([(offer.id, offer.digest), (99, offer.digest)])
        assert [each.server.version for each in listed.values()] == ["1.0.0"]
        await stage.put("one/x", "1", "v2", about=server("1.0.0"))
        (again,) = await stage.catalog.offers("io.example/x", None)
        assert again.pushed_us == offer.pushed_us < again.updated_us
        await stage.metadata.drop_manifest("one/x", first, RECORD)
        assert await offered() == []
        third = (await stage.catalog.search(Query(repository="one/x"), None))[0].digest
        await stage.metadata.drop_manifest("one/x", third, RECORD)
        assert await offered() == []
        await stage.put("two/x", "4", "v2", about=server("4.0.0"))
        assert ("two/x", "4.0.0") in await offered()

    played(story)


def test_what_is_said_of_an_artifact_can_be_long(played):
    async def story(stage):
        about = About(
            kind="agent", name="n" * 5000, version="v" * 5000, title="t" * 50_000,
            needs=tuple(need(digest_of(b"x"), name=f"n{at}") for at in range(256)),
            graph="complete",
        )  # fmt: skip
        digest = await stage.put("a/long", "1", "v1", about=about)
        assert len((await stage.catalog.needs(digest, None)).edges) == 256
        assert await stage.names(words=("tttt",)) == ["a/long"]

    played(story)


def test_what_a_version_without_kinds_stored_is_described_when_it_is_pushed_again(played):
    async def story(stage):
        digest = await stage.put("a/old", "1", "v1")
        about = About(kind="agent", title="An agent", graph="complete", needs=(need(digest),))
        for _ in range(2):
            assert await stage.put("a/old", "1", "v2", about=about) == digest
        (item,) = await stage.catalog.search(Query(words=("agent",)), None)
        assert (item.kind, item.tags) == ("agent", ("v1", "v2"))
        assert len((await stage.catalog.needs(digest, None)).edges) == 1

    played(story)


def test_texts_with_what_no_database_takes(played):
    async def story(stage):
        about = About(
            kind="mcp-server", name="a\0b", version="\0", title="x\0y",
            server=Server(name="io.example/x", version="1", title="t\0"),
        )  # fmt: skip
        await stage.put("a/nul", "1", "v1", about=about)
        assert await stage.names(words=("nul",)) == ["a/nul"]

    played(story)
