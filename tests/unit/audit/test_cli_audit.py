"""The commands as people type them."""

import json
import threading
import time
from unittest import mock

import click.testing
import pytest

from remit.attest.cipher import SubjectCipher
from remit.audit.log import directory_of
from remit.cli import audit as module
from remit.cli import audit_output
from remit.cli.audit import audit
from tests.unit.audit import support
from tests.unit.audit.support import KEY, ORIGIN, START_US, FakeClock, body, copy, open_log

HOSTILE = "\x1b]0;owned\x07\u202egnp.exe\u200b"


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    state = tmp_path_factory.mktemp("state")
    cipher = SubjectCipher(state / "guard" / "keys" / "subjects")
    with open_log(directory_of(state / "guard", ORIGIN), cipher=cipher) as log:
        for number in range(30):
            log.append(
                "tool.decision",
                body(number),
                private={"action.args_c": ("alice", b'{"n":%d}' % number)},
            )
        log.append("agent.seen", {"actor": {"agent": HOSTILE, "user": "alice"}, "note": HOSTILE})
    return state


@pytest.fixture
def one(state):
    return directory_of(state / "guard", ORIGIN)


def remit(*arguments, code=0, **environment):
    result = click.testing.CliRunner().invoke(
        audit, [str(a) for a in arguments], env=environment, catch_exceptions=False
    )
    assert result.exit_code == code, result.output
    return result


def test_help_teaches_by_example():
    text = remit("--help").stdout
    assert "remit audit verify --checkpoint" in text
    for name in ("tail", "search", "show", "verify", "prove"):
        assert name in text
        assert f"remit audit {name}" in remit(name, "--help").stdout


def test_tail(state):
    lines = remit("tail", "--state", state, "-n", 3).stdout.splitlines()
    assert lines[0].split("\t") == ["seq", "time", "kind", "agent", "action", "effect", "detail"]
    assert [line.split("\t")[0] for line in lines[1:]] == ["28", "29", "30"]
    values = json.loads(remit("tail", "--state", state, "-n", 2, "-o", "json").stdout)
    assert [value["seq"] for value in values] == [29, 30]
    lines = remit("tail", "--state", state, "-n", 2, "-o", "jsonl").stdout.splitlines()
    assert [json.loads(line)["seq"] for line in lines] == [29, 30]
    assert len(remit("tail", "--state", state, "-n", 1000, "-o", "jsonl").stdout.splitlines()) == 31


def test_nothing_acts_on_the_terminal(state):
    for form in ("table", "json", "jsonl"):
        for command in (("tail",), ("search", "gnp")):
            text = remit(*command, "--state", state, "-o", form).stdout
            assert not set("\x1b\x07\u202e\u200b\x7f") & set(text)
    text = remit("show", 30, "--state", state).stdout
    assert not set("\x1b\x07\u202e\u200b\x7f") & set(text)
    value = json.loads(remit("search", "gnp", "--state", state, "-o", "json").stdout)
    assert value[0]["actor"]["agent"] == HOSTILE


def test_tables_on_a_terminal_are_neutral_too(state, capsys):
    from remit.audit.log import read

    entries = list(read(directory_of(state / "guard", ORIGIN)))[-3:]
    with mock.patch.object(audit_output.sys.stdout, "isatty", return_value=True):
        audit_output.print_entries(entries, "table")
    text = capsys.readouterr().out
    assert "agent.seen" in text
    assert not set("\x07\u202e\u200b") & set(text)
    assert "\x1b]" not in text


def test_tail_follows(state, tmp_path):
    directory = copy(directory_of(state / "guard", ORIGIN), tmp_path / "audit" / "x")
    stop = threading.Event()

    def write():
        with open_log(directory, clock=FakeClock(START_US * 2)) as log:
            log.append("guard.start", {"mark": "new"})
            log.flush()
            stop.wait(20)

    naps = []

    def nap(seconds):
        naps.append(seconds)
        if len(naps) == 1:
            thread.start()
        deadline = time.monotonic() + 10
        while len(support.leaves_of(directory)) < 32 and time.monotonic() < deadline:
            threading.Event().wait(0.01)
        if len(naps) == 3:
            raise KeyboardInterrupt

    thread = threading.Thread(target=write)
    with mock.patch.object(module.time, "sleep", nap):
        text = remit("tail", "-f", "-n", 1, "-o", "jsonl", "--state", tmp_path).stdout
    stop.set()
    thread.join()
    assert [json.loads(line)["kind"] for line in text.splitlines()] == ["agent.seen", "guard.start"]


def test_search(state):
    text = remit("search", "--effect", "deny", "-n", 2, "--state", state).stdout
    assert [line.split("\t")[0] for line in text.splitlines()] == ["seq", "28", "26"]
    remit("search", "nothing like this", "--state", state, code=1)
    assert remit("search", body(4)["call"], "--state", state, "-o", "jsonl").stdout.count("\n") == 1
    remit("search", "--since", "2027-01-15", "--until", "2027-01-16T00:00Z", "--state", state)
    remit("search", "--since", "1d", "--state", state)
    remit("search", "--until", "2020-01-01", "--state", state, code=1)
    remit("search", "--since", "yesterday", "--state", state, code=2)


def test_show_and_reveal(state, tmp_path):
    record = json.loads(remit("show", 7, "--state", state).stdout)
    assert record["seq"] == 7
    assert record["action"]["args_c"].startswith("hmac-sha256:")
    value = json.loads(remit("show", 7, "--reveal", "--state", state).stdout)
    assert value["private"] == {"action.args_c": {"n": 7}}
    remit("show", 999, "--state", state, code=1)
    remit("show", 7, "--reveal", "--keys", tmp_path / "none", "--state", state, code=2)
    empty = tmp_path / "empty"
    empty.mkdir(mode=0o700)
    value = json.loads(remit("show", 7, "--reveal", "--keys", empty, "--state", state).stdout)
    assert value["private"]["action.args_c"]["error"] == "attest.key_destroyed"


def test_verify_reports(state, one, tmp_path):
    text = remit("verify", "--state", state).stdout
    assert "OK" in text
    assert "unanchored_records  31" in text
    assert "own directory" in text
    [report] = json.loads(
        remit("verify", "--state", state, "-o", "json", "--vkey", KEY.vkey).stdout
    )
    assert report["ok"]
    assert (report["records"], report["notes"], report["problem"]) == (31, [], None)
    kept = tmp_path / "kept"
    kept.write_bytes((one / "checkpoint").read_bytes())
    assert "unanchored_records  0" in remit("verify", "--state", state, "--checkpoint", kept).stdout


def test_verify_names_the_first_bad_record(one, tmp_path):
    directory = copy(one, tmp_path / "audit" / "x")
    leaves = support.leaves_of(directory)
    leaves[9] = leaves[9].replace(b"alice", b"mallo")
    support.write_leaves(directory, leaves)
    text = remit("verify", "--state", tmp_path, code=3).stdout
    assert "NOT VERIFIED" in text
    assert "record 9:" in text
    [report] = json.loads(remit("verify", "--state", tmp_path, "-o", "json", code=3).stdout)
    assert report["problem"]["seq"] == 9
    support.write_leaves(directory, leaves[:5])
    remit("verify", "--state", tmp_path, code=3)
    other = support.LogKey(ORIGIN, b"\x09" * 32)
    remit("verify", "--state", tmp_path, "--vkey", other.vkey, code=3)
    remit("verify", "--state", tmp_path, "--vkey", "nonsense", code=3)


def test_prove_and_check(state, one, tmp_path):
    file = tmp_path / "a.tlog-proof"
    remit("prove", 3, "-o", file, "--state", state)
    result = remit("prove", "--check", file, "--vkey", KEY.vkey)
    assert json.loads(result.stdout)["seq"] == 3
    assert remit("prove", 3, "--state", state).stdout.encode() == file.read_bytes()
    remit("prove", "--check", file, code=2)
    remit("prove", "--check", file, "--vkey", support.LogKey(ORIGIN, b"\x09" * 32).vkey, code=3)
    file.write_bytes(file.read_bytes().replace(b"index 3", b"index 4"))
    remit("prove", "--check", file, "--vkey", KEY.vkey, code=3)
    remit("prove", "--state", state, code=2)
    remit("prove", 999, "--state", state, code=1)


def test_several_logs(state, tmp_path):
    for number in (1, 2):
        key = support.LogKey(f"remit.example/guard/{number}", bytes([number]) * 32)
        open_log(directory_of(tmp_path / str(number), key.name), signer=key).close()
    assert remit("verify", "--state", tmp_path).stdout.count("OK") == 2
    assert remit("verify", "--state", tmp_path, "--log", "guard/2").stdout.count("OK") == 1
    assert "choose one" in remit("show", 0, "--state", tmp_path, code=2).output
    remit("tail", "--state", tmp_path, "--log", "guard/2")
    remit("tail", "--state", tmp_path, "--log", "guard/3", code=2)


def test_several_logs_are_shown_together_by_their_clocks(tmp_path):
    for number in (1, 2):
        key = support.LogKey(f"remit.example/guard/{number}", bytes([number]) * 32)
        clock = FakeClock(START_US + number * 400)
        with open_log(
            directory_of(tmp_path / str(number), key.name), signer=key, clock=clock
        ) as log:
            for _ in range(3):
                log.append("guard.heartbeat", {})
    lines = remit("tail", "-n", 4, "--state", tmp_path).stdout.splitlines()
    assert lines[0].startswith("log\tseq\ttime")
    assert [line.split("\t")[:2] for line in lines[1:]] == [
        ["remit.example/guard/1", "1"],
        ["remit.example/guard/2", "1"],
        ["remit.example/guard/1", "2"],
        ["remit.example/guard/2", "2"],
    ]
    lines = remit("search", "-n", 3, "--kind", "guard.*", "--state", tmp_path).stdout.splitlines()
    assert [line.split("\t")[:2] for line in lines[1:]] == [
        ["remit.example/guard/2", "2"],
        ["remit.example/guard/1", "2"],
        ["remit.example/guard/2", "1"],
    ]


def test_the_default_is_the_users_own_state(state, tmp_path):
    assert "31 (31 signed)" in remit("verify", REMIT_STATE=str(state)).stdout
    remit("verify", REMIT_STATE=str(tmp_path / "none"), code=2)
    remit("prove", 3, REMIT_STATE=str(state))


def test_progress_goes_to_stderr(capsys):
    audit_output.progress()(32768)
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "\r32,768 records")


def test_importing_the_command_is_cheap():
    code = "import sys, remit.cli.audit; print([m for m in ('rich','sqlite3','cryptography','orjson','remit.audit') if m in sys.modules])"
    import subprocess
    import sys

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
