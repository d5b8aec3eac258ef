"""What outlives a process: pins and their acceptance, used-up limits, the log."""

import subprocess
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.rig.governed import (
    PYTHON,
    Governed,
    copy_bundle,
    exec_command,
    records,
    refused,
    remit,
    said,
)
from tests.rig.programs import git_server, make_repository
from tests.rig.sdk import SdkClient
from tests.rig.waiting import until
from tests.rig.wire import LEGACY


def start(directory: Path, **options: Any) -> Governed:
    """Start a Guard over the recorder with the same state as before."""
    return Governed(directory, LEGACY, **options)


def test_pins_are_taken_on_first_sight_and_accepted_by_command(tmp_path: Path) -> None:
    """A server that came back changed is held back until somebody accepts the change."""
    with start(tmp_path) as guard:
        assert "echo" in guard.tools()
    config = tmp_path / "state.remit.toml"
    text = config.read_text()
    assert '"--lenient"]' in text
    config.write_text(text.replace('"--lenient"]', '"--lenient", "--list", "changed"]'))
    with start(tmp_path) as guard:
        tools = guard.tools()
        assert "echo" not in tools
        assert "open_schema" in tools
        mark = guard.mark()
        assert refused(guard.call("echo", message=mark))
        assert not guard.reached(mark)
    server = tomllib.loads(config.read_text())["servers"]["rec"]["command"]
    pin = ["policy", "pin", "--state", str(tmp_path / "state"), "rec"]
    shown = remit(*pin, "--", *server)
    assert shown.returncode == 1, shown.stdout + shown.stderr
    assert "id_rsa" in shown.stdout + shown.stderr
    accepted = remit(*pin, "--accept", "--", *server)
    assert accepted.returncode == 0, accepted.stdout + accepted.stderr
    with start(tmp_path) as guard:
        assert "echo" in guard.tools()
        guard.still_works()


def test_damaged_pins_block(tmp_path: Path) -> None:
    """A pin store that cannot be read pins nothing anew: nothing can be called."""
    with start(tmp_path) as guard:
        guard.still_works()
    (lock,) = (tmp_path / "state").rglob("tools.lock")
    lock.write_bytes(lock.read_bytes()[:-20])
    guard = start(tmp_path, opened=False)
    mark = "MARK-damaged"
    try:
        guard.wire.open(LEGACY)
        assert refused(guard.call("echo", message=mark))
    except (AssertionError, OSError):
        assert guard.wire.process.wait(15) != 0
    finally:
        guard.close()
    assert not guard.ran(mark)


def test_limit_survives_a_restart(tmp_path: Path) -> None:
    """What was used before a restart stays used."""
    used = 0
    for _ in range(3):
        with start(tmp_path) as guard:
            for _ in range(2):
                used += not refused(guard.call("limited", message=guard.mark()))
    assert used == 3
    with start(tmp_path) as guard:
        answer = guard.call("limited", message=guard.mark())
        assert refused(answer)
        assert "Three of these an hour are enough" in said(answer)
        guard.still_works()


def test_limit_survives_a_kill(tmp_path: Path) -> None:
    """Also when the process had no chance to say goodbye."""
    used = 0
    for _ in range(3):
        guard = start(tmp_path)
        for _ in range(2):
            used += not refused(guard.call("limited", message=guard.mark()))
        guard.wire.process.kill()
        guard.close()
    # `limited` counts as a write, so each record was on disk before its call went on.
    assert used == 3
    assert remit("audit", "verify", "--state", str(tmp_path / "state")).returncode == 0


def test_two_guards_do_not_share_a_log(tmp_path: Path) -> None:
    """A second Guard on the same state works beside the first or says why not; the log stays whole."""
    with start(tmp_path) as first:
        first.still_works()
        second = start(tmp_path, opened=False)
        try:
            second.wire.open(LEGACY)
            second.still_works()
        except (AssertionError, OSError):
            assert second.wire.process.wait(15) != 0
            until(lambda: second.wire.stderr.strip() != "")
        finally:
            second.close()
        first.still_works()
    assert remit("audit", "verify", "--state", str(tmp_path / "state")).returncode == 0


def test_killed_in_the_middle_of_a_call(tmp_path: Path) -> None:
    """A call without an end is closed as unknown at the next start."""
    guard = start(tmp_path)
    mark = guard.mark()
    params = {"name": "hang", "arguments": {"message": mark}}
    guard.wire.send({"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": params})
    until = time.monotonic() + 10
    while not guard.ran(mark):
        assert time.monotonic() < until
        time.sleep(0.01)
    guard.wire.process.kill()
    guard.close()
    with start(tmp_path) as again:
        again.still_works()
    statuses = [
        record["outcome"]["status"]
        for record in records(tmp_path / "state")
        if record.get("outcome")
    ]
    assert "unknown" in statuses


@pytest.mark.parametrize("name", ["tools", "none"])
def test_policy_cannot_be_missing(tmp_path: Path, name: str) -> None:
    """Without a bundle that loads, nothing is served."""
    bundle = copy_bundle("recorder", tmp_path)
    if name == "tools":
        (bundle / "tool" / "recorder.cedar").write_text("permit (principal")
    else:
        bundle = tmp_path / "nowhere"
    guard = Governed(tmp_path, LEGACY, bundle=bundle, opened=False)
    mark = "MARK-no-policy"
    try:
        guard.wire.open(LEGACY)
        assert refused(guard.call("echo", message=mark))
    except (AssertionError, OSError):
        assert guard.wire.process.wait(15) not in {0, None}
        until(lambda: guard.wire.stderr.strip() != "")
    finally:
        guard.close()
    assert not guard.ran(mark)


def test_nothing_heavy_is_imported(tmp_path: Path) -> None:
    """Starting Guard and making a call imports none of the slow packages."""
    repository = make_repository(tmp_path / "work" / "repo")
    bundle = copy_bundle("real", tmp_path, WORKSPACE=str(tmp_path / "work"))
    command = exec_command("git", git_server(repository), bundle, tmp_path / "state" / "git")
    trace = tmp_path / "imports.txt"
    shell = [
        "/bin/sh", "-c", 'exec 2>"$0"; exec "$@"', str(trace),
        PYTHON, "-X", "importtime", *command,
    ]  # fmt: skip
    with SdkClient(shell, cwd=tmp_path) as client:
        at_start = imported(trace)
        assert "add three" in client.call("git_log", {"repo_path": str(repository)})["text"]
    after = imported(trace)
    assert "remit" in after
    heavy = {
        "mcp", "fastmcp", "pydantic", "httpx", "aiohttp", "starlette", "uvicorn", "rich", "yaml",
        "sqlglot", "tree_sitter", "tree_sitter_bash", "requests", "importlib.metadata", "jsonpath",
    }  # fmt: skip
    assert not heavy & after, sorted(heavy & after)
    assert not heavy & at_start


def imported(trace: Path) -> set[str]:
    """Return the names of imported modules: of packages, and dotted."""
    names = set()
    for line in trace.read_text(errors="replace").splitlines():
        if line.startswith("import time:") and line.count("|") == 2:
            name = line.rsplit("|", 1)[1].strip()
            names |= {name, name.split(".")[0]}
    return names


def test_imports_are_seen(tmp_path: Path) -> None:
    """The reading of the trace above finds what was imported."""
    done = subprocess.run(
        [PYTHON, "-X", "importtime", "-c", "import yaml, rich.table"],
        capture_output=True,
        text=True,
        check=True,
    )
    (tmp_path / "trace").write_text(done.stderr)
    assert {"yaml", "rich", "rich.table"} <= imported(tmp_path / "trace")
