"""Two Hubs that know nothing of each other before one registry: both decide, and then are quiet."""

import contextlib
import json
import sqlite3
import time

import pytest

from tests.rig.fronts import INDEX, Wire, upstream_options
from tests.rig.gated import CLEAN, POISONED, put, settled
from tests.rig.registries import docker_registry, hub

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

POLL = ("--upstream-poll", "1")
QUIET_S = 12.0
DEADLINE_S = 120.0
LOOKS = 4
"""In which the dozen scans of a Hub are seen by the other, one look a second."""


@pytest.fixture(scope="module")
def upstream(tmp_path_factory):
    with docker_registry(tmp_path_factory.mktemp("upstream")) as found:
        yield found


@pytest.fixture(scope="module")
def hubs(upstream, tmp_path_factory):
    with contextlib.ExitStack() as stack:
        found = []
        for name in ("one", "two"):
            directory = tmp_path_factory.mktemp(name)
            options = [*upstream_options(directory, upstream), *POLL]
            running = hub(directory, auth="basic", options=options, gate=True)
            found.append(stack.enter_context(running))
        yield found


def decisions(registry):
    """How often a Hub decided, by what it wrote into its log's outbox and log: its states."""
    with contextlib.closing(sqlite3.connect(registry.state / "hub.db")) as database:
        rows = database.execute("SELECT digest, state, changed_us FROM admissions").fetchall()
    return sorted(rows)


def summaries(upstream, repository, digest):
    """Evidence beside an artifact, as the upstream has it: digests by predicate type."""
    wire = Wire.to(upstream)
    answer = wire("GET", f"/v2/{repository}/manifests/{digest.replace(':', '-')}", Accept=INDEX)
    assert answer.status == 200, answer
    found = {}
    for each in json.loads(answer.body)["manifests"]:
        kind = each.get("annotations", {}).get("dev.sigstore.bundle.predicateType", "")
        found.setdefault(kind, set()).add(each["digest"])
    return found


VSA = "https://slsa.dev/verification_summary/v1"


@pytest.mark.parametrize(("files", "state"), [(CLEAN, "admitted"), (POISONED, "refused")])
def test_both_decide_and_neither_answers_for_ever(hubs, upstream, files, state):
    repository = f"team/{state}"
    one, two = (Wire.to(each) for each in hubs)
    digest, _ = put(one, repository, "v1", files)
    assert settled(one, repository, "v1", state) == state
    until = time.monotonic() + DEADLINE_S
    while two("GET", f"/v2/{repository}/manifests/v1").status not in {200, 403}:
        assert time.monotonic() < until
        time.sleep(0.2)
    assert settled(two, repository, "v1", state) == state
    # What each learns of the other's evidence takes a few looks; then nothing is left to be said.
    time.sleep(3 * QUIET_S / 4)
    before = summaries(upstream, repository, digest), *map(decisions, hubs)
    # Each decides by itself, and again at each look that shows it more of the other's scans.
    assert 2 <= len(before[0][VSA]) <= 2 * (1 + LOOKS)
    time.sleep(QUIET_S)
    assert (summaries(upstream, repository, digest), *map(decisions, hubs)) == before
