# ruff: noqa: RUF001 - letters upside down look like others
"""Readings of substituted letters: shifts of the alphabet, Atbash, rot47, letters upside down.

Nobody needs to name the cipher: a few common words in it, which are hardly ever words of anything
else, are the reason to read it.
"""

import functools
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from string import ascii_lowercase as abc

from remit.content._characters import ascii_table, exchanged
from remit.content._news import Span
from remit.content._views_lexicon import CORE, KNOWN, TELLING
from remit.content._views_map import derived, excerpt, near, nested, same_places
from remit.content._views_signs import sign, spans
from remit.content.base import View

_ENOUGH = 3
_WORD = re.compile("[a-z]+")
_MOST_KEYS = 2
_CALLED = {13: "rot13", **dict.fromkeys((*range(1, 13), *range(14, 26)), "caesar"), 0: "atbash"}
_FREQUENT = (
    "the", "you", "your", "and", "this", "that", "with", "for", "all", "have", "from", "what", "not",
    "are", "will", "must", "been", "without", "answer", "write", "hidden", "safety", "rules", "print",
    "configuration", "complete", "request", "message", "language", "model", "after", "version",
    "yourself", "requests", "access", "share", "training", "import", "whoami", "repeat", "sentence",
    "only", "roleplay", "translate", "tell", "run",
)  # fmt: skip
_SAMPLE = 2000
_GAIN = 12


def _alphabet(key: int) -> str:
    """The alphabet in which cipher ``key`` writes: a shift, or 0 for Atbash."""
    return abc[key:] + abc[:key] if key else abc[::-1]


def _written() -> Mapping[str, int]:
    """How ciphers write frequent words, and which one it is; what is English is left out."""
    words: dict[str, int] = {}
    for key in range(26):
        table = str.maketrans(abc, _alphabet(key))
        for word in (*_FREQUENT, *CORE):
            words.setdefault(word.translate(table), key)
    for word in (*_FREQUENT, *CORE, "our", "bar", "end"):
        words.pop(word, None)
    return words


_WORDS = _written()
_CIPHERED = sign(rf"(?i)\b(?:{'|'.join(sorted(_WORDS))})\b".encode(), "words")
_NAMED = sign(
    rb"(?i)\b(?:caesar|atbash|rot[ -]?[0-9]{1,2}|ciphertext|cipher text|decipher|encrypted message"
    rb"|decrypt (?:this|the|it)|shift(?:ed)? (?:by|of|each|every|all|back|the))\b",
    "words",
)
_PRINTED = "".join(map(chr, range(33, 127)))
_ROT47 = ascii_table(_PRINTED, _PRINTED[47:] + _PRINTED[:47])
_UPPER = {word: (word.upper(),) for word in (*CORE, "pwned")}
_ROT47_WORDS = sign(
    "|".join(
        re.escape(exchanged(word, _ROT47))
        for telling in dict.fromkeys((*CORE, *TELLING))
        if len(telling) > 5 or telling == "pwned"
        for word in (telling, telling.capitalize(), *_UPPER.get(telling, ()))
    ).encode()
    + rb"|(?:^|\s)(?:%s)\s"
    % b"|".join(
        re.escape(exchanged(w, _ROT47)).encode() for w in ("the", "The", "you", "your", "that")
    ),
    "rot47",
)
_FLIPPED = str.maketrans("ǝɟƃɥᴉıɾʞʇʌʍʎɹɔnupdbq", "efghiijktvwyrcundpqb")
_FLIPPED_SIGN = re.compile("[ǝɟƃɥᴉıɾʞʇʍʎɹ]")
_FLIPPED_LEAST = 6


def deciphered(view: View, signs: frozenset[int]) -> Iterator[View]:
    """Readings in each cipher that words of the text are written in; ``signs`` are those in it."""
    data = view.plain
    found: dict[int, list[Span]] = {}
    for start, end in spans(_CIPHERED, data) if _CIPHERED in signs else ():
        found.setdefault(_WORDS[data[start:end].lower().decode()], []).append((start, end))
    places: dict[int, list[Span]] = {}
    weights: Counter[int] = Counter()
    for key, every in found.items():
        for some in near(every, len(data)):
            weight = sum(map(_weight, {data[start:end].lower() for start, end in some}))
            if weight >= _ENOUGH:
                places.setdefault(key, []).extend(some)
                weights[key] = max(weight, weights[key])
    keys = [key for key, _ in weights.most_common(_MOST_KEYS)]
    for key in keys:
        yield _exchanged(excerpt(view, places[key]), _CALLED[key], _plain(key))
    named = next(spans(_NAMED, data), None) if _NAMED in signs and not keys else None
    if named is not None:
        part = excerpt(view, [named])
        for key in _likely_keys(part.text[:_SAMPLE]):
            yield _exchanged(part, _CALLED[key], _plain(key))
    turned = list(spans(_ROT47_WORDS, data)) if _ROT47_WORDS in signs else ()
    if turned:
        yield _exchanged(excerpt(view, turned), "rot47", _ROT47)
    if view.others and len(_FLIPPED_SIGN.findall(view.others)) >= _FLIPPED_LEAST:
        yield _upright(view)


def _weight(word: bytes) -> int:
    """Three letters may be there by chance."""
    return 1 if len(word) < 4 else 2


def _exchanged(view: View, name: str, table: bytes) -> View:
    return same_places(view, nested(view, name), exchanged(view.text, table))


@functools.cache
def _plain(key: int) -> bytes:
    letters = _alphabet(key)
    return ascii_table(letters + letters.upper(), abc + abc.upper())


def _likely_keys(sample: str) -> list[int]:
    """The cipher in which most letters of ``sample`` are words, if they are many more than as it is."""
    gains = {key: _letters_in_words(exchanged(sample, _plain(key))) for key in range(26)}
    best = max(gains, key=gains.__getitem__)
    return [best] if gains[best] >= _GAIN else []


def _letters_in_words(text: str) -> int:
    return sum(len(w) for w in _WORD.findall(text.lower()) if len(w) > 2 and w in KNOWN)


def _upright(view: View) -> View:
    """Each line turned by half a circle; the places of its characters are turned, too."""
    at: list[int] = []
    lines: list[str] = []
    start = 0
    for line in view.text.split("\n"):
        lines.append(line.translate(_FLIPPED)[::-1])
        at += [*range(start + len(line) - 1, start - 1, -1), max(start + len(line) - 1, 0)]
        start += len(line) + 1
    text = "\n".join(lines)
    return derived(view, nested(view, "reversed"), text, at.__getitem__, lambda i: at[i] + 1)
