"""Text that came from a tool, an agent or an artifact: compare it and show it safely."""

import unicodedata


def fold_name(name: str) -> str:
    """The form in which two names that look or match alike are equal.

    NFKC, format characters (category ``Cf``: zero-width, bidi, tags) removed, case folded,
    surrounding white space removed.
    """
    if name.isascii():
        return name.strip().casefold()
    text = unicodedata.normalize("NFKC", name)
    text = "".join(c for c in text if unicodedata.category(c) != "Cf")
    return unicodedata.normalize("NFKC", text.casefold()).strip()


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
