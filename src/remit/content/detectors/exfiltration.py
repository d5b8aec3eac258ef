"""Ways out: links that carry data to a host nobody trusts.

A picture is fetched by the program that shows the text, so an address chosen by an injection sends
what the address holds without a click (CVE-2025-32711 and its kin). What is carried is looked for
in query, path, fragment and host name; the host must not be one of ``Surroundings.trusted_domains``
or this machine. Host names alone count too when their labels hold data, as in DNS tunnels.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Literal

import re2

from remit.content._cargo import Weight, carried, disguise, in_host
from remit.content._links import Link, Use, links, parts
from remit.content.base import ALL_CHANNELS, Channel, Finding, Severity, Surroundings, View, Views
from remit.content.hold import run

MAX_LINKS = 5000

_LOCAL = frozenset({"localhost", "127.0.0.1", "[::1]"})
_NAME = re2.compile(
    r"(?i)(?:[a-z0-9_-]{1,11}\.){0,2}[a-z0-9_-]{12,63}\.(?:[a-z0-9_-]{1,63}\.){1,8}[a-z]{2,24}"
)
_HINT = re.compile(r"[/\\]{2}|(?i:https?:)")

_SURE: dict[tuple[Use, Weight], tuple[Severity, int]] = {
    ("loaded", "strong"): ("high", 950),
    ("loaded", "weak"): ("high", 900),
    ("loaded", "some"): ("medium", 700),
    ("followed", "strong"): ("high", 850),
    ("followed", "weak"): ("medium", 600),
    ("followed", "some"): ("low", 300),
    ("bare", "strong"): ("medium", 700),
    ("bare", "weak"): ("low", 300),
}


class Exfiltration:
    """Detector ``exfiltration``; the label says what form the link has."""

    name = "exfiltration"
    version = "exfiltration/1"
    tier: Literal["pattern", "model", "judge"] = "pattern"
    channels: frozenset[Channel] = ALL_CHANNELS

    def find(self, text: Views, around: Surroundings) -> Iterable[Finding]:
        """Every link and host name that carries data, in every view."""
        trusted = frozenset(d.lower().lstrip("*.").rstrip(".") for d in around.trusted_domains)
        budget = MAX_LINKS
        for view in text.views:
            if _HINT.search(view.text) is not None:
                for link in links(view.text, budget):
                    budget -= 1
                    yield from self._link(view, link, trusted, around.channel)
            if "." in view.text:
                yield from self._names(view, trusted)
        if budget <= 0:
            yield self._finding(
                "uninspected", "incomplete", ("high", 1000), (0, len(text.original)), "links"
            )

    def hold(self, text: str, around: Surroundings) -> int:
        """The last run: what stands before a URL stays when the URL is taken out."""
        del around
        return run(text)

    def _link(
        self, view: View, link: Link, trusted: frozenset[str], channel: Channel
    ) -> Iterator[Finding]:
        url = parts(link.url)
        if url is None or url.host in _LOCAL or _covers(trusted, url.host):
            return
        span = view.origin(link.start, link.end)
        hidden = disguise(url)
        if hidden and not (hidden == "odd" and link.use == "bare"):
            sure: tuple[Severity, int] = ("medium", 600) if hidden == "odd" else ("high", 850)
            yield self._finding("exfiltration", "url_disguise", sure, span, hidden)
        place, weight = carried(url)
        use = link.use
        if use == "bare":
            # Text about an API is full of addresses with places to fill in; a call is not.
            if channel == "tool_args":
                use = "followed" if weight != "some" else "bare"
            elif "{" in link.url or "<" in link.url or "$" in link.url:
                return
        sure_of = _SURE.get((use, weight))
        if sure_of is not None:
            yield self._finding("exfiltration", link.form, sure_of, span, f"{link.form}:{place}")

    def _names(self, view: View, trusted: frozenset[str]) -> Iterator[Finding]:
        for match in _NAME.finditer(view.text):
            host = match.group().lower()
            weight = in_host(host)
            if weight and not _covers(trusted, host):
                sure: tuple[Severity, int] = (
                    ("high", 850) if weight == "strong" else ("medium", 600)
                )
                span = view.origin(match.start(), match.end())
                yield self._finding("exfiltration", "dns_name", sure, span, f"dns_name:{weight}")

    def _finding(
        self, kind: str, label: str, sure: tuple[Severity, int], span: tuple[int, int], rule: str
    ) -> Finding:
        return Finding(
            kind=kind,
            label=label,
            severity=sure[0],
            score_milli=sure[1],
            start=span[0],
            end=span[1],
            rule=rule,
            version=self.version,
        )


def _covers(trusted: frozenset[str], host: str) -> bool:
    labels = host.split(".")
    return any(".".join(labels[at:]) in trusted for at in range(len(labels)))


DETECTOR = Exfiltration()
