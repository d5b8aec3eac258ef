"""``remit simulate``: the corridor without servers, for red teams and continuous integration."""

import sys
from pathlib import Path
from typing import IO

import click


@click.command()
@click.argument("file", required=False, type=click.File("rb"))
@click.option(
    "--bundle",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Directory of the policy bundle.  [default: information-flow, which comes with Remit]",
)
@click.option(
    "--server", default="tools", show_default=True, help="Server that the tools belong to."
)
@click.option("--agent", default="agent", show_default=True, help="Agent that acts.")
@click.option("--user", default="user", show_default=True, help="User it acts for.")
def simulate(
    file: IO[bytes] | None, bundle: Path | None, server: str, agent: str, user: str
) -> None:
    """Judge recorded events, without servers and without a log.

    FILE or standard input is JSONL, one event a line; each gets one line of answer, in order:
    {"seq", "decision": "allow" | "approve" | "deny", "reason"}. "approve" means that a person
    would be asked. What cannot be understood is denied.

    \b
    Events:
      {"seq", "event": "session_start", "session", "user_prompt", "tools": [{"name", "description",
       "input_schema", "labels": {"result": "trusted|listing|untrusted",
       "effect": "none|internal|egress|irreversible", "dest": [names of arguments]}}]}
      {"seq", "event": "tool_call", "session", "call_id", "tool", "args"}
      {"seq", "event": "tool_result", "session", "call_id", "tool", "content", "is_error"}
      {"seq", "event": "session_end", "session"}

    \b
    Examples:
      remit simulate traces.jsonl > decisions.jsonl
      remit simulate --bundle ./policy --server mail < traces.jsonl
    """
    import asyncio
    import os

    from remit.audit.clock import SystemClock
    from remit.core.ids import EntropyPool
    from remit.guard.simulate import Simulator, encode
    from remit.policy.bundle import load_bundle
    from remit.policy.shipped import INFORMATION_FLOW

    if file is None and sys.stdin.isatty():
        click.echo("Reading events from the terminal; give a FILE, or end with Ctrl-D.", err=True)
    loaded = load_bundle(bundle or INFORMATION_FLOW)
    one = Simulator(
        loaded, SystemClock(), EntropyPool(os.urandom), server=server, agent=agent, user=user
    )

    async def run() -> None:
        for line in file or sys.stdin.buffer:
            if line.strip():
                sys.stdout.buffer.write(encode(await one.line(line)))
                sys.stdout.buffer.flush()

    asyncio.run(run())
