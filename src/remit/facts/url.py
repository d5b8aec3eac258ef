"""The URL fact: which hosts an argument leads to, and of what class their addresses are.

RFC 3986 and the WHATWG URL standard read many strings differently, and a tool may follow either.
So only URLs that both read alike are understood: ``scheme://host…`` in printable characters. What
one reader repairs (back slashes, missing slashes, spaces, tabs), decodes (``%`` in a host) or
normalises (``..`` in a path) is refused.

Host names are not looked up: a name that resolves to a private address is not seen here, and may
change after the decision (DNS rebinding). Only the tool's own network policy can close that.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from remit.core.text import normal
from remit.facts.base import Environment, FactError, NoOptions, Raw, shape, texts

MAX_URL = 8192
MAX_HOST = 253

DEFAULT_PORTS: Mapping[str, int] = {
    "ftp": 21, "git": 9418, "http": 80, "https": 443, "ssh": 22, "ws": 80, "wss": 443,
}  # fmt: skip

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,31})://([^/?#]*)([^?#]*)(\?[^#]*)?(#.*)?", re.DOTALL)
_USER = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:%-]*")
_PORT = re.compile(r"[0-9]{1,5}")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+")
_IPV4_NUMBER = re.compile(r"(0x[0-9a-f]{1,8})|(0[0-7]{0,11})|([1-9][0-9]{0,9})")
_DEVIATIONS = frozenset("\u00df\u03c2\u200c\u200d")
_LETTERS = frozenset({"Ll", "Lo", "Lm", "Mn", "Mc", "Nd"})

_PRIVATE = (
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "fc00::/7",
    "fec0::/10",
)
_METADATA = frozenset({
    "169.254.169.254", "169.254.170.2", "169.254.170.23", "169.254.169.253", "100.100.100.200",
    "192.0.0.192", "168.63.129.16", "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254",
})  # fmt: skip
_METADATA_NAMES = frozenset(
    {"metadata.google.internal", "metadata.goog", "metadata", "instance-data"}
)


class Url:
    """Extractor ``url``."""

    name = "url"
    options = NoOptions
    shape = shape(
        hosts="Set<String>",
        schemes="Set<String>",
        ports="Set<String>",
        paths="Set<String>",
        ip_classes="Set<String>",
        has_ip="Bool",
        userinfo="Bool",
        query="Bool",
    )
    worst: Mapping[str, Raw] = {
        "hosts": ("unknown",),
        "schemes": ("unknown",),
        "ports": ("unknown",),
        "paths": ("unknown",),
        "ip_classes": ("unknown",),
        "has_ip": True,
        "userinfo": True,
        "query": True,
    }

    def extract(
        self, values: Sequence[Any], options: NoOptions, env: Environment
    ) -> Mapping[str, Raw]:
        """Split every URL; see the module."""
        del options, env
        hosts: set[str] = set()
        schemes: set[str] = set()
        ports: set[str] = set()
        paths: set[str] = set()
        classes: set[str] = set()
        has_ip = userinfo = query = False
        for text in texts(values, limit=MAX_URL):
            scheme, authority, path, search = _split(text)
            schemes.add(scheme)
            paths.add(path or "/")
            query |= search
            if "@" in authority:
                userinfo = True
                user, _, authority = authority.rpartition("@")
                if not _USER.fullmatch(user):
                    raise _ambiguous("its user part")
            host, port = _authority(authority, scheme)
            if port:
                ports.add(port)
            host, found = _host(host)
            hosts.add(host)
            classes |= (found - {"name"}) or {"none"}
            has_ip |= bool(found) and "name" not in found
        return {
            "hosts": hosts,
            "schemes": schemes,
            "ports": ports,
            "paths": paths,
            "ip_classes": classes,
            "has_ip": has_ip,
            "userinfo": userinfo,
            "query": query,
        }


def _ambiguous(part: str, **seen: Raw) -> FactError:
    return FactError(f"the URL can be read in two ways: {part}", code="facts.url", seen=seen)


def _split(text: str) -> tuple[str, str, str, bool]:
    """Scheme, authority, path, whether there is a query."""
    if "\\" in text or any(unicodedata.category(c) in _UNSEEN for c in text):
        raise _ambiguous("back slashes, spaces or control characters")
    match = _URL.fullmatch(text)
    if match is None:
        raise FactError("the text is not a URL with a host", code="facts.url")
    from urllib.parse import unquote

    path = match[3]
    decoded = path
    for _ in range(3):
        if any(part in {".", ".."} for part in re.split(r"[/\\]", decoded)):
            raise _ambiguous("dots in its path")
        decoded = unquote(decoded, errors="replace")
    return match[1].lower(), match[2], path, match[4] is not None


_UNSEEN = frozenset({"Cc", "Cf", "Cn", "Co", "Zs", "Zl", "Zp"})


def _authority(authority: str, scheme: str) -> tuple[str, str]:
    """Host as written and port as text; the scheme's port if none is written."""
    if authority.startswith("["):
        host, bracket, rest = authority.partition("]")
        host += bracket
    else:
        host, colon, port = authority.partition(":")
        rest = colon + port
    if not host or (rest and not rest.startswith(":")):
        raise FactError("the URL has no host", code="facts.url")
    written = rest[1:]
    if not written:
        return host, str(DEFAULT_PORTS.get(scheme, ""))
    if not _PORT.fullmatch(written) or not 0 < int(written) < 1 << 16:
        raise FactError("the URL has a bad port", code="facts.url")
    return host, str(int(written))


def _host(host: str) -> tuple[str, set[str]]:
    """Canonical host and the classes of its address.

    A name has no class, except those that always mean this machine or a metadata service
    (``name`` beside the class says that it is not an address).
    """
    import ipaddress

    if host.startswith("["):
        try:
            address = ipaddress.IPv6Address(host[1:-1] if host.endswith("]") else "")
        except ValueError:
            raise FactError("the URL has a bad IPv6 address", code="facts.url") from None
        if address.scope_id is not None:
            raise _ambiguous("the zone of its address")
        return f"[{address.compressed}]", _classes(address)
    labels = [_label(label) for label in host.removesuffix(".").split(".")]
    name = ".".join(labels)
    if len(name) > MAX_HOST:
        raise FactError("the host of the URL is too long", code="facts.url")
    if _NUMBER.fullmatch(labels[-1]):
        return _ipv4(labels)
    if name in _METADATA_NAMES:
        return name, {"metadata", "name"}
    if labels[-1] == "localhost":
        return name, {"loopback", "name"}
    return name, set()


def _label(label: str) -> str:
    """One label in lower case, in its ASCII form (IDNA, RFC 5891)."""
    lower = label.lower()
    if lower.isascii():
        if not label.isascii():
            raise _ambiguous("its host")  # the Kelvin sign
        if not _LABEL.fullmatch(lower) or (lower[2:4] == "--" and not lower.startswith("xn--")):
            raise _ambiguous("its host")
        if lower.startswith("xn--"):
            try:
                text = lower[4:].encode().decode("punycode")
            except UnicodeError:
                raise _ambiguous("its host") from None
            if text.isascii() or _label(text) != lower:
                raise _ambiguous("its host")
        return lower
    # IDNA 2003, IDNA 2008 and UTS 46 map some letters differently; those are refused.
    if (
        label.casefold() != lower
        or normal("NFKC", lower) != lower
        or _DEVIATIONS.intersection(lower)
        or not all(c == "-" or c.isascii() or unicodedata.category(c) in _LETTERS for c in lower)
        or unicodedata.category(lower[0]) in {"Mn", "Mc"}
    ):
        raise _ambiguous("its host")
    ascii_form = "xn--" + lower.encode("punycode").decode()
    if not _LABEL.fullmatch(ascii_form):
        raise _ambiguous("its host")
    return ascii_form


def _ipv4(labels: Sequence[str]) -> tuple[str, set[str]]:
    """An IPv4 address in any spelling of ``inet_aton`` (``127.1``, ``0x7f.0.0.1``, ``2130706433``).

    A leading zero means octal to some and nothing to others, so it is refused with both classes.
    """
    import ipaddress

    numbers: list[int] = []
    octal = False
    for label in labels:
        match = _IPV4_NUMBER.fullmatch(label)
        if match is None:
            raise FactError("the URL has a bad IPv4 address", code="facts.url")
        octal |= bool(match[2]) and len(label) > 1
        base = 16 if match[1] else 8 if match[2] else 10
        numbers.append(int(label, base))
    last = numbers.pop()
    if len(numbers) > 3 or any(n > 255 for n in numbers) or last >= 256 ** (4 - len(numbers)):  # noqa: PLR2004 - bytes
        raise FactError("the URL has a bad IPv4 address", code="facts.url")
    for at, number in enumerate(numbers):
        last += number << (8 * (3 - at))
    address = ipaddress.IPv4Address(last)
    classes = _classes(address)
    if octal:
        raise _ambiguous("a leading zero in its address", ip_classes=classes, hosts=(str(address),))
    return str(address), classes


def _classes(address: Any) -> set[str]:
    import ipaddress

    found = {_class(address)}
    if str(address) in _METADATA:
        found.add("metadata")
    if address.version == 6:  # noqa: PLR2004 - the number of the protocol
        # An address that carries an IPv4 address reaches that one.
        number = int(address)
        inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if number >> 32 in {0, 0x64FF9B << 64}:
            inner.append(ipaddress.IPv4Address(number & 0xFFFFFFFF))
        for embedded in inner:
            if embedded is not None and not (number <= 1):
                found |= _classes(embedded)
        if address.ipv4_mapped is not None:
            found.discard("reserved")
    return found


def _class(address: Any) -> str:
    import ipaddress

    if address.is_unspecified:
        return "unspecified"
    if address.is_loopback:
        return "loopback"
    if address.is_link_local:
        return "link_local"
    if address.is_multicast:
        return "multicast"
    if any(
        address.version == net.version and address in net
        for net in map(ipaddress.ip_network, _PRIVATE)
    ):
        return "private"
    if address.version == 6 and int(address) >> 32 == 0:  # noqa: PLR2004 - ::/96 carries IPv4
        return "reserved"
    return "global" if address.is_global else "reserved"


EXTRACTOR = Url()
