"""What ``remit mcp exec`` governs."""

import json
from pathlib import Path

import pytest

from remit.core.errors import RemitError
from remit.guard.errors import GuardError
from remit.guard.target import resolve
from remit.policy.pins import Lock, dump_lock, pin
from tests.unit.guard.helpers import TOOLS, write_bundle

CONFIG = '[guard]\nbundle = "b"\nstate = "s"\n[servers.git]\ncommand = ["git-server"]\n'


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("b", "mine"):
        (tmp_path / name).mkdir()


def find(*target, **more):
    given = {"config_path": None, "bundle": None, "state": None, "name": None, "workspace": None}
    return resolve(target, **{**given, **more})


def test_a_server_of_the_configuration(tmp_path):
    Path("remit.toml").write_text(CONFIG)
    found = find("git")
    assert found.server.command == ("git-server",)
    assert found.bundle == tmp_path.resolve() / "b"
    assert found.state == tmp_path.resolve() / "s"


def test_options_win(tmp_path):
    Path("other.toml").write_text(CONFIG)
    found = find(
        "git",
        config_path=Path("other.toml"),
        bundle=Path("mine"),
        state=Path("st"),
        workspace=Path("w"),
    )
    assert (found.bundle, found.state) == (Path("mine"), Path("st"))
    assert found.server.workspace == tmp_path.resolve() / "w"


def test_a_command_takes_its_name_from_the_pins_or_the_program(tmp_path):
    assert find("/usr/bin/git.exe", "-x", bundle=Path(), name="n").server.id == "n"
    bundle = write_bundle(tmp_path / "bundle")
    assert find("/usr/bin/git.exe", "-x", bundle=bundle).server.id == "git"
    (bundle / "tools.lock").write_bytes(dump_lock(Lock(servers={"srv": pin("srv", TOOLS)})))
    assert find("prog", bundle=bundle).server.id == "srv"
    two = Lock(servers={n: pin(n, TOOLS[:1]) for n in ("a", "b")})
    (bundle / "tools.lock").write_bytes(dump_lock(two))
    assert find("prog", "-x", bundle=bundle).server.id == "prog"


def test_a_word_that_is_no_server_is_not_run():
    Path("remit.toml").write_text(CONFIG)
    for word in ("gti", "ls"):
        with pytest.raises(GuardError) as error:
            find(word)
        assert error.value.code == "config.unknown_server"


def test_without_a_bundle_nothing_runs():
    for target in (("ls", "-l"),):
        with pytest.raises(GuardError) as error:
            find(*target)
        assert error.value.code == "config.no_bundle"
    Path("remit.toml").write_text('[servers.git]\ncommand = ["x"]\n')
    with pytest.raises(GuardError) as error:
        find("git")
    assert error.value.code == "config.no_bundle"


@pytest.mark.parametrize("name", ["../../x", "a/b", "", ".", "x\0y"])
def test_a_server_id_is_no_path(tmp_path, name):
    with pytest.raises(RemitError):
        find("prog", "-x", bundle=write_bundle(tmp_path / "b"), name=name)
    Path("remit.toml").write_text(f"[servers.{json.dumps(name)}]\ncommand = ['x']\n")
    with pytest.raises(RemitError):
        find("x")


def test_an_odd_program_name_becomes_an_id(tmp_path):
    bundle = write_bundle(tmp_path / "b")
    assert find("/opt/my server!.py", "-x", bundle=bundle).server.id == "my-server-.py"
    assert find("..", "-x", bundle=bundle).server.id == "server"
