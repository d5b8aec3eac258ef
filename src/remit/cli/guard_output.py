"""Tables of ``remit guard``."""

import datetime as dt
import sys
from typing import Any

from rich.console import Console
from rich.table import Column, Table

from remit.core.text import printable

PIPE_WIDTH = 400


def show_status(found: dict[str, Any]) -> None:
    """Print the answer of ``status`` for a person."""
    # A pipe has no width: nothing is folded or cut for a program that reads it.
    console = Console(soft_wrap=True, width=None if sys.stdout.isatty() else PIPE_WIDTH)
    policy, log = found["policy"], found["log"]
    console.print(
        f"Guard {found['version']}, pid {found['pid']}, since {_time(found['since_us'])}",
        highlight=False,
    )
    console.print(
        f"policy  {_safe(policy['name'])} {_safe(policy['version'])}, serial {policy['serial']}, "
        f"{policy['mode']}",
        highlight=False,
    )
    last = policy["reload"]
    if last and not last["ok"]:
        console.print(
            f"        [red]the reload of {_time(last['time_us'])} was refused:[/red] "
            f"{_safe(last['problem'])}",
            highlight=False,
        )
    if policy["problem"]:
        console.print(
            f"        [red]no newer bundle is in force:[/red] {_safe(policy['problem'])}",
            highlight=False,
        )
    trouble = f", [red]{_safe(log['poisoned'])}[/red]" if log["poisoned"] else ""
    console.print(
        f"log     {log['records']} records, {log['durable']} on disk, {log['signed']} signed, "
        f"{log['unanchored_records']} not anchored outside "
        f"(for {log['unanchored_seconds']} s){trouble}",
        highlight=False,
    )
    if policy["withdrawn"]:
        console.print(
            f"        [red]no policy is in force, everything is denied:[/red] the bundle"
            f" {_safe(policy['withdrawn'])}",
            highlight=False,
        )
    _show_withdrawals(console, found["withdrawals"])
    if found["questions"]:
        console.print(f"waiting {found['questions']} questions: `remit guard questions`")
    servers = Table("server", "tools", "sessions", "command or url", box=None, pad_edge=False)
    for server in found["servers"]:
        tools = str(server["tools"]) if server["pinned"] else "not seen yet"
        servers.add_row(
            server["id"],
            _safe(server["problem"]) or tools,
            str(server["sessions"]),
            _safe(server["url"] or " ".join(server["command"]) or server["artifact"]["reference"]),
        )
    console.print()
    console.print(servers)
    for server in found["servers"]:
        if server["artifact"]:
            console.print(_admission(server["id"], server["artifact"]), highlight=False)
    if found["sessions"]:
        sessions = Table(
            Column("session", no_wrap=True),
            Column("agent", overflow="fold"),
            *("user", "server", "calls"),
            Column("since", no_wrap=True),
            box=None,
            pad_edge=False,
        )
        for session in found["sessions"]:
            sessions.add_row(
                session["id"],
                _safe(session["agent"]),
                _safe(session["user"]),
                session["server"],
                str(session["calls"]),
                _time(session["since_us"]),
            )
        console.print()
        console.print(sessions)


def _show_withdrawals(console: Console, found: dict[str, Any]) -> None:
    """What Hubs have withdrawn of what is started here, and which of them do not say."""
    for hub in found.get("hubs", ()):
        if hub["problem"]:
            since = _time(hub["heard_us"]) if hub["heard_us"] else "Guard started"
            console.print(
                f"hub     [red]{_safe(hub['host'])} does not say what it withdrew[/red] since"
                f" {since}: {_safe(hub['problem'])}",
                highlight=False,
            )
    for each in found.get("withdrawn", ()):
        console.print(
            f"        {_safe(each['artifact'])}: {_safe(each['state'])} since"
            f" {_time(each['changed_us'])}: {_safe(each['reason'])}",
            highlight=False,
        )


def _admission(server: str, artifact: dict[str, Any]) -> str:
    """The last word on the artifact of a server."""
    if artifact["admitted"] is None:
        return f"        {server}: its artifact was not started yet"
    when = _time(artifact["time_us"])
    if artifact["admitted"]:
        return f"        {server}: admitted {when}, {_safe(artifact['digest'])}"
    why = f"{_safe(artifact['problem'])} ({_safe(artifact['code'])})"
    return f"        {server}: [red]refused[/red] {when}: {why}"


def _time(time_us: int) -> str:
    return f"{dt.datetime.fromtimestamp(time_us / 1e6, dt.UTC):%Y-%m-%dT%H:%M:%SZ}"


def _safe(text: str) -> str:
    from rich.markup import escape

    return escape(printable(text, 300))
