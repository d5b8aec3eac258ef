import json
from pathlib import Path

import pytest

from remit.core.errors import RemitError
from remit.guard.admission.launch import launch_of, small_environment
from remit.guard.config import Secret, ServerConfig

HERE = Path("/srv")


def config(**changes):
    return ServerConfig(**{
        "id": "x", "command": (), "cwd": HERE, "workspace": HERE, "artifact": "team/x:1", **changes
    })  # fmt: skip


def manifest(root, server=None, **more):
    document = {
        "manifest_version": "0.3", "name": "x", "version": "1", "description": "x",
        "author": {"name": "x"},
        "server": server or {"type": "node", "entry_point": "index.js"}, **more,
    }  # fmt: skip
    (root / "manifest.json").write_text(json.dumps(document))


def mcp(command, *args, **more):
    return {
        "type": "node",
        "entry_point": "i.js",
        "mcp_config": {"command": command, "args": list(args), **more},
    }


def refusal(*arguments, **options):
    with pytest.raises(RemitError) as caught:
        launch_of(*arguments, **options)
    return caught.value.code


def test_the_command_of_the_configuration_wins(tmp_path):
    manifest(tmp_path)
    found = launch_of(
        config(command=("node", "{artifact}/a.js"), env={"ROOT": "{artifact}", "KEY": Secret("k")}),
        tmp_path,
    )
    assert found.command == ("node", f"{tmp_path}/a.js")
    assert found.env == {"ROOT": str(tmp_path), "KEY": Secret("k")}


def test_the_command_of_the_manifest(tmp_path):
    manifest(tmp_path, mcp("node", "${__dirname}/i.js", "${HOME}", env={"A": "${__dirname}${/}b"}))
    found = launch_of(config(env={"B": "2"}), tmp_path)
    assert found.command[:2] == ("node", f"{tmp_path}/i.js")
    assert found.env == {"A": f"{tmp_path}/b", "B": "2"}


@pytest.mark.parametrize(
    ("kind", "start"), [("node", ("node",)), ("python", ("python3",)), ("binary", ())]
)
def test_an_entry_point_alone(tmp_path, kind, start):
    manifest(tmp_path, {"type": kind, "entry_point": "bin/x"})
    assert launch_of(config(), tmp_path).command == (*start, f"{tmp_path}/bin/x")


@pytest.mark.parametrize("entry", ["", "/bin/sh", "../x", "a/../../x"])
def test_an_entry_point_outside(tmp_path, entry):
    manifest(tmp_path, {"type": "binary", "entry_point": entry})
    assert refusal(config(), tmp_path) == "artifact.manifest"


@pytest.mark.parametrize(
    "command", ["npx", "uvx", "/usr/bin/npx", "NPX.cmd", "uv", "C:\\x\\uvx.exe", "docker"]
)
def test_what_fetches_code(tmp_path, command):
    manifest(tmp_path, mcp(command, "x"))
    assert refusal(config(), tmp_path) == "artifact.fetches"
    assert refusal(config(command=(command, "{artifact}")), tmp_path) == "artifact.fetches"


def test_uv_bundles_fetch_too(tmp_path):
    manifest(tmp_path, {"type": "uv", "entry_point": "main.py"})
    assert refusal(config(), tmp_path) == "artifact.fetches"


def test_nothing_says_how(tmp_path):
    assert refusal(config(), tmp_path) == "artifact.no_command"


def test_overrides_of_the_platform(tmp_path):
    override = {"platform_overrides": {"linux": {"command": "deno"}, "win32": {"command": "x"}}}
    manifest(tmp_path, mcp("node", "a", **override))
    assert launch_of(config(), tmp_path).command == ("deno", "a")


ASKED = {
    "user_config": {
        "dirs": {"type": "directory", "multiple": True, "required": True},
        "key": {"type": "string", "sensitive": True},
        "n": {"type": "number", "default": 3},
        "flag": {"type": "boolean"},
    }
}


def test_user_config(tmp_path):
    server = mcp(
        "node", "${user_config.dirs}", "-n${user_config.n}", "${user_config.flag}",
        env={"KEY": "${user_config.key}"},
    )  # fmt: skip
    manifest(tmp_path, server, **ASKED)
    given = {"dirs": ["/a", "/b"], "key": Secret("k")}
    found = launch_of(config(user_config=given), tmp_path)
    assert found.command == ("node", "/a", "/b", "-n3")
    assert found.env == {"KEY": Secret("k")}
    assert launch_of(config(user_config={**given, "flag": True}), tmp_path).command[-1] == "true"


@pytest.mark.parametrize(
    ("given", "args", "code"),
    [
        ({}, (), "artifact.user_config"),
        ({"dirs": ["/a"], "other": "x"}, (), "artifact.user_config"),
        ({"dirs": ["/a"], "key": Secret("k")}, ("${user_config.key}",), "artifact.user_config"),
        ({"dirs": ["/a"]}, ("x${user_config.dirs}",), "artifact.manifest"),
        ({"dirs": ["/a"]}, ("${PATH}",), "artifact.manifest"),
    ],
)
def test_user_config_that_does_not_fit(tmp_path, given, args, code):
    manifest(tmp_path, mcp("node", *args), **ASKED)
    assert refusal(config(user_config=given), tmp_path) == code


def test_modules_are_not_looked_for_in_the_working_directory(tmp_path):
    found = launch_of(config(command=("python3.12", "-m", "x", "{artifact}")), tmp_path)
    assert found.env["PYTHONSAFEPATH"] == "1"
    found = launch_of(config(command=("python3.12", "{artifact}/x.py")), tmp_path)
    assert "PYTHONSAFEPATH" not in found.env


def test_a_small_environment():
    given = {
        "PATH": "/bin::.:bin:/usr/bin", "LC_ALL": "C", "NODE_OPTIONS": "-r x", "LD_PRELOAD": "x",
        "PYTHONPATH": "x", "PYTHONHOME": "x", "BASH_ENV": "x",
    }  # fmt: skip
    assert small_environment(given) == {
        "PATH": "/bin:/usr/bin",
        "LC_ALL": "C",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1",
    }


@pytest.mark.parametrize("command", ["./run", "bin/run", "../run", "bin\\run.exe"])
def test_a_program_of_the_working_directory(tmp_path, command):
    manifest(tmp_path, mcp(command))
    assert refusal(config(), tmp_path) == "artifact.relative"
    assert refusal(config(command=(command, "{artifact}")), tmp_path) == "artifact.relative"


def test_an_argument_that_is_a_file_of_the_artifact_is_that_file(tmp_path):
    (tmp_path / "server").mkdir()
    (tmp_path / "server" / "main.py").write_text("")
    manifest(tmp_path, mcp("python3", "server/main.py", "server", "-x", "other.py", "a\0b"[:1]))
    found = launch_of(config(), tmp_path)
    assert found.command == (
        "python3",
        f"{tmp_path}/server/main.py",
        "server",
        "-x",
        "other.py",
        "a",
    )
