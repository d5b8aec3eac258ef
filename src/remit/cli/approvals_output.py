"""Tables of ``remit approvals``."""

from typing import Any

import click
from rich.console import Console
from rich.table import Column, Table

from remit.approvals.rendering import iso
from remit.core.text import printable

ID_WIDTH = 30


def show_list(found: list[dict[str, Any]]) -> None:
    """Requests, one a line."""
    if not found:
        click.echo("no call waits for approval", err=True)
        return
    # What people copy into the next command is never cut.
    table = Table(Column("id", min_width=ID_WIDTH, no_wrap=True), box=None)
    for name in ("state", "action", "agent", "for", "approved by", "expires"):
        table.add_column(name, overflow="fold")
    for one in found:
        given = f"{len(one['approved_by'])}/{one['quorum']} {', '.join(one['approved_by'])}"
        table.add_row(
            one["id"],
            one["state"],
            printable(one["action"], 60),
            printable(one["agent"], 30),
            printable(one["user"], 30),
            printable(given, 60),
            iso(one["expires_us"]),
        )
    Console(highlight=False, markup=False).print(table)


def show_one(found: dict[str, Any]) -> None:
    """What is signed, and what was said."""
    click.echo(found["shown"])
    click.echo(f"State:     {found['state']}")
    for said in found["said"]:
        why = f": {printable(said['reason'], 500)}" if said["reason"] else ""
        ticket = f" ({printable(said['ticket'], 200)})" if said["ticket"] else ""
        click.echo(
            f"           {said['word']} by {said['approver']}, "
            f"{iso(said['signed_us'])}{ticket}{why}"
        )


def show_approvers(found: list[dict[str, Any]]) -> None:
    """Who is enrolled."""
    if not found:
        click.echo('nobody is enrolled: remit approvals enrol USER --name "…"', err=True)
        return
    for one in found:
        since = f"enrolled {iso(one['enrolled_us'])}"
        if one["revoked_us"]:
            since += f", revoked {iso(one['revoked_us'])}"
        what = "passkey" if one["passkey"] else "key"
        click.echo(f"{one['id']}  {one['name']}, {since}\n  {what} {one['key']}")
