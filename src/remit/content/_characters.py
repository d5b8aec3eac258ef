"""What there is to do with all characters of a text, done at the speed of its bytes."""

import re
from collections.abc import Mapping

from remit.content.base import View

_OTHERS = re.compile("[^\x00-\x7f]+")
_FEW = 24
_DENSE = 16


def replaced(view: View, table: Mapping[str, str]) -> str:
    """The text with characters outside ASCII replaced; ``table`` holds no others."""
    text = view.text
    if len(table) <= _FEW and table.keys().isdisjoint("".join(table.values())):
        for char, new in table.items():
            text = text.replace(char, new)
        return text
    codes = str.maketrans(dict(table))
    if len(view.others) * _DENSE > len(text):
        return text.translate(codes)
    return _OTHERS.sub(lambda run: run[0].translate(codes), text)


def ascii_table(source: str, target: str) -> bytes:
    """A table for :func:`exchanged`."""
    return bytes.maketrans(source.encode("ascii"), target.encode("ascii"))


def exchanged(text: str, table: bytes) -> str:
    """``text`` with ASCII characters exchanged for others."""
    return text.encode("utf-8", "surrogatepass").translate(table).decode("utf-8", "surrogatepass")
