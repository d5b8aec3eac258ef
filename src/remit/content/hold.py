"""How much of a growing text must wait, because something that began in it may not have ended.

A detector may say so itself with a method ``hold(text, around) -> int``: the leftmost position at
which something that it would report could have begun and not yet ended. ``len(text)`` means that
nothing is open. One that does not say so is given :func:`cautious`.
"""

import re
from collections.abc import Callable, Iterable

from remit.content.base import Detector, Surroundings

TAIL = 64
"""Characters that a pattern of several words may take (a card in groups, an IBAN, a date)."""
SPREAD = 1024
"""Characters that one disguise by spaces, or one quoted value, may take."""
WORD_GAP = 48
"""Characters between a word such as `password` and its value."""
KEY_GAP = 32
MIN_WRAPPED = 32

# White space, and the scripts that are written without it: nothing that has to be held contains
# their letters, and a page of them would otherwise be one run.
_BREAK = r"\s\u3000-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3"
_HAS_BREAK = re.compile(f"[{_BREAK}]")

_NAMES = (
    r"pass(?:word|phrase|wd|code)?|pwd|secret|token|key|credentials?|auth(?:orization)?|bearer|"
    r"basic|digest|login|pin|cookie|api"
)
_NAMED = re.compile(rf"(?i){_NAMES}")
_SEPARATORS = "=:>"
_QUOTED = re.compile(r"(?:=>|:=|=|:)[^\S\n]{0,4}([\"'`])")
# The key of a quotation, backwards.
_KEY = re.compile(r"[^\S\n]{0,4}[\"']?[\w.\-]{0,48}")
_KEY_SIZE = 53
_DIGIT = re.compile(r"\d")
_SHORT = 4
_MANY_SHORT = 6
_WRAPPED = re.compile(r"[A-Za-z0-9+/=_-]+")
_IGNORABLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff]"
)
_WIDE = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}


def breaks(piece: str) -> bool:
    """Whether ``piece`` ends a run: only then can more be released than before."""
    return _HAS_BREAK.search(piece) is not None


def run(text: str) -> int:
    """Where the last run begins: characters without white space up to the end."""
    if not text or text[-1].isspace():
        return len(text)
    last = text.rsplit(None, 1)[-1]
    begin = len(text) - len(last)
    high = begin if last.isascii() else len(text)
    size = 1
    while high > begin:
        # From the end: where letters are breaks, the last one is close.
        low = max(begin, high - size)
        for match in _HAS_BREAK.finditer(text, low, high):
            begin = match.end()
        high, size = low, 4 * size
    return begin


def openers(text: str) -> int:
    """Where what is open at the end began: the last run, and what goes on over white space.

    PEM blocks, `key =` and `"key":` with their value, an opened quotation, words such as `Bearer`
    or `password` and what follows, digits in groups, letters or bytes spread by spaces, and lines
    of a wrapped encoding.
    """
    if text.isascii():
        return _openers(text)
    if _IGNORABLE.search(text) is None:
        return min(_openers(text.translate(_WIDE)), run(text))
    places = [i for i, c in enumerate(text) if not _IGNORABLE.match(c)]
    plain = "".join([text[i] for i in places]).translate(_WIDE)
    at = _openers(plain)
    return min(places[at] if at < len(places) else len(text), run(text))


def cautious(text: str, around: Surroundings | None = None) -> int:
    """For detectors that do not say what they hold: :func:`openers`, and a tail on top."""
    del around
    at = len(text) - TAIL
    return min(openers(text), run(text[:at]) if at > 0 else 0)


def hold(text: str, around: Surroundings, using: Iterable[Detector]) -> int:
    """The leftmost position that any detector holds; what is before it can be scanned and sent."""
    at = run(text)
    cautiously = False
    for detector in using:
        own: Callable[[str, Surroundings], int] | None = getattr(detector, "hold", None)
        if own is None:
            cautiously = True
        else:
            at = min(at, own(text, around))
    return max(0, min(at, cautious(text)) if cautiously else at)


def _openers(text: str) -> int:
    begin = run(text)
    at = min(_wrapped(text, begin), _assigned(text, begin))
    floor = max(len(text) - WORD_GAP, 0)
    named = _NAMED.search(text, floor)
    if named is not None:
        at = min(at, run(text[: named.start()]))
    first = _DIGIT.search(text, max(len(text) - TAIL, 0))
    if first is not None:
        at = min(at, run(text[: first.start()]))
    return min(at, _pem(text), _quote(text), spread(text))


def _assigned(text: str, begin: int) -> int:
    """Back to the key if what stands before the last run is a key and its sign."""
    key = text[max(begin - KEY_GAP - SPREAD // 4, 0) : begin]
    bare = key.rstrip()
    if len(key) - len(bare) > KEY_GAP or not bare or bare[-1] not in _SEPARATORS:
        return begin
    start = run(bare)
    if not bare[start:].strip(_SEPARATORS):
        start = run(bare[:start].rstrip())
    return begin - len(key) + start


def _wrapped(text: str, at: int) -> int:
    """Lines before the last run that are each one long encoded word belong to it."""
    while at > 1 and text[at - 1] == "\n":
        end = at - 2 if text[at - 2] == "\r" else at - 1
        begin = text.rfind("\n", 0, end) + 1
        if end - begin < MIN_WRAPPED or not _WRAPPED.fullmatch(text, begin, end):
            break
        at = begin
    return at


def _pem(text: str) -> int:
    """RFC 7468: from the encapsulation boundary until the one that closes it."""
    begin = text.rfind("-----BEGIN")
    if begin < 0:
        return len(text)
    end = text.find("-----END", begin)
    if end >= 0 and text.find("-----", end + len("-----END")) >= 0:
        return len(text)
    return begin


def _quote(text: str) -> int:
    """A value whose quotation is not closed yet, back to its key."""
    at = max(text.rfind("\n") + 1, len(text) - SPREAD)
    while (match := _QUOTED.search(text, at)) is not None:
        mark = match[1]
        end = text.find(mark, match.end())
        while end > 0 and text[end - 1] == "\\":
            end = text.find(mark, end + 1)
        if end < 0:
            key = _KEY.match(text[max(at, match.start() - _KEY_SIZE) : match.start()][::-1])
            assert key is not None  # it matches nothing, too
            return match.start() - key.end()
        at = end + 1
    return len(text)


def spread(text: str) -> int:
    """Short pieces in a row: a value whose characters were set apart, or a spaced hex dump."""
    tail = text[-SPREAD:]
    words = tail.split()
    count = 0
    for word in reversed(words):
        if len(word) > _SHORT:
            break
        count += 1
    if count < _MANY_SHORT:
        return len(text)
    before = tail.rsplit(None, count)[0] if count < len(words) else ""
    return len(text) - len(tail[len(before) :].lstrip())
