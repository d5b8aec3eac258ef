"""The queue of scans keeps its promises over each database: leases, retries, order, one winner."""

import asyncio
import json
import secrets
from functools import partial

import pytest
from sqlalchemy import select

from remit.artifacts.attestations import PREDICATE_TYPE
from remit.artifacts.oci.digests import digest_of
from remit.artifacts.oci.manifest import parse_manifest
from remit.attest.predicates import bom, scan, vsa
from remit.core.digest import Digest, sha256
from remit.core.ids import EntropyPool
from remit.hub.admission.evidence import PROBED
from remit.hub.admission.values import Outcome, Sealed
from remit.hub.catalog.ports import Offer
from remit.hub.collector import Collector
from remit.hub.errors import HubError
from remit.hub.jobs.values import BACKOFF_US, LEASE_US, MAX_ATTEMPTS, Questions
from remit.hub.registry.errors import TooMany
from remit.hub.registry.ports import About, Placed, Record
from remit.hub.store import admissions, gatecheck, jobs, spent, words, workers
from remit.hub.store import beside as lying
from remit.hub.store.cases import SqlAdmissions, SqlCases
from remit.hub.store.database import connect
from remit.hub.store.files import Files
from remit.hub.store.metadata import SqlMetadata
from remit.hub.store.probes import SqlProbes
from remit.hub.store.queue import SqlQueue
from remit.hub.store.scans import SqlScans
from remit.hub.store.schema import migrate
from remit.hub.store.tables import admissions as gate_rows
from remit.hub.store.tables import outbox, reports, settings
from remit.hub.store.unknown import SqlUnknown
from remit.hub.store.wanted import Expecting
from remit.scan.base import Coverage, Finding, Report

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
RECORD = Record(kind="registry.push", body={})
HUB = f"{words.HUBS}one"
NOBODY = "sha256:" + "0" * 64


class Clock:
    def __init__(self):
        self.us = 1_800_000_000_000_000

    def now_us(self):
        return self.us

    def monotonic_ns(self):
        return self.us * 1000


class Known:
    """A database, and whoever works on it."""

    def __init__(self, url, state):
        self.clock = Clock()
        self.database = connect(url, state)
        self.entropy = EntropyPool(secrets.token_bytes)
        self.metadata = self._metadata(True)
        self.open = self._metadata(False)
        self.queue = SqlQueue(self.database, self.clock)
        self.cases = SqlCases(
            self.database, self.clock, HUB, self.entropy,
            expected=("archives",), scanners=sha256(b"scanners"),
        )  # fmt: skip
        self.admissions = SqlAdmissions(self.database, self.clock)

    def _metadata(self, gated, limit=1000):
        return SqlMetadata(
            self.database, self.clock, HUB, self.entropy, gated=gated, max_waiting=limit
        )

    async def push(self, text="x", repository="a/b", **more):
        """A manifest without layers: its digest."""
        placed = made(text, repository, **more)
        await self.metadata.put_manifest(placed, "ann", RECORD)
        return placed.digest

    async def jobs(self):
        return await self.database.look(jobs.listed)

    async def state(self, digest, repository="a/b"):
        return (await self.admissions.manifest(repository, digest)).state

    async def scanned(self, worker="w"):
        """Do the next scan; what is to be decided then."""
        task = await self.queue.claim(worker)
        assert await self.queue.finish(task, [report()])
        [found] = [each for each in await self.cases.undecided(10) if each.job == task.id]
        return found


def made(
    text, repository="a/b", *, tags=(), evidence=False, subject="", index=(), annotations=None
):
    document = {"schemaVersion": 2, "mediaType": MANIFEST}
    document["annotations"] = {"n": text, **(annotations or {})}
    if index:
        document["mediaType"] = INDEX
        document["manifests"] = [
            {"mediaType": MANIFEST, "digest": each, "size": 1} for each in index
        ]
    else:
        document["layers"] = []
        document["config"] = {
            "mediaType": "application/x", "digest": NOBODY, "size": 1, "urls": ["https://x"]
        }  # fmt: skip
    if subject:
        document["subject"] = {"mediaType": MANIFEST, "digest": subject, "size": 1}
    body = json.dumps(document).encode()
    return Placed(
        repository=repository,
        digest=Digest(digest_of(body)),
        body=body,
        manifest=parse_manifest(body),
        tags=tags,
        about=About(evidence=evidence, kind="model", name="thing"),
    )


def report(failed=""):
    finding = Finding(rule="a.b", title="t", severity="low", member="m", evidence="e")
    return Report(
        scanner="archives", version="1", rules=sha256(b""), findings=(finding,), failed=failed
    )


def test_a_worker_without_a_scanner_that_is_expected_takes_no_job(known):
    """What it scanned could only be refused, and scanned again, for as long as it is there."""

    async def work(k):
        await k.push()
        whole, less = ("archives", "pickles", "modelaudit"), ("archives", "pickles")
        able = SqlQueue(k.database, k.clock, "able", whole)
        poor = SqlQueue(k.database, k.clock, "poor", less)
        expecting = Expecting(k.database, k.clock, "hub-1", whole)
        await expecting()
        assert await poor.claim("poor") is None
        await poor.beat("poor", short=False)
        scans = SqlScans(k.database, k.clock, HUB, k.entropy)
        [seen] = (await scans.status()).workers
        assert seen.lacks == ("modelaudit",)
        # It is no measure of what has to be scanned again, nor of whether disks are full.
        assert await scans.rescan_due(0) == 0
        assert await able.claim("able") is not None
        # Of several Hubs the demands count together; one that is gone demands nothing.
        await Expecting(k.database, k.clock, "hub-2", less)()
        k.clock.us += LEASE_US + 1
        assert await poor.claim("poor") is None
        k.clock.us += 60_000_000
        await Expecting(k.database, k.clock, "hub-2", less)()
        assert await poor.claim("poor") is not None
        # While none is there the last word counts.
        k.clock.us += 600_000_000
        assert await SqlQueue(k.database, k.clock, "none", ("archives",)).claim("none") is None
        await poor.beat("poor", short=False)
        [seen] = (await scans.status()).workers
        assert seen.lacks == ()

    known(work)


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


def test_a_push_asks_for_a_scan_in_its_own_transaction(known):
    async def work(k):
        digest = await k.push()
        [job] = await k.jobs()
        assert (job.digest, job.reason, job.state) == (digest, "push", "waiting")
        assert await k.state(digest) == "quarantined"
        # Again, and under another name: the same scan.
        await k.push(tags=("v1",))
        assert len(await k.jobs()) == 1
        # Elsewhere it is another artifact.
        await k.push(repository="other")
        assert len(await k.jobs()) == 2

    known(work)


def test_a_push_that_fails_asks_for_nothing(known):
    async def work(k):
        placed = made("x", index=(NOBODY,))
        with pytest.raises(Exception, match="not in"):
            await k.metadata.put_manifest(placed, "ann", RECORD)
        assert await k.jobs() == []

    known(work)


def test_one_worker_has_a_job_until_its_lease_ends(known):
    async def work(k):
        await k.push()
        task = await k.queue.claim("one")
        assert task.kind == "model"
        assert await k.queue.claim("two") is None
        k.clock.us += LEASE_US // 2
        assert await k.queue.renew(task, 500)
        k.clock.us += LEASE_US // 2 + 1
        assert await k.queue.claim("two") is None
        k.clock.us += LEASE_US
        again = await k.queue.claim("two")
        assert again.id == task.id
        # Who lost it has no say any more.
        assert not await k.queue.renew(task, 600)
        assert not await k.queue.finish(task, [report()])
        assert not await k.queue.stumble(task, "too late")
        assert not await k.queue.release(task)
        assert await k.database.look(lambda c: c.scalars(select(reports.c.job)).all()) == []
        assert await k.queue.finish(again, [report()])
        [job] = await k.jobs()
        assert (job.state, job.attempts, job.worker) == ("done", 1, "two")

    known(work)


def test_the_same_worker_after_its_lease_was_taken_is_another(known):
    async def work(k):
        await k.push()
        task = await k.queue.claim("one")
        k.clock.us += LEASE_US + 1
        await k.queue.claim("two")
        k.clock.us += LEASE_US + 1
        assert not await k.queue.finish(task, [report()])

    known(work)


def test_a_job_fails_after_its_attempts_and_says_so(known):
    async def work(k):
        digest = await k.push()
        for attempt in range(MAX_ATTEMPTS):
            k.clock.us += BACKOFF_US[-1]
            task = await k.queue.claim("one")
            assert task is not None, attempt
            assert await k.queue.stumble(task, f"the disk is full {attempt}")
            if attempt + 1 < MAX_ATTEMPTS:
                assert await k.queue.claim("two") is None, "it waits first"
        k.clock.us += 10 * BACKOFF_US[-1]
        assert await k.queue.claim("one") is None
        [job] = await k.jobs()
        assert (job.state, job.attempts) == ("failed", MAX_ATTEMPTS)
        found = await k.admissions.manifest("a/b", digest)
        assert found.state == "quarantined"
        assert "the disk is full 2" in found.reason
        # Who pushes it again, or asks, gets another try.
        now = k.clock.us
        id_ = await k.database.look(lambda c: c.scalars(select(jobs.jobs.c.repository)).first())
        assert await k.database.change(
            lambda c: jobs.add(c, id_, digest, "demand", id_="1" * 26, now_us=now)
        )
        assert (await k.queue.claim("one")).id == "1" * 26

    known(work)


def test_workers_that_die_with_a_job_do_not_have_it_for_ever(known):
    async def work(k):
        digest = await k.push()
        for attempt in range(MAX_ATTEMPTS):
            assert await k.queue.claim(f"w{attempt}") is not None
            k.clock.us += LEASE_US + 1
        assert await k.queue.claim("last") is None
        [job] = await k.jobs()
        assert job.state == "failed"
        assert "ended" in (await k.admissions.manifest("a/b", digest)).reason

    known(work)


def test_what_is_given_back_is_no_attempt(known):
    async def work(k):
        await k.push()
        for _ in range(MAX_ATTEMPTS + 2):
            task = await k.queue.claim("one")
            assert await k.queue.release(task)
        [job] = await k.jobs()
        assert (job.state, job.attempts) == ("waiting", 0)

    known(work)


def test_pushes_come_first_and_of_the_same_the_oldest(known):
    async def work(k):
        wanted = []
        for reason in ("schedule", "rescan", "demand", "push"):
            digest = await k.push(reason)
            wanted.insert(0, digest)
            k.clock.us += 1000

            def change(connection, digest=digest, reason=reason):
                values = {"priority": jobs.PRIORITIES[reason], "reason": reason}
                connection.execute(
                    jobs.jobs.update().where(jobs.jobs.c.digest == digest).values(values)
                )

            await k.database.change(change)
        wanted.insert(1, await k.push("second"))
        found = [await k.queue.claim("w") for _ in range(5)]
        assert [each.digest for each in found] == wanted

    known(work)


def test_many_workers_at_once_share_the_jobs(known):
    async def work(k):
        digests = {await k.push(str(each)) for each in range(40)}
        taken = []

        async def worker(name):
            while (task := await k.queue.claim(name)) is not None:
                taken.append(task.digest)
                assert await k.queue.finish(task, [report()])

        await asyncio.gather(*(worker(f"w{each}") for each in range(8)))
        assert len(taken) == len(set(taken)) == 40
        assert set(taken) == digests

    known(work)


def test_a_job_of_what_was_deleted_is_cancelled(known):
    async def work(k):
        digest = await k.push()
        task = await k.queue.claim("w")
        assert await k.metadata.drop_manifest("a/b", digest, RECORD)
        assert not await k.queue.finish(task, [report()])
        [job] = await k.jobs()
        assert job.state == "cancelled"
        # Pushed again it is looked at again, whatever it was before.
        await k.push()
        assert await k.state(digest) == "quarantined"
        assert [each.state for each in await k.jobs()].count("waiting") == 1

    known(work)


def test_of_several_hubs_one_decides(known):
    async def work(k):
        digest = await k.push()
        scanned = await k.scanned()
        assert scanned.reports[0].findings[0].rule == "a.b"
        outcome = Outcome(word="admit", reasons=(), policy=sha256(b"p"))
        done = await asyncio.gather(*(k.cases.decide(scanned, outcome) for _ in range(5)))
        [one] = [each for each in done if each is not None]
        assert [record.kind for _, record in one] == ["artifact.admit"]
        assert await k.state(digest) == "admitted"
        assert await k.cases.undecided(10) == []
        kinds = await k.database.look(lambda c: c.scalars(select(outbox.c.kind)).all())
        assert kinds.count("artifact.admit") == 1

    known(work)


def test_one_hub_logs_what_a_worker_did(known):
    async def work(k):
        await k.push()
        scanned = await k.scanned()
        found = await asyncio.gather(*(k.cases.claim_record(scanned.job) for _ in range(5)))
        [(id_, record)] = [each for each in found if each is not None]
        assert (id_, record.kind) == (scanned.job, "scan.done")
        assert record.body["scan"]["findings"] == 1

    known(work)


@pytest.mark.parametrize(
    ("before", "word", "state", "kind"),
    [
        ("quarantined", "admit", "admitted", "artifact.admit"),
        ("quarantined", "review", "review", "artifact.review"),
        ("quarantined", "refuse", "refused", "artifact.refuse"),
        ("admitted", "refuse", "withdrawn", "artifact.withdraw"),
        ("admitted", "review", "review", "artifact.withdraw"),
        ("admitted", "admit", "admitted", "artifact.admit"),
        ("withdrawn", "refuse", "withdrawn", "artifact.refuse"),
        ("refused", "admit", "admitted", "artifact.admit"),
    ],
)
def test_what_an_outcome_makes_of_an_artifact(known, before, word, state, kind):
    async def work(k):
        digest = await k.push()
        table = admissions.admissions
        await k.database.change(lambda c: c.execute(table.update().values(state=before)))
        scanned = await k.scanned()
        assert scanned.state == before
        done = await k.cases.decide(scanned, Outcome(word=word, reasons=("why",)))
        assert [record.kind for _, record in done] == [kind]
        found = await k.admissions.manifest("a/b", digest)
        assert (found.state, found.reason, found.job) == (state, "why", scanned.job)

    known(work)


def test_what_has_expired_is_not_given_out(known):
    async def work(k):
        digest = await k.push()
        scanned = await k.scanned()
        ends = k.clock.us + 1000
        await k.cases.decide(scanned, Outcome(word="admit", reasons=(), expires_us=ends))
        assert await k.state(digest) == "admitted"
        k.clock.us += 1001
        found = await k.admissions.manifest("a/b", digest)
        assert (found.state, found.reason) == ("quarantined", "its admission has expired")

    known(work)


def test_an_index_is_what_its_members_are(known):
    async def work(k):
        one, two = await k.push("1"), await k.push("2")
        both = await k.push("both", index=(one, two))
        outer = await k.push("outer", index=(both,))
        assert len(await k.jobs()) == 2
        assert await k.state(outer) == "quarantined"
        await k.cases.decide(await k.scanned(), Outcome(word="admit", reasons=()))
        assert await k.state(outer) == "quarantined"
        await k.cases.decide(await k.scanned(), Outcome(word="refuse", reasons=("evil",)))
        found = await k.admissions.manifest("a/b", outer)
        assert found.state == "refused"
        assert "evil" in found.reason

    known(work)


def test_evidence_needs_a_subject_or_the_tag(known):
    async def work(k):
        plain = await k.push("plain", evidence=True)
        about = await k.push("about", evidence=True, subject=NOBODY)
        hexes = "ab" * 32
        tagged = await k.push("tagged", evidence=True, tags=(f"sha256-{hexes}.sig",))
        lies = await k.push("lies", subject=NOBODY, tags=(f"sha256-{hexes}.att",))
        states = [await k.state(each) for each in (plain, about, tagged, lies)]
        assert states == ["quarantined", "exempt", "exempt", "quarantined"]
        # The tag may come later.
        await k.push("plain", evidence=True, tags=(f"sha256-{hexes}.att",))
        assert await k.state(plain) == "exempt"
        assert [each.state for each in await k.jobs()].count("waiting") == 1

    known(work)


def test_pushes_are_told_to_wait_when_too_much_waits(known):
    async def work(k):
        full = k._metadata(True, 3)
        for each in range(3):
            await full.check_queue(made(str(each)))
            await k.push(str(each))
        with pytest.raises(TooMany) as refused:
            await full.check_queue(made("more"))
        assert dict(refused.value.headers)["retry-after"] == "30"
        assert refused.value.status == 429
        # What is known, an index, evidence: these need no scan.
        await full.check_queue(made("1"))
        await full.check_queue(made("i", index=(NOBODY,)))
        await full.check_queue(made("e", evidence=True, subject=NOBODY))
        await k.scanned()
        await full.check_queue(made("more"))

    known(work)


def test_pushes_are_told_to_wait_when_no_worker_has_room(known):
    async def work(k):
        await k.queue.beat("one", short=True)
        with pytest.raises(TooMany, match="disks are full"):
            await k.metadata.check_queue(made("x"))
        await k.queue.beat("two", short=False)
        await k.metadata.check_queue(made("x"))
        await k.queue.gone("two")
        with pytest.raises(TooMany):
            await k.metadata.check_queue(made("x"))
        # A worker that is silent says nothing about disks any more.
        k.clock.us += workers.ALIVE_US + 1
        await k.metadata.check_queue(made("x"))
        k.clock.us += workers.FORGET_US
        await k.queue.beat("three", short=False)
        names = await k.database.look(lambda c: c.scalars(select(settings.c.name)).all())
        assert sum(each.startswith("worker/") for each in names) == 1

    known(work)


def test_what_is_not_behind_the_gate_is_found(known):
    async def work(k):
        placed = made("old")
        await k.open.put_manifest(placed, "ann", RECORD)
        assert await k.jobs() == []
        assert await k.state(placed.digest) == "quarantined", "no row is no admission"
        unknown = SqlUnknown(k.database, k.clock, k.entropy)
        [(id_, repository, digest)] = await unknown.without_row((0, ""), 10)
        assert (repository, digest) == ("a/b", placed.digest)
        await unknown.enter(placed)
        assert await unknown.without_row((0, ""), 10) == []
        assert await unknown.without_row((id_, digest), 10) == []
        [job] = await k.jobs()
        assert job.reason == "sweep"
        await unknown.enter(msg_elsewhere(placed))
        assert len(await k.jobs()) == 1

    known(work)


def msg_elsewhere(placed):
    """The same where it is not."""
    return Placed(
        repository="nowhere", digest=placed.digest, body=placed.body, manifest=placed.manifest
    )


def test_a_report_that_cannot_be_read_is_a_failed_one(known):
    async def work(k):
        await k.push()
        scanned = await k.scanned()
        broken = reports.update().values(body=b"\x00nothing")
        await k.database.change(lambda c: c.execute(broken))
        [again] = await k.cases.undecided(10)
        assert again.job == scanned.job
        assert again.reports[0].failed

    known(work)


def test_what_is_due_is_scanned_again(known):
    async def work(k):
        scans = SqlScans(k.database, k.clock, HUB, k.entropy)
        hour = 3_600_000_000
        k.queue = SqlQueue(k.database, k.clock, "new")
        old = SqlQueue(k.database, k.clock, "old")
        for queue, text in ((old, "1"), (k.queue, "2"), (old, "3")):
            k.clock.us += 1_000
            await k.push(text)
            task = await queue.claim("w")
            assert await queue.finish(task, [report()])
        for scanned in (await k.cases.undecided(10))[:2]:
            await k.cases.decide(scanned, Outcome(word="admit", reasons=()))
        assert await scans.rescan_due(hour) == 0, "nobody works"
        await old.beat("one", short=False)
        await k.queue.beat("two", short=False)
        assert await scans.rescan_due(hour) == 0, "one of them looked at it with its own rules"
        await old.gone("one")
        assert await scans.rescan_due(0) == 1
        assert await scans.rescan_due(0) == 0, "it is asked for already"
        [job] = [each for each in await k.jobs() if each.state == "waiting"]
        assert job.reason == "rescan"
        k.clock.us += hour + 1
        await k.queue.beat("two", short=False)
        assert await scans.rescan_due(0) == 0
        assert await scans.rescan_due(hour) == 1
        assert {each.reason for each in await k.jobs() if each.state == "waiting"} == {
            "rescan", "schedule"
        }  # fmt: skip
        count, _, record = await scans.rescan_all("ann")
        assert (count, record.body["actor"]["user"]) == (0, "ann")

    known(work)


def test_what_is_wrong_with_the_gate_is_found(known):
    async def work(k):
        async def codes():
            found = await k.database.look(gatecheck.problems)
            return sorted({each.code for each in found})

        placed = made("old")
        await k.open.put_manifest(placed, "ann", RECORD)
        assert await codes() == [], "without a gate nothing is missing"
        digest = await k.push("new")
        assert await codes() == ["gate.missing"]
        await SqlUnknown(k.database, k.clock, k.entropy).enter(placed)
        assert await codes() == []
        table = admissions.admissions
        await k.database.change(lambda c: c.execute(jobs.jobs.delete()))
        assert await codes() == ["gate.stuck"]
        await k.database.change(
            lambda c: c.execute(table.update().where(table.c.digest == digest).values(job="gone"))
        )
        assert await codes() == ["gate.job", "gate.stuck"]
        await k.database.change(
            lambda c: c.execute(
                table.update().where(table.c.digest == digest).values(digest=NOBODY)
            )
        )
        assert "gate.dangling" in await codes()

    known(work)


def test_scans_that_nobody_needs_are_forgotten(known):
    async def work(k):
        async def forget():
            now = k.clock.us
            return await k.database.change(lambda c: gatecheck.forget_scans(c, now, 100))

        await k.push("kept")
        scanned = await k.scanned()
        await k.cases.decide(scanned, Outcome(word="admit", reasons=()))
        scans = SqlScans(k.database, k.clock, HUB, k.entropy)
        await scans.rescan("a/b", scanned.digest, "ann")
        await k.cases.decide(await k.scanned(), Outcome(word="admit", reasons=()))
        gone = await k.push("gone")
        await k.cases.decide(await k.scanned(), Outcome(word="admit", reasons=()))
        await k.metadata.drop_manifest("a/b", gone, RECORD)
        assert await forget() == 0
        k.clock.us += gatecheck.DAY_US + 1
        assert await forget() == 1, "of what is gone"
        k.clock.us += gatecheck.KEPT_US
        assert await forget() == 1, "what no decision rests on any more"
        [left] = await k.jobs()
        assert left.id == (await k.admissions.manifest("a/b", scanned.digest)).job
        k.clock.us += gatecheck.KEPT_US
        assert await forget() == 0

    known(work)


def test_the_catalogue_and_the_mcp_registry_are_told(known):
    async def work(k):
        digest = await k.push()
        scanned = await k.scanned()
        id_ = await k.database.look(lambda c: c.scalars(select(jobs.jobs.c.repository)).first())
        offer = Offer(id=id_, repository="a/b", digest=digest, name="x/y", version="1", pushed_us=1)
        elsewhere = Offer(
            id=id_ + 1, repository="c", digest=digest, name="x/y", version="1", pushed_us=1
        )
        assert await k.admissions.admitted([offer, elsewhere]) == [False, False]
        assert await k.admissions.states([digest, NOBODY]) == {}
        await k.cases.decide(scanned, Outcome(word="admit", reasons=()))
        assert await k.admissions.admitted([offer, elsewhere]) == [True, False]
        assert await k.admissions.states([digest, NOBODY]) == {digest: "passed"}

    known(work)


def test_indexes_that_share_members_are_looked_at_once(known, monkeypatch):
    """A few hundred pushes must not make one pull of an index a million questions."""
    width, asked = 12, []
    real = admissions.own

    def counted(connection, id_, digest):
        asked.append(digest)
        return real(connection, id_, digest)

    monkeypatch.setattr(admissions, "own", counted)

    async def work(k):
        level = [await k.push(f"member {each}") for each in range(width)]
        for at in range(3):
            wide = width if at < 2 else 1
            level = [await k.push(f"index {at} {each}", index=tuple(level)) for each in range(wide)]
        await k.database.change(
            lambda c: c.execute(
                gate_rows.update().where(gate_rows.c.state == "quarantined").values(
                    state="admitted"
                )
            )
        )  # fmt: skip
        asked.clear()
        assert await k.state(level[0]) == "admitted"
        assert len(asked) == 3 * width + 1

    known(work)


# -- asking served models ---------------------------------------------------------------------


ASKED = Questions(target="qwen", probes=("dan",))


def prober(k, *targets):
    return SqlQueue(k.database, k.clock, targets=targets or ("qwen",))


def scans_of(k):
    return SqlScans(k.database, k.clock, HUB, k.entropy)


def probes_of(k):
    return SqlProbes(k.database, k.clock, HUB, k.entropy)


def answered(severity="", failed="", coverage="complete"):
    found = Finding(rule="garak.dan", title="t", severity=severity or "low", member="m")
    return Report(
        scanner="garak", version="1", rules=sha256(b""), findings=(found,) if severity else (),
        failed=failed, coverage=(Coverage(member="dan", status=coverage),),
    )  # fmt: skip


async def admitted(k, text="x"):
    digest = await k.push(text)
    await k.cases.decide(await k.scanned(), Outcome(word="admit", reasons=()))
    assert await k.state(digest) == "admitted"
    return digest


async def answer(k, digest, asked=ASKED, *, attest=True, **more):
    """Have it asked, and attested: the job."""
    job, _, _ = await scans_of(k).probe("a/b", digest, asked, "ann")
    queue = prober(k, asked.target)
    task = await queue.claim("p")
    assert (task.id, task.questions) == (job, asked)
    assert await queue.finish(task, [answered(**more)])
    k.clock.us += 1
    if attest:
        [(probed, target)] = await probes_of(k).unattested(10)
        assert (probed.job, target) == (job, asked.target)
        assert await probes_of(k).attest(probed, Sealed(evidence=NOBODY)) is not None
    return job


async def reopened(k):
    """What is to be decided anew."""
    [found] = await k.cases.undecided(10)
    return found


def test_probers_and_workers_take_no_job_of_the_other(known):
    async def work(k):
        digest = await k.push()
        job, _, record = await scans_of(k).probe("a/b", digest, ASKED, "ann")
        assert record.body["scan"] == {"job": job, "target": "qwen", "probes": ["dan"]}
        assert await prober(k, "another").claim("p") is None
        scan = await k.queue.claim("w")
        assert (scan.questions, await k.queue.claim("w")) == (None, None)
        task = await prober(k, "another", "qwen").claim("p")
        assert (task.id, task.questions, task.digest) == (job, ASKED, digest)
        with pytest.raises(HubError):
            await scans_of(k).probe("a/b", digest, ASKED, "ann")
        other = Questions(target="another", probes=("dan",))
        assert await scans_of(k).probe("a/b", digest, other, "ann")
        assert await scans_of(k).probe("a/b", NOBODY, other, "ann") is None

    known(work)


def test_what_waits_for_a_prober_holds_nothing_up(known):
    async def work(k):
        digest = await admitted(k)
        await scans_of(k).probe("a/b", digest, ASKED, "ann")
        k.metadata = k._metadata(True, limit=1)
        other = await k.push("other")
        status = await scans_of(k).status()
        assert (status.probes, status.unasked) == ({"waiting": 1}, ("qwen",))
        assert status.jobs == {"done": 1, "waiting": 1}
        await prober(k).beat("p", short=True)
        status = await scans_of(k).status()
        assert (status.workers, status.unasked) == ((), ())
        assert [each.targets for each in status.probers] == [("qwen",)]
        assert await k.state(other) == "quarantined"
        assert await k.database.look(lambda c: words.reopen(c, 1, digest))

    known(work)


def test_an_answer_counts_once_it_is_attested_and_decides_anew(known):
    async def work(k):
        digest = await admitted(k)
        await answer(k, digest, attest=False, severity="high")
        assert await k.cases.undecided(10) == []
        [(probed, _)] = await probes_of(k).unattested(10)
        await probes_of(k).attest(probed, Sealed(evidence=NOBODY))
        assert await probes_of(k).attest(probed, Sealed(evidence=NOBODY)) is None
        found = await reopened(k)
        [said] = found.attested_scans
        assert (said.scanner, said.counts["high"], said.manifest) == ("garak", 1, NOBODY)
        assert found.reports[0].scanner == "archives"
        await k.cases.decide(found, Outcome(word="refuse", reasons=("x",)))
        assert await k.state(digest) == "withdrawn"

    known(work)


def test_an_answer_that_cannot_be_attested_covered_nothing(known):
    async def work(k):
        digest = await admitted(k)
        job = await answer(k, digest, attest=False)
        [(probed, _)] = await probes_of(k).unattested(10)
        await probes_of(k).attest(probed, None, "the repository is full")
        [said] = (await reopened(k)).attested_scans
        assert (said.coverage, said.manifest) == ("error", "")
        assert (await scans_of(k).job(job)).error == "the repository is full"

    known(work)


def test_the_same_questions_are_answered_anew_and_others_beside(known):
    async def work(k):
        digest = await admitted(k)
        await answer(k, digest, severity="high")
        await answer(k, digest, Questions(target="qwen", probes=("goodside",)))
        found = (await reopened(k)).attested_scans
        assert sorted(each.counts["high"] for each in found) == [0, 1]
        # Fewer answers to each prompt are not the same questions.
        await answer(
            k, digest, Questions(target="qwen", probes=("dan",), generations=9), severity="high"
        )
        found = (await reopened(k)).attested_scans
        assert sorted(each.counts["high"] for each in found) == [0, 1, 1]
        await answer(k, digest, Questions(target="qwen", probes=("dan",), generations=9))
        # One that did not cover everything takes nothing back; one that did does.
        await answer(k, digest, coverage="partial")
        found = (await reopened(k)).attested_scans
        assert sorted((each.coverage, each.counts["high"]) for each in found) == [
            ("complete", 0), ("complete", 0), ("partial", 1),
        ]  # fmt: skip
        await answer(k, digest)
        found = (await reopened(k)).attested_scans
        assert {(each.coverage, each.counts["high"]) for each in found} == {("complete", 0)}
        # What is over and found nothing does not count.
        k.clock.us += 31 * 86_400_000_000
        assert (await reopened(k)).attested_scans == ()

    known(work)


def test_what_a_model_gave_away_does_not_end_until_it_is_asked_again(known):
    month = 31 * 86_400_000_000

    async def forget(k):
        now = k.clock.us
        return await k.database.change(lambda c: gatecheck.forget_scans(c, now, 100))

    async def work(k):
        digest = await admitted(k)
        other = Questions(target="qwen", probes=("goodside",))
        await answer(k, digest, severity="high")
        await answer(k, digest, other)
        for _ in range(2):
            k.clock.us += month
            await forget(k)
            [said] = (await reopened(k)).attested_scans
            assert (said.coverage, said.counts["high"]) == ("partial", 1)
        await answer(k, digest)
        [said] = (await reopened(k)).attested_scans
        assert (said.coverage, said.counts["high"]) == ("complete", 0)
        k.clock.us += month
        await forget(k)
        assert (await reopened(k)).attested_scans == ()

    known(work)


def test_what_others_attach_hides_nothing(known, monkeypatch):
    monkeypatch.setattr(lying, "MAX_BESIDE", 2)
    monkeypatch.setattr(lying, "MAX_SEEN", 4)
    summary = {PREDICATE_TYPE: vsa.TYPE}

    async def work(k):
        digest = await admitted(k)
        crowded = []
        for number, more in enumerate(({}, summary, {}, summary, summary)):
            k.clock.us += 1
            await k.push(f"about {number}", evidence=True, subject=digest, annotations=more)
            found = await reopened(k)
            crowded.append(found.crowded)
        assert crowded == [False, False, False, False, True]
        assert len(found.beside) == 2
        other = await k.push("other")
        for number in range(3):
            await k.push(f"{number} about it", evidence=True, subject=other)
        task = await k.queue.claim("w")
        assert await k.queue.finish(task, [report()])
        [found] = [each for each in await k.cases.undecided(10) if each.job == task.id]
        assert (found.crowded, len(found.beside)) == (True, 2)

    known(work)


def test_evidence_of_decisions_that_others_followed_goes(known, tmp_path):
    """Else what is scanned every week has more beside it within a year than clients look at."""

    def evidence(number, digest):
        def one(name, kind, **more):
            note = {PREDICATE_TYPE: kind, **more}
            return made(f"{name} {number}", subject=digest, evidence=True, annotations=note)

        said = [one("scan", scan.TYPE), one("bill", bom.TYPE), one("summary", vsa.TYPE)]
        return Sealed(placed=tuple(said), summary=said[2].digest, evidence=said[0].digest)

    async def listed(k, digest):
        return {each.digest for each in await k.metadata.referrers("a/b", digest, "", "", 100)}

    async def decide(k, sealed):
        await k.cases.decide(await reopened(k), Outcome(word="admit", reasons=()), sealed)

    async def work(k):
        collector = Collector(
            k.database, Files(tmp_path / "blobs"), k.clock, HUB, secrets.token_bytes
        )
        digest = await k.push()
        await k.scanned()
        first = evidence(1, digest)
        await decide(k, first)
        other = await k.push("a signature", evidence=True, subject=digest)
        await decide(k, Sealed())
        await answer(k, digest, attest=False)
        [(probed, _)] = await probes_of(k).unattested(10)
        about = made("a", subject=digest, evidence=True, annotations={PROBED: "qwen"})
        await probes_of(k).attest(probed, Sealed(placed=(about,), evidence=about.digest))
        stays = {other, about.digest}
        # Old, but what the decision rests on; only the earlier summary is not.
        k.clock.us += spent.SPENT_US + 1
        renewed = evidence(2, digest).placed[2]
        await decide(k, Sealed(placed=(renewed,), summary=renewed.digest))
        assert (await collector.run()).manifests == 1
        scans = {each.digest for each in first.placed[:2]}
        # What was found to be spent may not be any more when its turn comes.
        for each in (renewed.digest, *scans, other, about.digest):
            work = partial(spent.drop, repository="a/b", digest=each, now_us=k.clock.us)
            assert not await k.database.change(work)
        assert await listed(k, digest) == {*scans, renewed.digest, *stays}
        # Another scan: it takes the place of what is old, and nothing goes that is not.
        await scans_of(k).rescan("a/b", digest, "ann")
        await k.scanned()
        second = evidence(3, digest)
        await decide(k, second)
        new = {each.digest for each in second.placed}
        assert (await collector.run()).manifests == 2
        assert await listed(k, digest) == {renewed.digest, *new, *stays}
        k.clock.us += spent.SPENT_US + 1
        assert (await collector.run()).manifests == 1
        assert await listed(k, digest) == {*new, *stays}
        assert (await collector.run()).manifests == 0
        assert await k.state(digest) == "admitted"

    known(work)


def test_an_answer_in_the_middle_of_a_decision_is_not_overlooked(known):
    async def work(k):
        digest = await k.push()
        found = await k.scanned()
        await answer(k, digest, severity="high")
        assert await k.cases.decide(found, Outcome(word="admit", reasons=())) is None
        assert await k.state(digest) == "quarantined"
        [said] = (await reopened(k)).attested_scans
        assert said.counts["high"] == 1

    known(work)


def test_an_answer_before_a_decision_is_no_evidence_of_the_scan(known):
    async def work(k):
        digest = await k.push()
        await k.scanned()
        await answer(k, digest, attest=False)
        [(probed, _)] = await probes_of(k).unattested(10)
        kind = {PREDICATE_TYPE: scan.TYPE}
        about = made("1", subject=digest, evidence=True, annotations={**kind, PROBED: "qwen"})
        await probes_of(k).attest(probed, Sealed(placed=(about,), evidence=about.digest))
        found = await reopened(k)
        assert ([each.manifest for each in found.probed], found.attested) == ([about.digest], ())
        own = made("2", subject=digest, evidence=True, annotations=kind)
        sealed = Sealed(placed=(own,), evidence=own.digest)
        assert await k.cases.decide(found, Outcome(word="admit", reasons=()), sealed)
        await k.database.change(lambda c: words.reopen(c, 1, digest))
        assert (await reopened(k)).attested == (own.digest,)

    known(work)


def test_a_prober_that_fails_leaves_the_artifact_as_it_is(known):
    async def work(k):
        digest = await k.push()
        job, _, _ = await scans_of(k).probe("a/b", digest, ASKED, "ann")
        task = await prober(k).claim("p")
        assert await prober(k).stumble(task, "it may not", lasting=True)
        found = await scans_of(k).job(job)
        assert (found.state, found.attempts, found.error) == ("failed", 1, "it may not")
        again, _, _ = await scans_of(k).again(job, "ann")
        assert (await scans_of(k).job(again)).target == "qwen"
        await scans_of(k).cancel(again, "ann")
        reason = (await k.admissions.manifest("a/b", digest)).reason
        assert (await k.state(digest), "cancelled" in reason) == ("quarantined", False)

    known(work)


def test_jobs_of_what_was_deleted_are_cancelled_whatever_they_are(known):
    async def work(k):
        digest = await admitted(k)
        job, _, _ = await scans_of(k).probe("a/b", digest, ASKED, "ann")
        await k.metadata.drop_manifest("a/b", digest, RECORD)
        assert (await scans_of(k).job(job)).state == "cancelled"
        assert await prober(k).claim("p") is None

    known(work)


def test_a_job_that_a_worker_of_an_older_version_took_covered_nothing(known):
    """It took every kind for a scan, and wrote what its scanners were where the questions stood."""

    async def work(k):
        digest = await admitted(k)
        job, _, _ = await scans_of(k).probe("a/b", digest, ASKED, "ann")
        task = await prober(k).claim("old")
        assert await SqlQueue(k.database, k.clock, "scanners").finish(task, [report()])
        [(probed, _)] = await probes_of(k).unattested(10)
        assert await probes_of(k).attest(probed, Sealed(evidence=NOBODY)) is not None
        [said] = (await reopened(k)).attested_scans
        assert said.coverage == "error"
        with pytest.raises(HubError):
            await scans_of(k).again(job, "ann")

    known(work)


def test_what_was_found_is_not_hidden_by_asking_often(known):
    async def work(k):
        digest = await admitted(k)
        await answer(k, digest, severity="high")
        for number in range(205):
            other = Questions(target="qwen", probes=(f"other{number}",))
            await answer(k, digest, other)
        found = (await reopened(k)).attested_scans
        assert sum(each.counts["high"] for each in found) == 1

    known(work)
