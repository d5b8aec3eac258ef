"""Links in a text: where they stand, what follows them by itself, and the parts of their URLs.

URLs are read as browsers do (WHATWG URL), because what must be known is where the request goes:
tabs and line breaks are dropped, back slashes are slashes, one slash or three are two.
"""

import re
import string
from collections.abc import Iterator
from typing import Literal
from urllib.parse import unquote_plus

import msgspec
import re2

from remit.content._links_plain import Passing
from remit.content._re2 import Search, searcher
from remit.content.base import View
from remit.core.text import normal

Use = Literal["loaded", "followed", "bare"]
"""Who follows a link: the program that shows it, a person, or nobody as far as the text says."""

MAX_URL = 4096
_BEFORE = 320
_LABEL = 1024
_CHEAP = 2
"""So many slashes that are no URL at first sight cost as much as a link."""
_PAUSE = 31
"""So many slashes are looked at one by one before it is tried again to pass over many."""
_NEAR = 16
"""What ``_MARKDOWN``, ``_CSS`` and the end of ``_REFERENCE`` match is no longer."""

_BYTES = re2.Options()
_BYTES.encoding = re2.Options.Encoding.LATIN1
_ANCHOR = re.compile(
    r"(?i)(?<![a-z0-9])(?:h[\t\r\n]?t[\t\r\n]?t[\t\r\n]?p[\t\r\n]?s?|wss?|ftp):[/\\]*|[/\\]{2,}"
)
# In ASCII, with `?` for what else may be one of its letters in another case.
_BEGINS = searcher(
    re2.compile(
        rb"(?i)(?:h[\t\r\n]?t[\t\r\n]?t[\t\r\n]?p[\t\r\n]?[s?]?|w[s?][s?]?|ftp):[/\\]*|[/\\]{2,}",
        _BYTES,
    )
)
_SLASHES = b"/\\"
# What may make a URL of slashes behind it, or ends a scheme, in ASCII: with what the `=` of all that
# `_ATTRIBUTE` matches has before it.
_LEADS = searcher(re2.compile(rb"[<;(@]|[sSpP?\]\t\r\n]:", _BYTES))
_LEADS_VALUE = searcher(
    re2.compile(
        rb"(?si)(?:[s?]rc|[s?]et|ref|[i?]on|ter|und|ata|[i?]ng|[i?]te|e[s?]c|e[s?]t|ent"
        rb"|..[\s\x0b\x1c-\x1f?])=",
        _BYTES,
    )
)
_TWO_SLASHES = (b"//", b"\\\\", b"/\\", b"\\/")
_LETTERS = frozenset(b"?" + (string.ascii_letters + string.digits).encode())
_SCHEME = re.compile(r"[A-Za-z\t\r\n]+:")
_RUN = re.compile(
    r"""(?>(?>[^\s"'<>`()\[\]\x00-\x20\x7f]+|\([^\s"'<>`()]{0,400}\)|\[[^\s"'<>`()\[\]]{0,400}\])*)"""
)
_TRAILING = ".,;:!?*_|"

_MARKDOWN = re.compile(r"\]\(\s{0,8}<?\Z")
_REFERENCE = re.compile(r"(?:\A|\n)[ >]{0,12}\[([^\]\n]{1,100})\]:[ \t]{0,8}<?\Z")
_ATTRIBUTE = re.compile(
    r"(?i)[\s\"'/<](src|srcset|href|xlink:href|action|formaction|poster|background|data|ping|cite"
    r"|longdesc|manifest|content|data-src|lowsrc|dynsrc)\s{0,8}=\s{0,8}([\"']?)([^\"'<>]{0,200})\Z"
)
# What `_ATTRIBUTE` matches, in ASCII, and more: RE2 makes states for all that it has to count.
_VALUE = searcher(
    re2.compile(
        rb"(?i)(?:[s?]rc|[s?]et|href|act[i?]on|po[s?]ter|bac[k?]ground|data|p[i?]ng|c[i?]te|de[s?]c"
        rb"|man[i?]fe[s?]t|content)[\s\x0b\x1c-\x1f?]*=[\s\x0b\x1c-\x1f?]*[\"']?[^\"'<>]*\z",
        _BYTES,
    )
)
_TAG = re.compile(r"<([A-Za-z][A-Za-z0-9:-]{0,20})[^<>]{0,300}\Z")
_CSS = re.compile(r"(?i)(?:url\(\s{0,8}[\"']?|@import\s{1,8}[\"'])\Z")
_PARTS = re.compile(r"([^/\\?#]*)([^?#]*)(?:\?([^#]*))?(?:#(.*))?\Z", re.DOTALL)
_TERMINAL = re.compile(r"(?:\x1b\]|\x9d)8;[^;\x07\x1b]{0,64};\Z")
_PERSON_TAGS = frozenset({"a", "area", "form", "button", "input", "q", "blockquote"})


class Link(msgspec.Struct, frozen=True):
    """One link.

    Attributes:
        form: ``markdown_image``, ``html_attribute``, ``bare`` …
        use: who follows it.
        start, end: of the URL within the text.
        url: as written, without what browsers drop.
    """

    form: str
    use: Use
    start: int
    end: int
    url: str


class Parts(msgspec.Struct, frozen=True):
    """A URL taken apart; ``host`` in lower case with ASCII dots, not decoded from punycode."""

    user: str
    host: str
    path: str
    query: str
    fragment: str
    odd: bool


def links(view: View, limit: int) -> Iterator[Link | None]:
    """Every link that may be new in ``view``, and ``None`` for what turned out to be none.

    At most ``limit`` of both. Links of which there is nothing to say are left out.
    """
    text, data = view.text, view.plain
    news = view.news
    passing, dull = Passing(data, is_ascii=text.isascii()), _Dull(data)
    at = floor = passed = 0
    for low, high in view.places(MAX_URL + _LABEL):
        at, floor = max(at, low), max(floor, low)
        after_link = False
        while limit > 0 and at < high:
            if after_link:
                at = floor = passing.over(at, high)
            start, end = _anchor(text, data, at, high)
            if start < 0:
                break
            slashes = data[start] in _SLASHES
            after_link = not slashes
            if slashes and not _may_lead(data, floor, start):
                behind = dull.past(at, start, high)
                if behind > at:
                    at = floor = behind
                    continue
                at = floor = end
                passed += 1
                if passed % _CHEAP == 0:
                    limit -= 1
                    yield None
                continue
            limit -= 1
            link = _link(text, data, (start, end), floor, slashes=slashes)
            if link is not None:
                end = max(link.end, end)
                if news is not None and not news.touch(link.start - _LABEL, link.end + 1):
                    link = None
            at = floor = end
            yield link


class _Dull:
    """Slashes of one view that nothing makes a URL of.

    What may make one is looked for once: a text may be full of slashes and have none of it. Where it
    stands between all of them it is looked for less and less often.
    """

    __slots__ = ("_data", "_lead", "_pause", "_rest", "_value")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._lead = self._value = -1
        self._pause = self._rest = 0

    def past(self, at: int, start: int, high: int) -> int:
        """The end of the last slashes before anything that may make a URL of them.

        ``at`` if that is before ``start``, where the first slashes behind ``at`` stand.
        """
        if self._rest:
            self._rest -= 1
            return at
        last = self._past(at, start, high)
        self._rest = self._pause = 0 if last > at else min(2 * self._pause + 1, _PAUSE)
        return last

    def _past(self, at: int, start: int, high: int) -> int:
        data = self._data
        if self._lead < at:
            self._lead = _next(_LEADS, data, at, 1, start)
        if self._lead < start:
            return at
        if self._value < at:
            self._value = _next(_LEADS_VALUE, data, at, 3, start)
        if self._value < start:
            return at
        # Slashes are neither: both places may lie far behind them, and are found once.
        if self._lead == start:
            self._lead = _next(_LEADS, data, start, 1, len(data))
        if self._value == start:
            self._value = _next(_LEADS_VALUE, data, start, 3, len(data))
        stop = min(self._lead, self._value, high)
        last = max([data.rfind(two, at, stop) for two in _TWO_SLASHES])
        return at if last < 0 else last + 2


def _next(search: Search, data: bytes, at: int, before: int, high: int) -> int:
    """Where the first match ends whose last byte is not before ``at``; else ``high``.

    ``before``: so many bytes before its last one decide, and may be before ``at``.
    """
    start = max(at - before, 0)
    while True:
        start, end = search(data, start, high)[0]
        if start < 0:
            return high
        if end > at:
            return end - 1
        start += 1


def _anchor(text: str, data: bytes, at: int, high: int) -> tuple[int, int]:
    """The first match of ``_ANCHOR`` from ``at`` on; -1 if there is none before ``high``."""
    while True:
        start, end = _BEGINS(data, at, high)[0]
        if start < 0 or data[start] in _SLASHES:
            return start, end
        if (not start or data[start - 1] not in _LETTERS) and data.find(b"?", start, end) < 0:
            return start, end
        match = _ANCHOR.match(text, start)
        if match is not None:
            return match.span()
        at = start + 1


def _may_lead(data: bytes, floor: int, start: int) -> bool:
    """Whether what is before ``start`` may make a URL of what has no scheme."""
    near = data[max(floor, start - _NEAR) : start]
    return (
        b"(" in near
        or b"@" in near
        or b"]:" in near
        or near.endswith((b"<", b";"))
        or _may_be_value(data[max(floor, start - _BEFORE) : start])
    )


def _may_be_value(before: bytes) -> bool:
    """Whether ``_ATTRIBUTE`` can match at all: most URLs behind a ``=`` are in no attribute."""
    return b"=" in before and _VALUE(before, 0, len(before))[0][0] >= 0


def _link(
    text: str, data: bytes, anchor: tuple[int, int], floor: int, *, slashes: bool
) -> Link | None:
    start, end = anchor
    form, use, quote = _form(text, data, max(floor, start - _BEFORE), start)
    if form == "bare" and (slashes or text[end - 1] not in "/\\" or "\u017f" in text[start:end]):
        return None
    begin = end
    closing = text.find(quote, end, end + MAX_URL) if quote else -1
    if closing >= 0:
        end = closing
    else:
        run = _RUN.match(text, end, end + MAX_URL)
        end = run.end() if run else end
        if text[end - 1] in _TRAILING:
            end -= len(text[start:end]) - len(text[start:end].rstrip(_TRAILING))
    if end <= begin:
        return None
    url = text[start:end]
    if not url.isprintable():
        url = re.sub(r"[\t\r\n]", "", url)
    return Link(form, use, start, end, url)


_BARE: tuple[str, Use, str] = ("bare", "bare", "")


def _form(text: str, data: bytes, low: int, start: int) -> tuple[str, Use, str]:
    """Form, use, and the quotation mark that ends the URL if there is one.

    What decides stands between ``low`` and ``start``.
    """
    near = text[max(low, start - _NEAR) : start]
    last = near[-1:]
    if "](" in near and last in "(< \t" and _MARKDOWN.search(near):
        label = text.rfind("[", max(0, start - _LABEL), start)
        image = label > 0 and text[label - 1] == "!"
        # An image may be the label of a link, so an image close before makes this one loaded too.
        return ("markdown_image", "loaded", "") if image else ("markdown_link", "followed", "")
    if "]:" in near and last in ": \t<" and _REFERENCE.search(text[low:start]):
        return ("markdown_reference", "loaded" if b"![" in data else "followed", "")
    if last == ";" and _TERMINAL.search(text[low:start]):
        return ("terminal_link", "followed", "")
    if ("(" in near or "@" in near) and _CSS.search(near):
        return ("css_url", "loaded", last if last in "\"'" else "")
    if _may_be_value(data[low:start]):
        before = text[low:start]
        attribute = _ATTRIBUTE.search(before)
        if attribute:
            tag = _TAG.search(before)
            person = tag is not None and tag[1].lower() in _PERSON_TAGS
            quote = "" if attribute[1].lower() == "srcset" else attribute[2]
            loaded = not person or attribute[1].lower() in {"ping", "background"}
            return ("html_attribute", "loaded" if loaded else "followed", quote)
    if last == "<":
        return ("autolink", "followed", "")
    return _BARE


def parts(url: str) -> Parts | None:
    """Take ``url`` apart; ``None`` if it has no host."""
    scheme = _SCHEME.match(url)
    rest = url[scheme.end() :] if scheme else url
    slashes = len(rest) - len(rest.lstrip("/\\"))
    odd = slashes != len("//") or "\\" in rest[: slashes + 1]
    rest = rest[slashes:]
    match = _PARTS.match(rest)
    if match is None or not match[1]:
        return None
    user, _, host = match[1].rpartition("@")
    host = host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]
    if "%" in host:
        odd = True
        host = unquote_plus(host)
    host = normal("NFKC", host).lower().replace("\u3002", ".").strip(".")
    if not host:
        return None
    return Parts(user, host, match[2], match[3] or "", match[4] or "", odd)
