"""Take out what was found, and leave the rest as it is.

Three forms: ``mask`` (``[SECRET:github_token]``), ``hash`` (the same with a keyed digest, equal for
equal values of a session), ``token`` (``<remit:github_token:…>``, which a :class:`Vault` can turn
back). What was found in a decoded view stands for the whole encoded run in the original.
"""

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import msgspec

from remit.content.base import SEVERITIES, ContentError, Finding, Surroundings
from remit.content.inspect import detectors, inspect
from remit.content.vault import TOKEN, Vault

Form = Literal["mask", "hash", "token"]
Wanted = Callable[[Finding], bool]
Inspect = Callable[[str, Surroundings], Iterable[Finding]]

MAX_ROUNDS = 4
_LABELS = frozenset({"uninspected", "injection", "poisoning"})
_DIGEST_LETTERS = 16
_KEY_BYTES = 16
_UNNAMED = re.compile(r"[^A-Za-z0-9_.-]")
_RUN = re.compile(r"[A-Za-z0-9+/_-]")
_RUN_BACK = re.compile(r"[A-Za-z0-9+/_-]*\Z")
_RUN_ON = re.compile(r"[A-Za-z0-9+/_-]*={0,2}")
_LETTERS = str.maketrans("0123456789abcdef", "abcdefghijklmnop")
_LOOK = 256


class Style(msgspec.Struct, frozen=True, kw_only=True):
    """How values are replaced.

    Attributes:
        form: see the module.
        key: secret of the session for ``hash``, 16 bytes or more.
        vault: keeps values for ``token``; when it is full, values are masked.
    """

    form: Form = "mask"
    key: bytes = b""
    vault: Vault | None = None

    def __post_init__(self) -> None:
        """A form without what it needs is a mistake of the caller."""
        if self.form == "hash" and len(self.key) < _KEY_BYTES:
            raise ContentError("hashing needs a key of 16 bytes or more", code="content.redact")
        if self.form == "token" and self.vault is None:
            raise ContentError("tokens need a vault", code="content.redact")


class Redacted(msgspec.Struct, frozen=True):
    """A text after redaction.

    Attributes:
        text: the new text.
        marks: spans of ``text`` that replace something; in order, apart.
        clean: whether it was inspected again and holds nothing that was to be taken out.
    """

    text: str
    marks: tuple[tuple[int, int], ...] = ()
    clean: bool = False


def everything(finding: Finding) -> bool:
    """The usual choice: every value. An instruction is none, it labels the text it stands in."""
    return finding.kind not in _LABELS


def patterns(text: str, around: Surroundings) -> Iterable[Finding]:
    """Inspect with the detectors of tier ``pattern``: models label texts, they find no values."""
    return inspect(text, around, using=[d for d in detectors() if d.tier == "pattern"])


def redact(text: str, findings: Iterable[Finding], style: Style) -> Redacted:
    """``text`` with the span of each finding replaced; spans that touch each other become one."""
    out: list[str] = []
    marks: list[tuple[int, int]] = []
    at = length = 0
    for start, end, finding in spans(text, findings):
        mark = mark_for(text[start:end], finding, style)
        out += (text[at:start], mark)
        length += start - at
        marks.append((length, length + len(mark)))
        length += len(mark)
        at = end
    out.append(text[at:])
    return Redacted("".join(out), tuple(marks))


def clean(
    text: str,
    around: Surroundings,
    style: Style,
    *,
    wanted: Wanted = everything,
    inspector: Inspect = patterns,
) -> Redacted:
    """Redact, inspect again, and so on until nothing is left; then ``clean`` is true.

    What is found in a mark alone is not counted. A text that keeps yielding findings, or that could
    not be inspected, is masked as a whole.
    """
    marks = _tokens(text, style)
    for _ in range(MAX_ROUNDS):
        found = [f for f in inspector(text, around) if f.kind == "uninspected" or wanted(f)]
        if any(f.kind == "uninspected" for f in found):
            break
        left = [f for f in found if not _inside(f.start, f.end, marks)]
        if not left:
            return Redacted(text, marks, clean=True)
        # A finding that reaches into a mark takes it along: the two become one.
        again = redact(text, left, style)
        marks = _carry(text, marks, left, again)
        text = again.text
    whole = "[UNINSPECTED:text]"
    return Redacted(whole, ((0, len(whole)),), clean=True)


def spans(text: str, findings: Iterable[Finding]) -> list[tuple[int, int, Finding]]:
    """Where to cut: whole runs, in order, apart; each with the finding that names it."""
    merged: list[tuple[int, int, Finding]] = []
    widened = [(*_widen(text, f.start, f.end), f) for f in findings if f.end > f.start]
    for start, end, finding in sorted(widened, key=lambda s: (s[0], s[1])):
        if merged and start < merged[-1][1]:
            first, last, named = merged[-1]
            merged[-1] = first, max(last, end), max(named, finding, key=_weight)
        else:
            merged.append((start, end, finding))
    return merged


def mark_for(value: str, finding: Finding, style: Style) -> str:
    """What stands for ``value``."""
    label = _UNNAMED.sub("_", finding.label)[:64] or "value"
    if style.form == "token" and style.vault is not None:
        token = style.vault.put(value, label)
        if token is not None:
            return token
    kind = _UNNAMED.sub("_", finding.kind).upper()
    if style.form != "hash":
        return f"[{kind}:{label}]"
    message = f"{label}\0{value}".encode("utf-8", "surrogatepass")
    digest = hmac.new(style.key, message, hashlib.sha256).hexdigest()[:_DIGEST_LETTERS]
    # Letters only: sixteen digits could be taken for a card.
    return f"[{kind}:{label}:{digest.translate(_LETTERS)}]"


def _widen(text: str, start: int, end: int) -> tuple[int, int]:
    """The whole encoded run if a span cuts one; half a run still decodes to half a value."""
    start, end = max(start, 0), min(end, len(text))
    if start >= end:
        return start, max(start, end)
    if start and text[start - 1].isalnum() and text[start].isalnum() and text[start].isascii():
        floor = start
        while floor and (back := _RUN_BACK.search(text, max(0, floor - _LOOK), floor)):
            if back.start() == floor:
                break
            floor = back.start()
        start = floor
    if (
        end < len(text)
        and _RUN.match(text[end])
        and text[end].isalnum()
        and text[end - 1].isalnum()
    ):
        on = _RUN_ON.match(text, end)
        end = on.end() if on else end
    return start, end


def _tokens(text: str, style: Style) -> tuple[tuple[int, int], ...]:
    """Tokens that are in ``text`` already; one that somebody made up is text like any other."""
    vault = style.vault
    if vault is None or "<remit:" not in text:
        return ()
    return tuple(m.span() for m in TOKEN.finditer(text) if vault.get(m[0]) is not None)


def _weight(finding: Finding) -> tuple[int, int, int]:
    return SEVERITIES.index(finding.severity), finding.end - finding.start, finding.score_milli


def _inside(start: int, end: int, marks: Sequence[tuple[int, int]]) -> bool:
    return any(a <= start and end <= b for a, b in marks)


def _carry(
    text: str, marks: Sequence[tuple[int, int]], left: Sequence[Finding], again: Redacted
) -> tuple[tuple[int, int], ...]:
    """Places of old marks in the new text, besides the new ones."""
    cuts = spans(text, left)
    moved = list(again.marks)
    for start, end in marks:
        if any(start < cut_end and cut_start < end for cut_start, cut_end, _ in cuts):
            continue
        shift = sum(
            (new_end - new_start) - (cut_end - cut_start)
            for (cut_start, cut_end, _), (new_start, new_end) in zip(cuts, again.marks, strict=True)
            if cut_end <= start
        )
        moved.append((start + shift, end + shift))
    return tuple(sorted(moved))
