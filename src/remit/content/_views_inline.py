r"""Escapes that stand where the character would: read in place, one level a pass.

Terminal sequences (ECMA-48) and backspaces; ``\uXXXX``, ``\xXX`` and JSON's escapes (RFC 8259);
HTML entities; percent (RFC 3986); quoted-printable (RFC 2045); words cut by inline tags, comments
or string concatenation.
"""

import functools
import html
import html.entities
import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from remit.content._candidates import Candidates
from remit.content._news import Span
from remit.content._views_map import Edit, applied, changed, edited, excerpt, nested
from remit.content._views_signs import sign, stands
from remit.content._views_strings import ADDED
from remit.content.base import View

_SEQUENCE = re.compile(
    r"\x1b\[[0-?]{0,64}[ -/]{0,8}[@-~]"
    r"|\x1b[\]PX^_]([^\x07\x1b]{0,4096})(?:\x07|\x1b\\)?"
    r"|\x1b[ -/]{0,4}[0-~]"
    r"|\x9b[0-?]{0,64}[ -/]{0,8}[@-~]"
    r"|[^\x08\n]\x08"
    r"|[\x00-\x08\x0e-\x1f\x7f]"
)
_TERMINAL = Candidates(_SEQUENCE, rb"[^\x08\n]\x08|[\x00-\x08\x0e-\x1f\x7f]", steady=True)
_TERMINAL_C1 = Candidates(
    _SEQUENCE, rb"[^\x08\n]\x08|[\x00-\x08\x0e-\x1f\x7f\x9b]", "latin-1", steady=True
)
_CONTROLS = bytes((*range(9), *range(14, 32), 0x7F))
_ESCAPE_BUT_SINGLE = (
    r"|u([0-9A-Fa-f]{4}(?:\\u[0-9A-Fa-f]{4})*)"
    r"|x([0-9A-Fa-f]{2}(?:\\x[0-9A-Fa-f]{2})*)"
    r"|u\{([0-9A-Fa-f]{1,6})\}|U([0-9A-Fa-f]{8})"
    r"|(\r?\n[ \t]{0,64})"
    r"|([0-3][0-7]{2}))"
)
_ESCAPE = Candidates(re.compile(r"""\\(?:(["'\\/bfnrt])""" + _ESCAPE_BUT_SINGLE))
_NOT_SINGLE = Candidates(re.compile(r"\\(?:((?!))" + _ESCAPE_BUT_SINGLE))
_MANY = 64
_OFTEN = 4
# Where fewer characters are escaped, it takes less time to look at each of them.
_DENSE = 64
_FEW = 256
_SINGLE = {"b": "", "f": "\n", "n": "\n", "r": "", "t": "\t"}
_SINGLE_LEFT = {'"': '"', "'": "'", "/": "/", **_SINGLE}
_NAMES = sorted({name[:2] for name in html.entities.html5})
_NAMED = "|".join(
    f"{letter}[{''.join(name[1] for name in names)}]"
    for letter, names in itertools.groupby(_NAMES, lambda name: name[0])
)
# Letters behind an ampersand are seldom a name, and `html` tries every part of them.
_ENTITY = Candidates(
    re.compile(
        rf"&(?:#[0-9]{{1,7}}|#[xX][0-9A-Fa-f]{{1,6}}|(?={_NAMED})[A-Za-z][A-Za-z0-9]{{1,31}});?"
    )
)
_PERCENT = Candidates(re.compile(r"%[0-9A-Fa-f]{2}(?:%[0-9A-Fa-f]{2})*"))
_QUOTED = Candidates(re.compile(r"=(?:([0-9A-F]{2}(?:=[0-9A-F]{2})*)|[ \t]{0,8}\r?\n)"))
_HEX = rb"=[0-9A-F]{2}"
# In a line with another one: no number that something is set to, as in ``status=200``.
_NO_NUMBER = rb"=(?:[0-9][A-F]|[A-F][0-9A-F]|20[A-Za-z]{3}|(?:4[1-9]|5[0-9]|6[1-9]|7[0-9])[a-z]{4})"
# What may be a number of two figures and is a letter, or a space before one: two in a line count.
_LETTER = rb"=(?:(?:4[1-9]|5[0-9]|6[1-9]|7[0-9])(?:\b|[A-Za-z_])|20[A-Za-z])"
_QUOTED_SIGN = sign(
    rb"[^=]=\r?\n|%b%b|=20[A-Za-z']{1,20}[.,!?;:]?=20|%b[^\n]*%b|%b[^\n]*%b|%b[^\n]*%b"
    % (_HEX, _HEX, _NO_NUMBER, _HEX, _HEX, _NO_NUMBER, _LETTER, _LETTER),
    "codes",
)
_INLINE = (
    r"</?(?:a|abbr|b|bdi|bdo|big|code|em|font|i|ins|mark|q|s|samp|small|span|strong|sub|sup|tt|u|var"
    r"|wbr)(?:\s[^<>]{0,400})?/?>"
)
_JOINED = r"""["']\s{0,8}[+&]\s{0,40}["']"""
_BETWEEN = rf"<!--[^<>]{{0,400}}-->|/\*[^*/\n]{{0,100}}\*/|{_JOINED}"
_GAP = r"[\s\x0b\x1c-\x1f?]"
_CUT_BEGINS = (
    rf"(?i)</?[abcefimqstuvw?][a-z?]{{0,5}}(?:{_GAP}[^<>]*)?/?>|<!--[^<>]*-->|/\*[^*/\n]*\*/"
    rf"|[\"']{_GAP}*[+&]{_GAP}*[\"']"
).encode()
_CUT = Candidates(
    re.compile(
        rf"{_INLINE}|(?<=[\w.~+/=-])(?:{_BETWEEN})+(?=[\w.~+/=-])"
        rf"|(?<=[\w.,:;!?' -]){_JOINED}(?=[\w.,:;!?' -])",
        re.IGNORECASE,
    ),
    _CUT_BEGINS,
)
# Inside a word. Where no word is cut, tags do not hide anything.
_CUT_SIGN = Candidates(
    re.compile(rf"(?<=[\w.~+/=-])(?:{_INLINE}|{_BETWEEN}){{1,4}}[\w.~+/=-]", re.IGNORECASE),
    _CUT_BEGINS,
)
_MAX_POINT = 0x10FFFF


class Budget:
    """How many more places may be edited; ``spent`` once there were more."""

    __slots__ = ("left", "spent")

    def __init__(self, left: int) -> None:
        self.left = left
        self.spent = False


class _Step(NamedTuple):
    """One kind of escape: a sign that there may be some, the pattern, and what a match reads.

    ``quick`` gives the whole text without a look at every match, and how many there are; ``None``
    if it cannot.
    """

    name: str
    sign: Callable[[View], bool]
    pattern: Candidates
    edits: Callable[[re.Match[str]], Iterable[Edit]]
    text: Callable[[re.Match[str]], str]
    quick: Callable[[View], tuple[str, int] | None] = lambda _view: None


class Unescaped(NamedTuple):
    """A view with one level of escapes undone; ``spans``: where it is new, if that is little."""

    view: View
    spans: list[Span] | None

    def brief(self) -> View:
        """What is new, with its surroundings."""
        return self.view if self.spans is None else excerpt(self.view, self.spans)


def unescape(view: View, budget: Budget) -> Unescaped | None:
    """``view`` with one level of every escape in it undone; ``None`` if it holds none."""
    made = Unescaped(view, [])
    names: list[str] = []
    for step in _STEPS:
        if step.sign(made.view):
            name = nested(view, ">".join([*names, step.name]))
            new = _stepped(made, name, step, budget)
            if new is not None:
                names.append(step.name)
                made = new
    return made if names else None


def _stepped(old: Unescaped, name: str, step: _Step, budget: Budget) -> Unescaped | None:
    view = old.view
    if budget.left <= 0:
        budget.spent = budget.spent or step.pattern.found(view)
        return None
    limit = budget.left
    matches: list[re.Match[str]] | None = None
    quick = step.quick(view)
    if quick is None or quick[1] > limit:
        text, matches = step.pattern.subn(step.text, view, limit)
        count = len(matches)
    else:
        text, count = quick
    budget.left -= count
    if not budget.left:
        budget.spent = True
    if text == view.text:
        return None

    def edits() -> Iterator[Edit]:
        for match in matches or islice(step.pattern.finditer(view), limit):
            yield from step.edits(match)

    spans = None
    most = len(text) // _FEW
    if old.spans is not None and count <= most:
        # One match may be thousands of characters.
        some = list(islice(edits(), most + 1))
        spans = changed(old.spans, some) if len(some) <= most else None
    return Unescaped(edited(view, name, text, edits), spans)


def _gone(match: re.Match[str]) -> Iterator[Edit]:
    yield Edit(match.start(), match.end(), "")


def _nothing(_match: re.Match[str]) -> str:
    return ""


def _from_edits(
    edits: Callable[[re.Match[str]], Iterable[Edit]],
) -> Callable[[re.Match[str]], str]:
    return lambda match: applied(match[0], edits(match), match.start())


_LONE = re.compile("[\ud800-\udfff]")


def _escape(match: re.Match[str]) -> Iterator[Edit]:
    start, end = match.span()
    kind = match.lastindex
    body = match[kind] if kind else ""
    if kind == _UTF16:
        yield from _utf16(body, start)
    elif kind == _BYTES:
        yield from _bytes(bytes.fromhex(body.replace("\\x", "")), start, 4, latin=True)
    elif kind in {_BRACED, _LONG}:
        point = int(body, 16)
        if point <= _MAX_POINT:
            yield Edit(start, end, _LONE.sub("\ufffd", chr(point)))
    elif kind == _LINE:
        yield Edit(start, end, "")
    elif kind == _OCTAL:
        yield Edit(start, end, chr(int(body, 8)))
    else:
        yield Edit(start, end, _SINGLE.get(body, body))


_ONE, _UTF16, _BYTES, _BRACED, _LONG, _LINE, _OCTAL = range(1, 8)
_escape_text_slow = _from_edits(_escape)


def _escape_text(match: re.Match[str]) -> str:
    if match.lastindex == _ONE:
        body = match[_ONE]
        return _SINGLE.get(body, body)
    return _escape_text_slow(match)


def _unescaped(view: View) -> tuple[str, int] | None:
    """The text without escapes, and how many there were; ``None`` if it is not worth it.

    Backslashes come in pairs from the first of a row on, so that pairs can be set aside; what is
    left are escapes that do not touch, and each kind of them is replaced at once.
    """
    text = view.text
    signs = text.count("\\")
    if signs < max(_MANY, len(text) // _DENSE):
        return None
    if _OFTEN * (text.count('\\"') + text.count("\\n")) < signs:
        return None
    aside = next((c for c in "\x01\x02\x03" if c not in text), None)
    if aside is None:
        return None
    made = text.replace("\\\\", aside) if "\\\\" in text else text
    count = pairs = len(text) - len(made)
    put_aside = 0

    def other(match: re.Match[str]) -> str:
        nonlocal put_aside
        new = _escape_text_slow(match)
        put_aside += new.count("\\")
        return new.replace("\\", aside)

    made, others = _NOT_SINGLE.subn(other, View(view.name, made))
    if others and made.count(aside) != pairs + put_aside:
        return None
    count += len(others)
    first, *rest = made.split("\\")
    parts = [_SINGLE_LEFT[p[0]] + p[1:] if p[:1] in _SINGLE_LEFT else f"\\{p}" for p in rest]
    count += sum(p[:1] in _SINGLE_LEFT for p in rest)
    made = first + "".join(parts)
    return (made.replace(aside, "\\") if pairs or put_aside else made), count


def _utf16(body: str, start: int) -> Iterator[Edit]:
    data = bytes.fromhex(body.replace("\\u", ""))
    # A lone surrogate is no character, and RE2 takes none.
    text = _LONE.sub("\ufffd", data.decode("utf-16-be", "surrogatepass"))
    if len(text) * 2 == len(data):
        yield Edit(start, start + 6 * len(text), text, 6)
        return
    at = start
    for char in text:
        width = 12 if char > "\uffff" else 6
        yield Edit(at, at + width, char)
        at += width


def _bytes(data: bytes, start: int, width: int, *, latin: bool = False) -> Iterator[Edit]:
    """UTF-8 of which each byte is ``width`` characters of source; else Latin-1, or nothing."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        if not latin:
            yield from _valid(data, start, width)
            return
        text = data.decode("latin-1")
        yield Edit(start, start + width * len(text), text, width)
        return
    if len(text) == len(data):
        yield Edit(start, start + width * len(text), text, width)
        return
    at = start
    for char in text:
        end = at + width * len(char.encode())
        yield Edit(at, end, char)
        at = end


def _valid(data: bytes, start: int, width: int) -> Iterator[Edit]:
    """The ASCII of bytes that are no UTF-8."""
    for at, byte in enumerate(data):
        if byte < 0x80:
            yield Edit(start + width * at, start + width * (at + 1), chr(byte))


@functools.lru_cache(maxsize=1024)
def _entity_text(entity: str) -> str:
    return html.unescape(entity)


def _entity(match: re.Match[str]) -> Iterator[Edit]:
    new = _entity_text(match[0])
    if new != match[0]:
        yield Edit(match.start(), match.end(), new)


def _percent(match: re.Match[str]) -> Iterator[Edit]:
    yield from _bytes(bytes.fromhex(match[0].replace("%", "")), match.start(), 3)


def _percent_text(match: re.Match[str]) -> str:
    try:
        return bytes.fromhex(match[0].replace("%", "")).decode()
    except UnicodeDecodeError:
        return _percent_text_slow(match)


_percent_text_slow = _from_edits(_percent)


def _quoted(match: re.Match[str]) -> Iterator[Edit]:
    if match[1]:
        yield from _bytes(bytes.fromhex(match[1].replace("=", "")), match.start(), 3)
    else:
        yield Edit(match.start(), match.end(), "")


def _quoted_text(match: re.Match[str]) -> str:
    try:
        return bytes.fromhex(match[1].replace("=", "")).decode() if match[1] else ""
    except UnicodeDecodeError:
        return _quoted_text_slow(match)


_quoted_text_slow = _from_edits(_quoted)


def _holds(sign: bytes) -> Callable[[View], bool]:
    return lambda view: sign in view.plain


def _has_cut(view: View) -> bool:
    text = view.plain
    any_ = b"<" in text or (b"*" in text and b"/*" in text) or stands(ADDED, view)
    return any_ and _CUT_SIGN.found(view)


def _has_controls(view: View) -> bool:
    data = view.plain
    return len(data.translate(None, _CONTROLS)) < len(data) and not _has_c1(view)


def _has_c1(view: View) -> bool:
    return "\x9b" in view.others


def _has_quoted(view: View) -> bool:
    return b"=" in view.plain and stands(_QUOTED_SIGN, view)


_STEPS = (
    _Step("terminal", _has_c1, _TERMINAL_C1, _gone, _nothing),
    _Step("terminal", _has_controls, _TERMINAL, _gone, _nothing),
    _Step("escapes", _holds(b"\\"), _ESCAPE, _escape, _escape_text, _unescaped),
    _Step("entities", _holds(b"&"), _ENTITY, _entity, lambda m: _entity_text(m[0])),
    _Step("percent", _holds(b"%"), _PERCENT, _percent, _percent_text),
    _Step("quoted", _has_quoted, _QUOTED, _quoted, _quoted_text),
    _Step("markup", _has_cut, _CUT, _gone, _nothing),
)
