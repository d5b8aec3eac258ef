"""Numbers and texts of a pickle, as values; what is long is passed over."""

import codecs
import re

from remit.scan.pickle.source import BrokenPickleError
from remit.scan.pickle.stack import Stack, number_of
from remit.scan.pickle.values import BOOL, BYTES, NUMBER, TEXT, Value

_LONG_DIGITS = 18
_LONG_BYTES = 16
# As bytes, in base64, in hexadecimal digits.
_INNER = re.compile(rb"\x80[\x02-\x05]|gA[I-X][A-Za-z0-9+/_-]{13}|800[2-5][0-9a-fA-F]{28}")
_QUOTED = re.compile(rb"([\"']).*\1", re.DOTALL)


class Literals(Stack):
    """Pushes the values that opcodes carry with them."""

    def _float(self) -> None:
        number_of(float, self._source.line())
        self._push(NUMBER)

    def _int(self) -> None:
        line = self._source.line()
        self._push(BOOL if line in {b"00", b"01"} else self._integer(line))

    def _long(self) -> None:
        self._push(self._integer(self._source.line().removesuffix(b"L")))

    def _integer(self, line: bytes) -> Value:
        if len(line) > _LONG_DIGITS:
            return NUMBER
        return int(number_of(int, line))

    def _long_bytes(self, size: int) -> None:
        data, whole = self._source.payload(size)
        self._push(
            int.from_bytes(data, "little", signed=True) if whole and size <= _LONG_BYTES else NUMBER
        )

    def _text(self, size: int, kind: str) -> None:
        data, whole = self._source.payload(size)
        if kind in {"bytes", "bytearray"}:
            self._inner(data)
            self._push(BYTES)
        elif not whole:
            self._inner(data)
            self._push(TEXT)
        elif kind == "unicode":
            self._inner(data)
            try:
                self._push(data.decode("utf-8", "surrogatepass"))
            except UnicodeDecodeError:
                raise BrokenPickleError("a text is not UTF-8") from None
        else:
            self._bytes_text(data)

    def _bytes_text(self, data: bytes) -> None:
        """A string of Python 2: text in ASCII, bytes for who loads with ``encoding="bytes"``."""
        self._inner(data)
        self._push(data.decode("latin-1"))

    def _inner(self, data: bytes) -> None:
        if _INNER.match(data):
            self.note("inner", "info", "a value looks like a pickle; nothing here loads it")

    def _string(self) -> None:
        line = self._source.line().strip()
        if _QUOTED.fullmatch(line) is None:
            raise BrokenPickleError("a text is not quoted")
        try:
            data = codecs.escape_decode(line[1:-1])[0]
        except ValueError:
            raise BrokenPickleError("a text has a broken escape") from None
        self._bytes_text(data)

    def _unicode(self) -> None:
        try:
            self._push(self._source.line().decode("raw-unicode-escape"))
        except UnicodeDecodeError:
            raise BrokenPickleError("a text has a broken escape") from None
