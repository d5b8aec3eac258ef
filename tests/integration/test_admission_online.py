"""Servers named by reference, between machines: a real Hub, a daemon, and a real server of npm."""

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.rig.daemon import Daemon
from tests.rig.exchange import Cutter, log_in, port_of
from tests.rig.governed import REMIT, refused, remit, said
from tests.rig.http_wire import HttpWire
from tests.rig.npm_server import filesystem_bundle
from tests.rig.registries import hub as running_hub
from tests.rig.vouched import NAME, TOOLS, Machine, echo_server, pinned
from tests.rig.wire import LEGACY, MODERN, modern_meta


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with running_hub(tmp_path_factory.mktemp("hub")) as found:
        yield found


class Publisher(Machine):
    """Who packs, signs and pushes; its keys are those of every machine of the tests."""

    def __init__(self, home: Path, registry, repository: str) -> None:
        super().__init__(home)
        self.repository = f"{registry.host}/{repository}"
        self.name = f"{self.repository}:1.0"
        log_in(registry, home / "me")

    def push(self) -> None:
        done = remit(
            "push", "--referrers", "--store", str(self.layout.root), self.name, env=self.environ
        )
        assert done.returncode == 0, done.stderr

    def publish(self, directory: Path, **summary):
        subject = self.pack(directory, self.name)
        self.sign(subject)
        self.summary(subject, repository=self.repository, **summary)
        self.push()
        return subject


def user(home: Path, registry, reference: str, *, trust: str = "", login: bool = True) -> Machine:
    """Another machine, whose store is empty."""
    home.mkdir()
    machine = Machine(home)
    if login:
        log_in(registry, home / "me")
    path = machine.configure(reference, trust=trust)
    path.write_text(path.read_text().replace("offline = true", "offline = false"))
    return machine


def offline(machine: Machine) -> None:
    path = machine.home / "remit.toml"
    path.write_text(path.read_text().replace("offline = false", "offline = true"))


def last_denial(machine: Machine) -> str:
    return str(machine.records("artifact.deny")[-1]["decision"]["error"])


def test_pulled_once_and_offline_from_then_on(hub, tmp_path):
    (tmp_path / "p").mkdir()
    publisher = Publisher(tmp_path / "p", hub, "team/once")
    subject = publisher.publish(echo_server(tmp_path / "server"))
    machine = user(tmp_path / "u", hub, publisher.name)
    done = remit("lock", str(machine.home / "remit.toml"), env=machine.environ)
    assert done.returncode == 0, done.stderr
    assert machine.call() == "hello"
    assert machine.records("artifact.admit")[-1]["artifact"]["digest"] == subject.digest
    offline(machine)
    assert machine.call() == "hello"


def test_nobody_to_ask_is_no_yes(hub, tmp_path):
    (tmp_path / "p").mkdir()
    publisher = Publisher(tmp_path / "p", hub, "team/nobody")
    subject = publisher.publish(echo_server(tmp_path / "server"))
    gone = publisher.name.replace(hub.host, "127.0.0.1:9")
    machine = user(tmp_path / "u", hub, pinned(gone, subject), login=False)
    text = machine.call()
    assert text.startswith("Denied by Remit: echo/echo.")
    assert last_denial(machine) == "artifact.store"


def test_a_stale_word_is_asked_for_again(hub, tmp_path):
    (tmp_path / "p").mkdir()
    publisher = Publisher(tmp_path / "p", hub, "team/stale")
    subject = publisher.publish(echo_server(tmp_path / "server"), age_s=31 * 86400)
    machine = user(tmp_path / "u", hub, pinned(publisher.name, subject))
    assert "too old" in machine.call()
    assert last_denial(machine) == "verify.vsa_stale"
    publisher.summary(subject, repository=publisher.repository)
    publisher.push()
    assert machine.call() == "hello"


def test_what_was_withdrawn_is_noticed(hub, tmp_path):
    (tmp_path / "p").mkdir()
    publisher = Publisher(tmp_path / "p", hub, "team/withdrawn")
    subject = publisher.publish(echo_server(tmp_path / "server"), age_s=600)
    machine = user(tmp_path / "u", hub, pinned(publisher.name, subject), trust='refresh = "1m"')
    assert machine.call() == "hello"
    publisher.summary(subject, repository=publisher.repository, result="FAILED")
    publisher.push()
    assert "FAILED" in machine.call()
    assert last_denial(machine) == "verify.vsa_failed"


def test_a_daemon_verifies_at_every_start(hub, tmp_path, monkeypatch):
    (tmp_path / "p").mkdir()
    publisher = Publisher(tmp_path / "p", hub, "team/daemon")
    subject = publisher.publish(echo_server(tmp_path / "server"))
    machine = user(tmp_path / "u", hub, pinned(publisher.name, subject))
    text = (machine.home / "remit.toml").read_text().partition("[trust]")
    for name, value in machine.environ.items():
        monkeypatch.setenv(name, value)
    with Daemon(machine.home, {}, machine.bundle, extra="[trust]" + text[2]) as guard:
        assert guard.status()["servers"][0]["artifact"]["admitted"] is None
        assert said(echo(guard)) == "hello"
        assert guard.status()["servers"][0]["artifact"]["admitted"]
        manifest, _ = machine.layout.manifest(subject)
        layer = machine.layout.path(manifest.layers[0].digest)
        layer.write_bytes(layer.read_bytes().replace(b"Say it again", b"Say it agaln"))
        answer = echo(guard)
        assert refused(answer)
        assert "holds something else" in said(answer)
        shown = remit("guard", "status", "--socket", str(guard.socket))
        assert "refused" in shown.stdout, shown.stdout + shown.stderr
        # What is missing is pulled again; what is something else is not touched.
        layer.unlink()
        assert remit("guard", "reload", "--socket", str(guard.socket)).returncode == 0
        assert said(echo(guard)) == "hello"
    assert not machine.copies()


def echo(guard: Daemon):
    """The answer to a call in a session of its own; the server's tools are listed either way."""
    with guard.client("echo") as wire:
        wire.open(LEGACY)
        listed = wire.request("tools/list", {})
        assert [each["name"] for each in listed["result"]["tools"]] == ["echo", "touch"]
        return wire.request("tools/call", {"name": "echo", "arguments": {"message": "hello"}})


def test_a_real_server_of_npm(hub, tmp_path):
    (tmp_path / "p").mkdir()
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "note.txt").write_text("a note")
    publisher = Publisher(tmp_path / "p", hub, "team/files")
    subject = publisher.publish(filesystem_bundle(tmp_path / "server"))
    machine = user(tmp_path / "u", hub, pinned(publisher.name, subject))
    path = machine.home / "remit.toml"
    with path.open("a") as file:
        file.write(f"user_config = {{ directories = [{json.dumps(str(tmp_path / 'files'))}] }}\n")
    with machine.start() as wire:
        wire.open(LEGACY)
        call = {
            "name": "read_text_file",
            "arguments": {"path": str(tmp_path / "files" / "note.txt")},
        }
        assert "a note" in said(wire.request("tools/call", call))
    (admitted,) = machine.records("artifact.admit")
    assert admitted["command"][0] == "node"


@pytest.mark.parametrize("era", [LEGACY, MODERN])
def test_over_http_the_denial_is_the_same(tmp_path, monkeypatch, era):
    machine = Machine(tmp_path)
    subject = machine.vouch(machine.pack(echo_server(tmp_path / "server")))
    machine.configure(pinned(NAME, subject))
    assert machine.call() == "hello"  # which pins its tools, in a state of its own
    shutil.copy(machine.state / "tools.lock", machine.bundle / "tools.lock")
    machine.summary(subject, result="FAILED", age_s=0)
    text = (machine.home / "remit.toml").read_text().partition("[trust]")
    for name, value in machine.environ.items():
        monkeypatch.setenv(name, value)
    shutil.rmtree(machine.state)
    guard = Daemon(machine.home, {}, machine.bundle, extra="[trust]" + text[2], http="127.0.0.1:0")
    with guard, HttpWire(guard, guard.key(), "echo", modern=era == MODERN) as wire:
        wire.open(era)
        meta = {"_meta": modern_meta()} if era == MODERN else {}
        call = {"name": "echo", "arguments": {"message": "hello"}, **meta}
        answer = wire.request("tools/call", call)
        assert refused(answer)
        assert "FAILED" in said(answer)
    assert not machine.copies()


def test_a_guard_that_was_killed_leaves_nothing(tmp_path):
    machine = Machine(tmp_path)
    subject = machine.vouch(machine.pack(echo_server(tmp_path / "server")))
    machine.configure(pinned(NAME, subject))
    with machine.start() as wire:
        wire.open(LEGACY)
        assert machine.copies()
        wire.process.kill()
    assert machine.call() == "hello"
    assert not machine.copies()


def test_two_at_once_have_a_copy_each(tmp_path):
    machine = Machine(tmp_path)
    subject = machine.vouch(machine.pack(echo_server(tmp_path / "server")))
    path = machine.configure(pinned(NAME, subject))
    path.write_text(path.read_text().replace('state = "state"\n', ""))
    with machine.start() as one, machine.start() as two:
        for wire in (one, two):
            wire.open(LEGACY)
            call = {"name": "echo", "arguments": {"message": "hello"}}
            assert said(wire.request("tools/call", call)) == "hello"
        assert len(machine.copies()) == 2
    assert not machine.copies()


def test_a_pull_that_is_cut_off_goes_on(hub, tmp_path):
    (tmp_path / "p").mkdir()
    publisher = Publisher(tmp_path / "p", hub, "team/large")
    server = echo_server(tmp_path / "server")
    (server / "large.bin").write_bytes(os.urandom(3 << 20))
    with Cutter(port_of(hub), down=[1 << 20, 1 << 20]) as cutter:
        publisher.repository = f"{cutter.host}/team/large"
        publisher.name = f"{publisher.repository}:1.0"
        subject = publisher.pack(server, publisher.name)
        publisher.sign(subject)
        publisher.summary(subject, repository=publisher.repository)
        done = remit(
            "push", "--referrers", "--store", str(publisher.layout.root), publisher.name,
            f"{hub.host}/team/large:1.0", env=publisher.environ,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        machine = user(tmp_path / "u", hub, pinned(publisher.name, subject), login=False)
        log_in(hub, machine.home / "me", cutter.host)
        assert machine.call() == "hello"
        assert cutter.cut == 2
        assert cutter.passed_down < 5 << 20


def test_a_newer_policy_is_in_force_after_a_reload(hub, tmp_path, monkeypatch):
    from tests.integration.test_policy_artifacts import Office

    name = f"{hub.host}/policies/base:stable"
    office = Office(tmp_path)
    office.machine.trust(serial=2, more=office.trusts.replace("hub.example/policies/*", "**"))
    log_in(hub, tmp_path / "me")
    office.build(tag=name)
    office.run("policy", "push", name)
    subject = office.machine.vouch(office.machine.pack(echo_server(tmp_path / "server")))
    text = office.machine.configure(pinned(NAME, subject)).read_text().partition("[trust]")
    # Guard has a store of its own with the server, and gets the policy from the Hub.
    extra = f'[guard]\nbundle = "oci://{name}"\n[trust]' + text[2].replace("offline = true", "")
    for key, value in office.machine.environ.items():
        monkeypatch.setenv(key, value)
    path = tmp_path / "remit.toml"
    guard = Daemon.__new__(Daemon)
    guard.directory, guard.bundle, guard.state = tmp_path, office.source, tmp_path / "state"
    guard.socket = Path(f"/tmp/remit-{os.getpid()}-policy.sock")
    guard.config, guard.log = path, tmp_path / "guard.stderr"
    path.write_text(extra)
    guard.command = [
        REMIT, "guard", "run", "--config", str(path), "--state", str(guard.state),
        "--socket", str(guard.socket), "--http", "off",
    ]  # fmt: skip
    guard.process = guard.start()
    with guard:
        assert guard.status()["policy"]["serial"] == 1
        assert said(echo(guard)) == "hello"
        office.serial(2)
        (office.source / "tool" / "tools.cedar").write_text(
            TOOLS.replace('Remit::Action::"tool.call"', 'Remit::Action::"tool.read"')
        )
        office.build(tag=name)
        office.run("policy", "push", name)
        done = remit("guard", "reload", "--socket", str(guard.socket))
        assert "serial 2" in done.stdout, done.stderr
        # An older one is pushed again, and refused; the newer one stays.
        office.serial(1)
        office.machine.layout.forget(name)
        office.build(tag=name)
        office.run("policy", "push", name)
        remit("guard", "reload", "--socket", str(guard.socket))
        shown = guard.status()["policy"]
        assert (shown["serial"], "has the serial 1" in shown["problem"]) == (2, True)
        assert "no newer bundle" in remit("guard", "status", "--socket", str(guard.socket)).stdout
