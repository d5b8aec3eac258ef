"""``remit.toml``: which servers there are and which policy governs them.

::

    [guard]
    bundle = "policy"          # directory of the policy bundle, relative to this file
    state = "state"            # optional

    [servers.git]
    command = ["mcp-server-git", "--repository", "."]
    cwd = "."                  # optional, relative to this file
    env = { GIT_PAGER = "cat" }
    workspace = "."            # what path facts call "inside"; default: cwd
"""

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from remit.guard.errors import GuardError
from remit.policy.pins import check_server_id

DEFAULT = "remit.toml"


class _GuardTable(msgspec.Struct, forbid_unknown_fields=True):
    bundle: str = ""
    state: str = ""


class _ServerTable(msgspec.Struct, forbid_unknown_fields=True):
    command: list[str]
    cwd: str = ""
    env: dict[str, str] = {}
    workspace: str = ""


class _File(msgspec.Struct, forbid_unknown_fields=True):
    guard: _GuardTable = msgspec.field(default_factory=_GuardTable)
    servers: dict[str, _ServerTable] = {}


class ServerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One server, paths made absolute.

    Attributes:
        id: Guard's name of it; policies say ``<id>/<tool>``.
        command: program and arguments.
        cwd: directory it starts in.
        env: variables added to Guard's environment.
        workspace: what path facts call inside.
    """

    id: str
    command: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str] = {}
    workspace: Path


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed ``remit.toml``."""

    bundle: Path | None
    state: Path | None
    servers: Mapping[str, ServerConfig]

    def server(self, name: str) -> ServerConfig:
        """The server called ``name``.

        Raises:
            GuardError: there is none.
        """
        found = self.servers.get(name)
        if found is None:
            close = difflib.get_close_matches(name, list(self.servers), n=1)
            known = ", ".join(sorted(self.servers)) or "none"
            raise GuardError(
                f"no server `{name}` is configured",
                code="config.unknown_server",
                hint=f"did you mean `{close[0]}`?" if close else f"configured: {known}",
            )
        return found


def load(path: Path) -> Config:
    """Read ``remit.toml``.

    Raises:
        GuardError: unreadable, not TOML, unknown keys or wrong types.
    """
    try:
        raw: dict[str, Any] = tomllib.loads(path.read_bytes().decode("utf-8"))
        file = msgspec.convert(raw, _File)
    except OSError as error:
        raise GuardError(
            f"`{path}` cannot be read: {error.strerror}", code="config.unreadable"
        ) from error
    except (ValueError, RecursionError, msgspec.ValidationError) as error:
        raise GuardError(
            f"`{path}` is not a valid configuration: {error}", code="config.invalid"
        ) from error
    base = path.resolve().parent
    servers = {}
    for name, table in file.servers.items():
        if not table.command:
            raise GuardError(f"server `{name}` in `{path}` has no command", code="config.invalid")
        check_server_id(name)
        cwd = base / table.cwd
        servers[name] = ServerConfig(
            id=name,
            command=tuple(table.command),
            cwd=cwd,
            env=table.env,
            workspace=base / table.workspace if table.workspace else cwd,
        )
    return Config(
        bundle=base / file.guard.bundle if file.guard.bundle else None,
        state=base / file.guard.state if file.guard.state else None,
        servers=servers,
    )
