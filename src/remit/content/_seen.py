"""The values of one source, and how to find out whether something is among them."""

import zlib
from collections import OrderedDict
from collections.abc import Iterator, Sequence

from remit.content._tokens import MAX_VALUE, fold, host_of, quoted, typed, words

MAX_VALUES = 20_000
MAX_TEXT = 1 << 20
MAX_PHRASES = 100_000
PHRASE = 6
"""Words in a row that a payload must share with untrusted text to have come from it."""


class Spent(Exception):  # noqa: N818 - not an error: nobody looks on
    """More was asked than one argument may cost."""


class Searches:
    """How many texts may still be searched for one argument."""

    def __init__(self, left: int) -> None:
        self._left = left

    def one(self) -> None:
        """Count one.

        Raises:
            Spent: none was left.
        """
        self._left -= 1
        if self._left < 0:
            raise Spent


class Seen:
    """Values of one source, the oldest forgotten first.

    Attributes:
        values: what was seen as a whole: typed tokens, quotations, fields.
        hosts: of its URLs.
        phrases: numbers of its phrases.
        forgot: whether something fell out.
    """

    def __init__(self) -> None:
        self.values: OrderedDict[str, None] = OrderedDict()
        self.hosts: OrderedDict[str, None] = OrderedDict()
        self.phrases: OrderedDict[int, None] = OrderedDict()
        self.forgot = False
        self._words: set[str] = set()
        self._parts: list[str] = [" "]
        self._size = 0

    def add(self, text: str, *, field: bool) -> None:
        """Remember a text; of a field only the whole and the typed tokens in it are values."""
        for token in typed(text):
            self._keep(self.values, token.text)
            if token.type == "url":
                self._keep(self.hosts, host_of(token.text))
        if not field:
            for token in quoted(text):
                self._keep(self.values, token.text)
        whole = words(text)
        self._keep(self.values, " ".join(whole))
        self._keep(self.values, fold(text).strip())
        for phrase in phrases(whole):
            self.phrases[phrase] = None
            if len(self.phrases) > MAX_PHRASES:
                self.phrases.popitem(last=False)
                self.forgot = True
        self._words.update(whole)
        joined = " ".join(whole) + " | "
        self._parts.append(joined)
        self._size += len(joined)
        if self._size > MAX_TEXT:
            self._parts = [" " + self._text()[-(MAX_TEXT // 2) :].partition(" ")[2]]
            self._size = len(self._parts[0])
            self._words = set(self._parts[0].split())
            self.forgot = True

    def has(self, form: str, searches: Searches) -> bool:
        """Whether ``form`` (folded) is a value, or stands in the text as whole words.

        Raises:
            Spent: it would take a search, and none is left.
        """
        if not form or form in self.values:
            return bool(form)
        # Searching the text takes a while, and most of what is asked for is not there.
        parts = form.split(" ")
        if not all(part in self._words for part in parts):
            return False
        if len(parts) == 1:
            return True
        searches.one()
        return f" {form} " in self._text()

    def _text(self) -> str:
        """All words in order, with a space on both sides of each."""
        if len(self._parts) > 1:
            self._parts = ["".join(self._parts)]
        return self._parts[0]

    def _keep(self, values: OrderedDict[str, None], form: str) -> None:
        if not form or len(form) > MAX_VALUE:
            return
        values[form] = None
        values.move_to_end(form)
        if len(values) > MAX_VALUES:
            values.popitem(last=False)
            self.forgot = True


def phrases(row: Sequence[str]) -> Iterator[int]:
    """A number for each phrase of six words."""
    for at in range(len(row) - PHRASE + 1):
        yield zlib.crc32(" ".join(row[at : at + PHRASE]).encode("utf-8", "surrogatepass"))
