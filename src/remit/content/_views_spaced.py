"""Readings of rows of words without spaces between them: with anything else, or with nothing.

``ignore_all_previous``, a word a line, a list, words in quotation marks, pictures between words,
``IgnoreAllPrevious``, and first letters of lines. What does not look like a sentence or an order is
left: identifiers and paths are rows of words, too.
"""

import functools
import operator
import re
from collections.abc import Iterator, Sequence
from itertools import chain

import re2

from remit.content._re2 import searcher
from remit.content._views_decoding import Decoding
from remit.content._views_lexicon import GIVING_AWAY, is_order, is_prose
from remit.content._views_map import Piece, joined, nested
from remit.content._views_parted import Parted, apart, parted
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
# Anything without white space, with something outside ASCII between.
_PICTURES = searcher(re2.compile(rb"[!->@-~]{1,24}(?: ?\?{1,4} ?[!->@-~]{1,24}){4,}", _BYTES))
_LEAST_SOLID = 16
_SOLID = sign(rb"[A-Za-z]{%d,}" % _LEAST_SOLID, "rows")
# Two words of an order without a space; no word holds them.
_JOINTS = (
    "havebeen|youare|youmust|ignoreall|ignorethe|theabove|yourprompt|systemprompt|yourinstruction|"
    "yourguideline|yourconfiguration|yourinitial|yoursystem|hiddenconfig|thissentence|thesentence|"
    "iamin|tellme|showme|giveme|donot|onlysay|replywith|respondwith|answerwith|outputthe|saythe|"
    "saynothing|forgetyour|withoutany|actas|pretendto|instructions?to|thepassword|mypassword"
)
_JOINT = sign(f"(?i)(?:{_JOINTS})".encode(), "words")
_LETTERS = re.compile(r"[A-Za-z']+")
_RUN = re.compile(r"[A-Za-z]{12,}")
_LETTERS_ON_END = re.compile(r"[A-Za-z]{4,}")
_HUMP = re.compile(
    r"(?<=[a-z])(?=[A-Z])|(?<![A-Za-z])(?<=[AI])(?=[A-Z][a-z])|(?<=[a-z][AI])(?=[A-Z])"
)
_OFTEN = "your|what|with|have|been|that|this|will|from|there|when|about|repeat|write"
_TELLING = (
    "ignore|instruct|previous|system|prompt|disregard|reveal|password|pretend|restrict|forget|respond|"
    "answer|assistant|ofthe|tothe|inthe|without|safety|hidden|configur|guideline|disclos|whoami|"
    f"{_JOINTS}|(?:{_OFTEN})[a-z]*(?:{_OFTEN}|the|and|you)"
)
_INSIDE = searcher(re2.compile(_TELLING.replace("[a-z]*", ".*").encode(), _BYTES))
# Pairs of letters that English is full of: two in five of its letters, one in sixteen of any.
_PAIRS = re.compile(
    "th|he|in|er|an|re|on|at|en|nd|ti|es|or|te|of|ed|is|it|al|ar|st|to|nt|ng|se|ha|as|ou|io|le|ve|"
    "co|me|de|hi|ri|ro|ic|ne|ea|ra|ce"
)
_LONG_RUN, _SAMPLE, _PAIRS_IN = 20, 64, 5
_TOKEN_SAMPLE, _PAIRS_IN_TOKEN = 64, 8
_LEAST_PICTURES = 4
_WHITE = " \n\t\r\v\f"
_MARKS, _MOST_MARKS, _LARGE = b" \t-*>#.", 64, 64 << 10
_FIRST = operator.itemgetter(0)
_LEAST_LINES = 12
_MOST_LINES = 400
_FOUR, _LONG_ON_AVERAGE, _NEARLY_ALL = 4, 4, 0.75
_HALF = 0.5
_SENTENCE, _PARTED, _NAME = 6, 5, 8
_ANY = re.compile(r"[a-z]+|[^a-z\s]+")
_MOST_SOLID = 4096
_MOST_UNBROKEN = 2048
# A run of the greatest length is remembered in 60 KB.
_REMEMBERED = 128


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
    if len(view.others) >= _LEAST_PICTURES:
        apart += _pictures(view, decoding)
    runs = _solid(view, signs, decoding, solid) if not signs.isdisjoint((_SOLID, _JOINT)) else ()
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
        words = _LETTERS.findall(text[start:end].lower())
        least = _NAME if b"_" in row or b"-" in row else _SENTENCE
        # Nobody but who hides something puts pictures between words.
        if not (is_prose(words) if b"?" in row else is_order(words, _HALF, least)):
            continue
        if not decoding.take(text[start:end]):
            return
        made = " ".join(_LETTERS.findall(text, start, end))
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


def _pictures(view: View, decoding: Decoding) -> Iterator[Piece]:
    """Words with pictures between them, with their figures and signs."""
    data, end = view.plain, 0
    while True:
        start, end = _PICTURES(data, end, len(data))[0]
        if start < 0:
            return
        row = view.text[start:end]
        others = [c for c in row if not c.isascii()]
        between = max(set(others), key=others.count, default="?")
        if between.isalpha() or between == "?" or row.count(between) < _LEAST_PICTURES:
            continue
        said = row.replace(between, " ")
        if is_prose(_LETTERS.findall(said.lower())) and decoding.take(row):
            yield Piece(said, range(start, end), range(start + 1, end + 1))


def _sign(row: str) -> str:
    """What stands between the words of a row, if it is nothing that stands there anyway."""
    return next((usual for usual in "_+" if usual in row), "")


def _unbroken(text: str, start: int, end: int) -> tuple[int, int]:
    """Where the characters without white space begin and end that hold ``text[start:end]``."""
    low = max(0, start - _MOST_UNBROKEN)
    high = min(len(text), end + _MOST_UNBROKEN)
    begin = max([low, *(text.rfind(white, low, start) + 1 for white in _WHITE)])
    ends = [at for white in _WHITE if (at := text.find(white, end, high)) >= 0]
    return begin, min(ends, default=high)


def _solid(
    view: View, signs: frozenset[int], decoding: Decoding, whole: list[Piece]
) -> Iterator[Piece]:
    """Runs of letters that are words; into ``whole`` also what surrounds them up to white space."""
    source, data = view.text, view.plain
    left = _MOST_SOLID + len(source) // 16
    done = 0
    found = (spans(kind, data) for kind in (_SOLID, _JOINT) if kind in signs)
    for at, end in sorted(chain.from_iterable(found)):
        if at < done or (end - at >= _LEAST_SOLID and not _may_be_words(source[at:end])):
            continue
        low, done = _unbroken(source, at, end)
        token = source[low:done]
        near = source[max(low, at - _TOKEN_SAMPLE) : min(done, at + _TOKEN_SAMPLE)].lower()
        if len(_PAIRS.findall(near)) * _PAIRS_IN_TOKEN < len(near):
            continue
        runs = [run for run in _RUN.finditer(token) if _may_be_words(run[0])]
        if not runs:
            continue
        left -= len(token)
        if left < 0:
            return
        for run in runs:
            text = decoding.take(_words(run[0]))
            if text:
                start, stop = low + run.start(), low + run.end()
                yield Piece(text, [start] * len(text), [stop] * len(text))
        if len(runs[0][0]) < len(token):
            text = decoding.take(_sentence(token))
            if text:
                whole.append(Piece(text, [low] * len(text), [done] * len(text)))


def _may_be_words(run: str) -> bool:
    """Whether it is worth looking for words in letters: a long run looks English, a short one tells."""
    if len(run) >= _LONG_RUN:
        some = run[:_SAMPLE].lower()
        return len(_PAIRS.findall(some)) * _PAIRS_IN >= len(some)
    return _tells(run.lower()) >= 0


def _tells(letters: str) -> int:
    """Where ``letters``, in lower case, begin to say something of an order; -1: nowhere."""
    data = letters.encode("ascii", "replace")
    return _INSIDE(data, 0, len(data))[0][0]


def _sentence(unbroken: str) -> str:
    """What has no white space, with its figures and punctuation, if it is a sentence."""
    parts: list[str] = []
    words: list[str] = []
    cost, done = 0.0, 0
    for run in _LETTERS_ON_END.finditer(unbroken):
        made = _apart_in(run[0])
        parts += unbroken[done : run.start()], " ".join(made.words)
        words += made.words
        cost += made.cost
        done = run.end()
    parts.append(unbroken[done:])
    return "".join(parts) if _is_sentence(Parted(words, cost)) else ""


def _words(run: str) -> str:
    """``run`` with spaces, if it is a sentence; nothing for names such as ``getSystemPrompt``."""
    made = _apart_in(run)
    return " ".join(made.words) if _is_sentence(made) else ""


@functools.lru_cache(maxsize=_REMEMBERED)
def _apart_in(run: str) -> Parted:
    """Words in letters; the same names come again and again in a text."""
    humps = _HUMP.split(run)
    return apart(humps) if len(humps) > 1 else parted(run)


def _is_sentence(made: Parted) -> bool:
    return made.english and is_order([word.lower() for word in made.words], 0, _PARTED)


def _is_wordy(made: Parted) -> bool:
    """Whether words are none by chance: four and more, long, nearly all known, one of an order."""
    known = made.known()
    letters = sum(map(len, known))
    return (
        len(known) >= _FOUR
        and letters >= _LONG_ON_AVERAGE * len(known)
        and letters >= _NEARLY_ALL * sum(map(len, made.words))
        and not GIVING_AWAY.isdisjoint(known)
    )


def _acrostic(view: View, decoding: Decoding) -> Iterator[Piece]:
    """The first letters of lines, if they spell an order."""
    data = view.plain
    if len(data) > _LARGE:
        *_, rest = data.split(b"\n", _MOST_LINES)
        data = data[: len(data) - len(rest) + _MOST_MARKS]
    lines = data.translate(None, _MARKS).split(b"\n", _MOST_LINES)
    if len(lines) < _LEAST_LINES:
        return
    spelt = bytes(map(_FIRST, filter(None, lines))).decode().lower()
    found = _tells(spelt)
    if found < 0:
        return
    begin = max(0, found - _MOST_SOLID // 8)
    made = _spelt(spelt[begin : begin + _MOST_SOLID // 4]).trimmed()
    text = decoding.take(" ".join(made.words)) if _is_sentence(made) or _is_wordy(made) else ""
    if text:
        yield Piece(text, [0] * len(text), [len(view.text)] * len(text))


def _spelt(letters: str) -> Parted:
    """Letters as words; what is no letter stands for itself and costs nothing."""
    words: list[str] = []
    cost = 0.0
    for part in _ANY.finditer(letters):
        made = parted(part[0]) if part[0].isalpha() and part[0].isascii() else Parted([part[0]], 0)
        words += made.words
        cost += made.cost
    return Parted(words, cost)
