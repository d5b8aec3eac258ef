"""The gate of a Hub: what is pushed is scanned by real workers before anybody may pull it."""

import asyncio
import contextlib
import json
import os
import signal
import time
from pathlib import Path

import pytest

from remit.hub.store import tables
from remit.hub.store.database import connect
from tests.rig.exchange import log_in, remit
from tests.rig.fronts import INDEX, MANIFEST, Wire, hub_command
from tests.rig.gated import CLEAN, POISONED, manifest_of, put, put_manifest, settled, state
from tests.rig.hub_process import HubProcess
from tests.rig.programs import RIG
from tests.rig.registries import hub, person
from tests.rig.registry_clients import client, find_kit


@pytest.fixture(scope="module")
def gated(tmp_path_factory):
    with hub(tmp_path_factory.mktemp("gated"), auth="basic", gate=True) as found:
        yield found


@pytest.fixture(scope="module")
def account(gated):
    """The Hub, as somebody who may push and pull and nothing else."""
    return person(gated, "writer", "writer", "**")


@pytest.fixture(scope="module")
def writer(account):
    return Wire.to(account)


@pytest.fixture(scope="module")
def reader(gated):
    return Wire.to(person(gated, "reader", "reader", "**"))


@pytest.fixture(scope="module")
def curator(gated):
    return Wire.to(person(gated, "curator", "curator", "**"))


def test_nothing_is_pulled_before_it_is_scanned(writer, reader):
    name, [layer] = put(writer, "team/clean", "v1", CLEAN)
    for path in ("manifests/v1", f"manifests/{name}", f"blobs/{layer}"):
        answer = reader("GET", f"/v2/team/clean/{path}")
        assert (answer.status, answer.code) == (403, "DENIED"), path
        assert "quarantined" in answer.reason
        # Clients that push ask whether it is there.
        assert writer("HEAD", f"/v2/team/clean/{path}").status == 200
    assert settled(writer, "team/clean", "v1") == "admitted"
    assert writer("GET", f"/v2/team/clean/blobs/{layer}").body == CLEAN["README.md"]


def test_what_is_poisoned_is_refused_with_the_reason(writer, reader, curator, gated):
    name, [layer] = put(writer, "team/poisoned", "v1", POISONED)
    assert settled(writer, "team/poisoned", "v1") == "refused"
    answer = reader("GET", "/v2/team/poisoned/manifests/v1")
    assert "weights.pkl" in answer.reason
    assert answer.json["errors"][0]["detail"]["digest"] == name
    assert writer("GET", f"/v2/team/poisoned/blobs/{layer}").status == 403
    # Who decides must be able to look.
    assert curator("GET", f"/v2/team/poisoned/manifests/{name}").status == 200
    assert curator("GET", f"/v2/team/poisoned/blobs/{layer}").body == POISONED["weights.pkl"]
    time.sleep(0.5)
    found = [
        each
        for each in HubProcess(gated.state.parent).records()
        if each.get("artifact", {}).get("digest") == name
        and each["artifact"]["repository"] == "team/poisoned"
    ]
    kinds = [each["kind"] for each in found]
    assert kinds.index("registry.push") < kinds.index("scan.done") < kinds.index("artifact.refuse")
    pulls = [each for each in found if each["kind"] == "registry.pull"]
    assert {each["actor"]["user"] for each in pulls} == {"curator", "writer"}
    assert all(each["quarantined"] for each in pulls)
    denied = [each for each in found if each["kind"] == "registry.deny"]
    assert denied[-1]["artifact"]["state"] == "refused"


def test_an_index_is_what_its_members_are(writer):
    members = []
    for tag, files in (("one", CLEAN), ("two", {"NOTES.md": b"all is well\n"})):
        name, _ = put(writer, "team/index", tag, files)
        members.append({"mediaType": MANIFEST, "digest": name, "size": 1})
    document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": members}
    put_manifest(writer, "team/index", "both", document)
    assert state(writer, "team/index", "both") == "quarantined"
    assert settled(writer, "team/index", "both") == "admitted"
    bad, _ = put(writer, "team/index", "bad", POISONED)
    document["manifests"].append({"mediaType": MANIFEST, "digest": bad, "size": 1})
    put_manifest(writer, "team/index", "all", document)
    assert settled(writer, "team/index", "all") == "refused"
    assert state(writer, "team/index", "both") == "admitted"


@pytest.mark.parametrize("name", ["oras", "kit"])
def test_clients_show_why(gated, writer, tmp_path, name):
    if name == "kit" and find_kit() is None:
        pytest.skip("kit is not installed")
    if name == "oras" and not (RIG / "go/bin/oras").exists():
        pytest.skip("oras is not installed: make rig-registry")
    put(writer, "team/shown", "v1", POISONED)
    settled(writer, "team/shown", "v1")
    program = client(name, tmp_path / name, person(gated, f"with-{name}", "reader", "**"))
    program.login()
    said = program.refused("pull", "--plain-http", program.ref("team/shown", "v1"))
    assert "is refused" in said
    assert "weights.pkl" in said


def test_remit_pushes_and_pulls(account, writer, tmp_path):
    me, other = tmp_path / "me", tmp_path / "other"
    for home in (me, other):
        log_in(account, home)
    packed(me, tmp_path, "notes", CLEAN)
    place = f"{account.host}/team/remit:v1"
    assert remit("push", "notes:v1", place, state=me).returncode == 0
    assert settled(writer, "team/remit", "v1") == "admitted"
    done = remit("pull", place, state=other)
    assert done.returncode == 0, done.stderr


def test_remit_says_that_it_is_quarantined(tmp_path):
    """On a Hub where nobody scans, so that it stays so."""
    with hub(tmp_path, auth="basic", gate=True, options=["--workers", "0"]) as idle:
        account = person(idle, "writer", "writer", "**")
        me, other = tmp_path / "me", tmp_path / "other"
        for home in (me, other):
            log_in(account, home)
        packed(me, tmp_path, "notes", CLEAN)
        place = f"{account.host}/team/remit:v1"
        assert remit("push", "notes:v1", place, state=me).returncode == 0
        early = remit("pull", place, state=other)
    assert early.returncode != 0
    assert "quarantined" in early.stderr


def packed(state_directory, tmp_path, name, files):
    folder = tmp_path / name
    folder.mkdir()
    for member, data in files.items():
        (folder / member).write_bytes(data)
    done = remit("pack", str(folder), "-t", f"{name}:v1", state=state_directory)
    assert done.returncode == 0, done.stderr


def test_a_push_waits_for_what_is_decided(account, tmp_path):
    me = tmp_path / "me"
    log_in(account, me)
    packed(me, tmp_path, "calm", CLEAN)
    packed(me, tmp_path, "evil", POISONED)
    place = f"{account.host}/team/waited"
    done = remit("push", "calm:v1", f"{place}:calm", "--wait", state=me)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{place}:calm@sha256:")
    assert done.stderr.splitlines()[-1].startswith("admitted")
    done = remit("push", "evil:v1", f"{place}:evil", "--wait", "-o", "json", state=me)
    assert done.returncode == 1, done.stderr
    said = json.loads(done.stdout)
    assert said["admission"]["state"] == "refused"
    assert said["admission"]["digest"] == said["digest"]
    assert "weights.pkl" in said["admission"]["reason"]
    # Again: it is decided already.
    assert remit("push", "calm:v1", f"{place}:calm", "--wait", state=me).returncode == 0


@pytest.mark.slow
def test_a_push_waits_no_longer_than_it_is_told(tmp_path):
    with hub(tmp_path, auth="basic", gate=True, options=["--workers", "0"]) as idle:
        account, me = person(idle, "writer", "writer", "**"), tmp_path / "me"
        log_in(account, me)
        packed(me, tmp_path, "calm", CLEAN)
        place = f"{account.host}/team/idle:v1"
        for seconds in ("0", "1.5"):
            begun = time.monotonic()
            done = remit("push", "calm:v1", place, "--wait", "--wait-timeout", seconds, state=me)
            assert done.returncode == 4, done.stderr
            assert done.stderr.splitlines()[-1] == "quarantined: its scans are not done"
            assert time.monotonic() - begun < 30


def test_a_push_to_a_registry_without_a_gate_cannot_wait(tmp_path):
    with hub(tmp_path, auth="basic") as plain:
        account, me = person(plain, "writer", "writer", "**"), tmp_path / "me"
        log_in(account, me)
        packed(me, tmp_path, "calm", CLEAN)
        place = f"{account.host}/team/plain:v1"
        done = remit("push", "calm:v1", place, "--wait", "-o", "json", state=me)
        assert done.returncode == 2
        assert "does not say what is decided" in done.stderr
        assert "it was pushed" in done.stderr
        said = json.loads(done.stdout)
        assert said["admission"] is None
        assert Wire.to(account)("HEAD", f"/v2/team/plain/manifests/{said['digest']}").status == 200


# -- the queue, as operators see it ----------------------------------------------------------------


def operate(gated, *arguments, code=0):
    """`remit hub …` beside the Hub: what it printed."""
    done = hub_command(gated, *arguments)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def listed(gated, repository):
    return json.loads(operate(gated, "jobs", "list", "--repository", repository, "-o", "json"))


def changed(gated, work):
    """Change the database beside the Hub."""

    async def run():
        database = connect("", gated.state)
        try:
            await database.change(work)
        finally:
            await database.close()

    asyncio.run(run())


@pytest.mark.slow
def test_operators_see_jobs_and_ask_again(gated, writer):
    put(writer, "team/jobs", "v1", CLEAN)
    settled(writer, "team/jobs", "v1")
    [job] = listed(gated, "team/jobs")
    assert (job["state"], job["reason"], job["decided"]) == ("done", "push", True)
    assert job["id"] in operate(gated, "jobs", "list", "--only", "done")
    assert "team/jobs" in operate(gated, "jobs", "show", job["id"])
    again = operate(gated, "rescan", "team/jobs:v1").strip()
    assert state(writer, "team/jobs", "v1") == "admitted", "it stays so meanwhile"
    assert operate(gated, "jobs", "watch", again).split()[-1] == "done"
    third = operate(gated, "jobs", "retry", job["id"]).strip()
    operate(gated, "jobs", "watch", third)
    assert [each["id"] for each in listed(gated, "team/jobs")] == [third, again, job["id"]]
    operate(gated, "jobs", "show", "0" * 26, code=2)
    operate(gated, "rescan", "team/nothing:v1", code=2)
    operate(gated, "rescan", code=2)
    status = json.loads(operate(gated, "gate", "status", "-o", "json"))
    assert status["artifacts"]["admitted"] >= 1
    assert len(status["workers"]) == 1
    assert "workers" in operate(gated, "gate", "status")


def test_what_fails_later_is_withdrawn(gated, writer):
    name, [layer] = put(writer, "team/later", "v1", POISONED)
    assert settled(writer, "team/later", "v1") == "refused"
    table = tables.admissions
    mine = table.update().where(table.c.digest == name)
    changed(gated, lambda c: c.execute(mine.values(state="admitted")))
    assert writer("GET", f"/v2/team/later/blobs/{layer}").status == 200
    operate(gated, "rescan", "team/later:v1")
    assert settled(writer, "team/later", "v1", "withdrawn") == "withdrawn"
    assert writer("GET", f"/v2/team/later/blobs/{layer}").status == 403
    time.sleep(0.5)
    records = HubProcess(gated.state.parent).records()
    [done] = [each for each in records if each["kind"] == "artifact.withdraw"]
    assert done["artifact"]["repository"] == "team/later"
    assert done["decision"]["before"] == "admitted"


@pytest.mark.slow
def test_a_cancelled_scan_leaves_it_quarantined(tmp_path):
    with hub(tmp_path, auth="basic", gate=True, options=["--workers", "0"]) as idle:
        wire = Wire.to(person(idle, "writer", "writer", "**"))
        name, _ = put(wire, "team/idle", "v1", CLEAN)
        [job] = listed(idle, "team/idle")
        assert (job["state"], job["worker"]) == ("waiting", "")
        assert "nobody scans" in hub_command(idle, "gate", "status").stderr
        assert hub_command(idle, "jobs", "watch", job["id"], "--timeout", "1").returncode == 4
        operate(idle, "jobs", "cancel", job["id"])
        operate(idle, "jobs", "cancel", job["id"], code=2)
        reader = Wire.to(person(idle, "reader", "reader", "**"))
        answer = reader("GET", f"/v2/team/idle/manifests/{name}")
        assert "was cancelled" in answer.reason
        operate(idle, "rescan", "team/idle:v1")
        operate(idle, "rescan", "team/idle:v1", code=2)
        assert "not done" in reader("GET", f"/v2/team/idle/manifests/{name}").reason


@pytest.mark.slow
def test_what_other_rules_judged_and_what_was_pushed_before_is_scanned(tmp_path):
    """By a Hub without a gate, and then by one with other scanners."""
    with hub(tmp_path, auth="basic") as before:
        wire = Wire.to(person(before, "writer", "writer", "**"))
        put(wire, "team/old", "good", CLEAN)
        put(wire, "team/old", "bad", POISONED)
        assert wire("GET", "/v2/team/old/manifests/bad").status == 200
    with hub(tmp_path, auth="basic", gate=True) as after:
        wire = Wire(after.host, wire.user, wire.password)
        assert state(wire, "team/old", "bad") in {"quarantined", "refused"}
        assert settled(wire, "team/old", "good") == "admitted"
        assert settled(wire, "team/old", "bad") == "refused"
        assert {each["reason"] for each in listed(after, "team/old")} == {"sweep"}
    table = tables.admissions
    changed(after, lambda c: c.execute(table.update().values(state="admitted")))
    changed(after, lambda c: c.execute(tables.jobs.update().values(detail=b"older")))
    with hub(tmp_path, auth="basic", gate=True) as again:
        wire = Wire(again.host, wire.user, wire.password)
        assert settled(wire, "team/old", "bad", "withdrawn") == "withdrawn"
        assert {each["reason"] for each in listed(again, "team/old")} == {"sweep", "rescan"}


@pytest.mark.slow
def test_pushes_are_told_to_come_back_when_too_much_waits(tmp_path):
    options = ["--workers", "0", "--max-waiting", "2"]
    with hub(tmp_path, auth="basic", gate=True, options=options) as full:
        wire = Wire.to(person(full, "writer", "writer", "**"))
        for each in range(2):
            put(wire, "team/full", f"v{each}", {"n.txt": b"%d" % each})
        body = json.dumps(manifest_of(wire, "team/full", {"n.txt": b"more"})).encode()
        path = "/v2/team/full/manifests/v3"
        answer = wire("PUT", path, body, content_type=MANIFEST)
        assert (answer.status, answer.code) == (429, "TOOMANYREQUESTS")
        assert int(answer.headers["retry-after"]) > 0
        assert wire("HEAD", path).status == 404
        operate(full, "jobs", "cancel", listed(full, "team/full")[0]["id"])
        assert wire("PUT", path, body, content_type=MANIFEST).status == 201


@pytest.mark.slow
def test_a_hub_that_is_killed_takes_its_workers_along(tmp_path):
    process = HubProcess(tmp_path, gate=True, workers=2).start()
    try:
        until = time.monotonic() + 60
        while len(found := workers_of(process)) < 2:
            assert time.monotonic() < until
            time.sleep(0.1)
        os.kill(process.process.pid, signal.SIGKILL)
        process.process.wait(30)
        while workers_of(process):
            assert time.monotonic() < until, found
            time.sleep(0.1)
    finally:
        process.kill()


@pytest.mark.slow
def test_a_worker_that_dies_is_followed_by_another(tmp_path):
    process = HubProcess(tmp_path, gate=True, workers=1).start()
    try:
        until = time.monotonic() + 60
        while not (first := workers_of(process)):
            assert time.monotonic() < until
            time.sleep(0.1)
        os.kill(int(first[0]), signal.SIGKILL)
        while not (now := workers_of(process)) or now == first:
            assert time.monotonic() < until
            time.sleep(0.1)
        assert "a worker ended" in process.log.read_text()
    finally:
        process.kill(signal.SIGTERM)
    assert workers_of(process) == []


def workers_of(process):
    """Processes that work for a Hub."""
    found = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = each.read_bytes().split(b"\0")
            if b"worker" in words and str(process.state).encode() in words:
                found.append(each.parent.name)
    return sorted(found)


def test_the_queue_over_http(gated, writer, curator, account):
    put(writer, "team/http", "v1", CLEAN)
    put(writer, "team/http-two", "v1", CLEAN)
    settled(writer, "team/http", "v1")
    listing = writer("GET", "/api/v1/jobs?repository=team/http")
    [job] = listing.json["jobs"]
    assert job["decided"] in {True, False}
    assert writer("GET", f"/api/v1/jobs/{job['id']}").json["repository"] == "team/http"
    assert writer("GET", "/api/v1/jobs?limit=1").json["next"]
    # Who may push may look, and no more.
    asked = json.dumps({"repository": "team/http", "reference": "v1"}).encode()
    assert writer("POST", "/api/v1/jobs", asked).status == 403
    assert writer("POST", f"/api/v1/jobs/{job['id']}/retry", b"").status == 403
    assert writer("GET", "/api/v1/jobs/status").status == 403
    stranger = Wire.to(person(gated, "stranger", "reader", "other/**"))
    assert stranger("GET", f"/api/v1/jobs/{job['id']}").status == 404
    assert stranger("GET", "/api/v1/jobs").json["jobs"] == []
    assert Wire(gated.host)("GET", "/api/v1/jobs").status == 401

    done = curator("POST", "/api/v1/jobs", asked)
    assert done.status == 202
    again = done.json["id"]
    assert done.headers["location"] == f"/api/v1/jobs/{again}"
    for _ in range(600):
        if curator("GET", f"/api/v1/jobs/{again}").json["state"] == "done":
            break
        time.sleep(0.1)
    assert curator("POST", f"/api/v1/jobs/{again}/cancel", b"").status == 409
    assert curator("POST", f"/api/v1/jobs/{'0' * 26}/retry", b"").status == 404
    for body in (
        b"",
        b"[]",
        b'{"all": true, "repository": "a"}',
        b'{"reference": "v1"}',
        b'{"x": 1}',
    ):
        assert curator("POST", "/api/v1/jobs", body).status == 400, body
    nothing = json.dumps({"repository": "team/http", "reference": "nothing"}).encode()
    assert curator("POST", "/api/v1/jobs", nothing).status == 404
    everything = json.dumps({"all": True}).encode()
    admin = Wire.to(gated)
    assert writer("POST", "/api/v1/jobs", everything).status == 403
    assert admin("GET", "/api/v1/jobs/status").json["workers"]
    assert admin("POST", "/api/v1/jobs", everything).json["artifacts"] >= 1
