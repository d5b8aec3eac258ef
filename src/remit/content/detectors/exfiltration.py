"""Ways out: links that carry data to a host nobody trusts.

A picture is fetched by the program that shows the text, so an address chosen by an injection sends
what the address holds without a click (CVE-2025-32711 and its kin). What is carried is looked for
in query, path, fragment and host name; the host must not be one of ``Surroundings.trusted_domains``
or this machine. Host names alone count too when their labels hold data, as in DNS tunnels.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import re2

from remit.content._cargo import Weight, carried, disguise, in_host
from remit.content._links import Link, Use, links, parts
from remit.content._re2 import searcher
from remit.content.base import Channel, Finding, PatternDetector, Sure, Surroundings, View, Views
from remit.content.hold import run

MAX_LINKS = 4000
LINK_EVERY = 64

_LOCAL = frozenset({"localhost", "127.0.0.1", "[::1]"})
_NAME = r"(?i)(?:[a-z0-9_-]{1,11}\.){0,2}[a-z0-9_-]{12,63}\.(?:[a-z0-9_-]{1,63}\.){1,8}[a-z]{2,24}"
_LONGEST_NAME = 640
_ANY_NAME = re2.compile(_NAME)
_BYTES = re2.Options()
_BYTES.encoding = re2.Options.Encoding.LATIN1
_ASCII_NAME = searcher(re2.compile(_NAME.encode(), _BYTES))
# A host of words, short plain segments: nothing is carried or disguised.
_PLAIN = re.compile(
    r"https?://(?:[a-z]{2,11}\.){1,3}[a-z]{2,11}(?::[0-9]{1,5})?(?:/[A-Za-z0-9.-]{0,11})*"
)
# Letters outside ASCII that are one of its letters in another case.
_CASED = ("\u017f", "\u212a")

_SURE: dict[tuple[Use, Weight], Sure] = {
    ("loaded", "strong"): ("high", 950),
    ("loaded", "weak"): ("high", 900),
    ("loaded", "some"): ("medium", 700),
    ("followed", "strong"): ("high", 850),
    ("followed", "weak"): ("medium", 600),
    ("followed", "some"): ("low", 300),
    ("bare", "strong"): ("medium", 700),
    ("bare", "weak"): ("low", 300),
}


class _Url(NamedTuple):
    """What there is to say of a URL wherever it stands."""

    hidden: str
    place: str
    weight: Weight

    @property
    def dull(self) -> bool:
        """Whether it is none of interest where nobody follows it."""
        return self.weight in {"some", ""} and self.hidden in {"odd", ""}


class Exfiltration(PatternDetector):
    """Detector ``exfiltration``; the label says what form the link has."""

    name = "exfiltration"
    version = "exfiltration/1"
    kind = "exfiltration"

    def find(self, text: Views, around: Surroundings) -> Iterable[Finding]:
        """Every link and host name that carries data, in every view."""
        trusted = frozenset(d.lower().lstrip("*.").rstrip(".") for d in around.trusted_domains)
        budget = MAX_LINKS + sum(len(v.text) for v in text.views) // LINK_EVERY
        urls: dict[str, _Url | None] = {}
        weights: dict[str, Weight] = {}
        calls = around.channel == "tool_args"
        for view in text.views:
            if _may_hold_links(view):
                for link in links(view, budget):
                    budget -= 1
                    if link is None:
                        continue
                    if link.url not in urls:
                        urls[link.url] = _look(link.url, trusted)
                    url = urls[link.url]
                    if url is None or (link.use == "bare" and url.dull and not calls):
                        continue
                    yield from self._link(view, link, url, around.channel)
            if "." in view.text:
                yield from self._names(view, trusted, weights)
        if budget <= 0:
            yield self.finding(
                "incomplete", ("high", 1000), (0, len(text.original)), "links", kind="uninspected"
            )

    def hold(self, text: str, around: Surroundings) -> int:
        """The last run: what stands before a URL stays when the URL is taken out."""
        del around
        return run(text)

    def _link(self, view: View, link: Link, url: _Url, channel: Channel) -> Iterator[Finding]:
        hidden, place, weight = url
        if hidden and not (hidden == "odd" and link.use == "bare"):
            span = view.origin(link.start, link.end)
            sure: Sure = ("medium", 600) if hidden == "odd" else ("high", 850)
            yield self.finding("url_disguise", sure, span, hidden)
        use = link.use
        if use == "bare":
            # Text about an API is full of addresses with places to fill in; a call is not.
            if channel == "tool_args":
                use = "followed" if weight != "some" else "bare"
            elif "{" in link.url or "<" in link.url or "$" in link.url:
                return
        sure_of = _SURE.get((use, weight))
        if sure_of is not None:
            span = view.origin(link.start, link.end)
            yield self.finding(link.form, sure_of, span, f"{link.form}:{place}")

    def _names(
        self, view: View, trusted: frozenset[str], weights: dict[str, Weight]
    ) -> Iterator[Finding]:
        for start, end in _host_names(view):
            if view.news is not None and not view.news.touch(start, end):
                continue  # what the edge of a place makes of a longer one
            host = view.text[start:end].lower()
            weight = weights.get(host)
            if weight is None:
                weight = weights[host] = in_host(host)
            if weight and not _covers(trusted, host):
                sure: Sure = ("high", 850) if weight == "strong" else ("medium", 600)
                span = view.origin(start, end)
                yield self.finding("dns_name", sure, span, f"dns_name:{weight}")


def _may_hold_links(view: View) -> bool:
    return any(sign in view.plain for sign in (b"/", b"\\", b":"))


def _look(link: str, trusted: frozenset[str]) -> _Url | None:
    """What hides in a URL and what it carries; ``None`` if it may carry what it likes."""
    if _PLAIN.fullmatch(link) and "here" not in link.lower():
        return None
    url = parts(link)
    if url is None or url.host in _LOCAL or _covers(trusted, url.host):
        return None
    return _Url(disguise(url), *carried(url))


def _host_names(view: View) -> Iterator[tuple[int, int]]:
    """Spans of host names with a long label."""
    text = view.text
    if not text.isascii() and any(c in text for c in _CASED):
        whole = view.utf8.decode()  # which has no half of a pair
        for low, high in view.places(_LONGEST_NAME):
            yield from (m.span() for m in _ANY_NAME.finditer(whole, low, high))
        return
    data = view.plain
    for low, high in view.places(_LONGEST_NAME):
        end = low
        while True:
            start, end = _ASCII_NAME(data, end, high)[0]
            if start < 0:
                break
            yield start, end


def _covers(trusted: frozenset[str], host: str) -> bool:
    labels = host.split(".")
    return any(".".join(labels[at:]) in trusted for at in range(len(labels)))


DETECTOR = Exfiltration()
