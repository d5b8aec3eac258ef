"""PostgreSQL or the object store does not answer: the Hub says so in time, and goes on afterwards."""

import os
import time
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from tests.fault.test_hub_faults import Promises, push
from tests.rig.gate import OPEN, SHUT, SILENT, Gate
from tests.rig.hub_process import HubProcess, whole
from tests.rig.hubs import BLOB, digest

pytestmark = pytest.mark.timeout(300)
PATIENCE_S = 90
"""No answer takes longer."""
REPO = "team/model"


@pytest.fixture
def between(tmp_path, servers):
    """A Hub with a gate before PostgreSQL, and one before the object store."""
    found = servers()
    database, blobs = found.database(), found.blobs()
    with Gate(urlsplit(database).port) as sql, Gate(urlsplit(found.s3).port) as s3:
        hub = HubProcess(
            tmp_path,
            database.replace(f":{urlsplit(database).port}/", f":{sql.port}/"),
            blobs.replace(found.s3, f"http://127.0.0.1:{s3.port}"),
        )
        try:
            yield hub.start(), {"database": sql, "blobs": s3}
        finally:
            for gate in (sql, s3):
                gate.turn(OPEN)
            hub.kill()


@pytest.mark.parametrize(
    ("what", "state"),
    [
        ("database", SHUT),
        ("blobs", SHUT),
        pytest.param("database", SILENT, marks=pytest.mark.slow),
        pytest.param("blobs", SILENT, marks=pytest.mark.slow),
    ],
)
def test_an_outage(between, what, state):
    hub, gates = between
    client = replace(hub.client, timeout=150)
    before = Promises()
    push(client, before, b"before")
    assert before.ended
    location = client.start(REPO)
    data = os.urandom(200_000)
    assert client("PATCH", location, data[:100_000], content_type=BLOB).status == 202

    gates[what].turn(state)
    for method, path, body in (
        ("PATCH", location, data[100_000:]),
        ("POST", f"/v2/{REPO}/blobs/uploads/?digest={digest(data)}", data),
    ):
        started = time.monotonic()
        got = client(method, path, body, content_type=BLOB)
        assert (got.status, got.code) == (503, "UNAVAILABLE"), got
        assert time.monotonic() - started < PATIENCE_S
    if what == "database":
        assert client("GET", f"/v2/{REPO}/manifests/latest").status == 503
    else:
        # Manifests are in the database: what is known can be listed while the bytes are away.
        assert client("GET", f"/v2/{REPO}/manifests/latest").status == 200

    gates[what].turn(OPEN)
    until = time.monotonic() + 60
    while True:
        after = Promises()
        push(client, after, b"after")
        if after.ended:
            break
        assert time.monotonic() < until, after.answers[-1:]
        time.sleep(0.5)
    rest = data[100_000:]
    # The piece that could not be answered may count or not; the client asks.
    until = time.monotonic() + 60
    while (got := client("GET", location)).status != 204:
        assert time.monotonic() < until, got
        time.sleep(0.5)
    have = int(got.range.partition("-")[2]) + 1
    assert have in {100_000, 200_000}
    while have < 200_000:
        got = client("PATCH", location, rest, content_type=BLOB, content_range="100000-199999")
        if got.status == 202:
            break
        assert got.status in {416, 503}
        assert time.monotonic() < until, got
        time.sleep(1)
    assert client("PUT", f"{location}?digest={digest(data)}", b"").status == 201
    assert client("GET", f"/v2/{REPO}/blobs/{digest(data)}").body == data
    for name in (*before.manifests, *after.manifests):
        assert name in whole(client, REPO, name)
    hub.kill(15)
    hub.verify()
    hub.fsck()
