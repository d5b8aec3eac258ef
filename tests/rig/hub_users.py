"""Asking a Hub over HTTP, and filling it by the commands that its users have."""

import base64
import json
import os
import subprocess
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.rig.governed import REMIT
from tests.rig.registries import Registry


@dataclass(frozen=True)
class Answer:
    """A response: its status, lower-case headers, and body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, which is JSON."""
        return json.loads(self.body)


def ask(
    registry: Registry,
    path: str,
    *,
    user: str | None = None,
    password: str = "",
    method: str = "GET",
) -> Answer:
    """One request, by default of the administrator; of nobody with an empty `user`."""
    request = urllib.request.Request(f"{registry.url}{path}", method=method)
    name = registry.user if user is None else user
    if name:
        pair = f"{name}:{password or registry.password}".encode()
        request.add_header("Authorization", f"Basic {base64.b64encode(pair).decode()}")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return _answer(answer)
    except urllib.error.HTTPError as error:
        with error:
            return _answer(error)


def _answer(answer: Any) -> Answer:
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return Answer(answer.status, headers, answer.read())


class User:
    """Somebody with a home of their own who uses `remit`."""

    def __init__(self, home: Path) -> None:
        self.home = home
        home.mkdir(parents=True, exist_ok=True)

    def run(
        self, *arguments: str | Path, stdin: str = "", status: int | None = 0, **env: str
    ) -> subprocess.CompletedProcess[str]:
        """`remit …`, which ends with `status`."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("XDG_")}
        for name in ("DOCKER_CONFIG", "REGISTRY_AUTH_FILE"):
            kept.pop(name, None)
        state = str(self.home / "state")
        done = subprocess.run(
            [REMIT, *map(str, arguments)],
            env={**kept, "HOME": str(self.home), "REMIT_STATE": state, **env},
            input=stdin, capture_output=True, text=True, timeout=110, check=False,
        )  # fmt: skip
        assert status is None or done.returncode == status, (arguments, done.stdout, done.stderr)
        return done

    def json(self, *arguments: str | Path, status: int = 0, **env: str) -> Any:
        """What `remit … -o json` prints."""
        return json.loads(self.run(*arguments, "-o", "json", status=status, **env).stdout)

    def login(self, registry: Registry) -> None:
        """Log in as the administrator."""
        self.run(
            "login", registry.host, "-u", registry.user, "--password-stdin",
            stdin=registry.password,
        )  # fmt: skip

    def publish(self, directory: Path, reference: str, *options: str) -> str:
        """Pack a directory and push it; its digest."""
        self.run("pack", directory, "-t", reference, *options)
        pushed: str = self.json("push", reference)["digest"]
        return pushed


def administer(registry: Registry, *arguments: str, stdin: str = "") -> None:
    """`remit hub …` on the Hub's own state."""
    done = subprocess.run(
        [REMIT, "hub", *arguments, "--state", str(registry.state)],
        input=stdin, capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
