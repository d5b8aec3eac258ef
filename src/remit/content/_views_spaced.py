"""Readings of rows of words without spaces between them: with anything else, or with nothing.

``ignore_all_previous``, a word a line, a list, words in quotation marks, pictures between words,
``IgnoreAllPrevious``, and first letters of lines. What does not look like a sentence or an order is
left: identifiers and paths are rows of words, too.
"""

import re
from collections.abc import Iterator, Sequence

import re2

from remit.content._views_lexicon import is_order, is_prose, is_wordy, parted
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
_LETTERS_ON_END = re.compile(r"[A-Za-z]{4,}")
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
_MOST_UNBROKEN = 2048


def spaced(view: View, signs: frozenset[int], decoding: Decoding) -> Iterator[View]:
    """The rows of words in ``view``, one a line, with spaces; ``signs`` are those in it.

    Also what surrounds each of them up to white space: with its figures and punctuation, which end
    a row.
    """
    apart: list[Piece] = []
    solid: list[Piece] = []
    rows = [
        *(_apart(view, decoding, apart) if _APART in signs else ()),
        *_acrostic(view, decoding),
    ]
    runs = _solid(view, decoding, solid) if _SOLID in signs else ()
    for name, pieces in (
        ("words", rows),
        ("solid", runs),
        ("phrases", apart),
        ("solid>phrases", solid),
    ):
        made = joined(view, nested(view, name), pieces)
        if made is not None:
            yield made


def _apart(view: View, decoding: Decoding, whole: list[Piece]) -> Iterator[Piece]:
    text, data = view.text, view.plain
    done = 0
    for start, end in spans(_APART, data):
        row = data[start:end]
        said = _LETTERS.findall(text[start:end])
        words = [word.lower() for word in said]
        least = _NAME if b"_" in row or b"-" in row else _SENTENCE
        # Nobody but who hides something puts pictures between words.
        if not (is_prose(words) if b"?" in row else is_order(words, _HALF, least)):
            continue
        if not decoding.take(text[start:end]):
            return
        made = " ".join(said)
        starts: Sequence[int] = range(start, start + len(made))
        ends: Sequence[int] = range(start + 1, start + 1 + len(made))
        if len(made) < len(row.rstrip(_PUNCTUATION)):
            starts = [
                at
                for number, word in enumerate(_LETTERS.finditer(text, start, end))
                for at in range(word.start() - (number > 0), word.end())
            ]
            ends = [s + 1 for s in starts]
        yield Piece(made, starts, ends)
        if start >= done:
            between = _sign(text[start:end])
            low, done = _unbroken(text, start, end)
            if between and done - low > end - start and decoding.take(text[low:done]):
                run = text[low:done].replace(between, " ")
                whole.append(Piece(run, range(low, done), range(low + 1, done + 1)))


def _sign(row: str) -> str:
    """What stands between the words of a row, if it is nothing that stands there anyway."""
    for usual in "_+":
        if usual in row:
            return usual
    others = [c for c in row if not c.isascii()]
    return max(set(others), key=others.count) if others else ""


def _unbroken(text: str, start: int, end: int) -> tuple[int, int]:
    """Where the characters without white space begin and end that hold ``text[start:end]``."""
    before = text[max(0, start - _MOST_UNBROKEN) : start]
    head = len(before) - len(before.split()[-1]) if before and not before[-1:].isspace() else None
    low = start if head is None else start - len(before) + head
    behind = text[end : end + _MOST_UNBROKEN]
    tail = len(behind.split(None, 1)[0]) if behind and not behind[0].isspace() else 0
    return low, end + tail


def _solid(view: View, decoding: Decoding, whole: list[Piece]) -> Iterator[Piece]:
    # One look at all of it: of encoded data every line is such a row.
    if _ANYWHERE.search(view.plain) is None:
        return
    left = _MOST_SOLID + len(view.text) // 16
    source, data = view.text, view.plain
    done = 0
    for at, end in spans(_SOLID, data):
        run = data[at:end].decode()
        if at >= done:
            low, done = _unbroken(source, at, end)
            if end - at < done - low <= left:
                left -= done - low
                text = decoding.take(_sentence(source[low:done]))
                if text:
                    whole.append(Piece(text, [low] * len(text), [done] * len(text)))
        if not _INSIDE.search(run.lower()):
            continue
        if len(run) > left:
            return
        left -= len(run)
        words = _words(run)
        text = decoding.take(words)
        if text:
            yield Piece(text, [at] * len(text), [at + len(run)] * len(text))


def _sentence(unbroken: str) -> str:
    """What has no white space, with its figures and punctuation, if it is a sentence."""
    if not _INSIDE.search(unbroken.lower()):
        return ""
    words = _LETTERS_ON_END.sub(_cut, unbroken)
    return words if is_order(_LETTERS.findall(words.lower()), _MOST, _SENTENCE) else ""


def _cut(run: re.Match[str]) -> str:
    humps = _HUMP.split(run[0])
    return " ".join(humps) if len(humps) > 1 else parted(run[0])


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
    parts = words.split()
    accepted = is_order(parts, _MOST, _SENTENCE) or is_wordy(parts)
    text = decoding.take(words) if accepted else ""
    if text:
        yield Piece(text, [0] * len(text), [len(view.text)] * len(text))
