"""What there is to do with all characters of a text, done at the speed of its bytes."""

import re
from collections.abc import Mapping

_ASCII = bytes(range(0x80))
_OTHERS = re.compile("[^\x00-\x7f]+")
_FEW = 24
_DENSE = 16


def others(text: str) -> str:
    """The characters of ``text`` outside ASCII, in order."""
    if text.isascii():
        return ""
    data = text.encode("utf-8", "surrogatepass").translate(None, _ASCII)
    return data.decode("utf-8", "surrogatepass")


def replaced(text: str, table: Mapping[str, str]) -> str:
    """``text`` with characters outside ASCII replaced; ``table`` holds no others."""
    if len(table) <= _FEW and table.keys().isdisjoint("".join(table.values())):
        for char, new in table.items():
            text = text.replace(char, new)
        return text
    codes = str.maketrans(dict(table))
    if len(others(text)) * _DENSE > len(text):
        return text.translate(codes)
    return _OTHERS.sub(lambda run: run[0].translate(codes), text)


def ascii_table(source: str, target: str) -> bytes:
    """A table for :func:`exchanged`."""
    return bytes.maketrans(source.encode("ascii"), target.encode("ascii"))


def exchanged(text: str, table: bytes) -> str:
    """``text`` with ASCII characters exchanged for others."""
    return text.encode("utf-8", "surrogatepass").translate(table).decode("utf-8", "surrogatepass")
