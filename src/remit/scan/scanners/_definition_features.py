"""What a unit of a definition says, as numbers: n-grams, signs, and the directions of its words.

* *n-grams* of characters and words, hashed as the injection detector's are (``content._ngram_features``);
* *signs*: concepts of ``data/meaning.toml`` and pairs of them, in the unit, before it and in what its
  tool is about; how it opens, whom it speaks to, which names it speaks of; hashed;
* *directions*: the mean of its words' vectors (:mod:`._word_vectors`), the same of its topic, how
  near the two are, and the logit of the injection model.

The first two groups have length one, the last is scaled by what the training found useful.
"""

from __future__ import annotations

import functools
import re
import zlib
from typing import TYPE_CHECKING, NamedTuple

from remit.content import _ngram_features as features
from remit.content import _ngrams as ngrams
from remit.content.detectors import poisoning
from remit.scan.scanners import _meaning, _orders, _word_vectors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from remit.scan.scanners._definition_units import Place, Unit

SIGN_BITS = 15
SIGNS = features.SIZE
DENSE = SIGNS + (1 << SIGN_BITS)
SIZE = DENSE + 2 * _word_vectors.WIDTH + 2

_WORD = re.compile(r"[^\W_]+")
_LATIN = re.compile(r"[a-z]")
_NAMED = re.compile(r"`[\w.-]{1,128}`|\b[A-Za-z0-9]+_\w+\b")
_PATTERNS = {
    "url": re.compile(r"https?://"),
    "mail": re.compile(r"[\w.]@[\w-]+\."),
    "path": re.compile(r"(?:~|\$HOME|/etc|/home|\B/)[/\\]?[\w.]+|[A-Z]:\\"),
    "quoted": re.compile("[\"'\u201c\u201e\u00ab\u300c].{3,}?[\"'\u201d\u201c\u00bb\u300d]"),
    "shouts": re.compile(r"\b[A-Z]{4,}\b"),
    "number": re.compile(r"\d"),
    "you": re.compile(r"(?i)\byou(?:r|rs|rself)?\b|\b(?:du|dein\w*|vous|votre|usted|tus?)\b|\u4f60|\u3042\u306a\u305f|\ub2f9\uc2e0"),
    "never": re.compile(r"(?i)\b(?:never|not|no|without|don't|nicht|kein\w*|nie|ne|pas|sans|sin|nunca|non|mai|n\u00e3o|\u043d\u0435)\b|[\u4e0d\u52ff\u522b\u65e0]|\u306a\u3044|\u305a\u306b|\uc9c0 \ub9c8|\uc5c6\uc774"),
    "forbids": re.compile(r"(?i)(?:\A|[.;:,\u2013-]\s*|\b(?:and|but|please|und|et|y)\s+)(?:never|do not|don't|avoid|refuse|decline|no(?:n)? |nie(?:mals)?|keine?|ne |n'|\u043d\u0435 |\u7981\u6b62|\u4e0d\u5f97|\u4e0d\u8981|\u52ff)"),
    "asks first": re.compile(r"(?i)\b(?:ask|confirm|consent|permission|approv\w+|agree\w*|explicit\w*|only (?:if|when|after)|fragen?|best\u00e4tig\w*|demande\w*|confirm\w*|pregunt\w*)\b|\u786e\u8ba4|\u540c\u610f|\u78ba\u8a8d|\ud655\uc778"),
    "whatever": re.compile(r"(?i)\b(?:whatever|regardless|no matter|even if|even when|anyway|without asking|automatically|always|every|all of|silently|instead)\b|\u65e0\u8bba|\u5fc5\u305a"),
    "must": re.compile(r"(?i)\b(?:must|should|always|have to|need to|needs to|required?|muss|immer|doit|toujours|debe|siempre|deve|sempre)\b|\u5fc5\u987b|\u5fc5\u305a|\ubc18\ub4dc\uc2dc"),
    "if": re.compile(r"(?i)\b(?:if|when|whenever|once|unless|until|wenn|falls|sobald|si|quand|cuando|se|quando|\u0435\u0441\u043b\u0438)\b|\u5982\u679c|\u5f53|\u5834\u5408|\u305f\u3089|\uba74"),
    "user": re.compile(r"(?i)\b(?:users?|persons?|people|humans?|customers?|nutzer\w*|benutzer\w*|kund\w+|utilisateur\w*|usuari\w+|utent\w+|client\w*)\b|\u7528\u6237|\u30e6\u30fc\u30b6|\uc0ac\uc6a9\uc790|\u043f\u043e\u043b\u044c\u0437\u043e\u0432\u0430\u0442"),
    "model": re.compile(r"(?i)\b(?:assistants?|agents?|models?|llms?|ai|assistenten?|agente|modelo)\b|\u52a9\u624b|\u30a2\u30b7\u30b9\u30bf\u30f3\u30c8|\uc5b4\uc2dc\uc2a4\ud134\ud2b8"),
}  # fmt: skip
_OPEN = 2


class Weighed(NamedTuple):
    """Features of a unit: which of ``SIZE``, and how much of each."""

    places: NDArray[np.int64]
    values: NDArray[np.float32]


def weigh(unit: Unit, place: Place) -> Weighed:
    """The features of one unit."""
    import numpy as np

    grams = _grams(unit.text)
    marks = np.array(sorted({SIGNS + _hashed(sign) for sign in signs(unit, place)}), dtype=np.int64)
    said, topic = _word_vectors.load().mean(unit.text), _direction(place.topic)
    near = float(said @ topic)
    dense = np.concatenate([said, topic, [near, _injection(grams)]])
    places = np.concatenate([grams, marks, np.arange(DENSE, SIZE)])
    values = np.concatenate(
        [
            np.full(grams.size, 1 / max(grams.size, 1) ** 0.5),
            np.full(marks.size, 1 / max(marks.size, 1) ** 0.5),
            dense,
        ]
    )
    return Weighed(places, values.astype(np.float32))


def _grams(text: str) -> NDArray[np.int64]:
    import numpy as np

    found = [grams for *_, grams in features.windows([text])]
    return np.unique(np.concatenate(found)) if found else np.empty(0, np.int64)


def _injection(grams: NDArray[np.int64]) -> float:
    """What the injection model makes of the same n-grams, between -1 and 1."""
    model = ngrams.load()
    if grams.size < ngrams.LEAST_FEATURES:
        return -1.0
    total = float(model.table.take(grams).sum(dtype="int64"))
    logit: float = model.scale * total / float(grams.size) ** 0.5 + model.bias
    return min(max(logit / 4, -1.0), 1.0)


@functools.lru_cache(maxsize=256)
def _direction(topic: str) -> NDArray[np.float32]:
    """The vector of a topic: many units share one."""
    return _word_vectors.load().mean(topic)


def _hashed(sign: str) -> int:
    return zlib.crc32(sign.encode()) & ((1 << SIGN_BITS) - 1)


def signs(unit: Unit, place: Place) -> set[str]:
    """What can be said of a unit in words of ours."""
    here = _meaning.concepts(_meaning.hidden(unit.text, place.own))
    before = _spoken_of(unit.before)
    about = _spoken_of(place.topic)
    found = {f"kind {place.kind}", "first" if unit.first else "later"}
    found |= {f"is {each}" for each in here}
    found |= {f"off {each}" for each in here - about}
    found |= {f"in {place.kind} {each}" for each in here}
    found |= {f"after {each}" for each in before}
    ordered = sorted(here)
    for at, one in enumerate(ordered):
        found |= {f"both {one} {other}" for other in ordered[at + 1 :]}
        found |= {f"{one} after {other}" for other in before}
    found |= {f"rule {each}" for each in _orders.matched(unit.text)}
    found |= {f"poison {each}" for each in poisoning.matched(unit.text)}
    marks = {name for name, pattern in _PATTERNS.items() if pattern.search(unit.text)}
    found |= {f"has {each}" for each in marks}
    found |= {f"{mark} with {each}" for mark in marks for each in here}
    found |= {f"{one} and {other}" for one in marks for other in marks if one < other}
    return found | _wording(unit, place)


@functools.lru_cache(maxsize=1024)
def _spoken_of(text: str) -> frozenset[str]:
    """Concepts of what stands beside many units."""
    return _meaning.concepts(text) if text else frozenset()


def _wording(unit: Unit, place: Place) -> set[str]:
    found = set()
    words = [each.lower() for each in _WORD.findall(unit.text)[:60]]
    if words:
        found.add(f"opens {words[0]}")
        found.add(f"opens {' '.join(words[:_OPEN])}")
        if unit.first and words[0].endswith("s") and _LATIN.match(words[0]):
            found.add("describes")
    names = {each[0].strip("`").lower() for each in _NAMED.finditer(unit.text)}
    if names:
        found.add("own name" if names & set(place.own) else "no own name")
        if names - set(place.own):
            found.add("foreign name")
    topic = {each.lower() for each in _WORD.findall(place.topic) if len(each) > 3}
    long = {each for each in words if len(each) > 3}
    if long and topic and not unit.first:
        found.add(f"shared {round(4 * len(long & topic) / len(long))}")
    found.add(f"long {min(len(unit.text) // 60, 5)}")
    return found
