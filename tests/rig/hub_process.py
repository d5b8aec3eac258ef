"""A Hub that is killed and started again, and what must hold whenever it has been."""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from remit.audit.log import read
from remit.core.ids import EntropyPool
from remit.hub.collector import Collector
from remit.hub.compose import HubOptions, check, open_blobs
from remit.hub.fsck import Checked
from remit.hub.store.database import connect
from tests.rig.governed import REMIT
from tests.rig.hubs import Client
from tests.rig.programs import clean_environment
from tests.rig.registries import S3_ENVIRONMENT, answers, free_port

START_S = 60.0


@dataclass
class HubProcess:
    """One Hub on one state directory, always at the same port.

    Attributes:
        directory: holds its state and what it wrote.
        database, blobs: addresses; empty for the state directory.
        extra: environment of the process.
        gate: whether what is pushed is scanned before it is given out.
        workers: processes that scan, if so.
    """

    directory: Path
    database: str = ""
    blobs: str = ""
    extra: dict[str, str] = field(default_factory=dict)
    gate: bool = False
    workers: int = 1
    process: subprocess.Popen[bytes] | None = None
    port: int = field(default_factory=free_port)
    password: str = ""

    @property
    def host(self) -> str:
        """``127.0.0.1:PORT``."""
        return f"127.0.0.1:{self.port}"

    @property
    def state(self) -> Path:
        """Its state directory."""
        return self.directory / "hub"

    @property
    def log(self) -> Path:
        """What it wrote."""
        return self.directory / "hub.log"

    @property
    def options(self) -> HubOptions:
        """The same Hub, for what works beside it."""
        return HubOptions(state=self.state, database=self.database, blobs=self.blobs)

    def launch(self, *before: str) -> "subprocess.Popen[bytes]":
        """Start it and do not wait; `before` are words in front of the command."""
        self.directory.mkdir(parents=True, exist_ok=True)
        command = [
            *before, REMIT, "hub", "run", "--listen", self.host, "--state", str(self.state),
        ]  # fmt: skip
        command += ["--gate", "--workers", str(self.workers)] if self.gate else ["--no-gate"]
        if self.database:
            command += ["--database", self.database]
        if self.blobs:
            command += ["--blobs", self.blobs]
        env = clean_environment(self.directory / "home", **S3_ENVIRONMENT, **self.extra)
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env,
                start_new_session=True,
            )  # fmt: skip
        return self.process

    def start(self) -> "HubProcess":
        """Start it; it answers when this returns."""
        process = self.launch()
        until = time.monotonic() + START_S
        while not answers(f"http://{self.host}/healthz"):
            assert process.poll() is None, self.log.read_text()[-3000:]
            assert time.monotonic() < until, self.log.read_text()[-3000:]
            time.sleep(0.05)
        return self

    def kill(self, number: int = signal.SIGKILL) -> None:
        """End it, by default without a warning."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, number)
        if self.process is not None:
            self.process.wait(60)

    @property
    def died(self) -> bool:
        """Whether it ended by itself."""
        return self.process is None or self.process.poll() is not None

    @property
    def client(self) -> Client:
        """Its administrator."""
        file = self.state / "admin-password"
        if not self.password and file.exists():
            self.password = file.read_text().strip()
        return Client.basic(self.host, "admin", self.password)

    # -- what must hold ------------------------------------------------------------------------

    def records(self) -> list[dict[str, Any]]:
        """All records of its log."""
        return [entry.record for log in self.logs() for entry in read(log)]

    def logs(self) -> Iterator[Path]:
        """The directory of its log."""
        yield from sorted(each for each in (self.state / "audit").iterdir() if each.is_dir())

    def verify(self) -> None:
        """`remit audit verify` is content."""
        done = subprocess.run(
            [REMIT, "audit", "verify", "--state", str(self.state)],
            capture_output=True, text=True, timeout=120, check=False,
            env=clean_environment(self.directory / "home"),
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr

    def fsck(self) -> Checked:
        """What a deep check says; nothing may be wrong."""
        with environment():
            found = asyncio.run(check(self.options, deep=True, progress=None))
        assert found.clean, found.problems
        return found

    def nothing_left(self) -> None:
        """After a collection without mercy, all bytes are known, and only living uploads have some."""

        async def run() -> None:
            from sqlalchemy import select

            from remit.hub.store.tables import blobs, uploads

            database, store = connect(self.database, self.state), open_blobs(self.options)
            try:
                collector = Collector(
                    database, store, _Wall(), "tests", EntropyPool(os.urandom),
                    grace_us=0, stray_us=0,
                )  # fmt: skip
                await collector.run()
                known = set(await database.look(lambda c: list(c.scalars(select(blobs.c.digest)))))
                alive = set(await database.look(lambda c: list(c.scalars(select(uploads.c.id)))))
                assert {name async for name, _, _ in store.digests()} == known
                assert {name async for name, _ in store.leftovers()} <= alive
            finally:
                await store.close()
                await database.close()

        with environment():
            asyncio.run(run())

    def recorded(self, kind: str = "registry.push") -> set[str]:
        """Digests that records of this kind are about."""
        return {each["artifact"]["digest"] for each in self.records() if each["kind"] == kind}


class _Wall:
    @staticmethod
    def now_us() -> int:
        return time.time_ns() // 1000

    @staticmethod
    def monotonic_ns() -> int:
        return time.monotonic_ns()


class environment:  # noqa: N801 - a context, used as a word
    """Credentials of the S3 server, in this process while the block runs."""

    def __enter__(self) -> None:
        self._before = {name: os.environ.get(name) for name in S3_ENVIRONMENT}
        os.environ.update(S3_ENVIRONMENT)

    def __exit__(self, *exception: object) -> None:
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def whole(client: Client, repository: str, name: str) -> Iterable[str]:
    """Pull a manifest and everything it refers to: digests of all that was there and right."""
    from tests.rig.hubs import digest

    got = client("GET", f"/v2/{repository}/manifests/{name}")
    assert got.status == 200, got
    found = got.headers["docker-content-digest"]
    assert digest(got.body) == found
    yield found
    document = got.json
    for each in [document["config"], *document["layers"]]:
        blob = client("GET", f"/v2/{repository}/blobs/{each['digest']}")
        assert blob.status == 200, (repository, name, each, blob)
        assert digest(blob.body) == each["digest"]
        yield each["digest"]
