"""``WWW-Authenticate``: what a server wants to know (RFC 9110, sections 11.2, 11.3 and 11.6.1).

::

    WWW-Authenticate = #challenge
    challenge        = scheme [ 1*SP ( token68 / #auth-param ) ]
    auth-param       = token BWS "=" BWS ( token / quoted-string )

One field may hold several challenges, and the comma stands between these and between parameters
alike: a name that ``=`` follows is a parameter, any other begins a challenge.
"""

import re
from collections.abc import Iterable

import msgspec

from remit.artifacts.oci.errors import ProtocolError

MAX_HEADER = 16 * 1024
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - a grammar
_NAME = re.compile(_TOKEN)
_PARAMETER = re.compile(rf'({_TOKEN})[ \t]*=[ \t]*(?:({_TOKEN})|"((?:[^"\\]|\\.)*)")')
_TOKEN68 = re.compile(r"[A-Za-z0-9._~+/-]+=*(?=[ \t]*(?:,|$))")
_SPACE = re.compile(r"[ \t]*")
_COMMAS = re.compile(r"[ \t,]*")
_UNQUOTE = re.compile(r"\\(.)")
_VISIBLE = re.compile(r"[\t\x20-\x7e\x80-\U0010ffff]*")


class Challenge(msgspec.Struct, frozen=True):
    """One way to authenticate.

    Attributes:
        scheme: in lower case, for example ``bearer``.
        parameters: their names in lower case; the values as they came, unquoted.
        token68: what some schemes have in place of parameters.
    """

    scheme: str
    parameters: dict[str, str] = {}
    token68: str = ""


def parse_challenges(fields: Iterable[str]) -> tuple[Challenge, ...]:
    """The challenges of all ``WWW-Authenticate`` fields, in order.

    Raises:
        ProtocolError: malformed, or more than 16 KiB. Guessing at a malformed challenge would be
            guessing where to send a password.
    """
    found: list[Challenge] = []
    for field in fields:
        if len(field) > MAX_HEADER or _VISIBLE.fullmatch(field) is None:
            raise _malformed(field)
        found.extend(_field(field))
    return tuple(found)


def _field(text: str) -> Iterable[Challenge]:
    at = _after(_COMMAS, text, 0)
    while at < len(text):
        scheme = _NAME.match(text, at)
        if scheme is None:
            raise _malformed(text)
        begin = _after(_SPACE, text, scheme.end())
        if begin == scheme.end() and begin < len(text) and text[begin] != ",":
            raise _malformed(text)
        parameters: dict[str, str] = {}
        token68 = ""
        if _PARAMETER.match(text, begin) is not None:
            at = _parameters(text, begin, parameters)
        elif begin > scheme.end() and (whole := _TOKEN68.match(text, begin)) is not None:
            token68, at = whole[0], whole.end()
        else:
            at = begin
        yield Challenge(scheme[0].lower(), parameters, token68)
        at = _next(text, at)


def _parameters(text: str, at: int, parameters: dict[str, str]) -> int:
    """Read parameters up to the end or the next challenge; where that is."""
    while (found := _PARAMETER.match(text, at)) is not None:
        name = found[1].lower()
        if name in parameters:
            raise _malformed(text)
        parameters[name] = found[2] if found[2] is not None else _UNQUOTE.sub(r"\1", found[3])
        at = found.end()
        following = _after(_COMMAS, text, at)
        if following == len(text) or "," not in text[at:following]:
            return at
        if _PARAMETER.match(text, following) is None:
            return at
        at = following
    return at


def _next(text: str, at: int) -> int:
    following = _after(_COMMAS, text, at)
    if following < len(text) and "," not in text[at:following]:
        raise _malformed(text)
    return following


def _after(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return at if found is None else found.end()


def _malformed(text: str) -> ProtocolError:
    return ProtocolError(
        f"the registry asks for credentials in a way that cannot be read: `{text[:80]!a}`"
    )
