import asyncio
from pathlib import Path

import pytest

from remit.artifacts.oci.names import Reference
from remit.artifacts.oci.review import Withdrawals
from remit.core.digest import sha256
from remit.guard.admission.running import Term
from remit.guard.admission.settings import ArtifactsConfig, TrustConfig
from remit.guard.admission.watch import MAX_NOTED, Watch, places_of
from remit.guard.admission.withdrawn import Withdrawn
from remit.guard.config import Config, ServerConfig
from remit.guard.errors import GuardError
from remit.guard.mcp.upstream import BarredError

HOST, DIGEST = "hub.example", sha256(b"it")
NAME = f"{HOST}/team/echo"
AT = "2026-11-26T17:00:00.000000Z"
AT_US = 1_795_712_400_000_000
ENTRY = {
    "repository": "team/echo", "digest": DIGEST, "state": "refused", "reason": "bad",
    "changedAt": AT,
}  # fmt: skip
TERM = Term(server="echo", reference=Reference.parse(f"{NAME}@{DIGEST}"), passed_us=AT_US - 1)


def config(**more):
    here = Path("/")
    servers = {
        name: ServerConfig(id=name, command=(), cwd=here, workspace=here, artifact=artifact)
        for name, artifact in {
            "echo": f"{NAME}:1", "more": f"{HOST}/team/more:1", "local": "local/echo:1", "none": "",
        }.items()
    }  # fmt: skip
    return Config(bundle=None, state=None, servers=servers, trust=TrustConfig(root=here), **more)


class Clock:
    def now_us(self):
        return AT_US + 9

    def monotonic_ns(self):
        return 0


class Ledger:
    def __init__(self):
        self.notes, self.broken = [], False

    def note(self, kind, **body):
        if self.broken:
            raise GuardError("the log cannot be written", code="audit.poisoned")
        self.notes.append((kind, body))


class Scene:
    def __init__(self, directory, **more):
        self.ledger, self.stopped, self.decisions, self.looked = Ledger(), [], [], 0
        self.config = config(**more)
        self.withdrawn = Withdrawn(directory / "w")
        self.entries = [ENTRY]
        self.watch = Watch(
            self.withdrawn, lambda: self.config, self.ask, self.ledger, Clock(), lambda: 0.0
        )
        self.watch.stopped = self.stopped.append
        self.watch.bundle = self.look

    async def ask(self, *_):
        return Withdrawals(found=tuple(self.entries), following="1", tag="")

    def look(self):
        self.looked += 1

    def round(self):
        from remit.guard.admission.poll import Asked

        hub = self.watch.poller.hubs.setdefault(HOST, Asked(host=HOST))
        asyncio.run(self.watch.poller.round(hub))
        return hub


def test_where_things_come_from():
    assert places_of(config(bundle_reference="other.example/policies:s")) == {
        HOST: {"team/echo", "team/more"}, "other.example": {"policies"},
    }  # fmt: skip


def test_what_runs_is_stopped_recorded_and_kept(tmp_path):
    scene = Scene(tmp_path)
    leave = scene.watch.running.enter(TERM, scene.decisions.append)
    scene.round()
    assert [each.term for each in scene.stopped] == [TERM]
    assert "the server was stopped" in scene.decisions[0].detail
    assert "bad" in scene.decisions[0].detail
    [(kind, body)] = scene.ledger.notes
    assert kind == "artifact.withdraw"
    assert body["artifact"] == {"repository": NAME, "digest": DIGEST}
    assert body["withdrawal"] == {
        "hub": HOST, "state": "refused", "changed_us": AT_US, "heard_us": AT_US + 9,
    }  # fmt: skip
    assert body["stopped"] == ["echo"]
    # Said again it is nothing new; and it is there after a restart.
    scene.round()
    leave()
    assert len(scene.ledger.notes) == len(scene.decisions) == 1
    assert scene.looked == 2
    other = Withdrawn(tmp_path / "w")
    other.load()
    assert other.about(TERM.reference) is not None
    assert scene.watch.shown()["withdrawn"][0]["artifact"] == f"{NAME}@{DIGEST}"


def test_what_ended_is_not_stopped(tmp_path):
    scene = Scene(tmp_path)
    scene.watch.running.enter(TERM, scene.decisions.append)()
    scene.round()
    assert not scene.decisions


def test_what_the_gate_passed_since_goes_on(tmp_path):
    import msgspec

    scene = Scene(tmp_path)
    newer = msgspec.structs.replace(TERM, passed_us=AT_US + 1)
    scene.watch.running.enter(newer, scene.decisions.append)
    scene.round()
    assert not scene.decisions
    with pytest.raises(BarredError) as caught:
        scene.watch.running.enter(TERM, scene.decisions.append)
    assert caught.value.code == "artifact.withdrawn"
    assert "the server was not started" in caught.value.decision.detail


def test_a_log_or_a_disk_that_is_broken_stops_it_all_the_same(tmp_path):
    scene = Scene(tmp_path)
    scene.ledger.broken = True
    (tmp_path / "w").write_text("in the way")
    scene.watch.running.enter(TERM, scene.decisions.append)
    hub = scene.round()
    assert len(scene.decisions) == 1
    assert hub.code == "guard.memory"
    (tmp_path / "w").unlink()
    assert not scene.round().problem
    assert (tmp_path / "w" / "withdrawn.json").exists()


def test_of_much_some_is_recorded_and_what_runs_always(tmp_path):
    scene = Scene(tmp_path)
    scene.entries = [{**ENTRY, "digest": sha256(str(number).encode())} for number in range(100)] + [
        ENTRY
    ]
    scene.watch.running.enter(TERM, scene.decisions.append)
    scene.round()
    assert len(scene.ledger.notes) == MAX_NOTED
    first = scene.ledger.notes[0][1]
    assert (first["stopped"], first["withdrawal"]["not_noted"]) == (["echo"], 101 - MAX_NOTED)


def test_offline_nobody_is_asked(tmp_path):
    scene = Scene(tmp_path, artifacts=ArtifactsConfig(offline=True))
    assert scene.watch.shown()["every_s"] == 0
