"""Who is calling."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from remit.core.event import Agent
from remit.guard.identity import Process, ancestors, current_agent, current_user, identify


def chain(*programs):
    return iter(
        Process(n, executable, tuple(arguments))
        for n, (executable, *arguments) in enumerate(programs)
    )


@pytest.mark.parametrize(
    ("programs", "agent"),
    [
        ([("/usr/bin/bash", "bash"), ("/opt/claude", "claude")], "claude-code"),
        ([("/usr/bin/node", "node", "/x/@anthropic-ai/claude-code/cli.js")], "claude-code"),
        ([("/usr/bin/node", "node", "--flag", "/x/@openai/codex/bin/codex.js")], "codex"),
        ([("/Applications/Cursor.app/Contents/MacOS/Cursor", "Cursor")], "cursor"),
        ([("/usr/local/bin/Codex.exe", "x")], "codex"),
        ([("/usr/bin/python3.11", "python", "/usr/bin/goose")], "goose"),
        # The nearest known one, over a nearer unknown one.
        ([("/bin/thing", "thing"), ("/opt/codex", "codex"), ("/opt/claude", "claude")], "codex"),
        # Unknown: the nearest that is no launcher.
        ([("/usr/bin/uvx", "uvx"), ("/usr/bin/sh", "sh"), ("/opt/myagent", "myagent")], "myagent"),
        ([("/usr/bin/python3", "python3", "-u", "/srv/agent.py")], "agent"),
        ([("/usr/bin/python3", "python3", "/venv/bin/remit"), ("/opt/mine", "mine")], "mine"),
        # Arguments are not names unless an interpreter runs them.
        ([("/opt/other", "other", "claude")], "other"),
        ([("/usr/bin/bash", "bash", "claude")], "unknown"),
        ([("", "claude")], "unknown"),
        ([], "unknown"),
    ],
)
def test_identify(programs, agent):
    assert identify(chain(*programs)).id == agent


def test_the_executable_is_kept_and_a_foreign_name_shown_safely():
    assert identify(chain(("/opt/claude", "x"))) == Agent(
        id="claude-code", executable="/opt/claude"
    )
    assert "\x1b" not in identify(chain(("/opt/\x1b[31mx", "x"))).id


def test_a_program_that_cannot_be_read_is_not_a_name():
    found = identify(chain(("", "x"), ("/opt/mine", "mine")))
    assert found.id in {"mine", "unknown"}


def test_the_ancestors_of_a_child_from_proc():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        found = list(ancestors(child.pid))
        assert found[0].pid == os.getpid()
        assert Path(found[0].executable).samefile(f"/proc/{os.getpid()}/exe")
        assert found[0].arguments
        child.stdin.close()


def test_a_name_with_brackets_and_spaces_hides_nothing(tmp_path):
    # comm is "a) 1 (b": a careless parser of /proc/PID/stat takes 1 for the parent.
    program = tmp_path / "a) S 1 (b"
    program.symlink_to(os.path.realpath("/bin/sleep"))
    with subprocess.Popen([str(program), "5"]) as child:
        for _ in range(100):
            if b"a) S 1" in Path(f"/proc/{child.pid}/stat").read_bytes():
                break
            time.sleep(0.01)
        assert next(ancestors(child.pid)).pid == os.getpid()
        child.kill()


def test_a_process_that_is_gone_has_no_ancestors():
    with subprocess.Popen(["true"]) as child:
        child.wait()
    assert list(ancestors(child.pid)) == []


def test_this_process():
    assert current_agent().id
    assert current_user() in {"root", os.environ.get("USER"), *(current_user(),)}
