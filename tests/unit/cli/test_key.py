import json
import re
import stat

import pytest
from click.testing import CliRunner

from remit.cli.key import key
from remit.core.errors import RemitError


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REMIT_STATE", str(tmp_path / "user"))

    def invoke(*arguments, code=0):
        result = CliRunner().invoke(key, list(arguments), standalone_mode=False)
        if isinstance(result.exception, RemitError):
            assert code == 2
        else:
            assert (result.exit_code, result.return_value) in {(0, code), (code, None)}, (
                result.output
            )
        return result

    return invoke


def listed(run, *arguments):
    return json.loads(run("list", "-o", "json", *arguments).stdout)


def test_a_key_is_printed_once_and_alone(run, tmp_path):
    done = run("new", "--agent", "ci")
    text = done.stdout
    assert re.fullmatch(r"rmt_[a-z2-7]{8}_[a-z2-7]{40}[0-9a-f]{8}\n", text)
    assert text.strip()[13:] not in done.stderr
    path = tmp_path / "user" / "guard" / "keys" / "callers.json"
    assert str(path) in done.stderr
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert text.strip()[13:] not in path.read_text()
    assert text.strip()[13:] not in run("list").output


def test_what_was_asked_for_is_what_is_listed(run):
    made = run(
        "new", "--agent", "ci", "--user", "ada", "--server", "git", "--server", "db*", "--expires", "never"
    )  # fmt: skip
    (found,) = listed(run)
    assert found["id"] == made.stdout[4:12]
    assert found["agent"] == "ci"
    assert found["user"] == "ada"
    assert found["servers"] == ["git", "db*"]
    assert found["expires"] is None
    assert found["state"] == "active"
    assert found["last_used"] is None
    assert "hash" not in found
    assert "salt" not in found


def test_a_key_ends_by_itself_unless_it_is_told_otherwise(run):
    run("new", "--agent", "ci")
    (found,) = listed(run)
    assert found["expires"] > found["created"]
    assert found["servers"] == ["*"]


@pytest.mark.parametrize("duration", ["30m", "12h", "30d", "2w"])
def test_durations(run, duration):
    run("new", "--agent", "ci", "--expires", duration)


@pytest.mark.parametrize(
    "duration", ["", "30", "d", "-1d", "0d", "1y", "1.5d", "9999999w", "٣d", "30d\n"]
)
def test_other_durations_are_refused(run, duration):
    result = run("new", "--agent", "ci", "--expires", duration, code=1)
    assert "never" in str(result.exception)
    assert not listed(run)


def test_names_that_cannot_be_used_are_refused(run):
    for wrong in (
        ("--agent", ""),
        ("--agent", "a\x1b[31m"),
        ("--agent", "a", "--user", ""),
        ("--agent", "a", "--server", "a/b"),
    ):
        run("new", *wrong, code=2)
    assert not listed(run)


def test_revoking(run):
    text = run("new", "--agent", "ci").stdout.strip()
    other = run("new", "--agent", "ci").stdout.strip()
    run("revoke", text[4:12])
    assert {k["id"]: k["state"] for k in listed(run)} == {
        text[4:12]: "revoked",
        other[4:12]: "active",
    }
    run("revoke", text[4:12])
    run("revoke", other)  # the whole key, found somewhere
    assert {k["state"] for k in listed(run)} == {"revoked"}
    run("revoke", "aaaaaaaa", code=2)


def test_the_state_directory_is_the_one_guard_would_use(run, tmp_path):
    run("new", "--agent", "ci", "--state", str(tmp_path / "a"))
    assert (tmp_path / "a" / "keys" / "callers.json").exists()
    assert not listed(run)
    (tmp_path / "remit.toml").write_text('[guard]\nstate = "b"\n')
    run("new", "--agent", "ci")
    assert (tmp_path / "b" / "keys" / "callers.json").exists()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "remit.toml").write_text('[guard]\nstate = "c"\n')
    run("new", "--agent", "ci", "--config", str(tmp_path / "other" / "remit.toml"))
    assert (tmp_path / "other" / "c" / "keys" / "callers.json").exists()
    run("list", "--config", str(tmp_path / "missing.toml"), code=2)


def test_an_empty_list_says_where_it_looked(run, tmp_path):
    done = run("list")
    assert done.stdout == ""
    assert str(tmp_path) in done.stderr


def test_a_table_on_a_pipe_has_no_control_characters(run, tmp_path):
    run("new", "--agent", "ci")
    path = tmp_path / "user" / "guard" / "keys" / "callers.json"
    path.write_text(path.read_text().replace('"agent": "ci"', '"agent": "c\\u001b[31m\\ti"'))
    shown = run("list").stdout
    assert "\x1b" not in shown
    assert len(shown.splitlines()[1].split("\t")) == 7
