"""`remit lock` over a real Hub and the store of this machine."""

import json

import pytest

from tests.rig.exchange import log_in, remit
from tests.rig.registries import hub as running_hub

AGENT = """\
apiVersion: remit.example/agent/v1
name: reporter
version: 1.0.0
client: claude-code
policies: [{host}/policies/a:v1, {{name: local, ref: "policies/a:v1"}}]
"""


@pytest.fixture
def packed(tmp_path):
    """A Hub that has a policy, which is in the store here too."""
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    (bundle / "bundle.toml").write_text('name = "a"\nversion = "1"\nserial = 1\n')
    with running_hub(tmp_path / "hub") as hub:
        state = tmp_path / "user"
        log_in(hub, state)
        assert not remit("pack", bundle, "-t", "policies/a:v1", state=state).returncode
        pushed = remit("push", "policies/a:v1", f"{hub.host}/policies/a:v1", state=state)
        assert not pushed.returncode, pushed.stderr
        definition = tmp_path / "agent.yaml"
        definition.write_text(AGENT.format(host=hub.host))
        yield hub, state, bundle, definition


def test_tags_become_digests_and_a_tag_that_moved_is_seen(packed):
    hub, state, bundle, definition = packed
    done = remit("lock", definition, state=state)
    assert done.returncode == 0, done.stderr
    lock = json.loads((definition.parent / "agent.lock").read_text())
    here, there = (each["ref"] for each in lock["dependencies"])
    assert here.startswith(f"{hub.host}/policies/a:v1@sha256:")
    assert here.partition("@")[2] == there.partition("@")[2]
    assert remit("lock", definition, "--check", state=state).returncode == 0

    (bundle / "bundle.toml").write_text('name = "a"\nversion = "2"\nserial = 2\n')
    assert not remit("pack", bundle, "-t", "policies/a:v1", state=state).returncode
    before = (definition.parent / "agent.lock").read_bytes()
    moved = remit("lock", definition, "--check", "-o", "json", state=state)
    assert moved.returncode == 1
    assert json.loads(moved.stdout)["changed"] is True
    assert (definition.parent / "agent.lock").read_bytes() == before


def test_one_reference_that_is_not_there_means_no_lock(packed):
    hub, state, _, definition = packed
    definition.write_text(AGENT.format(host=hub.host).replace("a:v1,", "a:v9,"))
    done = remit("lock", definition, state=state)
    assert done.returncode == 2
    assert "v9` is not in its registry" in done.stderr
    assert not (definition.parent / "agent.lock").exists()
