"""Code of any language that is read: which it is, what it does, and what several files do together."""

import re
from collections.abc import Iterator, Sequence

from remit.scan.base import Finding, Member
from remit.scan.scanners import _orders, _pycode, _pyrules, _scripts, _text
from remit.scan.scanners._pyrules import Facts

FAMILY = "code"
FORM = "code"
"""Format of coverage of code, whatever its language."""
PYTHON = (".py", ".pyw", ".pyi")
SHELL = (".sh", ".bash", ".zsh", ".ksh", ".command")
SCRIPT = (".js", ".mjs", ".cjs", ".ts", ".tsx", ".jsx", ".mts")
OTHER = (".ps1", ".bat", ".cmd", ".vbs", ".rb", ".pl", ".php", ".lua", ".scpt", ".applescript",
               ".ipynb", ".jar", ".wasm", ".class")  # fmt: skip
_FENCE = re.compile(r"(?ms)^[ \t]*(?:```|~~~)[ \t]*(\w+)[^\n]*\n(.*?)^[ \t]*(?:```|~~~)")


def is_code(member: Member) -> bool:
    """Whether a member is code by its name or its first line."""
    name = _text.base(member)
    return name.endswith((*PYTHON, *SHELL, *SCRIPT, *OTHER)) or member.head.startswith(b"#!")


def language(name: str, text: str) -> str:
    """The language of a text: ``other`` for code that is not read, empty for no code."""
    if name.endswith(OTHER):
        return "other"
    first = text.partition("\n")[0] if text.startswith("#!") else ""
    if name.endswith(PYTHON) or "python" in first:
        return "python"
    if name.endswith(SHELL) or re.search(r"\b(?:ba|z|da|k)?sh\b", first):
        return "shell"
    if name.endswith(SCRIPT) or re.search(r"\b(?:node|deno|bun)\b", first):
        return "javascript"
    return "other" if first else ""


def facts_of(language: str, text: str) -> Facts | None:
    """What code does; ``None`` if it is none, or cannot be read as that."""
    if language == "python":
        return _pycode.python(text)
    if language == "shell":
        return _scripts.shell(text)
    return _scripts.javascript(text) if language == "javascript" else None


def fenced(text: str) -> Iterator[tuple[Facts, int]]:
    """Code within a text in Markdown, and how many lines stand before it."""
    for match in _FENCE.finditer(text):
        tongue = {"py": "python", "python": "python", "python3": "python", "js": "javascript",
                    "javascript": "javascript", "ts": "javascript"}.get(match[1].lower(), "")  # fmt: skip
        facts = facts_of(tongue, match[2]) if tongue else None
        if facts is not None:
            yield facts, _text.line_of(text, match.start(2)) - 1


def issues(facts: Facts, member: Member, before: int) -> Iterator[Finding]:
    """What is wrong with code by itself; ``before`` it stand so many lines."""
    for issue in facts.issues:
        yield _text.found(
            f"code.{issue.rule}", issue.title, issue.severity, member, shown=issue.shown,
            line=issue.line + before, confidence=800,
        )  # fmt: skip
    for line, command in facts.commands:
        for finding in _orders.orders(command, member, "skill", family=FAMILY):
            yield _text.found(
                finding.rule, finding.title, finding.severity, member, shown=command,
                line=line + before,
            )  # fmt: skip
    for line, name in _pyrules.foreign_vendors(facts):
        yield _text.found(
            "code.foreign_credential", "credentials of one service go to another", "high",
            member, shown=name, line=line + before, confidence=700,
        )  # fmt: skip


def joined(together: Sequence[tuple[Member, Facts]]) -> Iterator[Finding]:
    """What is taken in one place and sent from another."""
    sending = [member.path for member, facts in together if facts.sends]
    for member, facts in together:
        if not facts.takes or not sending:
            continue
        line, what = facts.takes[0]
        own = bool(facts.sends)
        yield _text.found(
            "code.exfiltration",
            "it takes what is secret and talks to the network",
            "critical" if own else "high",
            member, shown=what if own else f"{what}; sent from {sending[0]}", line=line,
            confidence=850 if own else 700,
        )  # fmt: skip
