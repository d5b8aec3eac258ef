"""One exchange with a browser: what it asks, read strictly, and what it is answered. Pure."""

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl

import msgspec

from remit.attest.dsse import unb64
from remit.core.errors import RemitError
from remit.web.errors import PageError
from remit.web.visits import Visit

MAX_FORM = 64 * 1024
MAX_FIELDS = 20
_FORM = "application/x-www-form-urlencoded"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{20,100}")
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
# `no-referrer` would make browsers send `Origin: null` with every form.
_ALWAYS = {
    "content-security-policy": _POLICY,
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "publickey-credentials-get=(self), publickey-credentials-create=(self)",
    "cache-control": "no-store",
}


class Asked(msgspec.Struct, kw_only=True):
    """A request.

    Attributes:
        method, path: ``GET`` or ``POST``, and the path.
        query, form: their fields, each of which came once.
        address: of the peer.
        by_person: whether somebody did it, rather than the page itself.
        token: secret of the visit of somebody who is logged in.
        session: that visit.
        guest_token, guest: the same of a browser that is not.
        away_token: secret of a browser that was sent to a provider.
    """

    method: str
    path: str
    query: Mapping[str, str]
    form: Mapping[str, str]
    address: str
    by_person: bool
    token: str = ""
    guest_token: str = ""
    away_token: str = ""
    session: Visit | None = None
    guest: Visit | None = None

    def data(self, name: str) -> bytes:
        """The bytes of a field that the page's script filled in.

        Raises:
            PageError: it did not.
        """
        text = self.form.get(name, "")
        try:
            found = unb64(text)
        except RemitError:
            found = b""
        if not found:
            raise PageError(
                400, "the passkey gave no answer",
                hint="signing needs JavaScript and a passkey", code="web.no_answer",
            )  # fmt: skip
        return found


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """An answer.

    Attributes:
        status: HTTP status code.
        body: its bytes.
        kind: its media type.
        more: further headers.
    """

    status: int = 200
    body: bytes = b""
    kind: str = "text/html; charset=utf-8"
    more: Mapping[str, str] = {}

    @property
    def headers(self) -> dict[str, str]:
        """Every header."""
        return {"content-type": self.kind, **_ALWAYS, **self.more}


def see(place: str, **more: str) -> Reply:
    """Send the browser somewhere else, with GET."""
    return Reply(status=303, more={"location": place, **more})


class Cookies:
    """The cookies of a browser; their names say how they are protected.

    Args:
        origin: of the pages, ``https://HOST[:PORT]``.
        name: what the cookies' names begin with. Cookies have no port, so two servers of one host
            need two of these.
    """

    def __init__(self, origin: str, name: str = "remit") -> None:
        secure = origin.startswith("https://")
        # A __Host- cookie can be set by nobody but this very host, over TLS (RFC 6265bis).
        self._prefix = f"__Host-{name}" if secure else name
        self._secure = "; Secure" if secure else ""

    def read(self, header: str) -> tuple[str, str, str]:
        """Secrets of the session, the guest and who was sent away, empty if there is none."""
        found: dict[str, str] = {}
        for part in re.split("[;,]", header):
            name, _, value = part.strip().partition("=")
            if _TOKEN.fullmatch(value):
                found.setdefault(name, value)
        session, guest, away = (
            found.get(f"{self._prefix}-{name}", "") for name in ("session", "guest", "away")
        )
        return session, guest, away

    def session(self, token: str) -> str:
        """The header that sets, or with an empty secret removes, the session's cookie."""
        return self._set("session", token)

    def guest(self, token: str) -> str:
        """The same of a guest's."""
        return self._set("guest", token)

    def away(self, token: str) -> str:
        """The same for a browser that comes back by a link of another site."""
        return self._set("away", token, "Lax") + "; Max-Age=600"

    def _set(self, name: str, token: str, site: str = "Strict") -> str:
        rules = f"Path=/; HttpOnly; SameSite={site}{self._secure}"
        return f"{self._prefix}-{name}={token}; {rules}" + ("" if token else "; Max-Age=0")


def read_query(target: bytes) -> dict[str, str]:
    """Fields of the query.

    Raises:
        PageError: it is malformed.
    """
    return _fields(target.partition(b"?")[2])


def read_form(headers: Mapping[str, str], body: bytes) -> dict[str, str]:
    """Fields of a form.

    Raises:
        PageError: it is none.
    """
    if headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise PageError(415, "forms are expected here", code="web.form")
    return {name: text.replace("\r\n", "\n") for name, text in _fields(body).items()}


def _fields(data: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            data.decode("ascii"), keep_blank_values=True, strict_parsing=bool(data),
            errors="strict", max_num_fields=MAX_FIELDS,
        )  # fmt: skip
    except ValueError:
        raise PageError(400, "the form is malformed", code="web.form") from None
    found = dict(pairs)
    if len(found) != len(pairs):
        raise PageError(400, "a field came twice", code="web.form")
    return found
