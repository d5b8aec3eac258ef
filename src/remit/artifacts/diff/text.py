"""Differences of texts: lines, changed words in them, and characters that nobody sees.

Everything a line shows went through :func:`visible`, so neither a terminal nor a reader can be
deceived by it (Unicode TR36, "Bidirectional Text Spoofing"; CVE-2021-42574 is that in code).
"""

import codecs
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence

from remit.artifacts.diff.base import Line, NotLookedIntoError, Severity, Span
from remit.artifacts.diff.sequence import Operation, edits
from remit.artifacts.diff.tree import Entry

MAX_TEXT_BYTES = 8 * 1024 * 1024
MAX_LINES = 200_000
MAX_SHOWN_LINES = 400
"""Lines of one difference; what is left out is told."""
MAX_SHOWN_CHARACTERS = 600
"""Of one line; what is cut is told, and what changed is shown first."""
_CONTEXT = 3
_AROUND = 60
_WORD_EDITS = 120
_MAX_WORDS = 2000
_WORD = re.compile(r"\w+|\s+|[^\w\s]")

_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_BLANK = frozenset("\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
_SEEN_AS_NOTHING = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"})
_VARIATION_SELECTORS = (range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))
_LAST_ASCII = "\x7f"
TIMES = "\N{MULTIPLICATION SIGN}"


def invisible(character: str) -> bool:
    """Whether a reader does not see the character, or sees an ordinary space in its place."""
    if " " <= character < _LAST_ASCII or character in "\t\n":
        return False
    code = ord(character)
    return (
        character in _BLANK
        or any(code in each for each in _VARIATION_SELECTORS)
        or unicodedata.category(character) in _SEEN_AS_NOTHING
    )


def visible(text: str) -> str:
    r"""``text`` with everything that is :func:`invisible` as ``\u{XX}``; tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(f"\\u{{{ord(c):x}}}" if c == "\n" or invisible(c) else c for c in text)


def shown(text: str, limit: int = 200) -> str:
    """A name or value in a sentence: visible, on one line, and cut where it is too long."""
    cut = text[: limit + 1]
    out = visible(cut[:limit]).replace("\t", "\\t")
    return f"{out}… ({len(text) - limit} more characters)" if len(cut) > limit else out


def decode(data: bytes) -> str | None:
    """The text in ``data``: UTF-8, or UTF-16 with a mark; ``None`` if it is none."""
    try:
        if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return data.decode("utf-16")
        return None if b"\0" in data else data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def looks_like_text(head: bytes) -> bool:
    """Whether a file that starts so may be a text."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return True
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return b"\0" not in head


def read_bytes(entry: Entry, limit: int) -> bytes:
    """All of a file.

    Raises:
        NotLookedIntoError: it is larger than ``limit`` bytes.
    """
    if entry.size > limit:
        raise NotLookedIntoError(f"it has {entry.size} bytes, more than the {limit} that are read")
    with entry.open() as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise NotLookedIntoError(f"it is larger than the {limit} bytes that are read")
    return data


def read_text(entry: Entry) -> str:
    """All of a text file.

    Raises:
        NotLookedIntoError: it is too large or no text.
    """
    text = decode(read_bytes(entry, MAX_TEXT_BYTES))
    if text is None:
        raise NotLookedIntoError("it is no text in UTF-8 or UTF-16")
    return text


def difference(before: str, after: str, *, limit: int = MAX_SHOWN_LINES) -> tuple[Line, ...]:
    """Lines that differ, with a few around them and the changed words marked.

    Raises:
        NotLookedIntoError: too many lines.
    """
    a, b = _both(before, after)
    if len(a) > MAX_LINES or len(b) > MAX_LINES:
        raise NotLookedIntoError(f"it has more than {MAX_LINES} lines")
    found: list[Line] = []
    for line in _rendered(a, b, list(edits(a, b))):
        if len(found) >= limit:
            found.append(Line(kind="gap", spans=(Span(f"cut after {limit} lines"),)))
            break
        found.append(line)
    return tuple(found)


def counts(before: str, after: str) -> tuple[int, int]:
    """How many lines were removed and added."""
    removed = added = 0
    for what, i, j, k, m in edits(*_both(before, after)):
        if what == "replace":
            removed += j - i
            added += m - k
    return removed, added


def hidden(before: str, after: str) -> tuple[Severity, dict[str, int]] | None:
    """Invisible characters of which ``after`` has more than ``before``, by their code point.

    Byte order marks at the start, carriage returns, and ordinary joiners inside emoji are counted
    too: whether they are harmless is for the reader to say, so they are only less severe.
    """
    if after.isascii() and _LAST_ASCII not in after:
        more = Counter(c for c in after if c < " " and c not in "\t\n\r")
        had = Counter(c for c in before if c < " " and c not in "\t\n\r")
    else:
        more = Counter(c for c in after if c != "\r" and invisible(c))
        had = Counter(c for c in before if c != "\r" and invisible(c))
    more -= had
    if not more:
        return None
    grave = any(c in _BIDI or "\U000e0000" <= c <= "\U000e01ef" for c in more)
    found = {f"U+{ord(c):04X}": n for c, n in sorted(more.items())[:50]}
    return ("high" if grave else "medium"), found


def names_of(found: dict[str, int]) -> str:
    """Code points with their names, for a sentence."""
    parts = []
    for code, count in list(found.items())[:5]:
        name = unicodedata.name(chr(int(code.removeprefix("U+"), 16)), "")
        parts.append(f"{code}{' ' + name.lower() if name else ''} {TIMES}{count}")
    return ", ".join(parts) + (", …" if len(found) > len(parts) else "")


def _both(before: str, after: str) -> tuple[list[str], list[str]]:
    """Lines of both sides. A missing end of the last line counts where one side has it only."""
    if before and after and not before.endswith("\n") and not after.endswith("\n"):
        before, after = f"{before}\n", f"{after}\n"
    return _lines(before), _lines(after)


def _lines(text: str) -> list[str]:
    """Lines as an editor shows them; the last one is told apart if nothing ends it."""
    parts = text.split("\n")
    if parts[-1] == "":
        parts.pop()
    elif parts:
        parts[-1] += "\x00"  # texts hold no NUL, so nothing else looks like a missing end
    return parts


def _rendered(a: Sequence[str], b: Sequence[str], found: Sequence[Operation]) -> Iterator[Line]:
    for at, (what, i, j, k, m) in enumerate(found):
        if what == "replace":
            yield from _replaced(a[i:j], b[k:m], i, k)
            continue
        first, last = at == 0, at == len(found) - 1
        head = 0 if first else _CONTEXT
        tail = 0 if last else _CONTEXT
        if j - i <= head + tail + 1:
            yield from (_context(a[i + n], i + n, k + n) for n in range(j - i))
            continue
        yield from (_context(a[i + n], i + n, k + n) for n in range(head))
        if not last:
            skipped = j - i - head - tail
            yield Line(kind="gap", spans=(Span(f"{skipped} equal lines"),))
        yield from (_context(a[i + n], i + n, k + n) for n in range(j - i - tail, j - i))


def _context(line: str, at_a: int, at_b: int) -> Line:
    return Line(kind="context", a=at_a + 1, b=at_b + 1, spans=(Span(_cut(_end(line))),))


def _replaced(a: Sequence[str], b: Sequence[str], at_a: int, at_b: int) -> Iterator[Line]:
    """Removed lines, then added ones; as many as stand for each other are compared word by word."""
    pairs = [words(x, y) for x, y in zip(a, b, strict=False)] if len(a) == len(b) else []
    for n, line in enumerate(a):
        spans = pairs[n][0] if pairs else (Span(_cut(_end(line)), changed=True),)
        yield Line(kind="removed", a=at_a + n + 1, spans=spans)
    for n, line in enumerate(b):
        spans = pairs[n][1] if pairs else (Span(_cut(_end(line)), changed=True),)
        yield Line(kind="added", b=at_b + n + 1, spans=spans)


def words(before: str, after: str) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    """Both lines in parts, those marked that the other has not."""
    before, after = _end(before), _end(after)
    a, b = _tokens(before), _tokens(after)
    left: list[Span] = []
    right: list[Span] = []
    for what, i, j, k, m in edits(a, b, max_edits=_WORD_EDITS, max_steps=100_000):
        for spans, part in ((left, "".join(a[i:j])), (right, "".join(b[k:m]))):
            if part:
                spans.append(Span(part, what == "replace"))
    return _fitted(left), _fitted(right)


def _tokens(line: str) -> list[str]:
    found = _WORD.findall(line)
    # Words of a line without end would take for ever; its characters are told apart in blocks.
    return (
        found if len(found) <= _MAX_WORDS else [line[i : i + 80] for i in range(0, len(line), 80)]
    )


def _fitted(spans: Sequence[Span]) -> tuple[Span, ...]:
    """Long lines lose what is equal, and only then what changed."""
    if sum(len(span.text) for span in spans) <= MAX_SHOWN_CHARACTERS:
        return tuple(Span(visible(span.text), span.changed) for span in spans)
    out: list[Span] = []
    room = MAX_SHOWN_CHARACTERS
    for span in spans:
        if span.changed:
            text = _cut(span.text, max(room, _AROUND))
        elif len(span.text) > 3 * _AROUND:
            cut = len(span.text) - 2 * _AROUND
            start, end = visible(span.text[:_AROUND]), visible(span.text[-_AROUND:])
            text = f"{start}… ({cut} more characters) …{end}"
        else:
            text = visible(span.text)
        if room <= 0:
            out.append(Span("… (more was cut)"))
            break
        out.append(Span(text, span.changed))
        room -= len(text)
    return tuple(out)


def _cut(text: str, limit: int = MAX_SHOWN_CHARACTERS) -> str:
    if len(text) <= limit:
        return visible(text)
    return f"{visible(text[:limit])}… ({len(text) - limit} more characters)"


def _end(line: str) -> str:
    return line[:-1] + " ⏎ no newline at the end" if line.endswith("\x00") else line
