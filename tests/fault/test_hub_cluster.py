"""Two Hubs on one PostgreSQL and one object store; one of them is killed again and again under load.

Set ``REMIT_SOAK`` to the seconds that it lasts.
"""

import http.client
import json
import os
import random
import secrets
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import pytest

from tests.rig.hub_process import HubProcess, whole
from tests.rig.hubs import BLOB, EMPTY, descriptor, digest, manifest

LONG = 300 if os.environ.get("REMIT_FUZZ") == "long" else 60
SOAK_S = float(os.environ.get("REMIT_SOAK", LONG))
WRITERS, READERS = 4, 3
REPOSITORIES = ("team/one", "team/two", "other/three")
LOST = (OSError, http.client.HTTPException)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(SOAK_S * 3 + 400)]


@dataclass
class Told:
    """What clients were told, and what they saw that must not be."""

    artifacts: list[tuple[str, str]] = field(default_factory=list)
    blobs: list[tuple[str, str]] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    stop: threading.Event = field(default_factory=threading.Event)

    def count(self, what):
        with self.lock:
            self.answers[what] += 1


class Refused(Exception):  # noqa: N818 - what happened to a request
    """A Hub was not there, or said that it cannot now."""


def ask(told, hubs, method, path, body=None, **headers):
    """Send a request to one of the Hubs."""
    hub = random.choice(hubs)
    try:
        answer = hub.client(method, path, body, **headers)
    except LOST:
        told.count("lost")
        raise Refused from None
    told.count(str(answer.status))
    if answer.status in {503, 416}:
        raise Refused
    return answer


def write(told, hubs, number):
    """Push artifacts: blobs at once, and in pieces that go to different Hubs."""
    rounds = 0
    while not told.stop.is_set():
        rounds += 1
        repository = random.choice(REPOSITORIES)
        try:
            push(told, hubs, repository, f"w{number}-{rounds}")
        except Refused:
            time.sleep(0.1)
        except AssertionError as error:
            told.wrong.append(f"{repository}: {error}")


def push(told, hubs, repository, tag):
    base = f"/v2/{repository}"
    layers = [secrets.token_bytes(random.randrange(100, 40_000)) for _ in range(2)]
    for data, how in zip((b"{}", *layers), (whole_blob, whole_blob, in_pieces), strict=True):
        how(told, hubs, base, data)
        with told.lock:
            told.blobs.append((repository, digest(data)))
    config = descriptor(digest(b"{}"), b"{}", EMPTY)
    document = manifest(config, [descriptor(digest(each), each) for each in layers])
    body = json.dumps(document).encode()
    got = ask(
        told, hubs, "PUT", f"{base}/manifests/{digest(body)}?tag={tag}&tag=latest", body,
        content_type=document["mediaType"],
    )  # fmt: skip
    assert got.status == 201, got
    with told.lock:
        told.artifacts.append((repository, digest(body)))


def whole_blob(told, hubs, base, data):
    got = ask(told, hubs, "POST", f"{base}/blobs/uploads/?digest={digest(data)}", data)
    assert got.status == 201, got


def in_pieces(told, hubs, base, data):
    got = ask(told, hubs, "POST", f"{base}/blobs/uploads/", b"")
    assert got.status == 202, got
    location, half = got.location, len(data) // 2
    for part, first in ((data[:half], 0), (data[half:], half)):
        got = ask(
            told, hubs, "PATCH", location, part, content_type=BLOB,
            content_range=f"{first}-{first + len(part) - 1}",
        )  # fmt: skip
        assert got.status == 202, got
    got = ask(told, hubs, "PUT", f"{location}?digest={digest(data)}", b"")
    assert got.status == 201, got


def read(told, hubs):
    """Pull what somebody was told that it is there, and whatever `latest` is now."""
    while not told.stop.is_set():
        with told.lock:
            known = random.choice(told.artifacts) if told.artifacts else None
        if known is None:
            time.sleep(0.1)
            continue
        repository, name = random.choice([known, (known[0], "latest")])
        try:
            got = ask(told, hubs, "GET", f"/v2/{repository}/manifests/{name}")
            assert got.status == 200, got
            for each in [got.json["config"], *got.json["layers"]]:
                blob = ask(told, hubs, "GET", f"/v2/{repository}/blobs/{each['digest']}")
                assert blob.status == 200, blob
                assert digest(blob.body) == each["digest"]
            told.count("pulled")
        except Refused:
            time.sleep(0.1)
        except AssertionError as error:
            told.wrong.append(f"{repository}@{name}: {error}")


def test_a_hub_that_is_killed_again_and_again(tmp_path, servers):
    found = servers()
    database, blobs = found.database(), found.blobs()
    one = HubProcess(tmp_path / "one", database, blobs).start()
    two = HubProcess(tmp_path / "two", database, blobs)
    two.password = one.client and one.password
    two.start()
    hubs, told = [one, two], Told()
    threads = [
        *(threading.Thread(target=write, args=(told, hubs, n)) for n in range(WRITERS)),
        *(threading.Thread(target=read, args=(told, hubs)) for _ in range(READERS)),
    ]
    kills = 0
    try:
        for each in threads:
            each.start()
        until = time.monotonic() + SOAK_S
        while time.monotonic() < until:
            time.sleep(random.uniform(2, 6))
            victim = random.choice(hubs)
            victim.kill()
            kills += 1
            time.sleep(random.uniform(0, 1.5))
            victim.start()
        told.stop.set()
        for each in threads:
            each.join(120)
            assert not each.is_alive()
        print(
            f"{SOAK_S:.0f} s, {kills} kills, {len(told.artifacts)} artifacts, "
            f"{len(told.blobs)} blobs, {dict(told.answers)}"
        )
        assert told.wrong == []
        assert len(told.artifacts) > SOAK_S / 4
        assert told.answers["pulled"] > SOAK_S / 4
        assert kills >= SOAK_S / 12
        for hub in hubs:
            for repository, name in told.artifacts:
                assert name in whole(hub.client, repository, name)
            for repository, name in told.blobs:
                got = hub.client("HEAD", f"/v2/{repository}/blobs/{name}")
                assert got.status == 200, (repository, name, got)
        promised = {name for _, name in [*told.artifacts, *told.blobs]}
        logged = one.recorded() | two.recorded()
        assert promised <= logged, len(promised - logged)
    finally:
        told.stop.set()
        for hub in hubs:
            hub.kill(15)
    for hub in hubs:
        hub.verify()
    checked = one.fsck()
    assert checked.manifests >= len(told.artifacts)
    one.nothing_left()
    one.fsck()
