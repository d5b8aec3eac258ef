"""A server that stops reading, and one that floods without reading: the client is served on."""

import json
import subprocess
import time
from pathlib import Path

import pytest

from tests.rig.governed import PYTHON, REMIT, copy_bundle

SERVER = """
import json, os, sys, time
first = json.loads(sys.stdin.readline())
answer = {"protocolVersion": "2025-11-25", "capabilities": {}}
print(json.dumps({"jsonrpc": "2.0", "id": first["id"], "result": answer}), flush=True)
if sys.argv[1] == "floods":
    bogus = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "bogus", "params": {}}) + "\\n"
    while True:
        os.write(1, bogus.encode() * 500)
time.sleep(600)
"""


def line(**members: object) -> bytes:
    return json.dumps({"jsonrpc": "2.0", **members}).encode() + b"\n"


@pytest.mark.parametrize("kind", ["sleeps", "floods"])
def test_the_client_is_answered_and_may_leave(tmp_path: Path, kind: str) -> None:
    bundle = copy_bundle("recorder", tmp_path, WORKSPACE=str(tmp_path))
    script = tmp_path / "server.py"
    script.write_text(SERVER)
    command = [REMIT, "mcp", "exec", "--bundle", str(bundle), "--name", "rec"]
    command += ["--state", str(tmp_path / "state"), "--", PYTHON, str(script), kind]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as guard:
        assert guard.stdin is not None
        assert guard.stdout is not None
        opening = {"protocolVersion": "2025-11-25", "capabilities": {}}
        guard.stdin.write(line(id=0, method="initialize", params=opening))
        guard.stdin.flush()
        assert b"protocolVersion" in guard.stdout.readline()
        guard.stdin.write(line(method="notifications/initialized"))
        # Far more than the pipe and every buffer hold: none of it is read by the server.
        for number in range(1, 200):
            level = {"level": "x" * 100_000}
            guard.stdin.write(line(id=number, method="logging/setLevel", params=level))
        guard.stdin.write(line(id="last", method="nothing"))
        guard.stdin.flush()
        answers = iter(guard.stdout.readline, b"")
        assert any(json.loads(answer)["id"] == "last" for answer in answers)
        started = time.monotonic()
        guard.stdin.close()
        guard.wait(30)
        assert time.monotonic() - started < 15
        guard.stdout.close()
