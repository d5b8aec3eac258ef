"""A real server of npm with all that it needs, as the contents of an MCP bundle."""

import json
import shutil
from pathlib import Path
from typing import Any

from tests.rig.programs import RIG, need

MODULES = RIG / "npm" / "node_modules"
FILESYSTEM = "@modelcontextprotocol/server-filesystem"


def filesystem_bundle(directory: Path) -> Path:
    """Write the contents of a bundle of `server-filesystem`."""
    copy_package(FILESYSTEM, directory / "node_modules", set())
    manifest = {
        "manifest_version": "0.3",
        "name": "filesystem",
        "version": "1.0.0",
        "description": "Files of some directories",
        "author": {"name": "tests"},
        "server": {
            "type": "node",
            "entry_point": f"node_modules/{FILESYSTEM}/dist/index.js",
            "mcp_config": {
                "command": "node",
                "args": [
                    f"${{__dirname}}/node_modules/{FILESYSTEM}/dist/index.js",
                    "${user_config.directories}",
                ],
            },
        },
        "user_config": {
            "directories": {
                "type": "directory", "title": "Directories", "multiple": True, "required": True,
            }
        },
    }  # fmt: skip
    (directory / "manifest.json").write_text(json.dumps(manifest))
    return directory


def copy_package(name: str, target: Path, done: set[str]) -> None:
    """Copy a package and what it depends on; node finds them beside each other."""
    if name in done:
        return
    done.add(name)
    source = need(MODULES / name)
    shutil.copytree(
        source, target / name, ignore=shutil.ignore_patterns("*.map", "*.d.ts", "test*")
    )
    described: dict[str, Any] = json.loads((source / "package.json").read_text())
    for dependency in described.get("dependencies", {}):
        if (MODULES / dependency).exists():
            copy_package(dependency, target, done)
