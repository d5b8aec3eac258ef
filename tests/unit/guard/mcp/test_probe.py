"""Listing a server once, against the recorder."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from remit.guard.errors import GuardError
from remit.guard.mcp.probe import list_tools

RECORDER = Path(__file__).parents[3] / "conformance" / "servers" / "recorder.py"


def command(tmp_path, *options):
    return [sys.executable, "-I", "-S", str(RECORDER), "--log", str(tmp_path / "log"), *options]


def test_it_lists_and_leaves_nothing_running(tmp_path):
    found = list_tools(command(tmp_path))
    names = {tool["name"] for tool in found.tools}
    assert {"echo", "pay", "mutate"} <= names
    assert found.instructions == "Be nice."
    assert found.server_info
    running = subprocess.run(
        ["pgrep", "-f", str(tmp_path / "log")], capture_output=True, check=False
    )
    assert running.stdout == b""


def test_a_banner_does_no_harm(tmp_path):
    assert list_tools(command(tmp_path, "--banner")).tools


@pytest.mark.parametrize("options", [["--list", "endless"], ["--die-after", "1"]])
def test_a_bad_server_is_an_error(tmp_path, options):
    with pytest.raises(GuardError):
        list_tools(command(tmp_path, *options), timeout_s=10)


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (["/no/such/server"], "mcp.no_server"),
        (["true"], "mcp.server_gone"),
        (["sh", "-c", "cat >/dev/null"], "mcp.timeout"),
        (["sh", "-c", "while read x; do echo garbage; echo '[]'; done"], "mcp.timeout"),
    ],
)
def test_what_is_no_server_is_an_error_in_time(bad, code):
    start = time.monotonic()
    with pytest.raises(GuardError) as error:
        list_tools(bad, timeout_s=0.3)
    assert error.value.code == code
    assert time.monotonic() - start < 4


MODERN_ONLY = """
import json, sys
for line in sys.stdin:
    m = json.loads(line)
    if "id" not in m:
        continue
    modern = "_meta" in m.get("params", {})
    if m["method"] == "server/discover" and modern:
        r = {"result": {"resultType": "complete", "capabilities": {}, "instructions": "Modern."}}
    elif m["method"] == "tools/list" and modern:
        r = {"result": {"resultType": "complete", "tools": [{"name": "m", "inputSchema": {}}]}}
    else:
        r = {"error": {"code": -32022, "message": "modern only"}}
    print(json.dumps({"jsonrpc": "2.0", "id": m["id"], **r}), flush=True)
"""


def test_a_modern_server_is_opened_in_its_era():
    found = list_tools([sys.executable, "-c", MODERN_ONLY], timeout_s=10)
    assert [tool["name"] for tool in found.tools] == ["m"]
    assert found.instructions == "Modern."


def test_the_environment_is_added_to(tmp_path):
    code = "import os, sys; sys.exit(0 if os.environ['X'] == 'y' and 'PATH' in os.environ else 9)"
    with pytest.raises(GuardError) as error:
        list_tools([sys.executable, "-c", code], {"X": "y"}, timeout_s=5)
    assert "status 0" in error.value.message or "closed its output" in error.value.message
