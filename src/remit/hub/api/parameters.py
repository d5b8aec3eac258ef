"""Parameters of the catalogue's requests, and cursors. Whatever is not understood is refused."""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import get_args

import msgspec

from remit.artifacts.kinds.stored import STORED_KINDS
from remit.artifacts.oci.digests import is_digest
from remit.hub.api.errors import BadRequest
from remit.hub.catalog.ports import After, Query, Sort
from remit.hub.errors import HubError
from remit.hub.patterns import check_pattern
from remit.hub.registry.http import Request

MAX_LIMIT, DEFAULT_LIMIT = 200, 50
MAX_WORDS, MAX_TEXT, MAX_CURSOR = 8, 200, 1024
_NUMBER = re.compile(r"[0-9]{1,6}")
_KNOWN = frozenset(
    {"q", "kind", "repository", "digest", "tagged", "referrers", "sort", "limit", "cursor"}
)
_TEXT_KEYS = frozenset({"repository", "kind"})


def singles(request: Request, known: frozenset[str], many: frozenset[str]) -> dict[str, str]:
    """The parameters that may come once.

    Raises:
        BadRequest: one is unknown, or comes twice.
    """
    found: dict[str, str] = {}
    for name, value in request.query:
        if name not in known:
            raise BadRequest(f"`{name[:40]}` is no parameter; there are {', '.join(sorted(known))}")
        if name in many:
            continue
        if name in found:
            raise BadRequest(f"the parameter `{name}` is given twice")
        found[name] = value
    return found


def limit_of(given: Mapping[str, str], default: int = DEFAULT_LIMIT, most: int = MAX_LIMIT) -> int:
    """``limit``, at most ``most``.

    Raises:
        BadRequest: it is no number from 1 on.
    """
    text = given.get("limit")
    if text is None:
        return default
    if _NUMBER.fullmatch(text) is None or int(text) == 0:
        raise BadRequest("`limit` is a number from 1 on")
    return min(int(text), most)


def query_of(request: Request) -> Query:
    """What a request of the list asks for.

    Raises:
        BadRequest: a parameter is malformed; the message says which.
    """
    given = singles(request, _KNOWN, frozenset({"kind"}))
    text = given.get("q", "")
    words = tuple(text.lower().split())
    if len(text) > MAX_TEXT or len(words) > MAX_WORDS or "\0" in text:
        raise BadRequest(f"`q` has at most {MAX_WORDS} words and {MAX_TEXT} letters")
    kinds = tuple(dict.fromkeys(value for name, value in request.query if name == "kind"))
    for kind in kinds:
        if kind not in STORED_KINDS:
            raise BadRequest(f"`{kind[:40]}` is no kind; there are {', '.join(STORED_KINDS)}")
    digest = given.get("digest", "")
    if digest and not is_digest(digest):
        raise BadRequest(f"`{digest[:140]}` is no digest")
    repository = given.get("repository", "")
    if repository:
        try:
            check_pattern(repository)
        except HubError as error:
            raise BadRequest(error.message) from error
    sort = given.get("sort", "-pushed")
    if sort not in get_args(Sort):
        raise BadRequest(f"`sort` is one of {', '.join(get_args(Sort))}")
    cursor = given.get("cursor", "")
    after = cursor_in(cursor) if cursor else None
    if after is not None and after.sort != sort:
        raise BadRequest("the cursor belongs to a list in another order")
    return Query(
        words=words,
        kinds=kinds,
        repository=repository,
        digest=digest,
        tagged=_flag(given, "tagged"),
        referrers=_flag(given, "referrers") or False,
        sort=msgspec.convert(sort, Sort),
        after=after,
        limit=limit_of(given),
    )


def _flag(given: Mapping[str, str], name: str) -> bool | None:
    text = given.get(name)
    if text is None:
        return None
    if text not in {"true", "false"}:
        raise BadRequest(f"`{name}` is `true` or `false`")
    return text == "true"


def cursor_of(after: After) -> str:
    """The opaque text that names a place in a list."""
    return base64.urlsafe_b64encode(msgspec.json.encode(after)).decode().rstrip("=")


def cursor_in(text: str) -> After:
    """The place that a cursor names.

    Raises:
        BadRequest: it is none of ours.
    """
    wrong = BadRequest("the cursor is none that this list gave")
    try:
        after = msgspec.json.decode(unpadded(text), type=After)
    except (ValueError, msgspec.MsgspecError):
        raise wrong from None
    textual = after.sort.removeprefix("-") in _TEXT_KEYS
    if textual:
        fits = isinstance(after.key, str) and len(after.key) <= 255 and "\0" not in after.key  # noqa: PLR2004
    else:
        fits = isinstance(after.key, int) and 0 <= after.key < 1 << 63
    if not fits or not 0 <= after.repository < 1 << 62 or not is_digest(after.digest):
        raise wrong
    return after


def unpadded(text: str) -> bytes:
    """The bytes of base64url without padding.

    Raises:
        ValueError: it is not, or longer than a cursor.
    """
    if len(text) > MAX_CURSOR or not re.fullmatch(r"[A-Za-z0-9_-]*", text):
        raise ValueError("no base64url")
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as error:
        raise ValueError("no base64url") from error
