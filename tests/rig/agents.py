"""Real agents, headless and offline, each with an own home and a scripted model.

The servers of an agent map a name to what stands for the server in the agent's own configuration: a
command that the agent starts, or a `Url` that it connects to over Streamable HTTP.

Every agent is told to leave the network alone; where that is not enough, what it would fetch is
asked from the model's endpoint, which has nothing.
"""

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.rig.daemon import Daemon
from tests.rig.governed import copy_bundle, exec_command, records
from tests.rig.models import AnthropicModel, Call, ChatModel, GeminiModel, Model, OpenAIModel
from tests.rig.programs import (
    claude,
    clean_environment,
    codex,
    copilot,
    gemini,
    inspector,
    opencode,
    sdk_python,
)

PROMPT = "Use the tools as you are told."
TIMEOUT_S = 90.0


@dataclass(frozen=True, slots=True)
class Url:
    """An MCP server over Streamable HTTP, and the headers that a client sends to it."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)


Server = Sequence[str] | Url
Servers = Mapping[str, Server]
Started = tuple[list[str], dict[str, str]]
"""A command and its whole environment."""


@dataclass(frozen=True, slots=True)
class Run:
    """How an agent's run ended."""

    code: int
    stdout: str
    stderr: str


@dataclass(frozen=True, slots=True)
class Client:
    """One agent: what Guard calls it, its model's dialect, its configuration, its names of tools."""

    agent: str
    model: Callable[[Sequence[Call]], Model]
    configure: Callable[[str, Servers, Path], Started]
    """Write the configuration for a model's URL and some servers, below a directory."""
    naming: str

    def tool(self, server: str, name: str) -> str:
        """Return the name under which this agent offers a tool of a server to its model."""
        return self.naming.format(server=server, tool=name)

    def run(
        self,
        model: Model,
        servers: Servers,
        directory: Path,
        *,
        work: Path | None = None,
        under: Sequence[str] = (),
        timeout_s: float = TIMEOUT_S,
    ) -> Run:
        """Run one prompt to its end, with these MCP servers and no others.

        `work` is the agent's working directory; most agents also announce it as their MCP root.
        `under` is a command to run the agent with, such as a tracer.
        """
        directory.mkdir(parents=True, exist_ok=True)
        command, environment = self.configure(model.url, servers, directory)
        return _run([*under, *command], work or directory / "work", environment, timeout_s)


def _claude(model: str, servers: Servers, directory: Path) -> Started:
    config = directory / "mcp.json"
    _write(
        config,
        mcpServers={
            name: {"type": "http", "url": server.url, "headers": dict(server.headers)}
            if isinstance(server, Url)
            else {"type": "stdio", "command": server[0], "args": list(server[1:])}
            for name, server in servers.items()
        },
    )
    environment = clean_environment(
        directory / "home",
        ANTHROPIC_BASE_URL=model,
        ANTHROPIC_API_KEY="sk-ant-not-a-key",
        CLAUDE_CONFIG_DIR=str(directory / "home" / ".claude"),
        DISABLE_AUTOUPDATER="1",
        DISABLE_TELEMETRY="1",
        DISABLE_ERROR_REPORTING="1",
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1",
        ENABLE_TOOL_SEARCH="false",
    )
    arguments = ["-p", PROMPT, "--mcp-config", str(config)]
    arguments += ["--strict-mcp-config", "--allowedTools", "Bash(sleep:*)"]
    arguments += [f"mcp__{name}__*" for name in servers]
    return [*claude(), *arguments], environment


def _codex(model: str, servers: Servers, directory: Path) -> Started:
    home = directory / "home"
    lines = [
        'model = "rig"',
        'model_provider = "rig"',
        'approval_policy = "never"',
        'sandbox_mode = "danger-full-access"',
        "check_for_update_on_startup = false",
        "[analytics]",
        "enabled = false",
        "[otel]",
        'metrics_exporter = "none"',
        # Both are looked up on the network at every start.
        "[features]",
        "plugins = false",
        "apps = false",
        "[model_providers.rig]",
        'name = "rig"',
        f"base_url = {json.dumps(model + '/v1')}",
        'wire_api = "responses"',
        'env_key = "RIG_KEY"',
    ]
    for name, server in servers.items():
        lines += [
            f"[mcp_servers.{name}]",
            "startup_timeout_sec = 40",
            'default_tools_approval_mode = "approve"',
        ]
        if isinstance(server, Url):
            headers = [f"{json.dumps(k)} = {json.dumps(v)}" for k, v in server.headers.items()]
            lines += [
                f"url = {json.dumps(server.url)}",
                f"http_headers = {{ {', '.join(headers)} }}",
            ]
        else:
            lines += [
                f"command = {json.dumps(server[0])}",
                f"args = {json.dumps(list(server[1:]))}",
            ]
    config = home / ".codex" / "config.toml"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text("\n".join(lines) + "\n")
    environment = clean_environment(home, RIG_KEY="not-a-key", CODEX_HOME=str(home / ".codex"))
    return [*codex(), "exec", "--skip-git-repo-check", PROMPT], environment


def _gemini(model: str, servers: Servers, directory: Path) -> Started:
    home = directory / "home"
    _write(
        home / ".gemini" / "settings.json",
        security={"auth": {"selectedType": "gemini-api-key"}},
        general={"enableAutoUpdate": False, "enableAutoUpdateNotification": False},
        privacy={"usageStatisticsEnabled": False},
        telemetry={"enabled": False},
        mcpServers={
            name: {"httpUrl": server.url, "headers": dict(server.headers)}
            if isinstance(server, Url)
            else {"command": server[0], "args": list(server[1:])}
            for name, server in servers.items()
        },
    )
    environment = clean_environment(
        home,
        GOOGLE_GEMINI_BASE_URL=model,
        GEMINI_API_KEY="not-a-key",
        GEMINI_CLI_TRUST_WORKSPACE="true",
    )
    return [*gemini(), "--yolo", "-m", "gemini-2.5-flash", "-p", PROMPT], environment


def _copilot(model: str, servers: Servers, directory: Path) -> Started:
    home = directory / "home"
    _write(
        home / ".copilot" / "mcp-config.json",
        mcpServers={
            name: {"type": "http", "url": server.url, "headers": dict(server.headers)}
            | {"tools": ["*"]}
            if isinstance(server, Url)
            else {"type": "local", "command": server[0], "args": list(server[1:]), "tools": ["*"]}
            for name, server in servers.items()
        },
    )
    environment = clean_environment(
        home,
        COPILOT_OFFLINE="true",
        COPILOT_AUTO_UPDATE="false",
        COPILOT_MODEL="rig",
        COPILOT_PROVIDER_TYPE="openai",
        COPILOT_PROVIDER_WIRE_API="completions",
        COPILOT_PROVIDER_BASE_URL=model + "/v1",
        COPILOT_PROVIDER_API_KEY="not-a-key",
    )
    arguments = ["-p", PROMPT, "--allow-all-tools", "--allow-all-paths", "--no-color"]
    return [*copilot(), *arguments], environment


def _opencode(model: str, servers: Servers, directory: Path) -> Started:
    home = directory / "home"
    _write(
        home / ".config" / "opencode" / "opencode.json",
        autoupdate=False,
        share="disabled",
        model="rig/rig",
        small_model="rig/rig",
        enabled_providers=["rig"],
        provider={
            "rig": {
                "npm": "@ai-sdk/openai-compatible",
                "name": "rig",
                "options": {"baseURL": model + "/v1", "apiKey": "not-a-key"},
                "models": {"rig": {"name": "rig", "tool_call": True}},
            }
        },
        mcp={
            name: {"type": "remote", "url": server.url, "headers": dict(server.headers)}
            | {"oauth": False, "enabled": True}
            if isinstance(server, Url)
            else {"type": "local", "command": list(server), "enabled": True}
            for name, server in servers.items()
        },
    )
    environment = clean_environment(
        home,
        OPENCODE_DISABLE_AUTOUPDATE="1",
        OPENCODE_DISABLE_MODELS_FETCH="1",
        OPENCODE_DISABLE_DEFAULT_PLUGINS="1",
        OPENCODE_DISABLE_LSP_DOWNLOAD="1",
        # It installs the types for its plugins at every start, and goes on without them.
        npm_config_registry=model,
    )
    return [*opencode(), "run", "--pure", "--model", "rig/rig", PROMPT], environment


CLAUDE = Client("claude-code", AnthropicModel, _claude, "mcp__{server}__{tool}")
CODEX = Client("codex", OpenAIModel, _codex, "mcp__{server}__{tool}")
COPILOT = Client("copilot", ChatModel, _copilot, "{server}-{tool}")
GEMINI = Client("gemini", GeminiModel, _gemini, "mcp_{server}_{tool}")
OPENCODE = Client("opencode", ChatModel, _opencode, "{server}_{tool}")


def inspect(
    server: Server,
    method: str,
    directory: Path,
    *,
    tool: str = "",
    arguments: Mapping[str, Any] | None = None,
    era: str = "legacy",
    under: Sequence[str] = (),
    timeout_s: float = TIMEOUT_S,
) -> Run:
    """Run the MCP Inspector's command line for one request: `tools/list`, or `tools/call` of `tool`.

    `era` is "legacy", "auto" or "modern". The result is JSON on stdout; the exit status of a tool's
    result that is an error is 5.
    """
    command = [*inspector(), "--method", method, "--protocol-era", era, "--format", "json"]
    if tool:
        command += ["--tool-name", tool, "--tool-args-json", json.dumps(dict(arguments or {}))]
    if isinstance(server, Url):
        command += ["--transport", "http", "--server-url", server.url]
        for name, value in server.headers.items():
            command += ["--header", f"{name}: {value}"]
    else:
        command += ["--transport", "stdio", "--", *server]
    environment = clean_environment(directory / "home")
    return _run([*under, *command], directory / "work", environment, timeout_s)


@contextmanager
def http_files() -> Iterator[Url]:
    """Run a bare server of files over Streamable HTTP that wants a key, and give its URL and the key."""
    key = "not-a-secret"
    command = [sdk_python(), str(Path(__file__).with_suffix("") / "http_files.py"), key]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            yield Url(f"http://127.0.0.1:{port}/mcp", {"Authorization": f"Bearer {key}"})
        finally:
            process.kill()


@dataclass(frozen=True, slots=True)
class Front:
    """A server under Guard: what a client's configuration says of it, and where the log is."""

    server: Server
    state: Path
    agent: str = ""
    """The agent that a key belongs to; empty where the client's process says who it is."""

    def decided(self, agent: str, *wanted: tuple[str, str], deadline_s: float = 10.0) -> None:
        """Assert that the log has these decisions (action, effect) on calls of `agent`."""
        expected = {(self.agent or agent, action, effect) for action, effect in wanted}
        until = time.monotonic() + deadline_s
        while missing := expected - set(decisions(self.state)):
            assert time.monotonic() < until, (missing, decisions(self.state))
            time.sleep(0.05)


@contextmanager
def governed(
    via: str, directory: Path, name: str, command: Sequence[str], *, workspace: Path
) -> Iterator[Front]:
    """Put a server under Guard with the bundle `real`, as the client sees it.

    `via` is "exec", a Guard of its own for every client; "shim", the Guard of the machine; "http",
    the same over Streamable HTTP with the key of an agent.
    """
    bundle = copy_bundle("real", directory, WORKSPACE=str(workspace))
    if via == "exec":
        state = directory / "state" / name
        yield Front(exec_command(name, command, bundle, state, workspace=workspace), state)
        return
    http = "127.0.0.1:0" if via == "http" else "off"
    with Daemon(directory, {name: command}, bundle, http=http) as daemon:
        if via == "http":
            agent = "keyholder"
            headers = {"Authorization": f"Bearer {daemon.key(agent)}"}
            yield Front(Url(f"{daemon.url}/mcp/{name}", headers), daemon.state, agent)
        else:
            assert via == "shim", via
            yield Front(daemon.shim(name), daemon.state)


def decisions(state: Path) -> list[tuple[str, str, str]]:
    """Return every decision on a tool call that the log has: the agent, the action, the effect."""
    return [
        (record["actor"]["agent"], record["action"]["name"], record["decision"]["effect"])
        for record in records(state)
        if record["kind"] == "tool.decision"
    ]


def _write(path: Path, **value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1))


def _run(
    command: Sequence[str], directory: Path, environment: Mapping[str, str], timeout_s: float
) -> Run:
    directory.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        list(command),
        cwd=directory,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout_s,
        check=False,
    )
    return Run(done.returncode, done.stdout, done.stderr)
