"""`remit pack`, `unpack`, `inspect`, `list` and `untag`."""

import json
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from remit.artifacts.kinds.base import KINDS
from remit.artifacts.layout import Layout
from remit.artifacts.oci.digests import digest_of
from remit.artifacts.unpack import FILTERS
from remit.cli import artifacts
from remit.cli.main import cli
from tests.unit.artifacts.archives import named, tar, zip_of
from tests.unit.artifacts.test_agent import FULL as AGENT
from tests.unit.artifacts.test_pack import MANIFEST
from tests.unit.artifacts.test_unpack import artifact


@pytest.fixture
def remit(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REMIT_STATE", str(tmp_path / "state"))
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)

    def run(*arguments):
        return CliRunner().invoke(cli, list(map(str, arguments)))

    return run


@pytest.fixture
def bundle(tmp_path):
    (tmp_path / "db" / "tool").mkdir(parents=True)
    (tmp_path / "db" / "bundle.toml").write_text('name = "db"\nversion = "1.2"\n')
    (tmp_path / "db" / "tool" / "db.cedar").write_text("")
    return tmp_path / "db"


def json_of(result):
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_round_trip(remit, bundle, tmp_path):
    packed = json_of(remit("pack", bundle, "-t", "policies/db:v1", "-o", "json"))
    assert packed["kind"] == "policy"
    assert packed["name"] == "policies/db:v1"
    (layer,) = packed["layers"]
    assert (layer["section"], layer["path"]) == ("code", ".")
    assert json_of(remit("list", "-o", "json"))[0]["digest"] == packed["digest"]
    shown = json_of(remit("inspect", "policies/db:v1", "-o", "json"))
    assert shown["kitfile"]["package"] == {"name": "db", "version": "1.2"}
    assert shown["layers"][0]["stored"] is True
    unpacked = json_of(remit("unpack", "policies/db:v1", "-d", "out", "-o", "json"))
    assert unpacked["files"] == 3
    assert (tmp_path / "out" / "bundle.toml").read_text() == (bundle / "bundle.toml").read_text()
    assert json_of(remit("pack", "out", "-t", "again", "-o", "json"))["layers"] == packed["layers"]
    assert json_of(remit("inspect", f"x@{packed['digest']}", "-o", "json"))["kind"] == "policy"


def test_the_choices_are_those_of_the_packages():
    assert artifacts._KINDS == KINDS
    assert tuple(FILTERS) == artifacts._ONLY


def test_for_people(remit, bundle):
    assert "policy (it has `bundle.toml`)" in remit("pack", bundle, "-t", "db").output
    assert "db:latest\tpolicy" in remit("list").output
    assert remit("list", "other").output == "name\tkind\tsize\tdigest\n"
    assert "version  1.2" in remit("inspect", "db").output
    assert "name: db" in remit("inspect", "db", "-o", "kitfile").output
    assert json.loads(remit("inspect", "db", "-o", "manifest").output)["schemaVersion"] == 2
    assert "verified as sha256:" in remit("unpack", "db", "-d", "out").output


def test_the_directory_is_named_after_the_artifact(remit, bundle, tmp_path):
    remit("pack", bundle, "-t", "registry.example:5000/team/rules:v1")
    assert remit("unpack", "registry.example:5000/team/rules:v1").exit_code == 0
    assert (tmp_path / "rules" / "bundle.toml").exists()


def test_a_dry_run_stores_nothing(remit, bundle, tmp_path):
    assert "policy bundle" in remit("pack", bundle, "-t", "db", "--dry-run").output
    assert not (tmp_path / "state").exists()


def test_source_date_epoch(remit, bundle, monkeypatch):
    first = json_of(remit("pack", bundle, "-t", "a", "-o", "json"))["digest"]
    assert json_of(remit("pack", bundle, "-t", "b", "-o", "json"))["digest"] == first
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    remit("pack", bundle, "-t", "c")
    shown = json_of(remit("inspect", "c", "-o", "json"))
    assert shown["annotations"]["org.opencontainers.image.created"] == "2023-11-14T22:13:20Z"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    assert remit("pack", bundle, "-t", "d").exit_code == 2
    assert len(json_of(remit("list", "-o", "json"))) == 3


def test_what_was_left_out_is_said(remit, bundle):
    (bundle / "link").symlink_to("/etc/passwd")
    result = remit("pack", bundle, "-t", "db", "-o", "json")
    assert json_of(result)["skipped"] == ["link"]
    assert "left out" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["unpack", "nothing"], 1, "there is no artifact store"),
        (["inspect", "nothing"], 1, "there is no artifact store"),
        (["pack", "nowhere", "-t", "a"], 2, "is no directory"),
        (["pack", "db", "-t", "UPPER"], 2, "is not the name"),
        (["pack", "db", "-t", "a@sha256:" + "0" * 64], 2, "has a digest"),
        (["pack", "db"], 2, "--tag"),
        (["pack", "db", "-t", "a", "-f", "nowhere"], 1, "No such file"),
        (["pack", "db", "-t", "a", "--kind", "thing"], 2, "thing"),
        (["unpack", "a", "--filter", "thing"], 2, "thing"),
        (["untag"], 2, "NAMES"),
    ],
)
def test_what_is_wrong_is_said(remit, bundle, arguments, code, says):
    result = remit(*arguments)
    assert result.exit_code == code, result.output
    assert says in result.stderr
    assert "Traceback" not in result.output


def test_what_is_not_verified_has_its_own_exit_code(remit, tmp_path):
    layout = Layout.open(tmp_path / "state" / "artifacts", create=True)
    layout.name("evil:v1", artifact(layout, tar(named(b"../evil\x1b[2J", b"x"))))
    result = remit("unpack", "evil:v1")
    assert result.exit_code == 3
    assert "\x1b" not in result.output
    assert not (tmp_path / "evil").exists()
    data = tar()
    layout.name("changed:v1", artifact(layout, data))
    layout.path(digest_of(data)).write_bytes(bytes(len(data) - 1) + b"x")
    assert remit("unpack", "changed:v1").exit_code == 3
    assert remit("unpack", "none:v1").exit_code == 1


def test_names_are_taken_away_all_or_none(remit, bundle):
    for name in ("a", "b", "c"):
        remit("pack", bundle, "-t", name)
    assert remit("untag", "a", "nothing").exit_code == 1
    assert len(json_of(remit("list", "-o", "json"))) == 3
    assert remit("untag", "a", "b").exit_code == 0
    assert [each["name"] for each in json_of(remit("list", "-o", "json"))] == ["c:latest"]


def test_an_mcp_server_shows_what_it_runs(remit, tmp_path):
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "fs.mcpb").write_bytes(
        zip_of({"manifest.json": json.dumps(MANIFEST | {"tools": [{"name": "read"}]}).encode()})
    )
    assert remit("pack", "s", "-t", "fs").exit_code == 0
    assert json_of(remit("inspect", "fs", "-o", "json"))["mcpServers"][0]["command"][0] == "node"
    shown = remit("inspect", "fs").output
    assert "runs     node ${__dirname}/i.js" in shown
    assert "tool     read" in shown


def test_an_agent_shows_what_it_runs_with(remit, tmp_path):
    (tmp_path / "agent").mkdir()
    (tmp_path / "agent" / "agent.yaml").write_text(AGENT)
    assert remit("pack", "agent", "-t", "agents/reporter:v1").exit_code == 0
    found = json_of(remit("inspect", "agents/reporter:v1", "-o", "json"))["agent"]
    assert found["client"] == "claude-code"
    assert found["dependencies"][0] == {
        "role": "model", "name": "qwen", "ref": "registry.example/models/qwen:7b",
    }  # fmt: skip
    assert "skill       report" in remit("inspect", "agents/reporter:v1").output


def test_a_broken_entry_of_the_list_does_not_hide_the_others(remit, bundle, tmp_path):
    packed = json_of(remit("pack", bundle, "-t", "good", "-o", "json"))
    layout = Layout(tmp_path / "state" / "artifacts")
    good = layout.resolve("good:latest")
    layout.name("bad:v1", type(good)(media_type=good.media_type, digest=digest_of(b"gone"), size=4))
    rows = json_of(remit("list", "-o", "json"))
    assert [(each["name"], "error" in each) for each in rows] == [
        ("bad:v1", True),
        ("good:latest", False),
    ]
    assert rows[1]["digest"] == packed["digest"]


def test_help_and_start_up_import_nothing_heavy(tmp_path):
    code = """
import sys
from remit.cli.main import cli
cli.main(["pack", "--help"], standalone_mode=False)
heavy = {"rich", "yaml", "aiohttp", "cryptography", "re2", "msgspec"} & set(sys.modules)
assert not heavy, heavy
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, check=False
    )
    assert done.returncode == 0, done.stderr
