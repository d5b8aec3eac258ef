"""A curator of a real Hub withdraws what runs under a real Guard: it is told, denies, and remembers."""

import os
import time
from pathlib import Path

import pytest

from remit.attest.predicates import signature
from tests.rig.exchange import log_in
from tests.rig.fronts import Wire, hub_command
from tests.rig.gated import settled
from tests.rig.governed import refused, remit, said
from tests.rig.registries import hub, person
from tests.rig.vouched import Machine, echo_server, pinned
from tests.rig.waiting import until
from tests.rig.wire import LEGACY

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

EVERY = 'withdrawals = "1s"'


class Office:
    """A Hub with a gate, who publishes there, and who curates."""

    def __init__(self, registry, home: Path) -> None:
        self.registry, self.home = registry, home
        self.writer = person(registry, "carl", "writer", "**")
        self.curator = person(registry, "ann", "curator", "**")
        self.reader = person(registry, "rita", "reader", "**")
        self.machine = Machine(home / "publisher")
        log_in(self.writer, home / "publisher" / "me")
        log_in(self.curator, home / "curator")
        lines = hub_command(registry, "keys").stdout
        sign = self.machine.keys["sign"].public.pem
        self.trust = (
            'format = "remit.trust/v1"\nname = "tests"\nserial = 1\n[[keys]]\nname = "signer"\n'
            f'roles = ["sign", "policy"]\nrepositories = ["**"]\npublic = """\n{sign}"""\n{lines}'
        )

    def name(self, repository: str) -> str:
        return f"{self.registry.host}/{repository}:1.0"

    def publish(self, repository: str, mark: str = ""):
        """Pack, sign and push a server, and wait until it is admitted."""
        server = echo_server(self.home / f"server-{time.monotonic_ns()}", mark=mark)
        subject = self.machine.pack(server, self.name(repository))
        name = f"{self.registry.host}/{repository}"
        self.machine.attest(subject, signature.TYPE, signature.predicate(), "sign", repository=name)
        self.push(repository)
        self.settle(repository, subject)
        return subject

    def push(self, repository: str) -> None:
        layout = str(self.machine.layout.root)
        done = remit(
            "push", "--referrers", "--store", layout, self.name(repository),
            env=self.machine.environ,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    def settle(self, repository: str, subject) -> None:
        wire = Wire.to(self.writer)
        if settled(wire, repository, subject.digest) == "review":
            self.decide(repository, subject, "admit", "it is our own")
        assert settled(wire, repository, subject.digest, "admitted") == "admitted"

    def decide(self, repository: str, subject, word: str, why: str) -> None:
        ref = f"{self.registry.host}/{repository}@{subject.digest}"
        done = remit(
            "hub", "decide", ref, word, "--yes", "-m", why,
            env={**os.environ, "REMIT_STATE": str(self.home / "curator")},
        )  # fmt: skip
        assert done.returncode in {0, 4}, done.stderr

    def withdraw(self, repository: str, subject, why: str = "we do not know who made it") -> None:
        self.decide(repository, subject, "refuse", why)
        assert settled(Wire.to(self.writer), repository, subject.digest, "withdrawn")

    def user(self, home: Path, reference: str, *, trust: str = EVERY) -> Machine:
        """A machine whose Guard may read the Hub, with an empty store."""
        home.mkdir()
        machine = Machine(home)
        log_in(self.reader, home / "me")
        (home / "trust.toml").write_text(self.trust)
        text = machine.configure(reference, trust=trust).read_text()
        text = text.replace("offline = true", "offline = false")
        lines = [each for each in text.splitlines() if not each.startswith("gate_policy")]
        (home / "remit.toml").write_text("\n".join(lines) + "\n")
        return machine


@pytest.fixture(scope="module")
def office(tmp_path_factory):
    with hub(tmp_path_factory.mktemp("hub"), gate=True) as found:
        home = tmp_path_factory.mktemp("office")
        (home / "publisher").mkdir()
        yield Office(found, home)


def offline(machine: Machine) -> None:
    path = machine.home / "remit.toml"
    path.write_text(path.read_text().replace("offline = false", "offline = true"))


def call(wire, **more):
    return wire.request("tools/call", {"name": "echo", "arguments": {"message": "hello"}}, **more)


def denied(wire) -> str:
    """Call until it is denied: what is said then."""
    found = until(lambda: answer if refused(answer := call(wire)) else None, 30)
    return said(found)


def test_what_runs_is_stopped_and_not_started_again(office, tmp_path):
    subject = office.publish("team/exec")
    machine = office.user(tmp_path / "u", pinned(office.name("team/exec"), subject))
    with machine.start() as wire:
        wire.open(LEGACY)
        assert said(call(wire)) == "hello"
        assert machine.copies()
        office.withdraw("team/exec", subject)
        text = denied(wire)
        assert "was withdrawn by its Hub" in text, text
        assert "we do not know who made it" in text, text
        assert "team/exec@sha256:" in text
        assert "name a release that the Hub admits" in text
        # Its tools are listed as before, and its copy and its process are gone.
        listed = wire.request("tools/list", {})["result"]["tools"]
        assert [each["name"] for each in listed] == ["echo", "touch"]
        until(lambda: not machine.copies())
        assert wire.close() == 1
    [told] = machine.records("artifact.withdraw")
    assert told["stopped"] == ["echo"]
    assert told["withdrawal"]["hub"] == office.registry.host
    assert told["withdrawal"]["heard_us"] > told["withdrawal"]["changed_us"]
    # Again, and without a network.
    for _ in range(2):
        assert "was withdrawn by its Hub" in machine.call()
        assert machine.records("artifact.deny")[-1]["decision"]["error"] == "artifact.withdrawn"
        offline(machine)
    # Admitted again: the newer summary clears it, and is fetched once the network is there.
    office.decide("team/exec", subject, "admit", "it is from our own team")
    office.settle("team/exec", subject)
    assert "was withdrawn by its Hub" in machine.call()
    path = machine.home / "remit.toml"
    path.write_text(path.read_text().replace("offline = true", "offline = false"))
    assert machine.call() == "hello"
    offline(machine)
    assert machine.call() == "hello"
