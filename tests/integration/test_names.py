"""The extra `names`: real Presidio and spaCy, in an environment of its own, without a network."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.rig.programs import RIG, ROOT, need

TEXT = "Dear Ms. Larsen, please meet Ann Becker in Paris next Tuesday."
BLOCKED = (
    "import socket, sys\n"
    "def refuse(*_a, **_k): raise AssertionError('a socket was opened')\n"
    "socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse\n"
    "from remit.cli.main import main\n"
    "sys.argv = ['remit', *sys.argv[1:]]\n"
    "main()\n"
)


def run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run Remit with the extra, sockets blocked."""
    python = need(RIG / "names" / "bin" / "python", "rig-names")
    return subprocess.run(
        [str(python), "-c", BLOCKED, *arguments],
        input=stdin, capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip


@pytest.mark.slow
def test_names_of_people_and_places() -> None:
    """They are found where they stand, and only where somebody asks for them."""
    line = json.dumps({"id": 1, "text": TEXT})
    done = run("content", "check", "--with", "names", stdin=line)
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)["findings"]
    spans = {(f["label"], TEXT[f["start"] : f["end"]]) for f in found}
    assert {("PERSON", "Larsen"), ("PERSON", "Ann Becker"), ("LOCATION", "Paris")} <= spans
    assert run("content", "check", stdin=line).returncode == 0


@pytest.mark.slow
def test_a_bundle_that_asks_for_names(tmp_path: Path) -> None:
    """`remit simulate` masks them in what comes back: policy, detector, redaction together."""
    bundle = tmp_path / "bundle"
    (bundle / "guardrail").mkdir(parents=True)
    (bundle / "bundle.toml").write_text('name = "n"\nversion = "1"\nserial = 1\n')
    (bundle / "facts.toml").write_text('[detectors]\noptional = ["names"]\n')
    (bundle / "guardrail" / "a.cedar").write_text(
        '@id("all") permit (principal, action in [Remit::Action::"tool.call", '
        'Remit::Action::"tool.result"], resource);\n'
        '@id("no-names") forbid (principal, action == Remit::Action::"tool.result", resource) '
        'when { context.content.findings.contains("pii:PERSON") };\n'
    )
    events = [
        {"seq": 1, "event": "session_start", "session": "s", "tools": [{"name": "read"}]},
        {"seq": 2, "event": "tool_result", "session": "s", "tool": "read", "content": TEXT},
        {"seq": 3, "event": "tool_result", "session": "s", "tool": "read", "content": "It rains."},
    ]
    lines = "".join(json.dumps(event) + "\n" for event in events)
    done = run("simulate", "--bundle", str(bundle), stdin=lines)
    assert done.returncode == 0, done.stderr
    said = [json.loads(line)["decision"] for line in done.stdout.splitlines()]
    assert said == ["allow", "deny", "allow"]
