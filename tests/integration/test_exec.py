"""`remit mcp exec` as a program: its forms, its mistakes, its exit codes."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.rig.governed import PYTHON, RECORDER, REMIT, copy_bundle, records, refused
from tests.rig.wire import LEGACY, Wire


def recorder(directory: Path) -> list[str]:
    """Return the command of a recorder."""
    return [PYTHON, "-I", "-S", str(RECORDER), "--log", str(directory / "server.log"), "--lenient"]


def test_command_after_two_dashes(tmp_path: Path) -> None:
    """No remit.toml is needed for one server, and its own options are not taken for ours."""
    bundle = copy_bundle("recorder", tmp_path, WORKSPACE=str(tmp_path))
    command = [REMIT, "mcp", "exec", "--bundle", str(bundle), "--name", "rec"]
    command += ["--state", str(tmp_path / "state"), "--", *recorder(tmp_path)]
    with Wire(command, cwd=tmp_path) as wire:
        wire.open(LEGACY)
        call = {"name": "echo", "arguments": {"message": "hello"}}
        assert not refused(wire.request("tools/call", call))
        call = {"name": "forbidden", "arguments": {"message": "hello"}}
        assert refused(wire.request("tools/call", call))
    assert {
        record["action"]["server"] for record in records(tmp_path / "state") if "action" in record
    } == {"rec"}


def test_state_of_the_user(tmp_path: Path) -> None:
    """Without --state two Guards run beside each other, each with its own log, and share pins."""
    bundle = copy_bundle("recorder", tmp_path, WORKSPACE=str(tmp_path))
    command = ["/usr/bin/env", f"XDG_STATE_HOME={tmp_path / 'xdg'}", REMIT, "mcp", "exec"]
    command += ["--bundle", str(bundle), "--name", "rec", "--", *recorder(tmp_path)]
    with Wire(command, cwd=tmp_path) as one, Wire(command, cwd=tmp_path) as two:
        for wire in (one, two):
            wire.open(LEGACY)
            call = {"name": "echo", "arguments": {"message": "hello"}}
            assert not refused(wire.request("tools/call", call))
    assert len(list((tmp_path / "xdg").rglob("log.vkey"))) == 2
    assert len(list((tmp_path / "xdg").rglob("tools.lock"))) == 1
    for secret in (tmp_path / "xdg").rglob("*.key"):
        assert secret.stat().st_mode & 0o077 == 0, secret


def config(directory: Path, text: str) -> list[str]:
    """Write a remit.toml and return the command that uses it."""
    (directory / "remit.toml").write_text(text)
    return ["--config", str(directory / "remit.toml"), "--state", str(directory / "state")]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nobody"], "nobody"),
        (["rec", "--bundle", "/nowhere"], "/nowhere"),
        (["broken"], "no-such-program"),
        ([], "SERVER"),
        (["rec", "--no-such-option"], "no-such-option"),
        (["silent"], "silent"),
    ],
)
def test_mistakes_are_one_sentence(tmp_path: Path, arguments: list[str], says: str) -> None:
    """A mistake ends with a sentence on stderr and an exit code, never a trace or a word on stdout."""
    copy_bundle("recorder", tmp_path, WORKSPACE=str(tmp_path))
    server = json.dumps(recorder(tmp_path))
    text = f'[guard]\nbundle = "bundle"\n[servers.rec]\ncommand = {server}\n'
    text += '[servers.broken]\ncommand = ["/no-such-program"]\n'
    text += '[servers.silent]\ncommand = ["true"]\n'
    done = subprocess.run(
        [REMIT, "mcp", "exec", *config(tmp_path, text), *arguments],
        capture_output=True,
        text=True,
        input='{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}\n',
        timeout=30,
        check=False,
    )
    assert done.returncode in {2, 5}, done
    assert says in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
    for line in done.stdout.splitlines():
        assert json.loads(line)["error"], "an answer to a client that asked"


@pytest.mark.parametrize(
    "text",
    [
        "[servers.rec]\n",
        "[servers.rec]\ncommand = 'x'\n",
        "[servers.rec]\ncommand = ['x']\ncomand = ['y']\n",
        "[server.rec]\ncommand = ['x']\n",
        "not toml",
        "[servers.'../x']\ncommand = ['x']\n",
    ],
)
def test_configuration_is_read_strictly(tmp_path: Path, text: str) -> None:
    """A word that Guard does not know is a mistake, not something to skip."""
    bundle = copy_bundle("recorder", tmp_path, WORKSPACE=str(tmp_path))
    command = [REMIT, "mcp", "exec", *config(tmp_path, text), "--bundle", str(bundle)]
    server = "../x" if "../x" in text else "rec"
    done = subprocess.run(
        [*command, server],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2, done
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr
