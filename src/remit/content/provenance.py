"""Where values come from: the user's words, trusted data, untrusted data, or nowhere that was seen.

Values are compared, not sessions: that a page was read says little, that the address to write to
stands only in that page says much. What was learnt from traces of attacks is built in:

1. Whole tokens. ``13`` is not in ``4138``.
2. Of a listing (a directory of members, channels, files) only its fields count as trusted, never
   its free text: whoever may write a description could put an address there.
3. A destination is judged by every address in it; a payload by whether anything in it is of
   untrusted origin.
4. A URL is the user's if the user named it, or its host and nothing was added that can carry data.

What this does not see: values that were rewritten (translated, summed, spelled out), values cut in
parts, and a choice between two trusted values that untrusted text made.
"""

import functools
import json
import re
import zlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Literal

from remit.content._tokens import MAX_VALUE, Token, fold, host_of, quoted, typed, words
from remit.content.values import walk

Source = Literal["user", "trusted", "named", "untrusted"]
Origin = Literal["user", "trusted", "named", "quoted", "unknown", "untrusted"]
Role = Literal["destination", "payload"]

SOURCES: tuple[Source, ...] = ("user", "trusted", "named", "untrusted")
ORIGINS: tuple[Origin, ...] = ("user", "trusted", "named", "quoted", "unknown", "untrusted")
"""From best to worst.

``named``: a field of what the user asked for by name. ``quoted``: a URL in the free text of it,
letter by letter; whoever wrote it could not put into it what the agent learned since.
"""

MAX_VALUES = 20_000
MAX_TEXT = 1 << 20
MAX_RESULT = 1 << 18
MAX_ARGUMENT = 1 << 17
MAX_PHRASES = 100_000
MAX_TOKENS = 500
MAX_FIELD = 80
MAX_FIELD_WORDS = 8
MIN_PAYLOAD_WORD = 10
PHRASE = 6
"""Words in a row that a payload must share with untrusted text to have come from it."""

_WORST: dict[Origin, int] = {origin: at for at, origin in enumerate(ORIGINS)}
MIN_NAME = 3
_FIELD = re.compile(rf"^\s*(?:-\s+)?(?:[\w .-]{{1,40}}:\s+)?(.{{1,{MAX_FIELD}}}?)\s*$")
_YAML = re.compile(r"\s*(?:- |[\w.-]{1,40}:\s)[^\n]*\n")
MAX_YAML = 1 << 17
_SENTENCE = re.compile(r"[.!?]\s")


class _Seen:
    """Values of one source, the oldest forgotten first."""

    def __init__(self) -> None:
        self.values: OrderedDict[str, None] = OrderedDict()
        self.hosts: OrderedDict[str, None] = OrderedDict()
        self.phrases: OrderedDict[int, None] = OrderedDict()
        self.forgot = False
        self._words: set[str] = set()
        self._parts: list[str] = [" "]
        self._size = 0

    @property
    def text(self) -> str:
        """All words in order, with a space on both sides of each."""
        if len(self._parts) > 1:
            self._parts = ["".join(self._parts)]
        return self._parts[0]

    def add(self, text: str, *, field: bool) -> None:
        for token in typed(text):
            self._keep(self.values, token.text)
            if token.type == "url":
                self._keep(self.hosts, host_of(token.text))
        if not field:
            for token in quoted(text):
                self._keep(self.values, token.text)
        whole = words(text)
        self._keep(self.values, " ".join(whole))
        for phrase in _phrases(whole):
            self.phrases[phrase] = None
            if len(self.phrases) > MAX_PHRASES:
                self.phrases.popitem(last=False)
                self.forgot = True
        self._words.update(whole)
        joined = " ".join(whole) + " | "
        self._parts.append(joined)
        self._size += len(joined)
        if self._size > MAX_TEXT:
            self._parts = [" " + self.text[-(MAX_TEXT // 2) :].partition(" ")[2]]
            self._size = len(self._parts[0])
            self._words = set(self._parts[0].split())
            self.forgot = True

    def has(self, form: str) -> bool:
        if not form or form in self.values:
            return bool(form)
        # Searching the text takes a while, and most of what is asked for is not there.
        parts = form.split(" ")
        if not all(part in self._words for part in parts):
            return False
        return len(parts) == 1 or f" {form} " in self.text

    def _keep(self, values: OrderedDict[str, None], form: str) -> None:
        if not form or len(form) > MAX_VALUE:
            return
        values[form] = None
        values.move_to_end(form)
        if len(values) > MAX_VALUES:
            values.popitem(last=False)
            self.forgot = True


class Provenance:
    """What one session has seen. Belongs to one thread; memory is bounded."""

    def __init__(self) -> None:
        self._seen: dict[Source, _Seen] = {source: _Seen() for source in SOURCES}
        # What was used before anything untrusted held it: results repeat what they were asked.
        self._used = _Seen()
        self._quoted: OrderedDict[str, None] = OrderedDict()

    def user(self, text: str) -> None:
        """The user's own words."""
        self._seen["user"].add(text, field=False)

    def result(
        self,
        value: Any,
        *,
        trusted: bool,
        listing: bool = False,
        named: bool = False,
        but: Mapping[str, Any] | None = None,
    ) -> None:
        """A result, decoded or as text.

        Args:
            value: any JSON value.
            trusted: whether its source is.
            listing: whether it is a directory: only its fields are trusted, its free text is not.
            named: whether the user named the source (:meth:`names`), or the agent made it.
            but: arguments that the result may only repeat.
        """
        room = MAX_RESULT
        repeated = {text for text, _ in _texts(but)} if but else set()
        for text, field in _texts(value):
            room -= len(text)
            if room < 0:
                # Nobody reads on; whatever stands there may be anything.
                self.miss()
                return
            if trusted and (field or not listing):
                self._seen["trusted"].add(text, field=field)
            elif named and field and not any(text in other for other in repeated):
                self._seen["named"].add(text, field=True)
            else:
                self._seen["untrusted"].add(text, field=False)
                if named and not but:
                    self._quote(text)

    def _quote(self, text: str) -> None:
        for token in typed(text):
            if token.type == "url":
                self._quoted[token.text] = None
                if len(self._quoted) > MAX_VALUES:
                    self._quoted.popitem(last=False)

    def names(self, arguments: Mapping[str, Any]) -> bool:
        """Whether a call asks for what the user named: a page, a channel, a search of his words.

        Some argument is in the user's words, and none comes from anybody else's.
        """
        origins = [self.origin(value, "destination") for value in arguments.values()]
        named = any(
            origin == "user" and any(len(p.text.strip()) >= MIN_NAME for p in walk(value).pieces)
            for origin, value in zip(origins, arguments.values(), strict=True)
        )
        return named and not {"untrusted", "quoted", "named"} & set(origins)

    def used(self, arguments: Mapping[str, Any]) -> None:
        """Arguments of a call that was let through: what is not untrusted now will not become so.

        A result that repeats them is not their source.
        """
        for name, value in arguments.items():
            origins = {self.origin(value, "destination"), self.origin(value, "payload")}
            if "unknown" in origins and "untrusted" not in origins:
                for text, field in _texts({name: value}):
                    self._used.add(text, field=field)

    def miss(self) -> None:
        """The session saw something untrusted that was not remembered."""
        self._seen["untrusted"].forgot = True

    def origin(self, argument: Any, role: Role = "destination") -> Origin:
        """Where ``argument`` comes from; of several values the worst.

        ``unknown`` is worse than ``trusted``: nobody named it. ``untrusted`` is the worst, and also
        what more text is than can be compared.
        """
        worst: Origin = "user"
        seen_any = False
        walked = walk(argument)
        if not walked.complete or sum(len(p.text) for p in walked.pieces) > MAX_ARGUMENT:
            return "untrusted"
        for piece in walked.pieces:
            if piece.what not in {"text", "number"} or not piece.text.strip():
                continue
            seen_any = True
            one = (
                self._destination(piece.text)
                if role == "destination"
                else self._payload(piece.text)
            )
            if _WORST[one] > _WORST[worst]:
                worst = one
        if not seen_any and isinstance(argument, int | float) and not isinstance(argument, bool):
            return self._destination(str(getattr(argument, "token", argument)))
        return worst

    def links(self, argument: Any) -> Origin | None:
        """The worst origin of the addresses inside ``argument``; ``None`` if there are none."""
        walked = walk(argument)
        if not walked.complete or sum(len(p.text) for p in walked.pieces) > MAX_ARGUMENT:
            return "untrusted"
        found = [
            self._token(token)
            for piece in walked.pieces
            if piece.what != "key"
            for token in _addresses(piece.text)
        ]
        return worst(found) if found else None

    def _destination(self, text: str) -> Origin:
        whole = self._of(" ".join(words(text)))
        if whole in {"user", "trusted", "named"} and not _addresses(text):
            return whole
        tokens = _addresses(text) or [Token("word", " ".join(words(text)))]
        return max((self._token(t) for t in tokens), key=_WORST.__getitem__)

    def _payload(self, text: str) -> Origin:
        """Untrusted if an address, a rare word or a phrase in it stands only in untrusted data."""
        whole = self._of(" ".join(words(text)))
        if whole != "unknown":
            return whole
        tokens = list(islice(dict.fromkeys(typed(text)), MAX_TOKENS + 1))
        if len(tokens) > MAX_TOKENS:
            return "untrusted"
        origins = [self._token(t) for t in tokens]
        rare = [w for w in words(text) if len(w) >= MIN_PAYLOAD_WORD and any(map(str.isdigit, w))][
            :MAX_TOKENS
        ]
        origins += [self._of(w) for w in rare]
        copied = set(_phrases(words(text)))
        if copied & self._seen["untrusted"].phrases.keys():
            own = set(self._used.phrases)
            for source in SOURCES[:-1]:
                own |= self._seen[source].phrases.keys()
            if copied & self._seen["untrusted"].phrases.keys() - own:
                return "untrusted"
        if "untrusted" in origins:
            return "untrusted"
        return (
            "unknown"
            if "unknown" in origins or not origins
            else max(origins, key=_WORST.__getitem__)
        )

    def _token(self, token: Token) -> Origin:
        found = self._of(token.text)
        if token.type != "url" or found in {"user", "trusted", "named"}:
            return found
        if token.text in self._quoted:
            return "quoted"
        host = host_of(token.text)
        if host and not re.search(r"[?#]", token.text):
            for source, seen in self._in_order():
                if host in seen.hosts and (
                    source not in {"trusted", "named"} or host == token.text
                ):
                    return source
        return "untrusted" if host in self._seen["untrusted"].hosts else found

    def _in_order(self) -> Iterator[tuple[Origin, _Seen]]:
        for source in SOURCES[:-1]:
            yield source, self._seen[source]
        yield "unknown", self._used
        yield "untrusted", self._seen["untrusted"]

    def _of(self, form: str) -> Origin:
        folded = fold(form)
        for origin, seen in self._in_order():
            if seen.has(form) or (folded != form and seen.has(folded)):
                return origin
        # What was forgotten may have been this value.
        return "untrusted" if self._seen["untrusted"].forgot else "unknown"


def _addresses(text: str) -> list[Token]:
    found = (t for t in dict.fromkeys(typed(text)) if t.type in {"url", "email", "iban"})
    tokens = list(islice(found, MAX_TOKENS + 1))
    if len(tokens) > MAX_TOKENS:  # too many to look up: nobody named them all
        tokens.append(Token("word", ""))
    return tokens


def _phrases(row: Sequence[str]) -> Iterator[int]:
    """A number for each phrase of six words."""
    for at in range(len(row) - PHRASE + 1):
        yield zlib.crc32(" ".join(row[at : at + PHRASE]).encode("utf-8", "surrogatepass"))


def _texts(value: Any, *, inside: bool = False) -> Iterator[tuple[str, bool]]:
    """Every text and whether it is a field: short, one line, no sentence.

    ``inside`` a text that was decoded, lines are no fields: whoever wrote the text made them.
    """
    if isinstance(value, str):
        decoded = _decoded(value)
        if decoded is None:
            yield from _lines(value)
            return
        value, inside = decoded, True
    for piece in walk(value).pieces:
        if piece.what == "key":
            continue
        if piece.what == "text" and "\n" in piece.text and not inside:
            yield from _lines(piece.text)
        elif piece.what != "joined":
            yield piece.text, _is_field(piece.text)


def _lines(text: str) -> Iterator[tuple[str, bool]]:
    """Text as a listing of lines: ``- name`` and ``key: value`` are fields, the rest is not."""
    decoded = _decoded(text)
    if decoded is not None:
        yield from _texts(decoded, inside=True)
        return
    for line in text.splitlines():
        match = _FIELD.match(line)
        if match is not None and _is_field(match[1]):
            yield match[1], True
        elif line.strip():
            yield line, False
    if "\n" in text:
        yield text, False


def _is_field(text: str) -> bool:
    return (
        len(text) <= MAX_FIELD
        and "\n" not in text
        and _SENTENCE.search(text) is None
        and len(text.split()) <= MAX_FIELD_WORDS
    )


def _decoded(text: str) -> Any:
    """A text that is a listing: JSON, or YAML of more than one line; else ``None``."""
    if text[:1].strip() in {"{", "["} and text.strip():
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return None
    elif len(text) <= MAX_YAML and _YAML.match(text):
        import yaml

        try:
            value = yaml.load(text, _yaml_loader())  # noqa: S506 - makes texts, lists, mappings
        except (yaml.YAMLError, ValueError, RecursionError):
            return None
    else:
        return None
    return value if isinstance(value, Mapping | list) else None


@functools.cache
def _yaml_loader() -> Any:
    import yaml

    return getattr(yaml, "CBaseLoader", yaml.BaseLoader)


def worst(origins: Iterable[Origin]) -> Origin:
    """The worst of several origins; ``user`` if there are none."""
    return max(origins, key=_WORST.__getitem__, default="user")
