import json
from pathlib import Path

import jsonschema_rs
import pytest
from click.testing import CliRunner

from remit.cli.diff import diff
from remit.core.errors import RemitError
from tests.unit.artifacts.diff.making import files
from tests.unit.artifacts.diff.storing import Store

GIT = Path("examples/bundles/git")


def run(*arguments):
    return CliRunner().invoke(diff, [str(each) for each in arguments])


def copy(target, **replaced):
    content = {str(p.relative_to(GIT)): p.read_bytes() for p in GIT.rglob("*") if p.is_file()}
    for path, (old, new) in replaced.items():
        name = path.replace("__", "/").replace("_", ".")
        assert old.encode() in content[name]
        content[name] = content[name].replace(old.encode(), new.encode(), 1)
    return files(target, content)


def test_nothing_differs(tmp_path):
    a, b = files(tmp_path / "a", {"x": "1"}), files(tmp_path / "b", {"x": "1"})
    result = run(a, b)
    assert (result.exit_code, result.stdout) == (0, "no difference\n")
    assert json.loads(run(a, b, "-o", "json").stdout)["equal"] is True


def test_a_text_for_people(tmp_path):
    a = files(tmp_path / "a", {"SKILL.md": "Ask.\n"})
    b = files(tmp_path / "b", {"SKILL.md": "Never ask.\n"})
    result = run(a, b)
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "SKILL.md",
        "  medium    text.changed  text changed: 1 line removed, 1 line added",
        "      - Ask.",
        "      + Never ask.",
        "",
        "1 change, worst medium",
    ]


def test_what_was_not_looked_into_is_told_and_no_success(tmp_path):
    a = files(tmp_path / "a", {"m.h5": b"\0\1"})
    result = run(a, files(tmp_path / "b", {"m.h5": b"\0\2"}))
    assert result.exit_code == 1
    assert "not looked into\n  m.h5: HDF5 files are not looked into" in result.stdout


def test_policies_by_their_meaning(tmp_path):
    a = copy(tmp_path / "a")
    b = copy(tmp_path / "b", bundle_toml=("enforce", "observe"))
    found = json.loads(run(a, b, "-o", "json").stdout)
    (change,) = found["changes"]
    assert (change["kind"], change["path"], change["severity"]) == (
        "bundle.mode",
        "bundle.toml",
        "critical",
    )
    assert found["severity"] == "critical"


def test_a_policy_bundle_inside_a_directory(tmp_path):
    copy(tmp_path / "a" / "policies" / "git")
    copy(
        tmp_path / "b" / "policies" / "git",
        tool__git_cedar=("Only repositories", "Just repositories"),
    )
    found = json.loads(run(tmp_path / "a", tmp_path / "b", "-o", "json").stdout)
    assert [(e["kind"], e["path"]) for e in found["changes"]] == [
        ("policy.annotation", "policies/git/tool/git.cedar")
    ]


def test_policies_that_are_none_are_compared_as_a_text_and_told(tmp_path):
    a = copy(tmp_path / "a")
    b = copy(tmp_path / "b", tool__git_cedar=("permit (", "permit ("[:-1]))
    found = json.loads(run(a, b, "-o", "json").stdout)
    assert [each["kind"] for each in found["changes"]] == ["text.changed"]
    assert [each["path"] for each in found["unread"]] == ["tool/git.cedar"]


def test_artifacts_of_a_store(tmp_path):
    store = Store(tmp_path / "store")
    store.kit("team/a:v1", {"code": {"x.txt": "1\n"}})
    store.kit("team/a:v2", {"code": {"x.txt": "2\n"}})
    result = run("team/a:v1", "team/a:v2", "--store", tmp_path / "store")
    assert result.exit_code == 1
    assert "x.txt" in result.stdout
    assert run("team/a:v1", "team/a:v1", "--store", tmp_path / "store").exit_code == 0


def test_the_store_of_the_user_is_the_default(tmp_path, monkeypatch):
    monkeypatch.setenv("REMIT_STATE", str(tmp_path))
    Store(tmp_path / "artifacts").kit("a:v1", {"code": {"x": "1"}})
    assert run("a:v1", "a:v1").exit_code == 0


def test_what_is_not_there_is_an_error_with_a_way_on(tmp_path):
    store = Store(tmp_path / "store")
    result = run("a:v1", "a:v2", "--store", store.root)
    assert isinstance(result.exception, RemitError)
    assert "remit pull" in result.exception.hint
    assert run().exit_code == 2
    assert run("x").exit_code == 2


def test_the_json_form_is_that_of_the_schema(tmp_path):
    from tests.unit.artifacts.diff.test_tools import LIST, READ, listing

    a = copy(tmp_path / "a")
    b = copy(tmp_path / "b", bundle_toml=("enforce", "observe"), facts_toml=("max = 20", "max = 2"))
    files(a, {"m.h5": "\0", "SKILL.md": "a", **listing(READ), "d.csv": "id,x\n1,a\n"})
    files(b, {"m.h5": "\0\0", "SKILL.md": "b\u202e", **listing(LIST), "d.csv": "id,y\n1,b\n"})
    schema = json.loads(Path("spec/diff.schema.json").read_text())
    for left, right in ((a, b), (a, a)):
        document = json.loads(run(left, right, "-o", "json").stdout)
        jsonschema_rs.validator_for(schema).validate(document)
    assert len(document) == 7


def test_json_holds_nothing_that_acts_on_a_terminal(tmp_path):
    name = "a\u202e\x1b[31m.txt"
    a, b = files(tmp_path / "a", {name: "1\n"}), files(tmp_path / "b", {name: "2\n"})
    for output in ("text", "json"):
        text = run(a, b, "-o", output).stdout
        assert all(c == "\n" or c.isprintable() for c in text)
    assert json.loads(run(a, b, "-o", "json").stdout)["changes"][0]["path"] == name


def test_a_page_is_written_whole_or_not_at_all(tmp_path):
    a, b = files(tmp_path / "a", {"x": "1\n"}), files(tmp_path / "b", {"x": "2\n"})
    assert run(a, b, "--html", tmp_path / "out.html").exit_code == 1
    assert (tmp_path / "out.html").read_text().startswith("<!doctype html>")
    result = run(a, b, "--html", tmp_path / "no" / "out.html")
    assert result.exit_code == 2
    assert "cannot be written" in result.output


@pytest.mark.parametrize("name", ["numpy", "jinja2", "rich", "pyarrow", "cedarpy"])
def test_help_imports_nothing_heavy(name):
    import subprocess
    import sys

    code = f"import remit.cli.diff, sys; sys.exit({name!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_no_time_means_that_nothing_is_looked_into(tmp_path):
    a, b = files(tmp_path / "a", {"x": "1\n"}), files(tmp_path / "b", {"x": "2\n"})
    assert "x: the time was over" in run(a, b, "--time-limit", "0").stdout


def test_what_was_packed_is_compared(tmp_path):
    from remit.cli.artifacts import pack

    for tag, text in (("v1", "Ask.\n"), ("v2", "Never ask.\n")):
        front = "---\nname: mail\ndescription: Sends mail\n---\n"
        root = files(tmp_path / tag / "mail", {"SKILL.md": front + text, "same.txt": "1"})
        done = CliRunner().invoke(
            pack, [str(root), "-t", f"skills/mail:{tag}", "--store", str(tmp_path / "store")]
        )
        assert done.exit_code == 0, done.output
    found = json.loads(
        run("skills/mail:v1", "skills/mail:v2", "--store", tmp_path / "store", "-o", "json").stdout
    )
    assert [(e["kind"], e["path"]) for e in found["changes"]] == [("text.changed", "SKILL.md")]
