"""What ``remit mcp exec`` governs: a server of ``remit.toml``, or a command."""

import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from remit.guard.config import DEFAULT, Config, JudgeConfig, ServerConfig, load
from remit.guard.errors import GuardError
from remit.policy.pins import check_server_id

_NOT_AN_ID = re.compile(r"[^A-Za-z0-9._-]")


class Target(msgspec.Struct, frozen=True):
    """A server and where its policy and state are; without a bundle here ``config`` names one."""

    server: ServerConfig
    bundle: Path | None
    state: Path | None
    judge: JudgeConfig | None = None
    config: Config | None = None


def resolve(
    target: Sequence[str],
    *,
    config_path: Path | None,
    bundle: Path | None,
    state: Path | None,
    name: str | None,
    workspace: Path | None,
) -> Target:
    """Find server, bundle and state; options win over the configuration.

    One word that names a configured server is that server; everything else is a command.

    Raises:
        GuardError: the server or the bundle is not known.
    """
    config = _config(config_path)
    chosen = bundle or (config.bundle if config else None)
    if config is not None and len(target) == 1 and target[0] in config.servers:
        server = config.server(target[0])
    elif len(target) == 1 and bundle is None:
        # One word and no bundle: a server was meant.
        server = (config or Config(bundle=None, state=None, servers={})).server(target[0])
    else:
        server = _command(target, chosen, name)
    if workspace is not None:
        server = msgspec.structs.replace(server, workspace=workspace.resolve())
    if chosen is None and not (config and config.bundle_reference):
        raise GuardError(
            "no policy bundle is given, and without one nothing may run",
            code="config.no_bundle",
            hint="pass --bundle DIR, or write one: remit policy new DIR --from-server NAME -- CMD",
        )
    judge = config.judge if config else None
    return Target(server, chosen, state or (config.state if config else None), judge, config)


def _config(path: Path | None) -> Config | None:
    if path is not None:
        return load(path)
    default = Path(DEFAULT)
    return load(default) if default.is_file() else None


def _command(target: Sequence[str], bundle: Path | None, name: str | None) -> ServerConfig:
    if name is not None:
        check_server_id(name)
    return ServerConfig(
        id=name or _name(target[0], bundle),
        command=tuple(target),
        cwd=Path.cwd(),
        workspace=Path.cwd(),
    )


def _name(program: str, bundle: Path | None) -> str:
    if bundle is not None and bundle.is_dir():
        from remit.policy.bundle import load_bundle

        lock = load_bundle(bundle).lock
        if lock is not None and len(lock.servers) == 1:
            return next(iter(lock.servers))
    return _NOT_AN_ID.sub("-", Path(program).name.removesuffix(".exe")).lstrip("-._") or "server"
