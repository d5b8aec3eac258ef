"""People who approve: each with a key of their own, at the command line of a real Guard."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Self

from tests.rig.daemon import Daemon, recorder_daemon, wait_until
from tests.rig.governed import REMIT, copy_bundle
from tests.rig.wire import LEGACY, Wire, call_frame


class Person:
    """Somebody with a key file and a passphrase.

    Attributes:
        prefix: what starts the command line for them.
    """

    def __init__(self, guard: Daemon, user: str) -> None:
        self.guard = guard
        self.user = user
        self.prefix: list[str] = []
        home = guard.directory / "people" / user
        home.mkdir(parents=True)
        (home / "passphrase").write_text(f"the secret of {user}\n")
        self.env = {
            **os.environ,
            "REMIT_SOCKET": str(guard.socket),
            "REMIT_APPROVER_KEY": str(home / "keys" / "approver.key"),
            "REMIT_PASSPHRASE_FILE": str(home / "passphrase"),
        }

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `remit approvals`."""
        return subprocess.run(
            [*self.prefix, REMIT, "approvals", *arguments],
            capture_output=True, text=True, stdin=subprocess.DEVNULL, env=self.env, timeout=60,
            check=False,
        )  # fmt: skip

    def enrol(self) -> "Person":
        """Make a key and enrol it."""
        assert self.run("key", "new").returncode == 0
        done = self.run("enrol", self.user, "--name", f"{self.user.title()} Lee")
        assert done.returncode == 0, done.stderr
        return self

    def says(self, word: str, request: str, *more: str) -> subprocess.CompletedProcess[str]:
        """Approve or deny."""
        return self.run(word, request, "--yes", *more)


class Treasury:
    """A Guard over the recorder with the bundle `approvals`, its people, and an agent's program."""

    def __init__(self, directory: Path, *options: str, **more: Any) -> None:
        if not (directory / "bundle").exists():
            copy_bundle("approvals", directory)
        self.directory = directory
        self.guard = recorder_daemon(directory, options=options, **more)
        self.log = directory / "server.log"
        self._helper = directory / "bin" / "helper"
        self._helper.parent.mkdir(exist_ok=True)
        # No shell by its name: it stands for an agent.
        shutil.copy2(Path("/bin/sh").resolve(), self._helper)

    def person(self, user: str) -> Person:
        """Return somebody who is enrolled."""
        return Person(self.guard, user).enrol()

    def invites(self, user: str) -> str:
        """Return the link by which somebody enrols a passkey."""
        done = subprocess.run(
            [
                REMIT, "approvals", "invite", user, "--name", f"{user.title()} Lee",
                "--socket", str(self.guard.socket),
            ],
            capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def agent(self) -> Wire:
        """Start an agent with an open session."""
        line = [str(self._helper), "-c", '"$@"; exit $?', "x", *self.guard.shim("rec")]
        wire = Wire(line, cwd=self.directory)
        try:
            wire.open(LEGACY)
        except BaseException:
            wire.close()
            raise
        return wire

    def listed(self, *options: str) -> list[dict[str, Any]]:
        """Return what `remit approvals list` shows."""
        done = subprocess.run(
            [REMIT, "approvals", "list", "-o", "json", "--socket", str(self.guard.socket), *options],
            capture_output=True, text=True, stdin=subprocess.DEVNULL, check=True,
        )  # fmt: skip
        return list(json.loads(done.stdout))

    def pays(self, wire: Wire, number: int, amount: int, to: str) -> None:
        """Send a payment and do not wait for its answer."""
        params = {"name": "pay", "arguments": {"amount": amount, "to": to}}
        wire.send(call_frame("tools/call", params, number, modern=False))

    def waits(self, wire: Wire, number: int, amount: int, to: str) -> str:
        """Send a payment that needs approval; returns the id of its request."""
        known = {one["id"] for one in self.listed()}
        self.pays(wire, number, amount, to)
        return str(
            wait_until(lambda: [one["id"] for one in self.listed() if one["id"] not in known])[0]
        )

    def ran(self, to: str) -> int:
        """Return how often the server ran a payment to somebody."""
        if not self.log.exists():
            return 0
        lines = [json.loads(line) for line in self.log.read_text().split("\n")[:-1]]
        return sum(
            line.get("ran") == "pay" and line.get("arguments", {}).get("to") == to for line in lines
        )

    def records(self, kind: str) -> list[dict[str, Any]]:
        """Return the records of a kind."""
        return [record for record in self.guard.records() if record["kind"] == kind]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.guard.stop()
