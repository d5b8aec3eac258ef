"""``remit content``: look for secrets, personal data and injected instructions in a text."""

import functools
import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import IO, TYPE_CHECKING, Any, get_args

import click

if TYPE_CHECKING:
    from remit.content.base import Finding

    Look = Callable[[str, str], tuple[Sequence[Finding], int]]

_CHANNELS = ("user_prompt", "completion", "tool_args", "tool_result")

_COLOURS = {"low": "cyan", "medium": "yellow", "high": "red", "critical": "magenta"}


@click.group()
def content() -> None:
    """Look for what does not belong into a text: secrets, personal data, injected instructions.

    \b
    Examples:
      remit content check page.html
      remit content check --channel tool_result < texts.jsonl

    Exit codes: 0 nothing found, 1 findings, 2 wrong usage.
    """


@content.command()
@click.argument("file", required=False, type=click.File("rb"))
@click.option(
    "--channel",
    type=click.Choice(_CHANNELS),
    default="tool_result",
    show_default=True,
    help="Where a text comes from or goes, if its line does not say.",
)
@click.option(
    "--with",
    "optional",
    type=click.Choice(["names"]),
    multiple=True,
    help="Optional detector to use as well.",
)
@click.option(
    "-o", "--output", type=click.Choice(["text", "json"]), default=None, help="Output form."
)
def check(
    file: IO[bytes] | None, channel: str, optional: tuple[str, ...], output: str | None
) -> None:
    """Inspect texts.

    With FILE, a plain text is inspected and shown with what was found marked. Without, standard
    input is JSONL, {"id", "text", "channel"}; each line gets one line of answer, in order:
    {"id", "findings": [{"kind", "label", "severity", "score", "start", "end"}], "elapsed_us"}.
    Places are code points of the text. A line that cannot be read is answered with an "error".

    \b
    Examples:
      remit content check notes.txt
      remit content check notes.txt -o json
      printf '{"id": 1, "text": "call +1 212 555 0142"}\\n' | remit content check
    """
    if "names" in optional:
        from remit.content.detectors.names import engine

        engine()
    look = functools.partial(_inspect, optional=frozenset(optional))
    if file is None and not sys.stdin.isatty():
        sys.exit(1 if _lines(sys.stdin.buffer, channel, look) else 0)
    if file is None:
        click.echo("Type a text, then Ctrl-D:", err=True)
        file = sys.stdin.buffer
    text = file.read().decode("utf-8", "replace")
    findings, elapsed = look(text, channel)
    if (output or "text") == "json":
        _write({"findings": [_shown(f) for f in findings], "elapsed_us": elapsed})
    else:
        _highlight(text, findings)
    sys.exit(1 if findings else 0)


def _lines(lines: Iterable[bytes], channel: str, look: "Look") -> bool:
    """Answer every line; whether anything was found or could not be read."""
    # Rules are compiled when they are first used: that is no time of the first text.
    look("warm up", channel)
    found = False
    for line in lines:
        answer, some = _answer(line, channel, look)
        found |= some
        _write(answer)
    return found


def _answer(line: bytes, channel: str, look: "Look") -> tuple[dict[str, Any], bool]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        return _failed(None, str(error))
    if not isinstance(row, dict):
        return _failed(None, "the line is not an object")
    number = row.get("id")
    text, channel = row.get("text"), row.get("channel") or channel
    if not isinstance(text, str):
        return _failed(number, "`text` is missing or not a string")
    if channel not in _CHANNELS:
        return _failed(number, f"`channel` is none of {', '.join(_CHANNELS)}")
    findings, elapsed = look(text, channel)
    answer = {"id": number, "findings": [_shown(f) for f in findings], "elapsed_us": elapsed}
    return answer, bool(findings)


def _failed(number: Any, why: str) -> tuple[dict[str, Any], bool]:
    return {"id": number, "findings": [], "elapsed_us": 0, "error": why[:200]}, True


def _inspect(text: str, channel: str, optional: frozenset[str]) -> tuple[Sequence["Finding"], int]:
    from remit.content.base import Channel, Surroundings
    from remit.content.inspect import inspect

    (known,) = (c for c in get_args(Channel) if c == channel)
    around = Surroundings(channel=known, optional=optional)
    start = time.perf_counter_ns()
    findings = inspect(text, around)
    return findings, (time.perf_counter_ns() - start) // 1000


def _shown(finding: "Finding") -> dict[str, Any]:
    return {
        "kind": finding.kind,
        "label": finding.label,
        "severity": finding.severity,
        "score": finding.score_milli / 1000,
        "start": finding.start,
        "end": finding.end,
    }


def _write(answer: Any) -> None:
    # ASCII: a lone surrogate in an id must not stop the stream.
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def _highlight(text: str, findings: Sequence["Finding"]) -> None:
    """The text with findings marked, then a list of them. Control characters are made visible."""
    from remit.core.text import printable

    def clean(part: str) -> str:
        return printable(part, limit=len(part) or 1)

    done = 0
    parts: list[str] = []
    for finding in findings:
        if finding.kind == "uninspected" or finding.start < done:
            continue
        parts.append(clean(text[done : finding.start]))
        marked = clean(text[finding.start : finding.end])
        parts.append(click.style(marked, fg=_COLOURS[finding.severity], bold=True, underline=True))
        done = finding.end
    parts.append(clean(text[done:]))
    click.echo("".join(parts), nl=not text.endswith("\n"))
    click.echo(err=True)
    for finding in findings:
        line = text.count("\n", 0, finding.start) + 1
        column = finding.start - (text.rfind("\n", 0, finding.start) + 1) + 1
        click.echo(
            f"{line}:{column}  {finding.severity:8}  {finding.kind}  {finding.label}"
            f"  {finding.score_milli / 1000:.2f}  ({finding.rule})",
            err=True,
        )
    count = len(findings)
    click.echo(f"{count or 'no'} finding{'' if count == 1 else 's'}", err=True)
