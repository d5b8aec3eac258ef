"""What pages of the console show, over each database."""

import asyncio
import secrets
import zlib

import msgspec
import pytest
from sqlalchemy import insert, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from remit.core.digest import sha256
from remit.hub.admission.evidence import SCAN_LIFETIME_US
from remit.hub.catalog.ports import Query
from remit.hub.store import catalog
from remit.hub.store.database import connect
from remit.hub.store.schema import migrate
from remit.hub.store.shown import SqlShown
from remit.hub.store.tables import (
    admissions,
    decisions,
    documents,
    jobs,
    manifests,
    reports,
    repositories,
)
from remit.scan.base import Coverage, Finding, Report
from tests.rig.registries import postgresql
from tests.unit.hub.support import Clock

NOW = 1_800_000_000_000_000


def digest(number):
    return sha256(str(number).encode())


def manifest(number, repository=1, **more):
    return {
        "repository": repository, "digest": digest(number), "media_type": "m", "artifact_type": "",
        "kind": "model", "title": "", "subject": "", "descriptor": b"{}", "size": 1,
        "total_bytes": 1, "pushed_by": "ann", "pushed_us": NOW + number, "touched_us": 0,
        "name": "m", "version": "", "graph": "", "search": "", **more,
    }  # fmt: skip


def job(name, number, state, **more):
    return {
        "id": name.ljust(26, "0"), "slot": name, "kind": "scan", "repository": 1,
        "digest": digest(number), "reason": "push", "detail": b"", "priority": 40, "state": state,
        "made_us": NOW, **more,
    }  # fmt: skip


def admission(number, state, **more):
    return {"repository": 1, "digest": digest(number), "state": state, "reason": "why", **more}


@pytest.fixture(scope="module")
def server():
    """PostgreSQL, with a database for each test."""
    with postgresql() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request, tmp_path):
    """Where the database of a test is: an address, and a directory."""
    if request.param == "sqlite":
        return "", tmp_path
    url = request.getfixturevalue("server")
    name = f"t{secrets.token_hex(6)}"

    async def make():
        engine = create_async_engine(
            make_url(url).set(drivername="postgresql+asyncpg"), isolation_level="AUTOCOMMIT"
        )
        async with engine.connect() as connection:
            await connection.execute(text(f"CREATE DATABASE {name}"))
        await engine.dispose()

    asyncio.run(make())
    return url.rpartition("/")[0] + f"/{name}", tmp_path


def shown(place, rows, work):
    """What `work` gives, of a database with these rows."""

    async def run():
        database = connect(*place)
        try:
            await database.change(migrate)

            def fill(connection):
                for id_, name in ((1, "team/a"), (2, "team/b")):
                    connection.execute(
                        insert(repositories).values(id=id_, name=name, created_us=0, used_bytes=0)
                    )
                for number in range(10):
                    connection.execute(
                        insert(documents).values(digest=digest(number), body=b"{}", stored_us=0)
                    )
                for table, values in rows:
                    connection.execute(insert(table).values(**values))

            await database.change(fill)
            return await work(SqlShown(database, Clock(NOW)), database)
        finally:
            await database.close()

    return asyncio.run(run())


def test_without_a_row_it_is_quarantined_and_what_expired_is_again(place):
    rows = [
        (manifests, manifest(1)), (manifests, manifest(2)), (manifests, manifest(3)),
        (admissions, admission(1, "admitted", expires_us=NOW + 1)),
        (admissions, admission(2, "admitted", expires_us=NOW)),
    ]  # fmt: skip

    async def work(one, _):
        return await one.standings([(1, digest(n)) for n in (1, 2, 3)])

    found = shown(place, rows, work)
    assert [found[1, digest(n)].state for n in (1, 2, 3)] == [
        "admitted", "quarantined", "quarantined",
    ]  # fmt: skip
    assert "expired" in found[1, digest(2)].reason


def test_an_index_is_what_its_members_are(place):
    from remit.hub.store.tables import references

    member = {"repository": 1, "parent": digest(1), "role": "manifest"}
    rows = [
        (manifests, manifest(1)), (manifests, manifest(2)), (manifests, manifest(3)),
        (admissions, admission(1, "index")), (admissions, admission(2, "admitted")),
        (admissions, admission(3, "refused")), (references, {**member, "child": digest(2)}),
        (references, {**member, "child": digest(3)}),
    ]  # fmt: skip

    async def work(one, _):
        return await one.standings([(1, digest(1))])

    assert shown(place, rows, work)[1, digest(1)].state == "refused"


def test_reports_of_the_scan_that_counts(place):
    finding = Finding(rule="r.x", title="t", severity="high", member="a")
    said = Report(scanner="s", version="1", rules=digest(0), findings=(finding,))
    body = zlib.compress(msgspec.json.encode(said))
    common = {"version": "1", "rules": digest(0), "finished_us": NOW}
    rows = [
        (manifests, manifest(1)),
        (jobs, job("old", 1, "done", ended_us=NOW)),
        (jobs, job("new", 1, "done", ended_us=NOW + 5)),
        (reports, {"job": "old".ljust(26, "0"), "scanner": "s", "body": body, **common}),
        (reports, {"job": "new".ljust(26, "0"), "scanner": "s", "body": b"broken", **common}),
    ]

    async def work(one, _):
        last = await one.reports(1, digest(1), "")
        named = await one.reports(1, digest(1), "old".ljust(26, "0"))
        strange = await one.reports(1, digest(2), "old".ljust(26, "0"))
        return last, named, strange

    last, named, strange = shown(place, rows, work)
    assert last[0].failed == "its report cannot be read"
    assert named[0].findings == (finding,)
    assert list(strange) == []


def test_what_served_models_answered_and_still_counts(place):
    """A run that covered everything takes back the one before it; one that did not does not."""
    rows = [(manifests, manifest(1)), (manifests, manifest(2))]

    def asked(
        name, ended, *unread, number=1, target="bot", probes=("dan",), severity="high", **more
    ):
        detail = {"target": target, "probes": probes, "generations": 2}
        probe = {
            "kind": "probe", "target": target, "detail": msgspec.json.encode(detail),
            "slot": None, "ended_us": NOW - ended, **more,
        }  # fmt: skip
        rows.append((jobs, job(name, number, "done", **probe)))
        finding = Finding(rule=f"r.{name}", title="t", severity=severity, member="dan")
        covered = tuple(Coverage(member=each, status="partial", reason="why") for each in unread)
        said = Report(
            scanner="garak", version="1", rules=digest(0), findings=(finding,), coverage=covered
        )
        row = {"job": name.ljust(26, "0"), "scanner": "garak", "version": "1", "rules": digest(0)}
        body = zlib.compress(msgspec.json.encode(said))
        rows.append((reports, {**row, "body": body, "finished_us": NOW - ended}))

    asked("replaced", 40)
    asked("whole", 30)
    asked("partly", 20, "dan.Dan_11_0")
    asked("unstored", 10, probes=("goodside",), error="no room")
    asked("over", SCAN_LIFETIME_US + 1, target="old")
    asked("harmless", SCAN_LIFETIME_US + 1, target="older", severity="low")
    asked("open", 5, target="open", slot="still")
    asked("other", 5, number=2)

    async def work(one, _):
        return await one.answers(1, digest(1)), await one.answers(2, digest(1))

    found, elsewhere = shown(place, rows, work)
    rules = [[f.rule for r in each.reports for f in r.findings] for each in found]
    assert rules == [["r.unstored"], ["r.partly"], ["r.whole"], ["r.over"]]
    assert [(each.covered, each.over, each.error) for each in found] == [
        (False, False, "no room"), (False, False, ""), (True, False, ""), (True, True, ""),
    ]  # fmt: skip
    assert [(each.target, each.generations) for each in found[2:]] == [("bot", 2), ("old", 2)]
    assert list(elsewhere) == []


def test_the_queue_of_repositories_that_are_seen(place):
    rows = [
        (manifests, manifest(1)), (manifests, manifest(2, repository=2)),
        (jobs, job("w", 1, "waiting")), (jobs, job("r", 1, "running", progress=500)),
        (jobs, job("o", 2, "waiting", repository=2)),
        (jobs, job("d", 1, "done", slot=None, ended_us=NOW)),
    ]  # fmt: skip

    async def work(one, _):
        return await one.queue(lambda name: name == "team/a", 10), await one.queue(None, 10)

    (mine, ended), (every, _) = shown(place, rows, work)
    assert [(each.state, each.progress) for each in mine] == [("running", 500), ("waiting", 0)]
    assert [(each.state, each.decided) for each in ended] == [("done", True)]
    assert len(every) == 3


def test_what_waits_for_people(place):
    rows = [
        (manifests, manifest(1)), (manifests, manifest(2)), (manifests, manifest(3)),
        (admissions, admission(1, "review", changed_us=NOW + 2)),
        (admissions, admission(2, "review", changed_us=NOW + 1)),
        (admissions, admission(3, "refused")),
        (decisions, {"id": "1", "repository": 1, "digest": digest(1), "decision": "refuse",
                     "decided_by": "ann", "reason": "no", "bundle": b"", "made_us": NOW}),
    ]  # fmt: skip

    async def work(one, _):
        mine = await one.waiting(None, 10)
        nobody = await one.waiting(lambda _: False, 10)
        return mine, nobody, await one.said(1, digest(1))

    mine, nobody, said = shown(place, rows, work)
    assert [each.item.digest for each in mine] == [digest(2), digest(1)]
    assert list(nobody) == []
    assert [(each.decision, each.decided_by, each.reason) for each in said] == [
        ("refuse", "ann", "no")
    ]


def test_the_version_before(place):
    rows = [
        (manifests, manifest(1)),
        (manifests, manifest(2, name="other")),
        (manifests, manifest(3, kind="prompt")),
        (manifests, manifest(4)),
        (manifests, manifest(5, repository=2)),
    ]

    async def work(one, database):
        found = {}
        for item in await database.look(lambda c: catalog.search(c, Query(), None)):
            before = await one.previous(item)
            found[item.digest] = before.digest if before else None
        return found

    found = shown(place, rows, work)
    assert found == {
        digest(1): None, digest(2): digest(1), digest(3): None, digest(4): digest(1),
        digest(5): None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("states", "numbers"),
    [(("review",), [1]), (("quarantined",), [2, 3]), (("refused", "review"), [1]), ((), [1, 2, 3])],
)
def test_a_list_of_states(place, states, numbers):
    rows = [
        (manifests, manifest(1)), (manifests, manifest(2)), (manifests, manifest(3)),
        (admissions, admission(1, "review")), (admissions, admission(2, "quarantined")),
    ]  # fmt: skip

    async def work(_, database):
        query = Query(states=states, sort="pushed")
        return await database.look(lambda c: catalog.search(c, query, None))

    assert [each.digest for each in shown(place, rows, work)] == [digest(n) for n in numbers]
