"""Approvals through a real Guard, a real server and the command line of real people."""

import base64
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from standardwebhooks.webhooks import Webhook

from tests.rig.daemon import wait_until
from tests.rig.governed import REMIT
from tests.rig.people import Treasury
from tests.rig.wire import Wire


@pytest.fixture
def treasury(tmp_path: Path) -> Iterator[Treasury]:
    """A Guard and its agent's program."""
    with Treasury(tmp_path) as stage:
        yield stage


def refused(answer: dict) -> bool:
    """Whether Guard denied the call."""
    return bool(answer["result"].get("isError"))


def text(answer: dict) -> str:
    """What the model reads."""
    return str(answer["result"]["content"][0]["text"])


def open_agent(stage: Treasury) -> Wire:
    """An agent that is closed with its test."""
    return stage.agent()


def test_a_held_call_runs_once_it_is_approved(treasury: Treasury) -> None:
    """The call is held, somebody signs, it runs; the same call again needs a new approval."""
    ann = treasury.person("ann")
    with open_agent(treasury) as wire:
        request = treasury.waits(wire, 1, 500, "ALICE")
        assert treasury.ran("ALICE") == 0
        shown = ann.run("show", request).stdout
        assert '"to": "ALICE"' in shown
        assert "Payments above 10 need somebody of the treasury" in shown
        done = ann.says("approve", request, "--reason", "checked", "--ticket", "CHG-7")
        assert done.returncode == 0, done.stderr
        assert done.stdout == "approved\n"
        assert not refused(wire.response(1))
        assert treasury.ran("ALICE") == 1
        again = treasury.waits(wire, 2, 500, "ALICE")
        assert again != request
        assert ann.says("deny", again, "-m", "once is enough").stdout == "denied\n"
        answer = wire.response(2)
        assert refused(answer)
        assert "refused by ann: once is enough" in text(answer)
        assert treasury.ran("ALICE") == 1
        assert [one["state"] for one in treasury.listed("--closed")] == ["used"]
    (asked, _), (yes, no) = (
        treasury.records("approval.request"),
        treasury.records("approval.decision"),
    )
    (used,) = treasury.records("approval.consume")
    assert (yes["approver"], yes["decision"], yes["reason"], yes["ticket"]) == (
        "ann", "approve", "checked", "CHG-7",
    )  # fmt: skip
    assert no["decision"] == "deny"
    assert used["attestations"] == [yes["attestation"]]
    assert used["request"] == asked["request"] == request
    assert asked["seq"] < yes["seq"] < used["seq"]
    (decision,) = [r for r in treasury.records("tool.decision") if r["call"] == used["call"]]
    assert used["seq"] < decision["seq"]
    assert decision["decision"]["fulfilled"] == ["one-person"]
    assert "ALICE" not in json.dumps(treasury.records("approval.request"))


def test_two_people(treasury: Treasury) -> None:
    """A quorum is of different people whom policy lets approve this."""
    ann, ben, eve, dan = (treasury.person(user) for user in ("ann", "ben", "eve", "dan"))
    with open_agent(treasury) as wire:
        request = treasury.waits(wire, 1, 5000, "BOB")
        assert ann.says("approve", request).stdout == "recorded: 1 of 2\n"
        for person, why in ((ann, "said so before"), (eve, "does not let"), (dan, "does not let")):
            done = person.says("approve", request)
            assert done.returncode == 2
            assert why in done.stderr
        assert treasury.ran("BOB") == 0
        assert ben.says("approve", request).stdout == "approved\n"
        assert not refused(wire.response(1))
        assert treasury.ran("BOB") == 1
        assert "is used" in ben.says("deny", request).stderr
    assert [r["code"] for r in treasury.records("approval.refused")] == [
        "approval.twice", "approval.not_permitted", "approval.not_permitted",
    ]  # fmt: skip


def test_a_call_that_cannot_wait(tmp_path: Path) -> None:
    """Its answer names the request; the identical call uses the approval, another one does not."""
    with Treasury(tmp_path, "--hold-timeout", "0.5") as treasury:
        ann = treasury.person("ann")
        with open_agent(treasury) as wire:
            request = treasury.waits(wire, 1, 500, "CAROL")
            answer = wire.response(1)
            assert refused(answer)
            assert request in text(answer)
            assert "exactly the same call again" in text(answer)
            assert "Do not retry" not in text(answer)
            assert ann.says("approve", request).returncode == 0
            assert treasury.ran("CAROL") == 0
            treasury.pays(wire, 2, 501, "CAROL")
            assert refused(wire.response(2))
            treasury.pays(wire, 3, 500, "CAROL")
            assert not refused(wire.response(3))
            assert treasury.ran("CAROL") == 1
            treasury.pays(wire, 4, 500, "CAROL")
            assert refused(wire.response(4))
            assert treasury.ran("CAROL") == 1


def test_what_was_asked_outlives_guard(tmp_path: Path) -> None:
    """Requests and approvals survive kill -9; a new session is another action all the same."""
    with Treasury(tmp_path, "--hold-timeout", "0.5") as treasury:
        ann = treasury.person("ann")
        with open_agent(treasury) as wire:
            request = treasury.waits(wire, 1, 500, "DORA")
            wire.response(1)
            assert ann.says("approve", request).returncode == 0
            treasury.guard.process.kill()
            treasury.guard.process.wait(10)
        treasury.guard.start()
        (kept,) = treasury.listed()
        assert (kept["id"], kept["state"], kept["approved_by"]) == (request, "approved", ["ann"])
        with open_agent(treasury) as wire:
            treasury.pays(wire, 2, 500, "DORA")
            assert refused(wire.response(2))
            assert treasury.ran("DORA") == 0


def test_who_loses_the_right_loses_the_approval(tmp_path: Path) -> None:
    """Rights are those of the moment of use: a group left, an enrolment ended."""
    with Treasury(tmp_path, "--hold-timeout", "0.5") as treasury:
        ann = treasury.person("ann")
        with open_agent(treasury) as wire:
            left = treasury.waits(wire, 1, 500, "EMIL")
            wire.response(1)
            assert ann.says("approve", left).returncode == 0
            people = treasury.guard.bundle / "entities" / "people.toml"
            people.write_text(
                people.read_text().replace(
                    '[users.ann]\nteams = ["treasury"]', "[users.ann]\nteams = []"
                )
            )
            head = treasury.guard.bundle / "bundle.toml"
            head.write_text(head.read_text().replace("serial = 1", "serial = 2"))
            assert treasury.guard.ask({"op": "reload"})["ok"]
            treasury.pays(wire, 2, 500, "EMIL")
            assert refused(wire.response(2))
            ben = treasury.person("ben")
            ended = treasury.waits(wire, 3, 500, "FRED")
            wire.response(3)
            assert ben.says("approve", ended).returncode == 0
            assert ben.run("revoke", "ben").returncode == 0
            treasury.pays(wire, 4, 500, "FRED")
            answer = wire.response(4)
            assert refused(answer)
            assert ended in text(answer)
            assert treasury.ran("EMIL") == treasury.ran("FRED") == 0


def test_an_agent_has_no_say(treasury: Treasury) -> None:
    """Neither a program below the agent nor a `confirm: true` of the model approves anything."""
    ann = treasury.person("ann")
    with open_agent(treasury) as wire:
        request = treasury.waits(wire, 1, 500, "GINA")
        line = ["-c", '"$@"; exit $?', "x"]
        for command in (["approve", request, "--yes"], ["list"], ["enrol", "mia", "--name", "M"]):
            done = subprocess.run(
                [str(treasury._helper), *line, REMIT, "approvals", *command],
                capture_output=True, text=True, env=ann.env, stdin=subprocess.DEVNULL, check=False,
            )  # fmt: skip
            assert done.returncode == 2
            assert "an agent cannot" in done.stderr
        assert treasury.ran("GINA") == 0
        assert ann.says("deny", request).returncode == 0
        assert refused(wire.response(1))


def test_a_word_that_was_signed_elsewhere(treasury: Treasury, tmp_path: Path) -> None:
    """The request is carried to where the key is, and the word back; it counts for this Guard."""
    ann = treasury.person("ann")
    with treasury.agent() as wire:
        request = treasury.waits(wire, 1, 500, "IDA")
        (tmp_path / "request.json").write_text(ann.run("show", request, "-o", "json").stdout)
        away = {k: v for k, v in ann.env.items() if k != "REMIT_SOCKET"}
        sign = [REMIT, "approvals", "sign", str(tmp_path / "request.json"), "--yes"]
        done = subprocess.run(
            [*sign, "--as", "ann", "--name", "Ann Lee"],
            capture_output=True, text=True, env=away, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert '"to": "IDA"' in done.stderr
        (tmp_path / "word.json").write_text(done.stdout)
        assert ann.run("submit", str(tmp_path / "word.json")).stdout == "approved\n"
        assert not refused(wire.response(1))
        assert treasury.ran("IDA") == 1
        assert ann.run("submit", str(tmp_path / "word.json")).returncode == 2
        (tmp_path / "word.json").write_text("[]")
        assert ann.run("submit", str(tmp_path / "word.json")).returncode == 2


class Receiver(BaseHTTPRequestHandler):
    """Takes what is posted, after refusing as often as it is told."""

    def do_POST(self) -> None:
        """Keep a request's headers and body."""
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.got.append((self.path, dict(self.headers), body))  # type: ignore[attr-defined]
        refusals = sum(path == self.path for path, *_ in self.server.got)  # type: ignore[attr-defined]
        self.send_response(500 if self.path == "/hook" and refusals == 1 else 200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


def test_people_are_told(tmp_path: Path) -> None:
    """By a signed webhook, which is tried again, and by a service that apprise knows."""
    secret = "whsec_" + base64.b64encode(os.urandom(32)).decode()
    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        server.got = []  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_port
        extra = (
            "[approvals]\n"
            f'webhook = "http://127.0.0.1:{port}/hook"\nwebhook_secret = "{secret}"\n'
            f'notify = ["json://127.0.0.1:{port}/apprise", "nonsense"]\n'
        )
        with Treasury(tmp_path, extra=extra) as treasury:
            ann = treasury.person("ann")
            with treasury.agent() as wire:
                request = treasury.waits(wire, 1, 500, "HUGO")
                wait_until(lambda: len(server.got) >= 3, "nobody was told")  # type: ignore[attr-defined]
                assert ann.says("approve", request).returncode == 0
                assert not refused(wire.response(1))
            told = wait_until(
                lambda: [r for r in treasury.records("approval.notify") if r["delivered"]][1:]
            )
            assert told
        server.shutdown()
        hooks = [(headers, body) for path, headers, body in server.got if path == "/hook"]  # type: ignore[attr-defined]
        assert len({headers["webhook-id"] for headers, _ in hooks}) == 1
        for headers, body in hooks:
            said = Webhook(secret).verify(body, headers)
            assert said["data"]["request"] == request
        everything = b"".join(body for *_, body in server.got)  # type: ignore[attr-defined]
        assert request.encode() in everything
        assert b"HUGO" not in everything
