"""Workers, and the Hub itself, are killed at random under load: every artifact ends in one state.

Set ``REMIT_ARTIFACTS`` to how many artifacts are pushed.
"""

import asyncio
import contextlib
import gzip
import io
import json
import os
import random
import signal
import subprocess
import threading
import time
import zipfile
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import func, select

from remit.audit.clock import SystemClock
from remit.hub.store import jobs as queue
from remit.hub.store.database import connect
from remit.hub.store.tables import admissions, jobs, manifests, outbox, reports, repositories
from tests.rig.fronts import Wire
from tests.rig.gated import CLEAN, poison, put, state
from tests.rig.governed import REMIT
from tests.rig.hub_process import HubProcess
from tests.rig.programs import clean_environment
from tests.rig.registries import S3_ENVIRONMENT, Registry, person

COUNT = int(os.environ.get("REMIT_ARTIFACTS", "500"))
DEADLINE_S = 300 + 6 * COUNT
pytestmark = [pytest.mark.slow, pytest.mark.timeout(DEADLINE_S * 2)]
WORKERS = 3


def zipped(name, data):
    found = io.BytesIO()
    with zipfile.ZipFile(found, "w") as archive:
        archive.writestr(name, data)
    return found.getvalue()


def files(number):
    """An artifact that nobody else has, and what becomes of it."""
    mark = f"number {number}\n".encode()
    kinds = [
        ("admitted", {"README.md": CLEAN["README.md"] + mark}),
        ("admitted", {"notes.txt": mark, "config.json": json.dumps({"n": number}).encode()}),
        ("admitted", {"table.csv": b"a,b\n1,2\n" + b"3,%d\n" % number}),
        ("refused", {"README.md": mark, "weights.pkl": poison()}),
        ("refused", {"weights.pkl.gz": gzip.compress(poison() + mark, mtime=number)}),
        ("refused", {"model.pt": zipped("archive/data.pkl", poison()), "n.txt": mark}),
    ]
    return kinds[number % len(kinds)]


class Crew:
    """Workers as processes of their own, which are killed and replaced."""

    def __init__(self, hub, scratch):
        self.hub, self.scratch = hub, scratch
        self.log = hub.directory / "workers.log"
        self.running = []
        self.killed = 0

    def command(self):
        found = [REMIT, "hub", "worker", "--state", str(self.hub.state)]
        found += ["--scratch", str(self.scratch)]
        if self.hub.database:
            found += ["--database", self.hub.database, "--blobs", self.hub.blobs]
        return found

    def start(self, count=1):
        env = clean_environment(self.hub.directory / "home", **S3_ENVIRONMENT)
        with self.log.open("ab") as out:
            for _ in range(count):
                process = subprocess.Popen(
                    self.command(),
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    env=env,
                    start_new_session=True,
                )
                self.running.append(process)

    def kill_one(self):
        victim = self.running.pop(random.randrange(len(self.running)))
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim.pid, signal.SIGKILL)
        victim.wait(30)
        self.killed += 1
        self.start()

    def stop(self):
        for each in self.running:
            each.send_signal(signal.SIGTERM)
        for each in self.running:
            try:
                each.wait(30)
            except subprocess.TimeoutExpired:
                each.kill()
                each.wait(30)
        self.running = []


class Asked:
    """Questions to the database beside the Hub."""

    def __init__(self, hub):
        self.hub = hub

    def __call__(self, work, *, change=False):
        async def run():
            database = connect(self.hub.database, self.hub.state)
            try:
                return await (database.change if change else database.look)(work)
            finally:
                await database.close()

        return asyncio.run(run())

    def open_jobs(self):
        return self(
            lambda c: c.execute(
                select(func.count()).select_from(jobs).where(jobs.c.slot.is_not(None))
            ).scalar_one()
        )

    def again(self):
        """What failed because workers were killed three times is tried again, as people would."""
        now = SystemClock().now_us()

        def work(connection):
            found = connection.execute(
                select(admissions.c.repository, admissions.c.digest)
                .join(
                    jobs,
                    (jobs.c.repository == admissions.c.repository)
                    & (jobs.c.digest == admissions.c.digest),
                )
                .where(admissions.c.state == "quarantined", jobs.c.state == "failed")
                .distinct()
            ).all()
            for at, row in enumerate(found):
                id_ = f"{now:016d}{at:010d}"
                queue.add(connection, row.repository, row.digest, "demand", id_=id_, now_us=now)
            return len(found)

        return self(work, change=True)


@pytest.mark.parametrize("kind", ["sqlite+files", "postgresql+s3"])
def test_workers_and_hub_are_killed_at_random(kind, tmp_path, servers):
    found = servers() if kind != "sqlite+files" else None
    hub = HubProcess(
        tmp_path / "hub",
        found.database() if found else "",
        found.blobs() if found else "",
        gate=True,
        workers=0,
    )
    hub.directory.mkdir(parents=True)
    crew, asked = Crew(hub, tmp_path / "scratch"), Asked(hub)
    try:
        hub.start()
        assert hub.client("GET", "/v2/").status == 200
        registry = Registry(hub.host, hub.log, hub.state, "admin", hub.password, "bearer")
        options = ["--database", hub.database] if hub.database else []
        writer = Wire.to(person(registry, "writer", "writer", "**", *options))
        crew.start(WORKERS)
        wanted = under_load(hub, crew, asked, writer)
        settle(hub, crew, asked)
        check(hub, asked, writer, wanted)
        leftovers(crew)
    finally:
        crew.stop()
        hub.kill()


def under_load(hub, crew, asked, writer):
    """Push while workers die every second or so, and the Hub three times: what should become."""
    wanted, lock, numbers = {}, threading.Lock(), iter(range(COUNT))
    stop = threading.Event()

    def push():
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            word, content = files(number)
            name = f"team/r{number % 7}"
            while not stop.is_set():
                try:
                    digest, layers = put(writer, name, f"v{number}", content)
                except (OSError, AssertionError, ValueError):
                    time.sleep(0.3)  # the Hub is away
                    continue
                with lock:
                    wanted[name, digest] = word, layers
                break

    threads = [threading.Thread(target=push) for _ in range(3)]
    for each in threads:
        each.start()
    restarts = {COUNT // 4, COUNT // 2, 3 * COUNT // 4}
    until = time.monotonic() + DEADLINE_S
    try:
        while any(each.is_alive() for each in threads) or asked.open_jobs() > COUNT // 20:
            assert time.monotonic() < until, Counter(map(str, wanted.values()))
            time.sleep(random.uniform(1.0, 4.0))
            crew.kill_one()
            with lock:
                done = len(wanted)
            due = {each for each in restarts if each <= done}
            if due:
                restarts -= due
                hub.kill()
                hub.start()
    finally:
        stop.set()
        for each in threads:
            each.join(60)
    assert len(wanted) == COUNT
    return wanted


def settle(hub, crew, asked):
    """Kill nobody any more and wait until nothing is open."""
    until = time.monotonic() + DEADLINE_S
    while asked.open_jobs() or asked.again():
        assert time.monotonic() < until, crew.log.read_text()[-3000:]
        time.sleep(1)


def check(hub, asked, writer, wanted):
    """Each artifact is in one state, the right one, with all its reports and one record of it."""
    rows = asked(
        lambda c: c.execute(
            select(repositories.c.name, admissions)
            .join(repositories, repositories.c.id == admissions.c.repository)
            .where(admissions.c.state != "exempt")
        ).all()
    )
    states = {(row.name, row.digest): row for row in rows}
    assert set(states) == set(wanted)
    wrong = {
        key: (row.state, row.reason) for key, row in states.items() if row.state != wanted[key][0]
    }
    assert not wrong
    counts = dict(
        asked(
            lambda c: c.execute(select(reports.c.job, func.count()).group_by(reports.c.job)).all()
        )
    )
    have = {counts.get(row.job, 0) for row in rows}
    assert len(have) == 1, have
    assert have.pop() > 10
    assert asked(
        lambda c: c.execute(select(func.count()).select_from(manifests)).scalar_one()
    ) == len(rows) + asked(
        lambda c: c.execute(
            select(func.count()).select_from(admissions).where(admissions.c.state == "exempt")
        ).scalar_one()
    )
    for (name, digest), (word, layers) in random.sample(sorted(wanted.items()), min(40, COUNT)):
        assert state(writer, name, digest) == word
        status = writer("GET", f"/v2/{name}/blobs/{layers[-1]}").status
        assert status == 200 if word == "admitted" else status == 403
    until = time.monotonic() + 150
    while asked(lambda c: c.execute(select(func.count()).select_from(outbox)).scalar_one()):
        assert time.monotonic() < until, "records stay in the outbox"
        time.sleep(1)
    said = {}
    for each in hub.records():
        if each["kind"] in {"artifact.admit", "artifact.refuse", "artifact.review"}:
            artifact = each["artifact"]
            key = artifact["repository"], artifact["digest"], each["scan"]["job"]
            said.setdefault(key, set()).add((each["event"], each["kind"]))
    decided = {(row.name, row.digest, row.job) for row in rows}
    assert decided <= set(said)
    # A record may be there twice after a crash, then with one event; two decisions may not.
    assert all(len(each) == 1 for each in said.values())
    hub.fsck()
    hub.verify()


def leftovers(crew):
    """What killed workers left is removed by the next one; nothing of them runs."""
    crew.stop()
    base = crew.scratch / f"remit-scratch-{os.geteuid()}"
    dead = base / "1-dead"
    dead.mkdir(mode=0o700)
    crew.start()
    until = time.monotonic() + 60
    while dead.exists():
        assert time.monotonic() < until
        time.sleep(0.1)
    crew.stop()
    places = list(base.iterdir())
    assert places == [], places
    mine = str(crew.scratch).encode()
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            assert mine not in each.read_bytes()
