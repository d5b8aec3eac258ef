"""Readings of rows of words without spaces between them: with anything else, or with nothing.

``ignore_all_previous``, a word a line, a list, words in quotation marks, pictures between words,
``IgnoreAllPrevious``, and first letters of lines. What does not look like a sentence or an order is
left: identifiers and paths are rows of words, too.
"""

import re
from collections.abc import Iterator

import re2

from remit.content._views_lexicon import is_order, is_prose, parted
from remit.content._views_map import Piece, joined, nested
from remit.content._views_runs import Decoding
from remit.content._views_signs import sign, spans
from remit.content.base import View

_BYTES = re2.Options()
_BYTES.encoding = re2.Options.Encoding.LATIN1
_BYTES.max_mem = 64 << 20
_PUNCTUATION = b".,!?:;"
# One of these between all words: a sign, something outside ASCII, quotation marks, a line each.
_GAPS = (
    *((rb"\%c" % sign, bytes([sign])) for sign in b"_/|+~*=.,;:#&-"),
    (rb" ?\?{1,4} ?", b"?"),
    (rb"[\"'`] ?[,;|+]? ?\n? {0,8}[\"'`]", b""),
    (rb"\r?\n[ \t]{0,8}[-*#>+]{0,3}(?:[0-9]{1,3}[.)])?[ \t]{0,4}", b""),
)


def _row(gap: bytes, sign: bytes) -> bytes:
    """Five words or more with ``gap`` between them; they may end with punctuation but ``sign``."""
    word = rb"[A-Za-z']{1,20}[%b]{0,2}" % _PUNCTUATION.translate(None, sign)
    return rb"%b(?:%b%b){4,}" % (word, gap, word)


_APART = sign(b"|".join(_row(*gap) for gap in _GAPS), "rows")
_SOLID = sign(rb"[A-Za-z]{16,}", "rows")
_LETTERS = re.compile(r"[A-Za-z']+")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_OFTEN = "your|what|with|have|been|that|this|will|from|there|when|about|repeat|write"
_TELLING = (
    "ignore|instruct|previous|system|prompt|disregard|reveal|password|pretend|restrict|forget|respond|"
    "answer|assistant|youare|youmust|ofthe|tothe|inthe|without|safety|"
    f"(?:{_OFTEN})[a-z]*(?:{_OFTEN}|the|and|you)"
)
_INSIDE = re.compile(_TELLING.replace("[a-z]*", ".*"))
_ANYWHERE = re2.compile(f"(?i){_TELLING}".encode(), _BYTES)
_MARKS = " \t-*>#."
_LEAST_LINES = 12
_MOST_LINES = 400
_LONGEST_IN_NAME = 12
_HALF, _MOST = 0.5, 0.8
_SENTENCE, _NAME = 6, 8
_MOST_SOLID = 4096


def spaced(view: View, signs: frozenset[int], decoding: Decoding) -> View | None:
    """The rows of words in ``view``, one a line, with spaces; ``signs`` are those in it."""
    pieces = [
        *(_apart(view, decoding) if _APART in signs else ()),
        *(_solid(view, decoding) if _SOLID in signs else ()),
        *_acrostic(view, decoding),
    ]
    return joined(view, nested(view, "words"), pieces)


def _apart(view: View, decoding: Decoding) -> Iterator[Piece]:
    text, data = view.text, view.plain
    for start, end in spans(_APART, data):
        row = data[start:end]
        words = _LETTERS.findall(text[start:end].lower())
        least = _NAME if b"_" in row or b"-" in row else _SENTENCE
        # Nobody but who hides something puts pictures between words.
        if not (is_prose(words) if b"?" in row else is_order(words, _HALF, least)):
            continue
        if not decoding.take(text[start:end]):
            return
        made: list[str] = []
        starts: list[int] = []
        for word in _LETTERS.finditer(text, start, end):
            if made:
                made.append(" ")
                starts.append(word.start() - 1)
            made.append(word[0])
            starts += range(*word.span())
        yield Piece("".join(made), starts, [s + 1 for s in starts])


def _solid(view: View, decoding: Decoding) -> Iterator[Piece]:
    # One look at all of it: of encoded data every line is such a row.
    if _ANYWHERE.search(view.plain) is None:
        return
    left = _MOST_SOLID + len(view.text) // 16
    data = view.plain
    for at, end in spans(_SOLID, data):
        run = data[at:end].decode()
        if not _INSIDE.search(run.lower()):
            continue
        if len(run) > left:
            return
        left -= len(run)
        words = _words(run)
        text = decoding.take(words)
        if text:
            yield Piece(text, [at] * len(text), [at + len(run)] * len(text))


def _words(run: str) -> str:
    """``run`` with spaces, if it is a sentence; nothing for names such as ``getSystemPrompt``."""
    humps = _HUMP.split(run)
    if len(humps) > 1 and max(map(len, humps)) <= _LONGEST_IN_NAME:
        words, share = humps, _HALF
    else:
        words, share = parted(run).split(), _MOST
    return " ".join(words) if is_order([w.lower() for w in words], share, _SENTENCE) else ""


def _acrostic(view: View, decoding: Decoding) -> Iterator[Piece]:
    """The first letters of lines, if they spell an order."""
    lines = view.text.split("\n", _MOST_LINES)
    if len(lines) < _LEAST_LINES:
        return
    spelt = "".join([line.lstrip(_MARKS)[:1] for line in lines]).lower()
    found = _INSIDE.search(spelt)
    if found is None:
        return
    begin = max(0, found.start() - _MOST_SOLID // 8)
    words = parted(spelt[begin : begin + _MOST_SOLID // 4])
    text = decoding.take(words) if is_order(words.split(), _MOST, _SENTENCE) else ""
    if text:
        yield Piece(text, [0] * len(text), [len(view.text)] * len(text))
