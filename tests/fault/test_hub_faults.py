"""The Hub dies, or its disk fails, at each step of a push: nothing half is seen, nothing said is lost."""

import contextlib
import http.client
import json
import os
import resource
import signal
import subprocess
import time
from dataclasses import dataclass, field

import pytest

from remit.audit.committer import CHECKPOINT_IDLE_SECONDS
from tests.fault.test_daemon_faults import NO_TRACE, TRACE
from tests.fault.tracing import failing
from tests.rig.hub_process import HubProcess, whole
from tests.rig.hubs import BLOB, EMPTY, Answer, descriptor, digest, manifest
from tests.rig.waiting import until

pytestmark = pytest.mark.timeout(240)
LOST = (OSError, http.client.HTTPException, TimeoutError)
REPO = "team/model"
DURABLE = "fsync,fdatasync,rename"
STEPS = [
    *(("fdatasync", step) for step in range(1, 20)),
    *(("fsync", step) for step in range(1, 9)),
    *(("rename", step) for step in range(1, 5)),
    *(("pwrite64", step) for step in range(1, 40, 3)),
]
"""What becomes durable in a push, and how often; what the log does by itself is counted, too."""
FEW = [("fsync", 1), ("rename", 1), ("fdatasync", 4), ("fdatasync", 9)]


@pytest.fixture
def hub(tmp_path):
    found = HubProcess(tmp_path)
    try:
        yield found
    finally:
        found.kill()


@dataclass
class Promises:
    """What a client was told."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, bytes] = field(default_factory=dict)
    tags: dict[str, list[str]] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    answers: list[Answer] = field(default_factory=list)
    ended: bool = False

    def took(self, answer):
        self.answers.append(answer)
        return answer.status in {201, 202}


def push(client, promises, seed=b"", size=300_000):
    """What a client does that pushes an artifact twice and deletes a tag, until something fails."""
    layer = (seed + bytes(range(256)) * (size // 256 + 1))[:size]
    with contextlib.suppress(*LOST):
        base = f"/v2/{REPO}"
        config = b"{}"
        if not promises.took(
            client("POST", f"{base}/blobs/uploads/?digest={digest(config)}", config)
        ):
            return
        promises.blobs[digest(config)] = config
        started = client("POST", f"{base}/blobs/uploads/", b"")
        if not promises.took(started):
            return
        half = len(layer) // 2
        for part in (layer[:half], layer[half:]):
            if not promises.took(client("PATCH", started.location, part, content_type=BLOB)):
                return
        if not promises.took(client("PUT", f"{started.location}?digest={digest(layer)}", b"")):
            return
        promises.blobs[digest(layer)] = layer
        parts = descriptor(digest(config), config, EMPTY), [descriptor(digest(layer), layer)]
        for number in range(2):
            body = json.dumps(manifest(*parts, annotations={"n": f"{seed!r}{number}"})).encode()
            # Until the answer comes, the tag may be here or there.
            promises.tags.setdefault("latest", []).append(digest(body))
            if not promises.took(client.put_manifest(REPO, f"{digest(body)}?tag=latest", body)):
                return
            promises.manifests[digest(body)] = body
            promises.tags["latest"] = [digest(body)]
        if not promises.took(client.put_manifest(REPO, "old", body)):
            return
        if promises.took(client("DELETE", f"{base}/manifests/old")):
            promises.gone.add("old")
            promises.ended = True


def settles(hub, promises):
    """Hold what is there after a restart against what was said."""
    client = hub.client
    base = f"/v2/{REPO}"
    for name, data in promises.blobs.items():
        assert client("GET", f"{base}/blobs/{name}").body == data
    for name, body in promises.manifests.items():
        assert client("GET", f"{base}/manifests/{name}").body == body
        list(whole(client, REPO, name))
    for tag, names in promises.tags.items():
        got = client("GET", f"{base}/manifests/{tag}")
        if got.status == 404:
            assert not promises.manifests
        else:
            assert next(iter(whole(client, REPO, tag))) in {*names, *promises.manifests}
            if len(names) == 1 and names[0] in promises.manifests:
                assert got.headers["docker-content-digest"] == names[0]
    for tag in promises.gone:
        assert client("GET", f"{base}/manifests/{tag}").status == 404
    said = {*promises.blobs, *promises.manifests}
    until(lambda: said <= hub.recorded())
    # And the same can be pushed again.
    again = Promises()
    push(client, again)
    assert again.ended, again.answers[-1:]
    hub.kill(signal.SIGTERM)
    hub.verify()
    hub.fsck()
    hub.nothing_left()
    hub.fsck()


def ends(process):
    try:
        process.wait(3)
    except subprocess.TimeoutExpired:
        return False
    return True


def broken(hub, inject, *paths):
    """Push while a system call fails; then everything that was said holds."""
    hub.start()
    promises = Promises()
    with failing(hub.process, inject, *paths):
        push(hub.client, promises)
        died = not promises.ended and ends(hub.process)
    hub.kill()
    hub.start()
    settles(hub, promises)
    return promises, died


@pytest.mark.skipif(not TRACE, reason=NO_TRACE)
@pytest.mark.parametrize(("call", "step"), FEW)
def test_killed_at_a_step(hub, call, step):
    """kill -9 as the n-th thing becomes durable."""
    promises, died = broken(hub, f"{call}:signal=KILL:when={step}")
    assert died
    assert not promises.ended


@pytest.mark.slow
@pytest.mark.skipif(not TRACE, reason=NO_TRACE)
@pytest.mark.parametrize(("call", "step"), [each for each in STEPS if each not in FEW])
def test_killed_at_any_step(hub, call, step):
    broken(hub, f"{call}:signal=KILL:when={step}")


@pytest.mark.slow
@pytest.mark.skipif(not TRACE, reason=NO_TRACE)
def test_the_steps_are_enough(hub):
    """The last ones are behind the end of the push."""
    for call in ("fdatasync", "fsync", "rename"):
        last = max(step for name, step in STEPS if name == call)
        promises, died = broken(hub, f"{call}:signal=KILL:when={last + 1}")
        assert promises.ended
        assert not died


CASES = [("fsync", "EIO", "1"), ("pwrite64", "ENOSPC", "4"), ("rename", "EIO", "1")]


@pytest.mark.skipif(not TRACE, reason=NO_TRACE)
@pytest.mark.parametrize(("call", "code", "when"), CASES)
def test_a_disk_that_fails(hub, call, code, when):
    refused(broken(hub, f"{call}:error={code}:when={when}")[0])


def refused(promises):
    """What failed was answered as the specification's errors are, as something to try later."""
    last = promises.answers[-1]
    if not promises.ended:
        assert (last.status, last.code) == (503, "UNAVAILABLE"), last


@pytest.mark.slow
@pytest.mark.skipif(not TRACE, reason=NO_TRACE)
@pytest.mark.parametrize("call", ["fsync", "fdatasync", "rename", "pwrite64", "write", "openat", "ftruncate"])  # fmt: skip
@pytest.mark.parametrize("code", ["EIO", "ENOSPC"])
@pytest.mark.parametrize("when", ["1", "2", "3", "5", "8", "13", "2+"])
def test_a_disk_that_fails_anywhere(hub, call, code, when):
    broken(hub, f"{call}:error={code}:when={when}")


@pytest.mark.skipif(not TRACE, reason=NO_TRACE)
def test_what_was_lost_in_the_background_is_not_called_durable(hub):
    """The system tells once that it could not write; a later fsync of the same file is content."""
    hub.start()
    data = os.urandom(1024 * 1024) * 100
    location = hub.client.start(REPO)
    upload = hub.state / "blobs" / "uploads" / location.rpartition("/")[2]
    hub.client("PATCH", location, b"")
    with failing(hub.process, "fdatasync:error=EIO:when=1", upload):
        got = hub.client("PATCH", location, data, content_type=BLOB)
    assert (got.status, got.code) == (503, "UNAVAILABLE")
    assert hub.client("GET", location).range == "0-0"
    assert hub.client("PATCH", location, data, content_type=BLOB).status == 202
    assert hub.client("PUT", f"{location}?digest={digest(data)}", b"").status == 201


@pytest.mark.skipif(not TRACE, reason=NO_TRACE)
@pytest.mark.parametrize("step", [2, 5])
def test_killed_while_it_starts_for_the_first_time(hub, step):
    """Whatever is there, the next start makes a Hub that somebody can log in to."""
    trace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"inject={DURABLE}:signal=KILL:when={step}"]  # fmt: skip
    process = hub.launch(*trace)
    assert process.wait(60) != 0
    hub.start()
    assert hub.client("GET", "/v2/").status == 200


@pytest.mark.slow
@pytest.mark.skipif(not TRACE, reason=NO_TRACE)
@pytest.mark.parametrize("step", [1, 3, 4, *range(6, 20)])
def test_killed_at_any_step_of_its_first_start(hub, step):
    trace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"inject={DURABLE}:signal=KILL:when={step}"]  # fmt: skip
    process = hub.launch(*trace)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(15)
    hub.kill()
    hub.start()
    assert hub.client("GET", "/v2/").status == 200


def test_an_upload_goes_on_after_a_crash(hub):
    """In the middle of a piece; the client asks how far it is and goes on at once."""
    import threading

    hub.start()
    data = os.urandom(3_000_000)
    location = hub.client.start(REPO)
    assert hub.client("PATCH", location, data[:1_000_000], content_type=BLOB).status == 202
    begun = threading.Event()

    def slowly():
        yield data[1_000_000:2_500_000]
        begun.set()
        time.sleep(30)

    client = hub.client

    def send():
        with contextlib.suppress(*LOST):
            client("PATCH", location, slowly(), content_type=BLOB)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    assert begun.wait(20)
    time.sleep(0.5)
    hub.kill()
    hub.start()
    got = hub.client("GET", location)
    assert (got.status, got.range) == (204, "0-999999")
    rest = data[1_000_000:]
    got = hub.client("PATCH", location, rest, content_type=BLOB, content_range=f"1000000-{len(data) - 1}")  # fmt: skip
    assert got.status == 202
    assert hub.client("PUT", f"{location}?digest={digest(data)}", b"").status == 201
    assert hub.client("GET", f"/v2/{REPO}/blobs/{digest(data)}").body == data


def test_all_was_received_before_a_crash(hub):
    """What came in the broken piece does not count, and does not spoil what did."""
    hub.start()
    data = os.urandom(100_000)
    location = hub.client.start(REPO)
    assert hub.client("PATCH", location, data, content_type=BLOB).status == 202
    hub.kill()
    upload = hub.state / "blobs" / "uploads" / location.rpartition("/")[2]
    with upload.open("ab") as file:
        file.write(b"never counted")
    hub.start()
    assert hub.client("PUT", f"{location}?digest={digest(data)}", b"").status == 201
    assert hub.client("GET", f"/v2/{REPO}/blobs/{digest(data)}").body == data


def test_records_of_a_dead_hub_are_written_by_the_next(hub):
    """A record that waits in the outbox when the process dies is not lost."""
    hub.start()
    promises = Promises()
    push(hub.client, promises)
    hub.kill()
    assert promises.ended
    before = hub.recorded()
    assert {*promises.blobs, *promises.manifests} <= before
    hub.start()
    hub.kill(signal.SIGTERM)
    hub.verify()
    kinds = [each["kind"] for each in hub.records()]
    assert kinds.count("hub.start") == 2
    assert kinds[-1] == "hub.stop"


# -- a full disk ---------------------------------------------------------------------------------


@pytest.fixture
def full_disk(tmp_path):
    """A file system that is soon full; the log alone reserves 64 MB of it."""
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", str(place)],
        capture_output=True,
        check=False,
    )
    if done.returncode:
        pytest.skip("LOUD: a file system cannot be mounted here")
    found = HubProcess(place)
    try:
        yield found
    finally:
        found.kill()
        subprocess.run(["umount", "-l", str(place)], capture_output=True, check=False)


def test_a_disk_that_is_full(full_disk):
    """In the middle of a push: a clear error, reads go on, and pushes when there is space again."""
    hub = full_disk.start()
    client = hub.client
    first = Promises()
    push(client, first, b"before")
    assert first.ended
    location = client.start(REPO)
    assert client("PATCH", location, b"start", content_type=BLOB).status == 202
    large = os.urandom(1024 * 1024) * 112
    got = client("PATCH", location, iter([large]), content_type=BLOB)
    assert (got.status, got.code) == (503, "UNAVAILABLE")
    assert "full" in got.json["errors"][0]["message"]
    assert client("GET", location).range == "0-4"
    # Now nothing at all fits. What was recorded is signed before, so that reads wait for nothing.
    time.sleep(2 * CHECKPOINT_IDLE_SECONDS)
    filler = hub.directory / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(large[: 1024 * 1024])
    # Reads go on, until something is recorded and the log has no room for it.
    for name, data in first.blobs.items():
        assert client("GET", f"/v2/{REPO}/blobs/{name}").body == data
    assert client("GET", f"/v2/{REPO}/manifests/latest").status == 200
    refused = []
    for number in range(40):
        trial = Promises()
        push(client, trial, b"%d" % number)
        if not trial.ended:
            refused.append(trial.answers[-1])
    assert refused
    assert {(each.status, each.code) for each in refused} == {(503, "UNAVAILABLE")}
    # A checkpoint of the idle log is due now, and has no room either.
    until = time.monotonic() + 30
    while client("GET", "/healthz").status == 200 and time.monotonic() < until:
        time.sleep(0.2)
    filler.unlink()
    until = time.monotonic() + 30
    while client("GET", "/healthz").status != 200 and time.monotonic() < until:
        time.sleep(0.2)
    after = Promises()
    push(client, after, b"after")
    assert after.ended, after.answers[-1]
    assert client("PATCH", location, b" and end", content_type=BLOB).status == 202
    assert client("PUT", f"{location}?digest={digest(b'start and end')}", b"").status == 201
    hub.kill()
    hub.start()
    settles(hub, after)


def test_files_that_may_not_grow(hub):
    """A limit of the system on files instead of a disk: the same words."""
    hub.start()
    resource.prlimit(hub.process.pid, resource.RLIMIT_FSIZE, (70_000_000, 70_000_000))
    location = hub.client.start(REPO)
    got = hub.client("PATCH", location, os.urandom(1024 * 1024) * 72, content_type=BLOB)
    assert (got.status, got.code) == (503, "UNAVAILABLE")
    assert hub.client("GET", location).range == "0-0"
    trial = Promises()
    push(hub.client, trial)
    assert trial.ended


# -- a log that takes no records -----------------------------------------------------------------


@pytest.mark.skipif(not TRACE, reason=NO_TRACE)
def test_without_a_log_nothing_is_taken_and_nothing_given(hub):
    hub.start()
    before = Promises()
    push(hub.client, before)
    assert before.ended
    (log,) = hub.logs()
    files = [each for each in log.rglob("*") if each.is_file()]
    with failing(hub.process, "fdatasync,fsync:error=EIO", *files):
        lost = Promises()
        push(hub.client, lost, b"lost")
        assert not lost.ended
    client = hub.client
    for method, path in (
        ("GET", f"/v2/{REPO}/manifests/latest"),
        ("GET", f"/v2/{REPO}/blobs/{digest(b'{}')}"),
        ("GET", f"/v2/{REPO}/tags/list"),
        ("POST", f"/v2/{REPO}/blobs/uploads/"),
        ("DELETE", f"/v2/{REPO}/manifests/latest"),
        ("GET", "/v2/"),
    ):
        got = client(method, path, b"" if method == "POST" else None)
        assert (got.status, got.code) == (503, "UNAVAILABLE"), (method, path)
        assert "log" in got.json["errors"][0]["message"]
    assert client("GET", "/healthz").status == 503
    hub.kill(signal.SIGTERM)
    hub.start()
    settles(hub, before)
