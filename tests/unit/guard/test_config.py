"""``remit.toml``."""

import pytest

from remit.guard.config import load
from remit.guard.errors import GuardError

FULL = """
[guard]
bundle = "policy"
state = "/var/state"
[servers.git]
command = ["git-server", "-r", "."]
cwd = "work"
env = { PAGER = "cat" }
[servers.files]
command = ["files"]
workspace = "data"
"""


def write(tmp_path, text):
    path = tmp_path / "remit.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_paths_are_relative_to_the_file(tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    config = load(write(tmp_path, FULL))
    base = tmp_path.resolve()
    assert config.bundle == base / "policy"
    assert str(config.state) == "/var/state"
    git, files = config.server("git"), config.server("files")
    assert git.command == ("git-server", "-r", ".")
    assert (git.cwd, git.workspace, git.env) == (base / "work", base / "work", {"PAGER": "cat"})
    assert (files.cwd, files.workspace) == (base, base / "data")


def test_nothing_need_be_said(tmp_path):
    config = load(write(tmp_path, ""))
    assert (config.bundle, config.state, dict(config.servers)) == (None, None, {})


@pytest.mark.parametrize(
    "text",
    [
        b"\xff", b"[", "[guard]\nbundel = 'x'", "[guard]\nbundle = 5", "[servers.x]",
        "[servers.x]\ncommand = 'ls'", "[servers.x]\ncommand = []", "[servers.x]\ncommand = [5]",
        "[servers.x]\ncommand = ['x']\nenv = { A = 1 }", "[server.x]\ncommand = ['x']",
        "[servers.x]\ncommand = ['x']\n[servers.x]\ncommand = ['y']", "x = " + "[" * 5000,
    ],
)  # fmt: skip
def test_what_is_not_understood_is_refused(tmp_path, text):
    with pytest.raises(GuardError) as error:
        load(write(tmp_path, text))
    assert error.value.code == "config.invalid"


def test_an_unreadable_file_is_an_error(tmp_path):
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(GuardError) as error:
            load(path)
        assert error.value.code == "config.unreadable"


@pytest.mark.parametrize(("name", "hint"), [("gti", "`git`"), ("zzz", "files, git")])
def test_an_unknown_server_names_the_known(tmp_path, name, hint):
    with pytest.raises(GuardError) as error:
        load(write(tmp_path, FULL)).server(name)
    assert error.value.code == "config.unknown_server"
    assert hint in error.value.hint
