"""Where a model is served, and how that is called inside of a sandbox that reaches nothing else."""

import ipaddress
import re
from urllib.parse import urlsplit

import msgspec

from remit.scan.base import ScanError

_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?", re.ASCII)
_HERE = "127.0.0.1"
_PORTS = {"http": 80, "https": 443}


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A model's server.

    Attributes:
        host, port: where it is.
        uri: how the program in the sandbox calls it; ends with a slash.
        listen: address in the sandbox that leads to it.
        hosts: lines of ``/etc/hosts`` there.
    """

    host: str
    port: int
    uri: str
    listen: str = _HERE
    hosts: str


def endpoint(url: str) -> Endpoint:
    """Read the URL of an interface as OpenAI's, up to ``/v1/``.

    The name of the server stays as it is, for its certificate and for the header ``Host``. An
    address cannot be had in the sandbox unless it is one of this machine: with HTTP the server is
    called by another address then, with HTTPS it has to have a name.

    Raises:
        ScanError: it is not one.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS[parts.scheme]
    except (ValueError, KeyError):
        raise _wrong(url) from None
    host = parts.hostname or ""
    if parts.username is not None or parts.query or parts.fragment or not url.isascii():
        raise _wrong(url)
    if any(each <= " " or each == "\x7f" for each in url):
        raise _wrong(url)
    uri = url.rstrip("/") + "/"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        if _NAME.fullmatch(host) is None:
            raise _wrong(url) from None
        names = f"{_HERE} localhost\n{_HERE} {host}\n"
        return Endpoint(host=host, port=port, uri=uri, hosts=names)
    names = f"{_HERE} localhost\n"
    if address.is_loopback and str(address) == host:
        return Endpoint(host=host, port=port, uri=uri, listen=host, hosts=names)
    if parts.scheme == "https":
        raise ScanError(
            f"`{url[:200]}` has an address in place of a name",
            code="scan.target",
            hint="name the server as its certificate does",
        )
    path = parts.path.strip("/")
    uri = f"http://{_HERE}:{port}/{path}/" if path else f"http://{_HERE}:{port}/"
    return Endpoint(host=host, port=port, uri=uri, hosts=names)


def _wrong(url: str) -> ScanError:
    return ScanError(
        f"`{url[:200]}` is no URL of a model's server",
        code="scan.target",
        hint="it is as http://127.0.0.1:8080/v1/, without a user, a query or a fragment",
    )
