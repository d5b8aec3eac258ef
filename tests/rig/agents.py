"""Real agents, headless and offline: Claude Code and Codex with an own home and a scripted model."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.rig.models import AnthropicModel, OpenAIModel
from tests.rig.programs import claude, clean_environment, codex


@dataclass(frozen=True, slots=True)
class Run:
    """How an agent's run ended."""

    code: int
    stdout: str
    stderr: str


def run_claude(
    model: AnthropicModel,
    servers: Mapping[str, Sequence[str]],
    directory: Path,
    *,
    work: Path | None = None,
    timeout_s: float = 90.0,
) -> Run:
    """Run `claude -p` with these MCP servers (name to command) and no others.

    `work` is the agent's working directory; Claude Code also announces it as its MCP root.
    """
    work = work or directory / "work"
    work.mkdir(parents=True, exist_ok=True)
    directory.mkdir(parents=True, exist_ok=True)
    config = directory / "mcp.json"
    config.write_text(
        json.dumps(
            {
                "mcpServers": {
                    name: {"type": "stdio", "command": command[0], "args": list(command[1:])}
                    for name, command in servers.items()
                }
            }
        )
    )
    environment = clean_environment(
        directory / "home",
        ANTHROPIC_BASE_URL=model.url,
        ANTHROPIC_API_KEY="sk-ant-not-a-key",
        CLAUDE_CONFIG_DIR=str(directory / "home" / ".claude"),
        DISABLE_AUTOUPDATER="1",
        DISABLE_TELEMETRY="1",
        DISABLE_ERROR_REPORTING="1",
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1",
        ENABLE_TOOL_SEARCH="false",
    )
    arguments = ["-p", "Use the tools as you are told.", "--mcp-config", str(config)]
    arguments += ["--strict-mcp-config", "--allowedTools", "Bash(sleep:*)"]
    arguments += [f"mcp__{name}__*" for name in servers]
    return _run([*claude(), *arguments], work, environment, timeout_s)


def run_codex(
    model: OpenAIModel,
    servers: Mapping[str, Sequence[str]],
    directory: Path,
    *,
    work: Path | None = None,
    timeout_s: float = 90.0,
) -> Run:
    """Run `codex exec` with these MCP servers (name to command) and no others.

    `work` is the agent's working directory; Claude Code also announces it as its MCP root.
    """
    work = work or directory / "work"
    work.mkdir(parents=True, exist_ok=True)
    home = directory / "home"
    (home / ".codex").mkdir(parents=True, exist_ok=True)
    lines = [
        'model = "rig"',
        'model_provider = "rig"',
        'approval_policy = "never"',
        'sandbox_mode = "danger-full-access"',
        "[model_providers.rig]",
        'name = "rig"',
        f"base_url = {json.dumps(model.url + '/v1')}",
        'wire_api = "responses"',
        'env_key = "RIG_KEY"',
    ]
    for name, command in servers.items():
        lines += [
            f"[mcp_servers.{name}]",
            f"command = {json.dumps(command[0])}",
            f"args = {json.dumps(list(command[1:]))}",
            "startup_timeout_sec = 40",
            'default_tools_approval_mode = "approve"',
        ]
    (home / ".codex" / "config.toml").write_text("\n".join(lines) + "\n")
    environment = clean_environment(home, RIG_KEY="not-a-key", CODEX_HOME=str(home / ".codex"))
    arguments = ["exec", "--skip-git-repo-check", "Use the tools as you are told."]
    return _run([*codex(), *arguments], work, environment, timeout_s)


def _run(
    command: Sequence[str], directory: Path, environment: Mapping[str, str], timeout_s: float
) -> Run:
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
