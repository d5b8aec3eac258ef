"""What a URL or a host name carries away: data where addresses should be."""

import base64
import binascii
import re
import unicodedata
from collections.abc import Iterator
from typing import Literal
from urllib.parse import unquote_plus

from remit.content._links import Parts

Weight = Literal["strong", "weak", "some", ""]
"""``strong``: readable data or a place for it; ``weak``: opaque; ``some``: any value at all."""

MIN_ENCODED = 12
MIN_OPAQUE = 24
MIN_TEXT = 6
MIN_LABEL = 20
MIN_LABELS = 36
MIN_SEGMENT = 40
MIN_GAPS = 3

_ORDER: dict[Weight, int] = {"strong": 3, "weak": 2, "some": 1, "": 0}
# Parameters of pictures and campaigns, whose values say how a thing is shown.
_SHOWN = frozenset({
    "w", "h", "width", "height", "v", "ver", "version", "fit", "format", "fm", "quality",
    "auto", "crop", "s", "size", "dpr", "style", "logo", "color", "label", "labelcolor",
    "logocolor", "branch", "raw", "ref", "lang", "hl", "dl", "theme", "type", "as", "display",
    "family", "subset", "page", "sort", "order", "limit", "offset", "utm_source", "utm_medium",
    "utm_campaign", "utm_content", "utm_term",
})  # fmt: skip
_PLACE = re.compile(
    r"\{[^{}]{1,80}\}|\[[A-Za-z_ ]{3,40}\]|\$\(?[A-Za-z_]\w{2,}|<[^<>]{1,80}>"
    r"|\b(?:YOUR|INSERT|REPLACE|USER|SECRET|API)_[A-Z_]{2,}\b|(?i:\b(?:data|secret|token)_?here\b)"
)
# Every match of _PLACE in ASCII holds one of these, or "here".
_PLACE_SIGNS = frozenset("{[$<_")
_UUID = re.compile(r"(?i)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_HASH = re.compile(r"(?i)(?:[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64})")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")
_BASE32 = re.compile(r"(?i)[a-z2-7]+")
_HEX = re.compile(r"(?i)(?:[0-9a-f]{2})+")
_TURN = re.compile(r"[a-z][A-Z0-9]|[A-Z][0-9]|[0-9][A-Za-z]")
_WORDY = re.compile(r"[A-Za-z]{2,}[+\s_,;:-]+")
_NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+")
_PLAIN_IPV4 = re.compile(r"(?:(?:0|[1-9][0-9]{0,2})\.){3}(?:0|[1-9][0-9]{0,2})")
_LATIN_LOOKS = frozenset("асԁеһіјкӏмопԛрѕтвугѵԝхуαβγεικνορτυχ")


def carried(url: Parts) -> tuple[str, Weight]:
    """Where ``url`` carries most (``query``, ``path``, ``fragment``, ``host``), and how much."""
    best: tuple[str, Weight] = ("", "")
    for place, weight in _each(url):
        if _ORDER[weight] > _ORDER[best[1]]:
            best = place, weight
    return best


def _each(url: Parts) -> Iterator[tuple[str, Weight]]:
    yield "host", in_host(url.host)
    for pair in url.query.replace(";", "&").split("&") if url.query else ():
        key, equals, value = pair.partition("=")
        yield "query", _value(value if equals else key, shown=key.lower() in _SHOWN)
    if url.fragment:
        yield "fragment", _segment(url.fragment)
    for segment in url.path.split("/"):
        if segment:
            yield "path", _segment(segment)


def _value(raw: str, *, shown: bool) -> Weight:
    value = unquote_plus(raw)
    if not value:
        return ""
    weight = _text(value)
    if weight or shown:
        return weight
    return "strong" if len(_WORDY.findall(value)) >= MIN_GAPS and " " in value else "some"


def _segment(raw: str) -> Weight:
    value = unquote_plus(raw.replace("+", "%2B")) if "%" in raw else raw
    weight = _text(value)
    if weight or len(raw) < MIN_SEGMENT:
        return weight
    return "strong" if value.count(" ") >= MIN_GAPS else ""


def _text(value: str) -> Weight:
    if _may_hold_place(value) and _PLACE.search(value) is not None:
        return "strong"
    if len(value) >= MIN_ENCODED and _decodes(value):
        return "strong"
    return "weak" if len(value) >= MIN_OPAQUE and opaque(value) else ""


def _may_hold_place(value: str) -> bool:
    if not value.isascii():
        return True
    return not _PLACE_SIGNS.isdisjoint(value) or "here" in value.lower()


def opaque(value: str) -> bool:
    """Whether ``value`` looks like encoded or random bytes; ids and plain hashes do not count."""
    if _UUID.fullmatch(value) or _HASH.fullmatch(value) or not _BASE64.fullmatch(value):
        return False
    if value.isdigit():
        return False
    if _HEX.fullmatch(value):
        return True
    return len(_TURN.findall(value)) * 5 >= len(value)


def _decodes(value: str) -> bool:
    """Whether ``value`` is readable text in base64, base32 or hex."""
    attempts: list[bytes] = []
    compact = value.rstrip("=")
    try:
        if _HEX.fullmatch(compact):
            attempts.append(bytes.fromhex(compact))
        if _BASE32.fullmatch(compact):
            attempts.append(base64.b32decode(compact.upper() + "=" * (-len(compact) % 8)))
        if _BASE64.fullmatch(compact):
            padded = compact + "=" * (-len(compact) % 4)
            attempts.append(base64.b64decode(padded, altchars=b"-_" if "-" in value else None))
    except (binascii.Error, ValueError):
        pass
    return any(_readable(data) for data in attempts)


def _readable(data: bytes) -> bool:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return False
    if len(text) < MIN_TEXT or not text.replace("\n", " ").replace("\t", " ").isprintable():
        return False
    return sum(c.isalnum() or c in " .,:;@=-_/\n" for c in text) * 10 >= len(text) * 9


def in_host(host: str) -> Weight:
    """What the labels of a host name carry below the two that are registered."""
    labels = host.split(".")[:-2]
    if not labels:
        return ""
    if any(len(label) >= MIN_ENCODED and _decodes(label) for label in labels):
        return "strong"
    if any(len(label) >= MIN_LABEL and opaque(label) for label in labels):
        return "weak"
    dense = [x for x in labels if len(x) > 5 and re.search(r"\d", x) and re.search(r"[a-z]", x)]
    joined = "".join(dense)
    if len(dense) > 1 and len(joined) >= MIN_ENCODED and _decodes(joined):
        return "strong"
    return "weak" if len(dense) > 1 and len(joined) >= MIN_LABELS and opaque(joined) else ""


def disguise(url: Parts) -> str:
    """How ``url`` hides its host: ``userinfo``, ``ip_literal``, ``idn``, ``odd``; else empty."""
    if url.user and re.search(r"[A-Za-z0-9-]\.[A-Za-z]{2,}", unquote_plus(url.user)):
        return "userinfo"
    labels = url.host.split(".")
    if _NUMBER.fullmatch(labels[-1]) and not _PLAIN_IPV4.fullmatch(url.host):
        return "ip_literal"
    if any(_look_alike(label) for label in labels):
        return "idn"
    return "odd" if url.odd else ""


def _look_alike(label: str) -> bool:
    """Whether a label is made to look Latin: mixed scripts, or letters that all look Latin."""
    if label.startswith("xn--"):
        try:
            label = label[4:].encode().decode("punycode")
        except (UnicodeError, ValueError):
            return True
    if label.isascii():
        return False
    letters = [c for c in label if c.isalpha() and not c.isascii()]
    scripts = {unicodedata.name(c, "").partition(" ")[0] for c in letters}
    foreign = scripts & {"CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE"}
    if not foreign:
        return False
    if any(c.isascii() and c.isalpha() for c in label) or "LATIN" in scripts:
        return True
    return all(c in _LATIN_LOOKS for c in letters)
