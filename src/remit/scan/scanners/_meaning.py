"""What a text for agents means, sentence by sentence: which things it speaks of together.

An order can be said in a thousand ways, and each in many languages; what it is about stays the same:
the user is not to know, what was said is handed over, another tool is replaced. So the lists hold
*concepts*, and a rule says which of them in one sentence are more than a description. A sentence that
speaks of detecting or forbidding such things, or that quotes them, counts for less.

LIMIT: irony, pictures, and sentences that name nothing of what they mean.
"""

import functools
import re
import tomllib
from collections.abc import Collection, Iterator, Sequence
from importlib import resources
from typing import Any

import msgspec
import re2

from remit.content.base import View
from remit.scan.base import Severity
from remit.scan.scanners import _text

MAX_SENTENCES = 20_000
"""Of one reading of a text; a listing has hundreds."""
MAX_SENTENCE = 4_000
"""Characters: what is longer is cut, so that far ends of a text without stops do not meet."""
_END = re.compile(r"(?<=[.!?;])[)\"'\u201d]?\s+|(?<=[\u3002\uff01\uff1f])|\n+")
_NAMED = re.compile(r"`[\w.-]{1,128}`|\b[A-Za-z0-9]+_\w+\b")
_ABBREVIATED = re.compile(r"(?i)\b(?:dr|mr|mrs|ms|prof|st|inc|ltd|no|vs|e\.g|i\.e)\.\Z")
_WEAKER: dict[Severity, Severity] = {"critical": "medium", "high": "medium", "medium": "low"}


class Meaning(msgspec.Struct, frozen=True):
    """A rule.

    Attributes:
        id: within its family.
        title: one sentence.
        severity: if the text means it.
        need: concepts that must all be there; ``a|b`` is met by either.
        without: concepts that must not.
        sentences: how many neighbouring sentences are looked at together, 1 or 2.
        off_topic: met only where the topic of the text speaks of none of ``need[0]``.
        where: kinds of texts that it is about.
    """

    id: str
    title: str
    severity: Severity
    need: tuple[str, ...]
    without: tuple[str, ...] = ()
    sentences: int = 1
    off_topic: bool = False
    where: tuple[str, ...] = ("tool", "skill", "prompt")


class Meant(msgspec.Struct, frozen=True):
    """A rule that is met, and where in the reading."""

    rule: Meaning
    severity: Severity
    start: int
    end: int


@functools.cache
def rules() -> tuple[Meaning, ...]:
    """All rules, as ``data/meaning.toml`` has them."""
    return msgspec.convert(_document()["rules"], tuple[Meaning, ...])


@functools.cache
def _document() -> dict[str, Any]:
    data = resources.files("remit.scan.scanners") / "data" / "meaning.toml"
    return tomllib.loads(data.read_text("utf-8"))


@functools.cache
def _compiled() -> tuple[tuple[str, ...], Any]:
    """Which concept each pattern belongs to, and all patterns at once."""
    options = re2.Options()
    options.max_mem = 128 << 20
    together = re2.Set.SearchSet(options)
    names: list[str] = []
    for name, patterns in _document()["concepts"].items():
        for pattern in patterns:
            together.Add(f"(?is){pattern}")
            names.append(name)
    together.Compile()
    return tuple(names), together


@functools.cache
def _pattern(concept: str) -> Any:
    joined = "|".join(f"(?:{each})" for each in _document()["concepts"][concept])
    return re2.compile(f"(?is){joined}")


def discussed(text: str, start: int, end: int) -> bool:
    """Whether the sentence around a place speaks about such texts: it detects, refuses or forbids."""
    before = max(0, start - MAX_SENTENCE // 2)
    first = max((m.end() for m in _END.finditer(text, before, start)), default=before)
    after = _END.search(text, end)
    last = after.end() if after else len(text)
    return "discusses" in concepts(text[first : min(last, end + MAX_SENTENCE // 2)])


def meant(
    view: View, where: str, own: Collection[str] = (), topic: str | None = None
) -> Iterator[Meant]:
    """What a reading of a text means, each rule once.

    Args:
        view: the reading.
        where: the kind of text: ``tool``, ``skill`` or ``prompt``.
        own: names that the text may speak of: its own tools and parameters.
        topic: what the text is about, in short; without one nothing is off topic.
    """
    said = [
        (start, sentence, concepts(hidden(sentence, own)))
        for start, sentence in sentences(view.text)
    ]
    about = concepts(topic) if topic is not None else None
    met: set[str] = set()
    for at, here in enumerate(said):
        beside = said[at + 1 : at + 2]
        for rule in rules():
            if rule.id in met or where not in rule.where or not _off_topic(rule, about):
                continue
            place = _met(rule, [here]) or (
                _met(rule, [here, *beside]) if rule.sentences > 1 and beside else None
            )
            if place is None:
                continue
            start, end, about_it = place
            quoted = _text.mentioned(view.text, start, end)
            weak = quoted or "discusses" in about_it
            severity = "low" if quoted else _WEAKER[rule.severity] if weak else rule.severity
            if not weak:
                met.add(rule.id)
            yield Meant(rule, severity, start, end)


def _off_topic(rule: Meaning, about: frozenset[str] | None) -> bool:
    if not rule.off_topic:
        return True
    return about is not None and not about & set(rule.need[0].split("|"))


def sentences(text: str) -> Iterator[tuple[int, str]]:
    """Sentences of a text, and where each begins."""
    start = 0
    for count, end in enumerate(_ends(text)):
        if count >= MAX_SENTENCES:
            return
        for at in range(start, end, MAX_SENTENCE):
            yield at, text[at : min(end, at + MAX_SENTENCE)]
        start = end


def _ends(text: str) -> Iterator[int]:
    end = 0
    for match in _END.finditer(text):
        if match.end() > end and not _ABBREVIATED.search(
            text, max(0, match.start() - 8), match.start()
        ):
            end = match.end()
            yield end
    if end < len(text):
        yield len(text)


def hidden(sentence: str, own: Collection[str]) -> str:
    """The sentence without the names that it may speak of."""
    if not own or ("_" not in sentence and "`" not in sentence):
        return sentence
    return _NAMED.sub(
        lambda found: "it" if found[0].strip("`").lower() in own else found[0], sentence
    )


def concepts(sentence: str) -> frozenset[str]:
    """What a sentence speaks of."""
    names, together = _compiled()
    return frozenset(
        names[number] for number in together.Match(sentence.encode("utf-8", "replace")) or ()
    )


def _met(
    rule: Meaning, sentences: Sequence[tuple[int, str, frozenset[str]]]
) -> tuple[int, int, frozenset[str]] | None:
    found: frozenset[str] = frozenset().union(*(each[2] for each in sentences))
    if found & set(rule.without):
        return None
    if not all(found.intersection(need.split("|")) for need in rule.need):
        return None
    for concept in rule.need[0].split("|"):
        for start, sentence, known in sentences:
            match = _pattern(concept).search(sentence) if concept in known else None
            if match is not None:
                return start + match.start(), start + match.end(), found
    return None
