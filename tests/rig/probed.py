"""Served models that a Hub's prober asks: the file that lists them, and the prober itself."""

import contextlib
import json
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.rig.governed import REMIT
from tests.rig.programs import clean_environment
from tests.rig.registries import Registry

NAME = "qwen-staging"


def listing(place: Path, url: str, **more: Any) -> Path:
    """A file with one target."""
    given = {"name": NAME, "url": url, "model": "qwen", "repositories": ["team/*"], **more}
    rows = "\n".join(f"{key} = {json.dumps(value)}" for key, value in given.items())
    place.write_text(f'format = "remit.served/v1"\n[[targets]]\n{rows}\n')
    return place


@contextlib.contextmanager
def prober(
    registry: Registry, targets: Path, environment: Path, *options: str, env: Mapping[str, str] = {}
) -> Iterator["subprocess.Popen[bytes]"]:
    """`remit hub prober` for a Hub over SQLite, ended at the end of the block."""
    command = [
        REMIT, "hub", "prober", "--targets", str(targets), "--environment", str(environment),
        "--state", str(registry.state), *options,
    ]  # fmt: skip
    home = registry.state.parent / "prober"
    with (registry.state.parent / "prober.log").open("ab") as log:
        process = subprocess.Popen(
            command, env={**clean_environment(home), **env}, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def over(ask: Any, job: str, seconds: float = 90.0) -> dict[str, Any]:
    """Wait until a job is over and, if it is done, counts; `ask` gets its JSON."""
    until = time.monotonic() + seconds
    while True:
        found: dict[str, Any] = ask(job)
        if found["state"] in {"failed", "cancelled"} or (
            found["state"] == "done" and found["decided"]
        ):
            return found
        assert time.monotonic() < until, found
        time.sleep(0.2)
