"""What the operator says reaches the workers of a Hub, and counts as rules."""

import json

import pytest
from click.testing import CliRunner

from remit.hub.compose import HubOptions
from remit.hub.guarding import worker_command, worker_env
from remit.hub.jobs.fingerprint import fingerprint
from remit.scan.base import ScanError, Settings


def test_a_worker_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("REMIT_ADVISORIES", "/elsewhere")
    settings = Settings(indexes=("a.example", "b.example"), advisories=str(tmp_path))
    options = HubOptions(state=tmp_path, settings=settings)
    command = worker_command(options)
    told = [command[at + 1] for at, word in enumerate(command) if word == "--index"]
    assert told == ["a.example", "b.example"]
    assert command[command.index("--advisories") + 1] == str(tmp_path)
    assert "--advisories" not in worker_command(HubOptions(state=tmp_path))
    assert "REMIT_ADVISORIES" not in worker_env(options), "what the Hub was told counts"


def test_the_fingerprint_changes_with_what_is_said(tmp_path):
    (tmp_path / "A-1.json").write_text(
        json.dumps({"id": "A-1", "modified": "2026-01-01T00:00:00Z"})
    )
    plain = fingerprint()
    listed = fingerprint(Settings(indexes=("a.example",)))
    known = fingerprint(Settings(advisories=str(tmp_path)))
    assert len({plain, listed, known}) == 3
    assert fingerprint(Settings(advisories=str(tmp_path))) == known
    (tmp_path / "A-2.json").write_text("{}")
    assert fingerprint(Settings(advisories=str(tmp_path))) != known


def test_a_database_that_is_not_there_stops_the_start(tmp_path):
    with pytest.raises(ScanError) as caught:
        fingerprint(Settings(advisories=str(tmp_path / "missing")))
    assert caught.value.code == "scan.advisories"


@pytest.mark.parametrize("command", [("run",), ("worker",)])
def test_an_index_is_a_host_name(command):
    from remit.cli.main import cli

    answer = CliRunner().invoke(cli, ["hub", *command, "--index", "https://a.example/"])
    assert answer.exit_code == 2
    assert "is no host name" in answer.output
