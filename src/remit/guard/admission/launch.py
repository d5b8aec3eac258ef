"""How an admitted server is started: by the command of the configuration, or by its own manifest.

A manifest is that of an MCP bundle (``manifest.json``, 0.1 to 0.4), part of what was verified.
A command that fetches its program when it starts is refused: no digest covers what it brings. So
is a program by a relative path, which would be looked for in the working directory; an argument of
a manifest that is a file of the artifact is that file, wherever the server starts.

The environment is a small one: what the client or the agent set there would decide what runs
(``NODE_OPTIONS``, ``PYTHONPATH``, ``LD_PRELOAD``). More is what the configuration adds.
"""

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from remit.artifacts.mcpb import MANIFEST, MAX_MANIFEST_BYTES, McpbManifest, parse_mcpb
from remit.guard.config import Secret, ServerConfig, Setting, Value
from remit.guard.errors import GuardError

PLACEHOLDER = "{artifact}"
KEPT = frozenset(
    {
        "HOME", "HTTPS_PROXY", "HTTP_PROXY", "LANG", "LANGUAGE", "LOGNAME", "NO_PROXY", "PATH",
        "SHELL", "SSL_CERT_DIR", "SSL_CERT_FILE", "SYSTEMROOT", "TERM", "TMPDIR", "TZ", "USER",
        "XDG_RUNTIME_DIR", "http_proxy", "https_proxy", "no_proxy",
    }
)  # fmt: skip
"""Variables of Guard's own environment that an admitted server gets, besides ``LC_*``."""
FETCHING = frozenset({"bunx", "npx", "pipx", "pnpx", "uv", "uvx", "yarn", "docker", "podman"})
"""Programs that bring the code which they run."""
_VARIABLE = re.compile(r"\$\{([A-Za-z0-9_.]*|/)\}")
_PLATFORMS = {"darwin": "darwin", "win32": "win32"}
_RUNNERS = {"node": "node", "python": "python3"}


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """What is started.

    Attributes:
        command: program and arguments.
        env: variables besides the small environment; secrets are not resolved yet.
    """

    command: tuple[str, ...]
    env: Mapping[str, Value]


def launch_of(config: ServerConfig, root: Path) -> Launch:
    """How the artifact in ``root`` is started.

    Args:
        config: of the server.
        root: directory of the artifact's files.

    Raises:
        GuardError: nothing says how, something is missing for it, or it would fetch code.
    """
    if config.command:
        command = tuple(word.replace(PLACEHOLDER, str(root)) for word in config.command)
        env: dict[str, Value] = {name: _placed(each, root) for name, each in config.env.items()}
        return _launch(command, env)
    manifest = _manifest(root)
    if manifest.type == "uv":
        raise _fetches("uv")
    fill = _Filling(config.user_config, manifest, root)
    server = _overridden(manifest)
    command = _command(server, manifest, fill)
    env = {name: fill.text(each, name) for name, each in _texts(server, "env").items()}
    env |= {name: _placed(each, root) for name, each in config.env.items()}
    return _launch(command, env)


def _launch(command: tuple[str, ...], env: Mapping[str, Value]) -> Launch:
    program = _checked(command)
    if program.startswith("python") and "-m" in command:
        # Python would look for the module in the working directory first, which is not the
        # artifact's.
        env = {"PYTHONSAFEPATH": "1", **env}
    return Launch(command=command, env=env)


def small_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of an admitted server, before what the configuration adds."""
    kept = {k: v for k, v in environ.items() if k in KEPT or k.startswith("LC_")}
    if "PATH" in kept:
        # A relative part is a part of the working directory.
        parts = [each for each in kept["PATH"].split(os.pathsep) if Path(each).is_absolute()]
        kept["PATH"] = os.pathsep.join(parts)
    # Python could write beside its files only, which it must not, and must not load what is in the
    # user's own directory of modules.
    return {**kept, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONNOUSERSITE": "1"}


def _placed(value: Value, root: Path) -> Value:
    return value if isinstance(value, Secret) else value.replace(PLACEHOLDER, str(root))


def _manifest(root: Path) -> McpbManifest:
    try:
        with (root / MANIFEST).open("rb") as file:
            data = file.read(MAX_MANIFEST_BYTES + 1)
    except OSError as error:
        raise GuardError(
            f"nothing says how the artifact is started: it has no `{MANIFEST}`",
            hint='add a command, for example command = ["node", "{artifact}/index.js"]',
            code="artifact.no_command",
        ) from error
    return parse_mcpb(data)


def _overridden(manifest: McpbManifest) -> dict[str, Any]:
    """``server.mcp_config`` for this platform."""
    given = manifest.document.get("server", {}).get("mcp_config", {})
    platform = _PLATFORMS.get(sys.platform, "linux")
    own = given.get("platform_overrides", {})
    own = own.get(platform, {}) if isinstance(own, dict) else {}
    return {**given, **own} if isinstance(own, dict) else dict(given)


def _command(server: dict[str, Any], manifest: McpbManifest, fill: "_Filling") -> tuple[str, ...]:
    program = server.get("command", "")
    if not isinstance(program, str):
        raise _malformed("`mcp_config.command` is no text")
    if program:
        args = server.get("args", [])
        if not isinstance(args, list) or not all(isinstance(each, str) for each in args):
            raise _malformed("`mcp_config.args` is no list of texts")
        words = [_own(word, fill.root) for each in args for word in fill.words(each)]
        return (fill.text(program, "command"), *words)
    entry = manifest.entry_point
    if not entry or PurePosixPath(entry).is_absolute() or ".." in PurePosixPath(entry).parts:
        raise _malformed("it has neither a command nor an entry point in it")
    runner = _RUNNERS.get(manifest.type)
    return (*((runner,) if runner else ()), str(fill.root / entry))


def _own(word: str, root: Path) -> str:
    """A word, or the file of the artifact that it names without saying where."""
    try:
        relative = word and not word.startswith(("-", "/")) and (root / word).is_file()
    except (OSError, ValueError):
        return word
    return str(root / word) if relative else word


def _texts(server: dict[str, Any], name: str) -> dict[str, str]:
    found = server.get(name, {})
    if not isinstance(found, dict) or not all(isinstance(each, str) for each in found.values()):
        raise _malformed(f"`mcp_config.{name}` is no table of texts")
    return found


def _checked(command: tuple[str, ...]) -> str:
    """The name of the program that is started."""
    if any("\0" in word for word in command):
        raise _malformed("its command holds NUL")
    said = command[0].replace("\\", "/")
    program = PurePosixPath(said).name.lower()
    for ending in (".cmd", ".exe", ".bat"):
        program = program.removesuffix(ending)
    if program in FETCHING:
        raise _fetches(program)
    if "/" in said and not Path(command[0]).is_absolute():
        raise GuardError(
            f"`{command[0][:200]}` is no program of the artifact, but one of the working directory",
            hint="`{artifact}/…` in remit.toml, `${__dirname}/…` in a manifest",
            code="artifact.relative",
        )
    return program


def _fetches(program: str) -> GuardError:
    return GuardError(
        f"`{program}` fetches the code that it runs, so no digest covers it",
        hint="pack the server with what it needs, and start that",
        code="artifact.fetches",
    )


def _malformed(what: str) -> GuardError:
    return GuardError(f"`{MANIFEST}` of the artifact: {what}", code="artifact.manifest")


class _Filling:
    """Puts values into ``${…}``."""

    def __init__(
        self, given: Mapping[str, Setting], manifest: McpbManifest, root: Path
    ) -> None:  # fmt: skip
        self.root = root
        home = Path(os.environ.get("HOME") or "~").expanduser()
        self._known: dict[str, Any] = {
            "__dirname": str(root),
            "HOME": str(home),
            "DESKTOP": str(home / "Desktop"),
            "DOCUMENTS": str(home / "Documents"),
            "DOWNLOADS": str(home / "Downloads"),
            "/": os.sep,
            "pathSeparator": os.sep,
        }
        asked = manifest.document.get("user_config", {})
        unknown = sorted(given.keys() - asked.keys())
        if unknown:
            raise GuardError(
                f"the artifact does not ask for `{unknown[0][:80]}`",
                hint=f"its user_config has {', '.join(sorted(asked)) or 'nothing'}",
                code="artifact.user_config",
            )
        for name, described in asked.items():
            table = described if isinstance(described, dict) else {}
            value = given.get(name, table.get("default"))
            if value is None and table.get("required") is True:
                raise GuardError(
                    f"the artifact needs `{name[:80]}`",
                    hint=f"user_config = {{ {name[:80]} = … }} of the server in remit.toml",
                    code="artifact.user_config",
                )
            self._known[f"user_config.{name}"] = value

    def words(self, text: str) -> list[str]:
        """One argument, or several if it is nothing but a list; none if it was not given."""
        alone = _VARIABLE.fullmatch(text)
        value = self._known.get(alone[1], "") if alone else ""
        if alone and isinstance(value, list | tuple):
            return [_plain(each) for each in value]
        if alone and alone[1] in self._known and value is None:
            return []
        return [self.text(text, "args")]

    def text(self, text: str, where: str) -> Any:
        """A text with its variables filled in; a secret if it is nothing but one."""
        alone = _VARIABLE.fullmatch(text)
        if alone and where not in {"args", "command"}:
            value = self._known.get(alone[1])
            if isinstance(value, Secret):
                return value

        def fill(found: re.Match[str]) -> str:
            name = found[1]
            if name not in self._known:
                raise _malformed(f"nobody knows `${{{name[:80]}}}`")
            return _plain(self._known[name])

        return _VARIABLE.sub(fill, text)


def _plain(value: Any) -> str:
    if isinstance(value, Secret):
        raise GuardError(
            "a secret would be visible among the arguments of the server",
            hint="a secret may only be a whole variable of the environment",
            code="artifact.user_config",
        )
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        raise _malformed("a list cannot be a part of a text")
    return str(value)
