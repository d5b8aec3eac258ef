"""Text that came from a tool, an agent or an artifact: compare it and show it safely."""

import functools
import re
import unicodedata
from itertools import groupby
from typing import Literal

_LAST_MARK = 0x1FFFF
_MANY = 32
_MAYBE_MARKS = re.compile(f"[^\x00-\u02ff]{{{_MANY}}}")


def normal(form: Literal["NFC", "NFKC"], text: str) -> str:
    """``unicodedata.normalize`` in time that grows with the text and no faster.

    That sorts marks on one letter by moving each to its place, which takes minutes for a megabyte
    of them. Long runs are sorted before; the result is the same.
    """
    if text.isascii():
        return text
    if _MAYBE_MARKS.search(text) is not None:
        text = _marks().sub(lambda run: _in_order(form, run[0]), text)
    return unicodedata.normalize(form, text)


def _in_order(form: Literal["NFC", "NFKC"], run: str) -> str:
    apart: Literal["NFD", "NFKD"] = "NFD" if form == "NFC" else "NFKD"
    single = "".join([unicodedata.normalize(apart, c) for c in run])
    return "".join(
        "".join(sorted(group, key=unicodedata.combining)) if mark else "".join(group)
        for mark, group in groupby(single, key=lambda c: unicodedata.combining(c) != 0)
    )


@functools.cache
def _marks() -> re.Pattern[str]:
    """Many characters in a row that are marks, or become some."""
    marks = [
        c
        for c in map(chr, (*range(0x300, 0xD800), *range(0xE000, _LAST_MARK)))
        if unicodedata.combining(unicodedata.normalize("NFKD", c)[0])
    ]
    return re.compile(f"[{re.escape(''.join(marks))}]{{{_MANY},}}")


def fold_name(name: str) -> str:
    """The form in which two names that look or match alike are equal.

    NFKC, format characters (category ``Cf``: zero-width, bidi, tags) removed, case folded,
    surrounding white space removed.
    """
    if name.isascii():
        return name.strip().casefold()
    text = normal("NFKC", name)
    text = "".join(c for c in text if unicodedata.category(c) != "Cf")
    return normal("NFKC", text.casefold()).strip()


def printable(text: str, limit: int = 2000) -> str:
    r"""``text`` with control, bidi, format and surrogate characters made visible as ``\u{XX}``.

    New line and tab stay. Longer text is cut and says so.
    """
    if len(text) <= limit and text.isascii() and text.isprintable():
        return text
    cut = text[:limit]
    out = []
    for c in cut:
        if c in "\n\t" or (" " <= c <= "~"):
            out.append(c)
        elif unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}:
            out.append(f"\\u{{{ord(c):x}}}")
        else:
            out.append(c)
    if len(text) > limit:
        out.append(f"… ({len(text) - limit} more characters)")
    return "".join(out)
