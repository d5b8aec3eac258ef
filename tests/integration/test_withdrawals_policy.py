"""A policy bundle in force is withdrawn: nothing is, until there is a newer one."""

import os
import shutil
import time
from pathlib import Path

import pytest

from tests.integration.test_policy_artifacts import Office
from tests.rig.daemon import Daemon
from tests.rig.governed import REMIT, refused, remit, said
from tests.rig.vouched import NAME, echo_server, pinned
from tests.rig.waiting import until
from tests.rig.wire import LEGACY
from tests.rig.withdrawing import saying_hub

REPOSITORY = "policies/base"


@pytest.fixture
def hub():
    with saying_hub() as found:
        yield found


class Released(Office):
    """An office whose policy comes from a Hub that says what the test wants."""

    def __init__(self, hub, home: Path) -> None:
        super().__init__(home)
        self.hub = hub
        self.ref = f"{hub.host}/{REPOSITORY}:stable"
        self.machine.trust(serial=2, more=self.trusts.replace("hub.example/policies/*", "**"))
        self.build(tag=self.ref)
        subject = self.machine.vouch(self.machine.pack(echo_server(home / "server")))
        path = self.machine.configure(pinned(NAME, subject), trust='withdrawals = "1s"')
        text = path.read_text().replace('bundle = "bundle"', f'bundle = "oci://{self.ref}"')
        path.write_text(text.replace("offline = true", "offline = false"))

    @property
    def subject(self):
        return self.machine.layout.resolve(self.ref)

    def withdraw(self, subject, **more) -> None:
        self.hub.withdraw(REPOSITORY, subject.digest, **more)

    def guard(self, monkeypatch) -> Daemon:
        for key, value in self.machine.environ.items():
            monkeypatch.setenv(key, value)
        guard = Daemon.__new__(Daemon)
        guard.directory, guard.bundle, guard.state = self.home, self.source, self.machine.state
        guard.socket = Path(f"/tmp/remit-{os.getpid()}-{time.monotonic_ns()}.sock")
        guard.config, guard.log = self.home / "remit.toml", self.home / "guard.stderr"
        guard.command = [
            REMIT, "guard", "run", "--config", str(guard.config), "--state", str(guard.state),
            "--socket", str(guard.socket), "--http", "off",
        ]  # fmt: skip
        guard.process = guard.start()
        return guard


def call(wire):
    return wire.request("tools/call", {"name": "echo", "arguments": {"message": "hello"}})


def denied(wire) -> str:
    return said(until(lambda: answer if refused(answer := call(wire)) else None, 30))


def test_everything_is_denied_until_a_newer_one_is_there(hub, tmp_path, monkeypatch):
    office = Released(hub, tmp_path)
    first = office.subject
    office.serial(2)
    office.build(tag=office.ref)
    second = office.subject
    with office.guard(monkeypatch) as guard:
        with guard.client("echo") as wire:
            wire.open(LEGACY)
            assert said(call(wire)) == "hello"
            office.withdraw(second, reason="it permits too much")
            text = denied(wire)
            assert "No policy is in force" in text, text
            assert "it permits too much" in text
            # Neither a new list of tools nor the last but one brings it back.
            assert "error" in wire.request("tools/list", {})
            office.machine.layout.name(office.ref, first)
            done = remit("guard", "reload", "--socket", str(guard.socket))
            assert done.returncode != 0
            time.sleep(2.5)
            assert refused(call(wire))
            shown = guard.status()["policy"]
            assert "it permits too much" in shown["withdrawn"]
            printed = remit("guard", "status", "--socket", str(guard.socket)).stdout
            assert "everything is denied" in printed
            # A newer one is found without being asked.
            office.serial(3)
            office.machine.layout.name(office.ref, second)
            office.build(tag=office.ref)
            until(lambda: guard.status()["policy"]["serial"] == 3, 30)
            assert said(call(wire)) == "hello"
            assert guard.status()["policy"]["withdrawn"] == ""
        kinds = [each["kind"] for each in guard.records()]
        assert kinds.count("policy.unload") == 1
        # What was refused was not written down each time that nothing had changed.
        assert kinds.count("guard.reload") < 8


def test_a_guard_does_not_start_on_a_withdrawn_one_also_without_a_network(
    hub, tmp_path, monkeypatch
):
    office = Released(hub, tmp_path)
    with office.machine.start() as wire:
        wire.open(LEGACY)
        assert said(call(wire)) == "hello"
        office.withdraw(office.subject)
        assert "No policy is in force" in denied(wire)
        # Nothing is permitted from before it is said.
        until(lambda: "no policy is in force" in wire.stderr)
    until((office.machine.state / "withdrawn" / "withdrawn.json").exists)
    hub.status = 503
    done = remit(
        "mcp", "exec", "--config", str(tmp_path / "remit.toml"), "echo", env=office.machine.environ
    )
    assert done.returncode == 2
    assert "was withdrawn by its Hub" in done.stderr
    assert "a higher serial" in done.stderr
    # Nor by the last good one, when the name is gone from the store.
    subject = office.subject
    office.machine.layout.forget(office.ref)
    done = remit(
        "mcp", "exec", "--config", str(tmp_path / "remit.toml"), "echo", env=office.machine.environ
    )
    assert "was withdrawn by its Hub" in done.stderr
    office.machine.layout.name(office.ref, subject)
    # Somebody who takes the memory of serials away as well gains nothing.
    shutil.rmtree(office.machine.state / "policy")
    done = remit(
        "mcp", "exec", "--config", str(tmp_path / "remit.toml"), "echo", env=office.machine.environ
    )
    assert "was withdrawn by its Hub" in done.stderr
    # The gate passes it after that: it is in force again.
    repository = office.ref.rpartition(":")[0]
    office.machine.summary(office.subject, age_s=-2, repository=repository)
    assert office.machine.call() == "hello"


def test_a_newer_one_that_is_withdrawn_leaves_the_good_one(hub, tmp_path, monkeypatch):
    office = Released(hub, tmp_path)
    with office.guard(monkeypatch) as guard, guard.client("echo") as wire:
        wire.open(LEGACY)
        assert said(call(wire)) == "hello"
        office.serial(2)
        office.build(tag=office.ref)
        office.withdraw(office.subject)
        hub.heard()
        done = remit("guard", "reload", "--socket", str(guard.socket))
        assert "serial 1" in done.stdout, done.stderr
        assert said(call(wire)) == "hello"
        assert "was withdrawn" in guard.status()["policy"]["problem"]
        assert guard.status()["policy"]["withdrawn"] == ""
