"""Who is calling, for clients whose process does not carry their name."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.rig.agents import CLAUDE, Servers, Started, governed
from tests.rig.programs import claude, filesystem_server, make_folder

pytestmark = pytest.mark.slow


def test_program_that_is_named_by_its_version(tmp_path: Path) -> None:
    """Claude Code's installer leaves `claude` as a link to .../claude/versions/2.1.197."""
    installed = tmp_path / "home" / ".local" / "share" / "claude" / "versions" / "2.1.197"
    installed.parent.mkdir(parents=True)
    shutil.copy(claude()[0], installed)
    link = tmp_path / "home" / ".local" / "bin" / "claude"
    link.parent.mkdir()
    link.symlink_to(installed)

    def configure(model: str, servers: Servers, directory: Path) -> Started:
        command, environment = CLAUDE.configure(model, servers, directory)
        return [str(link), *command[len(claude()) :]], environment

    client = replace(CLAUDE, configure=configure)
    inside = make_folder(tmp_path / "work")
    read = client.tool("fs", "read_text_file")
    command = filesystem_server(inside)
    try:
        with (
            governed("shim", tmp_path, "fs", command, workspace=tmp_path / "work") as front,
            client.model([(read, {"path": str(inside / "notes.txt")})]) as model,
        ):
            run = client.run(model, {"fs": front.server}, tmp_path / "agent", work=inside)
    finally:
        installed.unlink()
    assert run.code == 0, run
    assert model.called == [read]
    front.decided("claude-code", ("fs/read_text_file", "allow"))
