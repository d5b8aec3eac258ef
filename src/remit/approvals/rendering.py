r"""What an approver is shown: the whole action as text, with nothing in it that could deceive.

One function for every surface, so that the digest in the signed statement can be computed again by
Guard and by anybody who has the request. Nothing is cut. Control, format and bidi characters are
written as ``\u{202e}``; letters that only look like Latin ones are named below the text.
"""

import json
import unicodedata
from datetime import UTC, datetime
from typing import Any

from remit.approvals.request import Request
from remit.core.digest import Digest, sha256
from remit.core.strictjson import parse
from remit.core.text import printable

RENDERER = "text/1"
LOCALE = "en"
MAX_ARGUMENTS = 256 * 1024
"""Longer arguments nobody can judge; such a call cannot be approved."""
MAX_NAMED = 20


def render(request: Request) -> str:
    """The text of a request; what :func:`displayed` is the digest of."""
    action = request.action
    lines = [
        f"Action:    {_line(action.name)} on server {_line(action.server)}",
        f"Agent:     {_line(action.agent)}" + _within(action.executable),
        f"For user:  {_line(action.user)}" + _within(action.on_behalf_of),
        f"Session:   {_line(action.session)}",
        f"Why:       {_line(request.reason or 'the policy asks for it')}",
        f"Policy:    {_line(request.rule)} ({action.policy_digest})",
        f"Approvers: {request.quorum} of {_line(request.approvers)}",
        f"Requested: {iso(request.requested_us)}",
        f"Expires:   {iso(request.expires_us)}",
    ]
    if request.max_uses > 1:
        lines.append(f"May be approved for: up to {request.max_uses} calls")
    if request.tool_class is not None:
        lines.append(f"Class:     {request.tool_class.value}")
    if request.findings:
        lines.append(f"Found:     {_line(', '.join(request.findings))}")
    if request.labels:
        lines.append(f"Session saw: {_line(', '.join(request.labels))}")
    lines += [f"Digest:    {action.digest}", "", "Arguments:", _arguments(action.arguments)]
    strange = _strange(action.arguments)
    if strange:
        lines += ["", "Look twice: these letters are not what they look like:", *strange]
    return "\n".join(lines) + "\n"


def displayed(request: Request) -> Digest:
    """Digest of what the approver was shown."""
    return sha256(render(request).encode())


def iso(time_us: int) -> str:
    """Wall time as ``2026-01-02T03:04:05Z``."""
    return datetime.fromtimestamp(time_us // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def arguments_shown(request: Request) -> str:
    """The part of :func:`render` that shows the arguments."""
    return _arguments(request.action.arguments)


def _within(text: str) -> str:
    return f" ({_line(text)})" if text else ""


def _line(text: str) -> str:
    return printable(text, len(text)).replace("\n", "\\n").replace("\t", "\\t")


def _arguments(text: str) -> str:
    value: Any = parse(text.encode(), fold_keys=False, max_bytes=MAX_ARGUMENTS)
    # JSON escapes every control character, so a line here is a line of the structure.
    shown = json.dumps(value, indent=2, ensure_ascii=False)
    return printable(shown, len(shown))


def _strange(text: str) -> list[str]:
    """Letters of words that mix scripts, or of scripts that imitate Latin letters, by name."""
    value: Any = parse(text.encode(), fold_keys=False, max_bytes=MAX_ARGUMENTS)
    shown = json.dumps(value, ensure_ascii=False)
    found = dict.fromkeys(c for c in shown if not c.isascii() and _imitates(c))
    named = [f"  {c}  U+{ord(c):04X} {unicodedata.name(c, '?')}" for c in found]
    left = len(named) - MAX_NAMED
    return [*named[:MAX_NAMED], f"  … and {left} more"] if left > 0 else named


def _imitates(c: str) -> bool:
    name = unicodedata.name(c, "")
    return name.startswith(("CYRILLIC", "GREEK", "FULLWIDTH", "MATHEMATICAL", "CHEROKEE")) or (
        unicodedata.combining(c) != 0
    )
