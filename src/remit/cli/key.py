"""``remit key``: the keys with which callers over HTTP prove themselves."""

import datetime as dt
import os
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from remit.cli.signing_keys import signing

if TYPE_CHECKING:
    from remit.guard.callers.keys import KeyRecord
    from remit.guard.store.callers import CallerKeys

_FILE = click.Path(path_type=Path, dir_okay=False)
_DIRECTORY = click.Path(path_type=Path, file_okay=False)
_UNITS_S = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_MAX_S = 100 * 366 * 86400
_YEAR_10000_US = 253402300800000000
_STATE = click.option(
    "--state",
    type=_DIRECTORY,
    help="Guard's state directory.  [default: the configuration's, else the user's]",
)
_CONFIG = click.option(
    "--config", type=_FILE, help="The remit.toml that names it.  [default: remit.toml]"
)


def _seconds(ctx: click.Context, param: click.Parameter, value: str) -> int:
    """Seconds of ``30d``, ``12h``; 0 for ``never``."""
    if value == "never":
        return 0
    found = re.fullmatch(r"([0-9]{1,9})([mhdw])", value, re.ASCII)
    seconds = int(found[1]) * _UNITS_S[found[2]] if found else 0
    if not 0 < seconds <= _MAX_S:
        raise click.BadParameter(
            "use a number with m, h, d or w, as in 30d, or `never`", ctx, param
        )
    return seconds


@click.group()
def key() -> None:
    """Issue, list and revoke the keys of callers over HTTP; make keys that sign artifacts.

    A key says which agent calls, for which user, and which servers it may reach. Guard keeps only
    a hash of it.

    \b
      remit key new --agent ci --server git --expires 30d
      remit key list
      remit key revoke abcd2345
    """


@key.command()
@click.option("--agent", required=True, help="Name of the agent for policies.")
@click.option("--user", help="On whose behalf.  [default: you]")
@click.option(
    "--server", "servers", multiple=True, help="Server, or pattern of servers.  [default: all]"
)
@click.option(
    "--expires",
    callback=_seconds,
    default="90d",
    show_default=True,
    metavar="DURATION",
    help="Minutes (m), hours (h), days (d) or weeks (w), or `never`.",
)
@_STATE
@_CONFIG
def new(
    agent: str,
    user: str | None,
    servers: tuple[str, ...],
    expires: int,
    state: Path | None,
    config: Path | None,
) -> int:
    """Issue a key. It is printed once, on standard output."""
    from remit.guard.callers.keys import ALL_SERVERS, NewKey
    from remit.guard.identity import current_user

    store = _store(state, config)
    now_us = _now_us()
    made = NewKey.make(
        os.urandom,
        now_us,
        agent=agent,
        user=current_user() if user is None else user,
        servers=servers or ALL_SERVERS,
        expires=now_us + expires * 1_000_000 if expires else 0,
    )
    store.add(made.record)
    click.echo(made.reveal())
    record = made.record
    click.echo(
        f"key {record.id} for agent {record.agent}, user {record.user}, "
        f"servers {' '.join(record.servers)}, expires {_time(record.expires)}",
        err=True,
    )
    click.echo(f"its hash is in {store.path}; the key itself is kept nowhere", err=True)
    return 0


key.add_command(signing)


@key.command(name="list")
@click.option(
    "-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True
)
@_STATE
@_CONFIG
def list_(output: str, state: Path | None, config: Path | None) -> int:
    """List the keys, and when they were last used."""
    store = _store(state, config)
    used, now_us = store.last_used(), _now_us()
    records = store.all()
    if output == "json":
        import json

        click.echo(json.dumps([_value(r, used.get(r.id, 0), now_us) for r in records], indent=2))
        return 0
    if not records:
        click.echo(f"there are no keys in {store.path}", err=True)
        return 0
    _show(records, used, now_us)
    return 0


@key.command()
@click.argument("key_id", metavar="ID")
@_STATE
@_CONFIG
def revoke(key_id: str, state: Path | None, config: Path | None) -> int:
    """End a key at once, also for a Guard that runs.

    ID is the part of the key between the two underscores.
    """
    from remit.guard.callers.keys import id_of

    record = _store(state, config).revoke(id_of(key_id) or key_id, _now_us())
    click.echo(f"key {record.id} is revoked since {_time(record.revoked)}", err=True)
    return 0


def _store(state: Path | None, config: Path | None) -> "CallerKeys":
    """The keys of the Guard that `remit guard run` would be with the same options."""
    from remit.core.paths import user_state
    from remit.guard.config import DEFAULT, load
    from remit.guard.store.callers import CallerKeys

    place = config or Path(DEFAULT)
    if state is None and (config is not None or place.exists()):
        state = load(place).state
    return CallerKeys(state or user_state(os.environ) / "guard")


def _value(record: "KeyRecord", used: int, now_us: int) -> dict[str, object]:
    return {
        "id": record.id,
        "state": record.state(now_us),
        "agent": record.agent,
        "user": record.user,
        "servers": list(record.servers),
        "scopes": list(record.scopes),
        "created": _time(record.created),
        "expires": _time(record.expires) if record.expires else None,
        "last_used": _time(used) if used else None,
        "revoked": _time(record.revoked) if record.revoked else None,
    }


def _show(records: "tuple[KeyRecord, ...]", used: dict[str, int], now_us: int) -> None:
    columns = ("id", "state", "agent", "user", "servers", "expires", "last used")
    rows = [
        (
            record.id,
            record.state(now_us),
            _safe(record.agent),
            _safe(record.user),
            _safe(" ".join(record.servers)),
            _time(record.expires),
            _time(used.get(record.id, 0)),
        )
        for record in records
    ]
    if not sys.stdout.isatty():
        for row in (columns, *rows):
            click.echo("\t".join(row))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*map(Text, row))
    Console().print(table)


def _safe(text: str) -> str:
    from remit.core.text import printable

    return printable(text, 100).replace("\n", " ").replace("\t", " ")


def _time(time_us: int) -> str:
    if not 0 < time_us < _YEAR_10000_US:
        return "never"
    return f"{dt.datetime.fromtimestamp(time_us // 1_000_000, dt.UTC):%Y-%m-%dT%H:%M:%SZ}"


def _now_us() -> int:
    return time.time_ns() // 1000
