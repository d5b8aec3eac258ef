"""Where a registry is, and where what it says may lead: the rules that keep secrets at home.

1. HTTPS, but for hosts of this machine and where the user asked for plain HTTP.
2. What goes to one origin (scheme, host and port) is never sent to another.
3. A redirect never leads from HTTPS to HTTP.
"""

import ipaddress
import re
from typing import Self
from urllib.parse import urljoin, urlsplit

import msgspec

from remit.artifacts.oci.errors import DeniedError, ProtocolError

_PORTS = {"http": 80, "https": 443}
_URL = re.compile(r"[\x21-\x7e]{1,8192}")
# Docker Hub's API has another name than its references, and one-part names lie in `library/`.
_HUB_NAMES = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})
_HUB_API = "registry-1.docker.io"


class Origin(msgspec.Struct, frozen=True):
    """Scheme, host and port: who it is that answers."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Self:
        """The origin of an absolute URL.

        Raises:
            ProtocolError: it is none of HTTP, or holds a user or a password.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise ProtocolError(f"`{url[:120]!a}` is not a URL") from error
        if _URL.fullmatch(url) is None or parts.scheme not in _PORTS or not host:
            raise ProtocolError(f"`{url[:120]!a}` is not a URL of HTTP")
        if "@" in parts.netloc or "\\" in url:
            raise ProtocolError(f"the URL of `{host[:80]}` holds credentials or a backslash")
        return cls(parts.scheme, host, _PORTS[parts.scheme] if port is None else port)

    @property
    def loopback(self) -> bool:
        """Whether it is this machine."""
        return is_loopback(self.host)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if _PORTS[self.scheme] == self.port else f":{self.port}"
        return f"{self.scheme}://{host}{port}"


def is_loopback(host: str) -> bool:
    """Whether a host without its port is this machine by its very name."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def endpoint(host: str, *, plain_http: bool | None = None) -> Origin:
    """Where the registry ``HOST[:PORT]`` of references answers.

    Args:
        host: as it stands in a reference.
        plain_http: HTTP or HTTPS; None for HTTPS but on this machine.
    """
    name = _HUB_API if host in _HUB_NAMES else host
    bare = urlsplit(f"//{name}").hostname or name
    plain = is_loopback(bare) if plain_http is None else plain_http
    return Origin.of(f"{'http' if plain else 'https'}://{name}")


def repository_at(host: str, repository: str) -> str:
    """The name of ``repository`` in the API of ``host``."""
    return f"library/{repository}" if host in _HUB_NAMES and "/" not in repository else repository


def may_hold_secrets(origin: Origin, *, plain_http: bool) -> bool:
    """Whether a secret may be sent to ``origin`` at all: rule 1."""
    return origin.scheme == "https" or origin.loopback or plain_http


def follow(base: str, location: str, *, plain_http: bool) -> str:
    """The URL that ``location``, said by ``base``, leads to: rules 1 and 3.

    Raises:
        ProtocolError: it is not a URL.
        DeniedError: it may not be followed.
    """
    if not location:
        raise ProtocolError("the registry does not say where to go on: `Location` is missing")
    if _URL.fullmatch(location) is None:
        raise ProtocolError(f"`{location[:120]!a}` is not a URL")
    try:
        url = urljoin(base, location).partition("#")[0]
    except ValueError as error:
        raise ProtocolError(f"`{location[:120]!a}` is not a URL") from error
    come, go = Origin.of(base), Origin.of(url)
    if go.scheme == "http" and go != come:
        if come.scheme == "https":
            raise DeniedError(
                f"`{come}` leads to plain HTTP at `{go}`",
                hint="if it stands behind a proxy for TLS, tell it its own address (its host or"
                " external URL)",
            )
        if not may_hold_secrets(go, plain_http=plain_http):
            raise DeniedError(
                f"`{come}` leads to plain HTTP at `{go}`",
                hint="--plain-http allows that, where the network can be trusted",
            )
    return url
