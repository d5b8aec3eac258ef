"""What ``remit diff`` prints: a heading for each file, its changes, and texts in colour."""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.text import Text

    from remit.artifacts.diff.base import Change, Difference, Line

_STYLES = {"info": "dim", "low": "cyan", "medium": "yellow", "high": "red", "critical": "bold red"}
_MARKS = {"removed": "-", "added": "+", "context": " ", "gap": "…"}
_LINE_STYLES = {"removed": "red", "added": "green", "context": "", "gap": "dim"}


def ascii_json(data: bytes) -> str:
    r"""JSON text in which control and format characters are ``\uXXXX``, so it stays JSON."""
    import json

    from remit.artifacts.diff.text import invisible

    text = data.decode()
    if text.isascii() and "\x7f" not in text:
        return text
    return "".join(
        json.dumps(c)[1:-1] if c != "\x7f" and invisible(c) else "\\u007f" if c == "\x7f" else c
        for c in text
    )


def show(found: "Difference") -> None:
    """Print a difference for people."""
    from rich.console import Console

    terminal = sys.stdout.isatty()
    console = Console(
        highlight=False, soft_wrap=True, no_color=not terminal, force_terminal=terminal
    )
    for line in _all(found):
        console.print(line)


def _all(found: "Difference") -> "Iterator[Text]":
    from rich.text import Text

    if found.equal:
        yield Text("no difference")
        return
    path: str | None = None
    for change in found.changes:
        if change.path != path:
            if path is not None:
                yield Text()
            path = change.path
            yield Text(safe(path) or "the artifact", style="bold")
        yield from _change(change)
    if found.unread:
        if path is not None:
            yield Text()
        yield Text("not looked into", style="bold red")
        for note in found.unread:
            side = "" if note.side == "both" else f" ({note.side})"
            yield Text(f"  {safe(note.path) or 'the artifact'}{side}: {safe(note.reason)}")
    yield Text()
    yield Text(_summary(found))


def _change(change: "Change") -> "Iterator[Text]":
    from rich.text import Text

    head = Text("  ")
    head.append(f"{change.severity:8}", style=_STYLES[change.severity])
    head.append(f"  {change.kind}  ", style="dim")
    if change.subject:
        head.append(safe(change.subject), style="bold")
        head.append(": ")
    head.append(safe(change.summary))
    yield head
    for line in change.lines:
        yield _line(line)


def _line(line: "Line") -> "Text":
    from rich.text import Text

    out = Text(f"      {_MARKS[line.kind]} ", style=_LINE_STYLES[line.kind])
    for span in line.spans:
        changed = span.changed and line.kind in {"removed", "added"}
        out.append(span.text, style="bold underline" if changed else "")
    return out


def _summary(found: "Difference") -> str:
    count = len(found.changes)
    text = f"{count} change{'' if count == 1 else 's'}, worst {found.severity}"
    if found.unread:
        text += f"; {len(found.unread)} not looked into"
    return text


def safe(text: str) -> str:
    """``text`` on one line with everything that acts on a terminal made visible."""
    from remit.core.text import printable

    return printable(text, 2000).replace("\n", "\\n").replace("\t", "\\t")
