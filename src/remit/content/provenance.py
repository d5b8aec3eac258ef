"""Where values come from: the user's words, trusted data, untrusted data, or nowhere that was seen.

Values are compared, not sessions: that a page was read says little, that the address to write to
stands only in that page says much. What was learnt from traces of attacks is built in:

1. Whole tokens. ``13`` is not in ``4138``.
2. Of a listing (a directory of members, channels, files) only its fields count as trusted, never
   its free text: whoever may write a description could put an address there.
3. A destination is judged by every address in it and by what is left without them; a payload by
   whether anything in it is of untrusted origin.
4. A URL is the user's if the user named it letter by letter, or named its host and it is the root.
5. A result is no source of what its own call already held.

What this does not see: values that were rewritten (translated, summed, spelled out), values cut in
parts, and a choice between two trusted values that untrusted text made.
"""

import re
import unicodedata
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Literal

import msgspec

from remit.content._fields import KEY, Kind, TooMuch, texts
from remit.content._seen import MAX_VALUES, Searches, Seen, Spent, phrases
from remit.content._tokens import Token, addresses, fold, host_of, proper, typed, words

Source = Literal["user", "trusted", "named", "untrusted"]
Origin = Literal["user", "trusted", "named", "quoted", "unknown", "untrusted"]
Role = Literal["destination", "payload"]

SOURCES: tuple[Source, ...] = ("user", "trusted", "named", "untrusted")
ORIGINS: tuple[Origin, ...] = ("user", "trusted", "named", "quoted", "unknown", "untrusted")
"""From best to worst.

``named``: a field of what the user asked for by name. ``quoted``: a URL in the free text of it,
letter by letter; whoever wrote it could not put into it what the agent learned since.
"""

MAX_ARGUMENT = 1 << 17
MAX_LEAVES = 2000
MAX_TOKENS = 500
MAX_REPEATED = 500
MAX_SEARCHES = 64
MAX_KNOWN = 256
MIN_PAYLOAD_WORD = 10
MIN_NAME = 3

_RANK: dict[Origin, int] = {origin: at for at, origin in enumerate(ORIGINS)}
_PLAIN = re.compile(r"[#@]?\w[\w \-_'\u2019.&+,#]*")
_DISPLAY = re.compile(r"(?:[^\W\d_]+(?:[ .'\u2019-]+[^\W\d_]+)*)?")
_BETWEEN = re.compile(r"[\s,;<>()\"'|\[\]]+|mailto:")
_PARTS = re.compile("[,;]")
_NUMERIC = re.compile(r"[\d\s:.,/TZ+-]*")


class Repeated(msgspec.Struct, frozen=True):
    """What a call held, so that its answer may only repeat it.

    Attributes:
        forms: typed tokens and whole texts, folded.
        all: whether there was more than is kept.
    """

    forms: frozenset[str] = frozenset()
    all: bool = False

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> "Repeated":
        """The forms in the arguments of a call."""
        leaves = _leaves(arguments)
        if leaves is None or sum(map(len, leaves)) > MAX_ARGUMENT:
            return cls(all=True)
        forms: dict[str, None] = {}
        for leaf in leaves:
            forms[" ".join(words(leaf))] = None
            forms.update((token.text, None) for token in typed(leaf))
            if len(forms) > MAX_REPEATED:
                return cls(all=True)
        return cls(frozenset(form for form in forms if form))

    def __contains__(self, text: str) -> bool:
        """Whether ``text`` repeats something."""
        if self.all:
            return True
        if not self.forms:
            return False
        joined = f" {' '.join(words(text))} "
        return any(t.text in self.forms for t in typed(text)) or any(
            f" {form} " in joined for form in self.forms
        )


NOTHING = Repeated()


class Provenance:
    """What one session has seen. Belongs to one thread; memory is bounded."""

    def __init__(self) -> None:
        self._seen: dict[Source, Seen] = {source: Seen() for source in SOURCES}
        # What was used before anything untrusted held it: results repeat what they were asked.
        self._used = Seen()
        self._quoted: OrderedDict[str, None] = OrderedDict()
        self._proper: dict[str, None] = {}
        self._searches = Searches(MAX_SEARCHES)
        # A call is asked about several times before anything new is seen.
        self._known: dict[tuple[Role, str], Origin] = {}

    def user(self, text: str) -> None:
        """The user's own words."""
        self._known.clear()
        self._seen["user"].add(text, field=False)
        self._proper.update((form, None) for form in islice(proper(text), MAX_VALUES))

    def result(
        self,
        value: Any,
        *,
        trusted: bool,
        listing: bool = False,
        named: bool = False,
        made: bool = False,
        repeated: Repeated = NOTHING,
    ) -> None:
        """A result, decoded or as text.

        Args:
            value: any JSON value.
            trusted: whether its source is.
            listing: whether it is a directory: only its fields are trusted, its free text is not.
            named: whether the user named what was asked for (:meth:`names`).
            made: whether the call changed something of the user's own: then fields that were not
                in it are the service's word.
            repeated: what the call held.
        """
        self._known.clear()
        try:
            for text, kind in texts(value):
                worthy = trusted and (kind != "free" or not listing)
                self._keep(text, kind, worthy, named=named, made=made, repeated=repeated)
        except TooMuch:
            # Nobody reads on; whatever stands there may be anything.
            self.miss()

    def _keep(
        self, text: str, kind: Kind, trusted: bool, *,  # noqa: FBT001 - of the text
        named: bool, made: bool, repeated: Repeated,
    ) -> None:  # fmt: skip
        field = kind in {"field", "id"}
        if (trusted or (field and made)) and text in repeated:
            return
        if trusted:
            self._seen["trusted"].add(text, field=kind != "free")
        elif field and (named or (made and (kind == "id" or not self._is_untrusted(text)))):
            self._seen["named"].add(text, field=True)
        else:
            self._seen["untrusted"].add(text, field=False)
            if named:
                self._quote(text)

    def _is_untrusted(self, text: str) -> bool:
        self._searches = Searches(MAX_SEARCHES)
        forms = {" ".join(words(text)), *(token.text for token in typed(text))}
        try:
            return any(self._seen["untrusted"].has(form, self._searches) for form in forms)
        except Spent:
            return True

    def _quote(self, text: str) -> None:
        for token in typed(text):
            if token.type == "url":
                self._quoted[token.text] = None
                if len(self._quoted) > MAX_VALUES:
                    self._quoted.popitem(last=False)

    def names(self, arguments: Mapping[str, Any]) -> bool:
        """Whether a call asks for what the user, or a trusted listing, called by its name.

        A page, a channel, a file: some argument is such a name, and none holds anything but the
        user's and trusted values, numbers and times.
        """
        named = False
        for value in arguments.values():
            origin = self.origin(value, "destination")
            leaves = _leaves(value) or []
            if origin == "user":
                named |= any(map(self._is_proper, leaves))
            elif origin == "trusted":
                named = True
            elif not (origin == "unknown" and all(_NUMERIC.fullmatch(leaf) for leaf in leaves)):
                return False
        return named

    def _is_proper(self, leaf: str) -> bool:
        forms = (*words(leaf), " ".join(words(leaf)), *(t.text for t in typed(leaf)))
        return any(len(form) >= MIN_NAME and form in self._proper for form in forms)

    def used(self, arguments: Mapping[str, Any]) -> None:
        """Arguments of a call that was let through: what is not untrusted stays so."""
        for name, value in arguments.items():
            origins = {self.origin(value, "destination"), self.origin(value, "payload")}
            if "unknown" in origins and "untrusted" not in origins:
                self._known.clear()
                try:
                    for text, kind in texts({name: value}):
                        self._used.add(text, field=kind != "free")
                except TooMuch:
                    return

    def miss(self) -> None:
        """The session saw something untrusted that was not remembered."""
        self._known.clear()
        self._seen["untrusted"].forgot = True

    def origin(self, argument: Any, role: Role = "destination") -> Origin:
        """Where ``argument`` comes from; of several values the worst.

        ``unknown`` is worse than ``trusted``: nobody named it. ``untrusted`` is the worst, and also
        what more is than can be compared.
        """
        self._searches = Searches(MAX_SEARCHES)
        leaves = _leaves(argument)
        if leaves is None or sum(map(len, leaves)) > MAX_ARGUMENT:
            return "untrusted"
        try:
            if role == "destination" and not leaves and argument not in (None, "", [], {}, ()):
                return "unknown"
            return worst(self._as(role, leaf) for leaf in leaves)
        except Spent:
            return "untrusted"

    def links(self, argument: Any) -> Origin | None:
        """The worst origin of the addresses inside ``argument``; ``None`` if there are none."""
        self._searches = Searches(MAX_SEARCHES)
        leaves = _leaves(argument)
        if leaves is None or sum(map(len, leaves)) > MAX_ARGUMENT:
            return "untrusted"
        tokens = dict.fromkeys(
            token
            for leaf in leaves
            for token in typed(leaf)
            if token.type in {"url", "email", "iban"}
        )
        if len(tokens) > MAX_TOKENS:  # nobody named them all
            return "untrusted"
        try:
            return worst(map(self._token, tokens)) if tokens else None
        except Spent:
            return "untrusted"

    def _as(self, role: Role, leaf: str) -> Origin:
        found = self._known.get((role, leaf))
        if found is None:
            found = self._destination(leaf) if role == "destination" else self._payload(leaf)
            if len(self._known) < MAX_KNOWN:
                self._known[role, leaf] = found
        return found

    def _destination(self, text: str) -> Origin:
        """By every address, and by what is left: it must be nothing, or somebody's name."""
        origin = self._exactly(fold(text).strip())
        if origin is None:
            found, left = addresses(text)
            if len(found) > MAX_TOKENS:
                return "untrusted"
            left = " ".join(_BETWEEN.sub(" ", left).split())
            if found:
                origins = [self._token(token) for token in found]
                url = any(token.type == "url" for token in found)
                alone = any(part.strip() and not addresses(part)[0] for part in _PARTS.split(text))
                if alone or (left and (url or _DISPLAY.fullmatch(left) is None)):
                    origins.append(self._odd(text))
                origin = worst(origins)
            elif _PLAIN.fullmatch(fold(text).strip()) is not None:
                origin = self._of(" ".join(words(text)))
            else:
                origin = self._odd(text)
        if not text.isascii() and any(unicodedata.category(c)[0] == "C" for c in text):
            origin = worst((origin, "unknown"))
        return origin

    def _odd(self, text: str) -> Origin:
        """What no pattern knows: at best nobody's."""
        tokens = [self._token(t) for t in islice(typed(text), MAX_TOKENS)]
        return worst([*tokens, self._of(" ".join(words(text))), "unknown"])

    def _exactly(self, folded: str) -> Origin | None:
        """The source of which the whole is a value: a field, a quotation, a path."""
        for origin, seen in self._in_order():
            if folded and folded in seen.values and origin in {"user", "trusted", "named"}:
                return origin
        return None

    def _payload(self, text: str) -> Origin:
        """Untrusted if an address, a rare word or a phrase in it stands only in untrusted data."""
        row = words(text)
        whole = self._of(" ".join(row))
        if whole != "unknown":
            return whole
        tokens = list(islice(dict.fromkeys(typed(text)), MAX_TOKENS + 1))
        if len(tokens) > MAX_TOKENS:
            return "untrusted"
        origins = [self._token(t) for t in tokens]
        rare = [w for w in row if len(w) >= MIN_PAYLOAD_WORD and any(map(str.isdigit, w))]
        origins += [self._of(w) for w in rare[:MAX_TOKENS]]
        copied = set(phrases(row)) & self._seen["untrusted"].phrases.keys()
        for known in (*(self._seen[source] for source in SOURCES[:-1]), self._used):
            copied -= known.phrases.keys()
        if copied or "untrusted" in origins:
            return "untrusted"
        return "unknown" if not origins else worst(origins)

    def _token(self, token: Token) -> Origin:
        found = self._of(token.text)
        if token.type != "url" or found in {"user", "trusted", "named"}:
            return found
        if token.text in self._quoted:
            return "quoted"
        host = host_of(token.text)
        if host and host == token.text:
            for source, seen in self._in_order():
                if host in seen.hosts:
                    return source
        return "untrusted" if host in self._seen["untrusted"].hosts else found

    def _in_order(self) -> Iterator[tuple[Origin, Seen]]:
        for source in SOURCES[:-1]:
            yield source, self._seen[source]
        yield "unknown", self._used
        yield "untrusted", self._seen["untrusted"]

    def _of(self, form: str) -> Origin:
        """The best source that has a form, whole or as words in a row."""
        folded = fold(form)
        for origin, seen in self._in_order():
            if seen.has(form, self._searches) or (
                folded != form and seen.has(folded, self._searches)
            ):
                return origin
        # What was forgotten may have been this value.
        return "untrusted" if self._seen["untrusted"].forgot else "unknown"


def _leaves(value: Any) -> list[str] | None:
    """Texts and numbers of an argument, and keys that are no names; ``None`` if too many."""
    leaves: list[str] = []
    waiting = [value]
    for _ in range(2 * MAX_LEAVES):
        if not waiting:
            return leaves
        item = waiting.pop()
        if isinstance(item, str):
            if item.strip():
                leaves.append(item)
        elif isinstance(item, Mapping):
            leaves += (key for key in map(str, item) if KEY.fullmatch(key) is None)
            waiting += item.values()
        elif isinstance(item, list | tuple):
            waiting += item
        elif item is not None and not isinstance(item, bool):
            leaves.append(str(getattr(item, "token", item)))
        if len(leaves) > MAX_LEAVES or len(waiting) > MAX_LEAVES:
            return None
    return None


def worst(origins: Iterable[Origin]) -> Origin:
    """The worst of several origins; ``user`` if there are none."""
    return max(origins, key=_RANK.__getitem__, default="user")
