"""Where the real programs are, and small real worlds for them: a repository, a database, a folder."""

import os
import platform
import sqlite3
import subprocess
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RIG = ROOT / ".rig"
REMIT = [str(ROOT / ".venv" / "bin" / "python"), "-m", "remit"]

GIT_ENVIRONMENT = {
    "GIT_AUTHOR_NAME": "Rig",
    "GIT_AUTHOR_EMAIL": "rig@example.com",
    "GIT_COMMITTER_NAME": "Rig",
    "GIT_COMMITTER_EMAIL": "rig@example.com",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
}


def need(path: Path, target: str = "rig") -> Path:
    """Return `path`, or fail: a test that skips because nobody installed its program checks nothing."""
    if not path.exists():
        raise FileNotFoundError(f"{path.relative_to(ROOT)} is not installed: run `make {target}`")
    return path


def sdk_python() -> str:
    """Return the Python that has the official MCP SDK, version 2 (both eras)."""
    return str(need(RIG / "py-modern" / "bin" / "python"))


def git_server(repository: Path) -> list[str]:
    """Return the command of `mcp-server-git` (Python SDK 2: modern and legacy)."""
    return [
        str(need(RIG / "py-modern" / "bin" / "mcp-server-git")),
        "--repository",
        str(repository),
    ]


def fetch_server() -> list[str]:
    """Return the command of `mcp-server-fetch` (Python SDK 2), which reads pages of the web."""
    server = need(RIG / "py-modern" / "bin" / "mcp-server-fetch")
    return [str(server), "--ignore-robots-txt", "--allow-private-ips"]


def poisoned_server() -> list[str]:
    """Return the command of a server of ours with the SDK 2, one of whose tools gives orders."""
    return [sdk_python(), str(ROOT / "tests" / "rig" / "poisoned.py")]


def sqlite_server(database: Path) -> list[str]:
    """Return the command of `mcp-server-sqlite` (Python SDK 1: legacy)."""
    return [
        str(need(RIG / "py-sqlite" / "bin" / "mcp-server-sqlite")),
        "--db-path",
        str(database),
    ]


def filesystem_server(*directories: Path) -> list[str]:
    """Return the command of `server-filesystem` (TypeScript SDK: legacy)."""
    script = RIG / "npm/node_modules/@modelcontextprotocol/server-filesystem/dist/index.js"
    return ["node", str(need(script)), *map(str, directories)]


def everything_server() -> list[str]:
    """Return the command of `server-everything` (TypeScript SDK: legacy)."""
    script = RIG / "npm/node_modules/@modelcontextprotocol/server-everything/dist/index.js"
    return ["node", str(need(script)), "stdio"]


def claude() -> list[str]:
    """Return the command of Claude Code, the native program of this platform."""
    found = sorted((RIG / "npm/node_modules/@anthropic-ai").glob("claude-code-linux-*/claude"))
    glibc = [path for path in found if "musl" not in path.parent.name]
    return [str(need((glibc or found or [RIG / "npm/node_modules/@anthropic-ai/claude-code"])[0]))]


def codex() -> list[str]:
    """Return the command of the Codex CLI."""
    return ["node", str(need(RIG / "npm/node_modules/@openai/codex/bin/codex.js"))]


def gemini() -> list[str]:
    """Return the command of Gemini CLI, which runs on Node."""
    return ["node", str(_agent("@google/gemini-cli/bundle/gemini.js"))]


def copilot() -> list[str]:
    """Return the command of GitHub Copilot CLI, the native program of this platform."""
    return [str(_agent(f"@github/copilot-linux-{_architecture()}/copilot"))]


def opencode() -> list[str]:
    """Return the command of OpenCode, the native program for this processor."""
    name = f"opencode-linux-{_architecture()}"
    if _architecture() == "x64" and " avx2 " not in Path("/proc/cpuinfo").read_text():
        name += "-baseline"
    return [str(_agent(f"{name}/bin/opencode"))]


def inspector() -> list[str]:
    """Return the command of the MCP Inspector without a window."""
    script = "@modelcontextprotocol/inspector/clients/launcher/build/index.js"
    return ["node", str(_agent(script)), "--cli"]


def _agent(path: str) -> Path:
    return need(RIG / "npm-agents" / "node_modules" / path, "rig-agents")


def _architecture() -> str:
    """Return the name npm packages have for this processor."""
    return {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def make_repository(directory: Path) -> Path:
    """Create a git repository with three commits."""
    directory.mkdir(parents=True)

    def git(*arguments: str) -> None:
        subprocess.run(
            ["git", *arguments],
            cwd=directory,
            check=True,
            capture_output=True,
            env={**os.environ, **GIT_ENVIRONMENT},
        )

    git("init", "-q", "-b", "main")
    for number, text in enumerate(("one", "two", "three"), start=1):
        (directory / f"{text}.txt").write_text(f"{text}\n")
        git("add", ".")
        git("commit", "-q", "-m", f"Commit {number}: add {text}")
    return directory


def make_database(path: Path) -> Path:
    """Create a SQLite database: users(id, name, email), five rows; orders(id, user_id, total)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, email TEXT)")
        connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, user_id INT, total REAL)")
        connection.executemany(
            "INSERT INTO users (name, email) VALUES (?, ?)",
            [(name, f"{name}@example.com") for name in ("ada", "bob", "cy", "dee", "eve")],
        )
        connection.execute("INSERT INTO orders (user_id, total) VALUES (1, 12.5), (2, 99.0)")
    connection.close()
    return path


def count_rows(path: Path, table: str = "users") -> int:
    """Count the rows of a table: the evidence that a refused statement did not run."""
    connection = sqlite3.connect(path)
    try:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
    finally:
        connection.close()


def make_folder(directory: Path) -> Path:
    """Create a folder `inside` with notes, and beside it `outside/secret.txt`."""
    inside = directory / "inside"
    (inside / "sub").mkdir(parents=True)
    (inside / "notes.txt").write_text("the notes\n")
    (inside / "sub" / "deep.txt").write_text("deep\n")
    (directory / "outside").mkdir()
    (directory / "outside" / "secret.txt").write_text("the secret\n")
    (inside / "link").symlink_to(directory / "outside")
    return inside


def clean_environment(home: Path, **extra: str) -> dict[str, str]:
    """Return what `env -i` with an own home would leave, and `extra`."""
    home.mkdir(parents=True, exist_ok=True)
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        **extra,
    }


def shell_line(command: Sequence[str]) -> str:
    """Return a command as one line for messages."""
    return " ".join(command)
