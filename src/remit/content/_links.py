"""Links in a text: where they stand, what follows them by itself, and the parts of their URLs.

URLs are read as browsers do (WHATWG URL), because what must be known is where the request goes:
tabs and line breaks are dropped, back slashes are slashes, one slash or three are two.
"""

import re
from collections.abc import Iterator
from typing import Literal
from urllib.parse import unquote_plus

import msgspec

from remit.content._candidates import Candidates
from remit.content.base import View
from remit.core.text import normal

Use = Literal["loaded", "followed", "bare"]
"""Who follows a link: the program that shows it, a person, or nobody as far as the text says."""

MAX_URL = 4096
_BEFORE = 320
_LABEL = 1024
_NEAR = 16
"""What ``_MARKDOWN``, ``_CSS`` and the end of ``_REFERENCE`` match is no longer."""

_ANCHOR = re.compile(
    r"(?i)(?<![a-z0-9])(?:h[\t\r\n]?t[\t\r\n]?t[\t\r\n]?p[\t\r\n]?s?|wss?|ftp):[/\\]*|[/\\]{2,}"
)
_ANCHORS = Candidates(
    _ANCHOR, rb"(?i)h[\t\r\n]?t[\t\r\n]?t[\t\r\n]?p[\t\r\n]?[s?]?:|w[s?][s?]?:|ftp:|[/\\]{2}"
)
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
_MAX_GAP = 8
_MAX_SIGNS = 8
_NAME_ENDS = (
    "src", "set", "href", "action", "poster", "background", "data", "ping", "cite", "desc",
    "manifest", "content",
)  # fmt: skip
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


def links(view: View, limit: int) -> Iterator[Link]:
    """Every link that may be new in ``view``; at most ``limit`` are looked at."""
    text, data = view.text, view.plain
    images = "![" in text
    at, left = 0, limit
    for low, high in view.places(MAX_URL + _LABEL):
        at = max(at, low)
        while left > 0:
            match = _ANCHORS.search(text, data, at)
            if match is None:
                return
            if match.start() >= high:
                break
            left -= 1
            link = _link(text, match, at, images=images)
            at = match.end()
            if link is not None:
                at = max(link.end, at)
                if view.news is None or view.news.touch(link.start - _LABEL, link.end + 1):
                    yield link


def _link(text: str, anchor: re.Match[str], floor: int, *, images: bool) -> Link | None:
    start = anchor.start()
    before = text[max(floor, start - _BEFORE) : start]
    form, use, quote = _form(text, before, start, images=images)
    if form == "bare" and not (_SCHEME.match(anchor[0]) and anchor[0][-1] in "/\\"):
        return None
    end = anchor.end()
    closing = text.find(quote, end, end + MAX_URL) if quote else -1
    if closing >= 0:
        end = closing
    else:
        run = _RUN.match(text, end, end + MAX_URL)
        end = run.end() if run else end
        end -= len(text[start:end]) - len(text[start:end].rstrip(_TRAILING))
    if end <= anchor.end():
        return None
    url = text[start:end]
    if not url.isprintable():
        url = re.sub(r"[\t\r\n]", "", url)
    return Link(form, use, start, end, url)


def _form(text: str, before: str, start: int, *, images: bool) -> tuple[str, Use, str]:
    """Form, use, and the quotation mark that ends the URL if there is one."""
    last = before[-1:]
    near = before[-_NEAR:]
    if "](" in near and last in "(< \t" and _MARKDOWN.search(near):
        label = text.rfind("[", max(0, start - _LABEL), start)
        image = label > 0 and text[label - 1] == "!"
        # An image may be the label of a link, so an image close before makes this one loaded too.
        return ("markdown_image", "loaded", "") if image else ("markdown_link", "followed", "")
    if "]:" in near and last in ": \t<" and _REFERENCE.search(before):
        return ("markdown_reference", "loaded" if images else "followed", "")
    if last == ";" and _TERMINAL.search(before):
        return ("terminal_link", "followed", "")
    if ("(" in near or "@" in near) and _CSS.search(near):
        return ("css_url", "loaded", last if last in "\"'" else "")
    if "=" in before and _may_be_value(before):
        attribute = _ATTRIBUTE.search(before)
        if attribute:
            tag = _TAG.search(before)
            person = tag is not None and tag[1].lower() in _PERSON_TAGS
            quote = "" if attribute[1].lower() == "srcset" else attribute[2]
            loaded = not person or attribute[1].lower() in {"ping", "background"}
            return ("html_attribute", "loaded" if loaded else "followed", quote)
    if last == "<":
        return ("autolink", "followed", "")
    return ("bare", "bare", "")


def _may_be_value(before: str) -> bool:
    """Whether ``_ATTRIBUTE`` can match at all: most URLs behind a ``=`` are in no attribute."""
    # At most one quotation mark, and that right behind it, stands between the `=` and the end.
    low = max(*map(before.rfind, "\"'<>"), 0) - _MAX_GAP - 1
    at = before.rfind("=")
    for _ in range(_MAX_SIGNS):
        if at < 0 or at < low:
            return False
        name = before[max(at - 2 * _NEAR, 0) : at].rstrip()
        if not name.isascii() or name.lower().endswith(_NAME_ENDS):
            return True
        at = before.rfind("=", 0, at)
    return True


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
