"""What ``remit audit`` prints: tables for people, JSON for programs, no control characters."""

import datetime as dt
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from remit.audit.record import Entry
    from remit.audit.verify import Report

_COLUMNS = ("seq", "time", "kind", "agent", "action", "effect", "detail")
_YEAR_10000_US = 253402300800000000


def safe(text: str, limit: int = 2000) -> str:
    """``text`` with everything that acts on a terminal made visible."""
    from remit.core.text import printable

    return printable(text, limit)


def print_entries(
    entries: "list[Entry]", output: str, *, header: bool = True, several: bool = False
) -> None:
    """Print records as a table (plain on a pipe), JSON or JSON lines.

    With ``several`` logs, a column says of which log a record is.
    """
    if output != "table":
        dump([entry.record for entry in entries], output)
        return
    columns = ("log", *_COLUMNS) if several else _COLUMNS
    rows = [(*_log(entry)[: int(several)], *_row(entry)) for entry in entries]
    if not sys.stdout.isatty():
        for row in [columns, *rows] if header else rows:
            click.echo("\t".join(row))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_header=header)
    for column in columns:
        table.add_column(column, justify="right" if column == "seq" else "left", overflow="fold")
    styles = {"allow": "green", "deny": "red", "require": "yellow"}
    for row in rows:
        table.add_row(*(Text(cell, style=styles.get(cell, "")) for cell in row))
    Console().print(table)


def _log(entry: "Entry") -> tuple[str]:
    return (safe(str(entry.record.get("log")), 200).replace("\n", " ").replace("\t", " "),)


def _row(entry: "Entry") -> tuple[str, ...]:
    from remit.audit.record import field

    record = entry.record

    def text(path: str) -> str:
        value = field(record, path)
        shown = "" if value is None else value if isinstance(value, str) else str(value)
        return safe(shown, 200).replace("\n", " ").replace("\t", " ")

    detail = text("decision.error") or text("outcome.status")
    rules = field(record, "decision.rule_ids")
    if not detail and isinstance(rules, list):
        detail = safe(" ".join(map(str, rules)), 200).replace("\n", " ").replace("\t", " ")
    reasons = field(record, "decision.reasons")
    if not detail and isinstance(reasons, list):
        detail = safe(" ".join(map(str, reasons)), 200).replace("\n", " ").replace("\t", " ")
    detail = detail or text("artifact.digest")
    return (
        str(entry.seq),
        _iso(record.get("time")),
        text("kind"),
        text("actor.agent") or text("actor.user"),
        text("action.name") or text("action.tool") or _artifact(text),
        text("decision.effect"),
        detail,
    )


def _artifact(text: Callable[[str], str]) -> str:
    tag = text("artifact.tag")
    return text("artifact.repository") + (f":{tag}" if tag else "")


def _iso(time_us: Any) -> str:
    if type(time_us) is not int or not 0 <= time_us < _YEAR_10000_US:
        return "?"
    moment = dt.datetime.fromtimestamp(time_us // 1_000_000, dt.UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time_us % 1_000_000 // 1000:03d}Z"


def dump(values: list[dict[str, Any]], output: str) -> None:
    """Print values as one JSON array, or one object a line."""
    import orjson

    if output == "jsonl":
        for value in values:
            click.echo(_ascii(orjson.dumps(value)))
    else:
        click.echo(_ascii(orjson.dumps(values, option=orjson.OPT_INDENT_2)))


def dump_one(value: Any) -> None:
    """Print one value as JSON."""
    import orjson

    click.echo(_ascii(orjson.dumps(value, option=orjson.OPT_INDENT_2)))


def _ascii(data: bytes) -> str:
    r"""JSON text in which control and format characters are ``\uXXXX``, so it stays JSON."""
    text = data.decode()
    # In JSON, all that is not ASCII stands inside strings, so each character may be escaped alone.
    return "".join(_escape(c) for c in text) if not text.isascii() or "\x7f" in text else text


def _escape(c: str) -> str:
    import json

    if " " <= c <= "~" or c == "\n" or safe(c) == c:
        return c
    return "\\u007f" if c == "\x7f" else json.dumps(c)[1:-1]


def report_value(report: "Report") -> dict[str, Any]:
    """The JSON form of a verification."""
    problem = report.problem
    return {
        "ok": report.ok,
        "origin": report.origin,
        "records": report.records,
        "signed_records": report.signed,
        "root": report.root.hex(),
        "checkpoints": report.kept + 1,
        "unanchored_records": report.unanchored_records,
        "unanchored_seconds": report.unanchored_seconds,
        "problem": problem
        and {"seq": problem.seq, "code": problem.code, "message": problem.message},
        "notes": list(report.notes),
    }


def report(report: "Report") -> None:
    """Print a verification for people."""
    click.echo(f"{'OK' if report.ok else 'NOT VERIFIED'}  {safe(report.origin)}")
    if report.problem is not None:
        where = f"record {report.problem.seq}: " if report.problem.seq >= 0 else ""
        click.echo(f"  problem             {where}{safe(report.problem.message)}")
        click.echo(f"  code                {report.problem.code}")
    click.echo(f"  records             {report.records} ({report.signed} signed)")
    click.echo(f"  root                {report.root.hex()}")
    click.echo(f"  other checkpoints   {report.kept}")
    click.echo(f"  unanchored_records  {report.unanchored_records}")
    click.echo(f"  unanchored_seconds  {report.unanchored_seconds:.0f}")
    for note in report.notes:
        click.echo(f"  note                {safe(note)}")


def progress() -> Callable[[int], None]:
    """A callback that shows the count on stderr."""

    def show_progress(count: int) -> None:
        click.echo(f"\r{count:,} records", nl=False, err=True)

    return show_progress
