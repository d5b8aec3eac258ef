"""Who is calling: from the operating system, never from what the client says of itself.

The client of a stdio server is an ancestor of Guard's process. Launchers and shells between them
are skipped. In this mode Guard and agent are the same user, so a program that wants to lie can
start Guard from a copy with another name; ``docs/guide/threats.md`` says what each mode proves.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from remit.core.event import Agent
from remit.core.text import printable

MAX_ANCESTORS = 12
MAX_LINEAGE = 64

KNOWN: Mapping[str, tuple[str, ...]] = {
    # Its own installer names the program by the version: ~/.local/share/claude/versions/2.1.197.
    "claude-code": ("claude", "@anthropic-ai/claude-code", "/claude/versions/"),
    "claude-desktop": ("claude-desktop", "Claude.app"),
    "codex": ("codex", "@openai/codex"),
    "copilot": ("copilot", "@github/copilot"),
    "cursor": ("cursor", "Cursor.app"),
    "gemini": ("gemini", "@google/gemini-cli"),
    "goose": ("goose", "goosed"),
    "mcp-inspector": ("mcp-inspector", "@modelcontextprotocol/inspector"),
    "opencode": ("opencode", "opencode-ai"),
    "vscode": ("code", "code-insiders"),
    "windsurf": ("windsurf",),
    "zed": ("zed", "zed-editor"),
}
"""Agent id → names of its program, or parts of the path of the script an interpreter runs."""

LAUNCHERS = frozenset(
    {
        "sh", "bash", "dash", "zsh", "fish", "env", "sudo", "su", "timeout", "nohup", "setsid",
        "uv", "uvx", "npx", "npm", "remit", "remit-mcp", "systemd", "init", "tini", "tmux: server",
        "cmd",
    }
)  # fmt: skip
INTERPRETERS = ("python", "node", "bun", "deno", "ruby")


class Process(msgspec.Struct, frozen=True):
    """One ancestor.

    Attributes:
        pid: its process id.
        executable: absolute path of its program, empty if unreadable.
        arguments: its command line.
    """

    pid: int
    executable: str
    arguments: tuple[str, ...]

    @property
    def name(self) -> str:
        """Base name of the program, without ``.exe``."""
        return Path(self.executable).name.removesuffix(".exe") or "unknown"


def ancestors(pid: int) -> Iterator[Process]:
    """Ancestors of ``pid``, nearest first."""
    reader = _from_proc if sys.platform == "linux" else _from_psutil
    for _ in range(MAX_ANCESTORS):
        found = reader(pid)
        if found is None:
            return
        pid, process = found
        yield process


def _from_proc(pid: int) -> tuple[int, Process] | None:
    """Parent of ``pid`` by /proc (proc(5)): the name in ``stat`` may hold spaces and brackets."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
        parent = int(stat[stat.rindex(b")") + 2 :].split()[1])
        if parent <= 0:
            return None
    except (OSError, ValueError, IndexError):
        return None
    process = _itself(parent)
    return None if process is None else (parent, process)


def _from_psutil(pid: int) -> tuple[int, Process] | None:
    import psutil

    try:
        parent = psutil.Process(pid).parent()
        if parent is None:
            return None
        return parent.pid, Process(parent.pid, parent.exe(), tuple(parent.cmdline()))
    except psutil.Error:
        return None


def lineage(pid: int) -> tuple[Process, ...] | None:
    """``pid`` itself and every ancestor of it; ``None`` if one of them cannot be seen (Linux).

    For what must not be answered by an agent: a process that has ended, or hides behind too many
    others, has no lineage.
    """
    found: list[Process] = []
    number = pid
    for _ in range(MAX_LINEAGE):
        process = _itself(number)
        if process is None:
            return None
        found.append(process)
        try:
            stat = Path(f"/proc/{number}/stat").read_bytes()
            number = int(stat[stat.rindex(b")") + 2 :].split()[1])
        except (OSError, ValueError, IndexError):
            return None
        if number <= 0:
            return tuple(found)
    return None


def _itself(pid: int) -> Process | None:
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return None
    try:
        executable = str(Path(f"/proc/{pid}/exe").readlink()).removesuffix(" (deleted)")
    except OSError:
        executable = ""
    arguments = tuple(a.decode("utf-8", "replace") for a in line.split(b"\0")[:-1])
    return Process(pid, executable, arguments)


def identify(processes: Iterator[Process]) -> Agent:
    """The agent among the ancestors: the nearest known one, else the nearest that is no launcher.

    A known program is recognised by the path of its executable, or, below an interpreter, by the
    path of the script that it runs.
    """
    fallback: Process | None = None
    for process in processes:
        known = _known(process)
        if known:
            return Agent(id=known, executable=process.executable, process=process.pid)
        if fallback is None and process.name not in LAUNCHERS and not _is_ours(process):
            fallback = process
    if fallback is None:
        return Agent(id="unknown")
    name = printable(_own_name(fallback), 100)
    return Agent(id=name, executable=fallback.executable, process=fallback.pid)


def _known(process: Process) -> str:
    subject = _subject(process)
    for agent, marks in KNOWN.items():
        for mark in marks:
            if "/" in mark or mark.endswith(".app"):
                if mark in process.executable or mark in subject:
                    return agent
            elif mark in (process.name.casefold(), _script(process)):
                return agent
    return ""


def _subject(process: Process) -> str:
    """The script of an interpreter: the first argument that is not an option."""
    if not process.name.startswith(INTERPRETERS):
        return ""
    return next((a for a in process.arguments[1:] if not a.startswith("-")), "")


def _script(process: Process) -> str:
    subject = _subject(process)
    return Path(subject).stem.casefold() if subject else ""


def _own_name(process: Process) -> str:
    return _script(process) or process.name


def _is_ours(process: Process) -> bool:
    return _script(process) in {"remit", "remit-mcp"}


def current_agent() -> Agent:
    """The agent that started this process."""
    return identify(ancestors(os.getpid()))


def current_user() -> str:
    """Name of the user this process runs as, from the system's user table."""
    if sys.platform == "win32":
        import getpass

        return getpass.getuser()
    return user_name(os.getuid())


def user_name(uid: int) -> str:
    """Name of the user with this number; ``uid:N`` if the table has none."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid:{uid}"
