"""The chapter of the registry: what agents are made of has one source, and nobody bends it."""

import json
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from examples.demo.stage import Stage, line
from tests.rig.governed import REMIT
from tests.rig.web import free_port

Command = Callable[..., subprocess.CompletedProcess[str]]
OVER_S = 90.0
PENDING = 4


class OneHub:
    """`remit hub run`, and people who use it."""

    def __init__(self, stage: Stage, name: str = "hub") -> None:
        self.stage = stage
        self.host = f"127.0.0.1:{free_port()}"
        self.state = stage.directory / name
        said = stage.directory / f"{name}.txt"
        # The story of the gate is another one; here a registry is enough.
        options = ["--listen", self.host]
        line("command", f"remit hub run {' '.join(options)}", "bold")
        with said.open("w") as log:
            self._process = subprocess.Popen(
                [REMIT, "hub", "run", *options, "--state", str(self.state)],
                cwd=stage.directory, stdin=subprocess.DEVNULL, stderr=log, stdout=log,
            )  # fmt: skip
        until = time.monotonic() + 60
        while not self._answers():
            assert time.monotonic() < until, said.read_text()
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self.host}/healthz", timeout=5):
                return True
        except OSError:
            return False

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(20)

    def operate(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command of the Hub's operator."""
        return self.stage.remit("hub", *arguments, "--state", str(self.state), who="operator")

    def over(self, ref: str, who: Command) -> None:
        """Wait until the gate has decided on an artifact."""
        until = time.monotonic() + OVER_S
        while time.monotonic() < until:
            done = who("hub", "admission", ref, "-o", "json", quiet=True)
            if done.returncode != PENDING:
                return
            time.sleep(0.3)

    def robot(self, name: str, role: str, pattern: str, **more: str) -> Command:
        """Make an account for a program and log it in; returns its `remit`."""
        made = self.operate("robot", "add", name, "-o", "json")
        account = json.loads(made.stdout)
        self.operate("grant", account["name"], role, pattern)
        home = self.stage.directory / "people" / name
        home.mkdir(parents=True, exist_ok=True)
        env = {**os.environ, "REMIT_STATE": str(home), "HOME": str(home), **more}
        subprocess.run(
            [REMIT, "login", self.host, "-u", account["name"], "--password-stdin"],
            input=account["secret"], text=True, env=env, check=True, capture_output=True,
        )  # fmt: skip

        def remit(*arguments: str, quiet: bool = False) -> subprocess.CompletedProcess[str]:
            if quiet:
                return self.stage.run([REMIT, *arguments], env)
            return self.stage.remit(*arguments, who=name, env=env)

        return remit


def registry(stage: Stage) -> None:
    """Pack, push, compare, pull; a tag that stays, an account that may not, a changed byte."""
    stage.chapter(
        "What agents are made of comes from one registry",
        "`remit hub run` speaks the protocol of container registries. CI packs the policy of this "
        "story and pushes it; a Guard elsewhere pulls it, and may do no more than that.",
    )
    hub = OneHub(stage)
    try:
        _story(stage, hub)
    finally:
        hub.close()


def _story(stage: Stage, hub: OneHub) -> None:
    name = f"{hub.host}/policies/shop"
    ci = hub.robot("ci", "writer", "policies/**")
    edge = hub.robot("edge", "reader", "policies/**")
    hub.operate("rule", "set", "policies/**", "--immutable", "v*")

    policy = stage.directory / "shop-policy"
    shutil.copytree(stage.directory / "policy", policy)
    ci("pack", str(policy), "-t", f"{name}:v1")
    pushed = ci("push", f"{name}:v1")
    stage.expect(pushed.returncode == 0, "the first version should be pushed")

    changed = _loosened(policy)
    ci("pack", str(policy), "-t", f"{name}:v2")
    found = ci("diff", f"{name}:v1", f"{name}:v2")
    for row in found.stdout.strip().splitlines()[:6]:
        line("", row, "dim")
    stage.expect(found.returncode == 1, "the two versions should differ")
    stage.expect(changed in found.stdout, f"the difference should name {changed}")
    moved = ci("push", f"{name}:v2", f"{name}:v1")
    _refused(stage, moved, "must not move", "the tag v1 should not move")
    stage.expect(ci("push", f"{name}:v2").returncode == 0, "v2 should be pushed")

    hub.over(f"{name}:v2", ci)
    taken = stage.directory / "edge-policy"
    edge("pull", f"{name}:v2")
    edge("unpack", f"{name}:v2", "-d", str(taken))
    stage.expect((taken / "bundle.toml").is_file(), "the policy should be there")
    _refused(stage, edge("push", f"{name}:v2", f"{name}:mine"), "may not push", "edge may not push")

    path = _flip(hub.state)
    line("attacker", f"changes a byte in {stage.short(str(path))}", "red")
    checked = hub.operate("fsck", "--deep")
    line("answer", checked.stdout.strip().splitlines()[0], "red")
    stage.expect(checked.returncode == 1, "fsck should see the changed byte")
    store = stage.directory / "people" / "edge" / "artifacts"
    shutil.rmtree(store)
    pulled = edge("pull", f"{name}:v2")
    _refused(stage, pulled, "", "the changed artifact should not be pulled")

    log = stage.remit("audit", "verify", "--state", str(hub.state), who="auditor")
    stage.expect(log.returncode == 0, "the Hub's log should verify")
    told = stage.remit("audit", "tail", "-n", "300", "--state", str(hub.state), who="auditor")
    rows = [row.split("\t") for row in told.stdout.splitlines()]
    kinds = {row[2] for row in rows[1:] if len(row) > 2}
    line("log", f"says who did what: {', '.join(sorted(kinds))}", "green")
    stage.expect(
        {"registry.push", "registry.pull", "registry.deny"} <= kinds, "the log should tell all"
    )


def _loosened(policy: Path) -> str:
    """Make one person enough where two were, as a hurried change would; the rule that it is in."""
    file = policy / "tool" / "demo.cedar"
    before = file.read_text()
    file.write_text(before.replace('@quorum("2")', '@quorum("1")'))
    assert file.read_text() != before
    return "updates-need-two-people"


def _refused(stage: Stage, done: subprocess.CompletedProcess[str], reason: str, what: str) -> None:
    said = " ".join(done.stderr.split())
    line("answer", said, "red")
    stage.expect(done.returncode != 0 and reason in said, what)


def _flip(state: Path) -> Path:
    """Change one byte of the largest blob, as somebody with access to the disk could."""
    path = max((state / "blobs" / "blobs").rglob("*"), key=lambda at: at.stat().st_size)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    return path
