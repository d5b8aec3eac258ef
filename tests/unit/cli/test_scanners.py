import json
import shutil

import pytest
from click.testing import CliRunner

from remit.cli.scan import scan
from remit.cli.scanners import scanners
from remit.core.errors import RemitError
from tests.unit.scan.external.standin import NAME, install

needs_bwrap = pytest.mark.skipif(
    shutil.which("bwrap") is None,
    reason="NOT TESTED: bubblewrap is missing; scripts/prerequisites.sh bubblewrap installs it",
)


@pytest.fixture
def where(tmp_path, monkeypatch):
    folder = tmp_path / "scanners"
    folder.mkdir()
    monkeypatch.setenv("REMIT_SCANNERS", str(folder))
    return folder


def run(*arguments, command=scanners):
    return CliRunner().invoke(command, [str(each) for each in arguments])


def test_list(where):
    listed = json.loads(run("list", "-o", "json").stdout)
    assert {each["name"] for each in listed} >= {"modelaudit", "picklescan", "skill-scanner"}
    assert not any(each["installed"] for each in listed)
    install(where)
    found = {each["name"]: each for each in json.loads(run("list", "-o", "json").stdout)}
    assert found[NAME]["version"] == "1.0.5"
    assert found[NAME]["rules"].startswith("sha256:")
    assert "picklescan      1.0.5" in run("list").stdout


def test_remove(where):
    install(where)
    assert "removed" in run("remove", NAME).stderr
    assert "was not installed" in run("remove", NAME).stderr
    result = run("remove", "nobody")
    assert isinstance(result.exception, RemitError)


def test_install_nobody(where):
    result = run("install", "nobody")
    assert isinstance(result.exception, RemitError)
    assert "modelaudit" in result.exception.hint


@needs_bwrap
def test_a_scan_asks_those_that_are_installed(where, tmp_path):
    root = tmp_path / "model"
    root.mkdir()
    (root / "m.pkl").write_bytes(b"\x80\x04K\x01.")
    result = run(root, "--scanner", NAME, command=scan)
    assert result.exit_code == 2
    assert "remit scanners install picklescan" in result.output
    document = json.loads(run(root, "-o", "json", command=scan).stdout)
    assert NAME not in {each["scanner"] for each in document["reports"]}
    install(where)
    document = json.loads(run(root, "-o", "json", command=scan).stdout)
    assert document["reports"][-1]["scanner"] == NAME
    assert run(root, "--scanner", NAME, "--jobs", "1", command=scan).exit_code == 0
