"""Codes that stand for letters, and encodings of 85 characters.

Morse (ITU-R M.1677), the numbers of letters, octal codes, base85 (RFC 1924's alphabet) and Ascii85,
uuencode (POSIX). A run is read if what it gives is a sentence.
"""

import base64
import binascii
import re
import string
from collections.abc import Callable, Iterator
from string import ascii_lowercase as abc
from typing import NamedTuple

from remit.content._views_decoding import Decoding
from remit.content._views_lexicon import reads
from remit.content._views_map import Piece, joined, nested
from remit.content._views_signs import sign, spans
from remit.content.base import View

_SIGNALS = (
    ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .--"
    " -..- -.-- --.. ----- .---- ..--- ...-- ....- ..... -.... --... ---.. ----."
)
_MORSE = dict(zip(_SIGNALS.split(), abc + "0123456789", strict=True))
_HEAD = 40
_GROUP = 5
_NOT_ASCII = ~0x7F7F7F7F
_NEAR = 64
_LONG = 120
_LETTERS = 7
_LEAST_BASE85 = 25
_BASE85 = {
    char: value
    for value, char in enumerate(
        string.digits + string.ascii_uppercase + string.ascii_lowercase + "!#$%&()*+-;<=>?@^_`{|}~"
    )
}
_VALUES = bytes(_BASE85.get(chr(code), 0) for code in range(256))
_PRINTED = re.compile(r"[^\x00-\x08\x0b-\x1f\x7f-\x9f]+")


def _morse(run: str) -> str:
    words = re.split(r"\s*[/|\n]\s*|\s{2,}", run.strip())
    text = " ".join("".join(_MORSE.get(c, "?") for c in word.split()) for word in words)
    return text if len(set(text)) >= _LETTERS and text.count("?") * 8 < len(text) else ""


def _numbered(run: str) -> str:
    """1 is a, 26 is z; what stands between words is wider than between letters."""
    if len(run) > _LONG and not reads(_numbered(run[:_LONG])):
        return ""
    codes = re.split(r"([^0-9]+)", run)
    between = codes[1::2]
    usual = max(set(between), key=between.count)
    text = ""
    for at in range(0, len(codes), 2):
        number = int(codes[at] or 0)
        if number > len(abc):
            return ""
        text += abc[number - 1] if number else " "
        if at + 1 < len(codes) and codes[at + 1] != usual:
            text += " "
    return text


_OCTAL = {f"{code:0{width}o}": code & 0xFF for code in range(0o1000) for width in (2, 3)}


def _octal(run: str) -> str:
    return bytes(map(_OCTAL.__getitem__, re.findall(r"[0-7]{2,3}", run))).decode("utf-8")


def _ascii85(run: str) -> str:
    return base64.a85decode(run.encode(), adobe=True).decode("utf-8")


def _base85(run: str) -> str:
    head = run[:_HEAD]
    if len(run) < _LEAST_BASE85 or head.islower() or head.isupper():
        return ""
    base64.b85decode(head).decode("ascii")
    return base64.b85decode(run).decode("utf-8")


def _uuencoded(run: str) -> str:
    lines = run.split("\n")[1:]
    return b"".join(binascii.a2b_uu(line) for line in lines if line.strip()).decode("utf-8")


def _may_be_base85(data: bytes, start: int, end: int) -> bool:
    """Whether a run may decode to ASCII: most candidates are no text from their first bytes on."""
    if end - start < _LEAST_BASE85:
        return False
    first = 0
    for value in data[start : start + _GROUP].translate(_VALUES):
        first = first * len(_BASE85) + value
    return not first & _NOT_ASCII


class _Code(NamedTuple):
    """A kind of run, what it looks like, and what it says; ``ValueError`` if it says nothing.

    ``sure``: what is no text does not decode to any, so that it need not look like English.
    ``may``: a quick look at a run. ``before``: bytes that ``regex`` takes in before a run.
    """

    name: str
    regex: bytes
    read: Callable[[str], str]
    sure: bool = True
    may: Callable[[bytes, int, int], bool] = lambda _data, _start, _end: True
    before: bytes = b""


_CODES = (
    _Code("morse", rb"(?:[.-]{1,6}[ /|\n]{1,3}){8,}[.-]{1,6}", _morse),
    _Code(
        "letters",
        rb"\b(?:[0-2]?[0-9](?:-| ?[,/.;:|] ?| {1,3})){10,}[0-2]?[0-9]\b",
        _numbered,
        sure=False,
    ),
    _Code(
        "octal",
        rb"\b(?:(?:1[0-7]{2}|0?[4-7][0-7])[ ,]{1,2}){7,}(?:1[0-7]{2}|0?[4-7][0-7])\b",
        _octal,
    ),
    _Code("base85", rb"<~[!-uz\s]{15,}~>", _ascii85),
    _Code(
        "base85",
        # The first byte of a text is at least a tabulator, and ASCII: so the first of five digits
        # is one of 2 to e.
        rb"(?:^|[^0-9A-Za-z!#$%&()*+;<=>?@^_`{|}~-])"
        rb"[2-9A-Za-e][0-9A-Za-z()=;_-]{0,39}(?:[!#$%&*+<>?@^`{|}~][0-9A-Za-z()=;_-]{0,24}){3}"
        rb"[0-9A-Za-z!#$%&()*+;<=>?@^_`{|}~-]{12,}",
        _base85,
        may=_may_be_base85,
        before=bytes(c for c in range(256) if chr(c) not in _BASE85),
    ),
    _Code("uuencode", rb"begin [0-7]{3} [^\n]{1,80}\n(?:[ -`]{1,61}\n){1,}", _uuencoded),
)
_SIGNS = tuple(sign(code.regex, "codes") for code in _CODES)


def codes(view: View, signs: frozenset[int], decoding: Decoding) -> list[View]:
    """A view for each kind of code in ``view`` that says something; ``signs`` are those in it."""
    made = []
    for kind in range(len(_CODES)):
        if _SIGNS[kind] not in signs:
            continue
        view_of = joined(view, nested(view, _CODES[kind].name), _pieces(view, kind, decoding))
        if view_of is not None:
            made.append(view_of)
    return made


def _pieces(view: View, kind: int, decoding: Decoding) -> Iterator[Piece]:
    data = view.plain
    news = view.news
    may, before = _CODES[kind].may, _CODES[kind].before
    for begin, end in spans(_SIGNS[kind], data):
        start = begin + (data[begin] in before)
        if not may(data, start, end):
            continue
        if news is not None and not news.touch(start - _NEAR, end):
            continue  # it was in the reading before, and is in its view
        if decoding.left <= 0:
            decoding.spent = True
            return
        try:
            text = _CODES[kind].read(data[start : min(end, start + decoding.left * 6)].decode())
        except ValueError:
            continue
        if not (_PRINTED.fullmatch(text) if _CODES[kind].sure else reads(text)):
            continue
        text = decoding.take(text)
        if text:
            yield Piece(text, [start] * len(text), [end] * len(text))
