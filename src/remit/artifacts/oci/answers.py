"""What registries say in their answers: errors, warnings, links, ranges, when to come again. Pure.

Texts come from another machine and reach a terminal: all that acts on one is made visible.
"""

import email.utils
import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from remit.artifacts.oci.errors import (
    DeniedError,
    NotFoundError,
    ProtocolError,
    RegistryError,
    UnauthorizedError,
    UnreachableError,
)
from remit.artifacts.oci.http import Headers
from remit.core.strictjson import StrictJsonError, parse
from remit.core.text import printable

MAX_ERROR_BODY = 64 * 1024
MAX_WARNINGS_BYTES = 4096
MAX_WAIT_S = 120.0
_MAX_REASONS = 5
_MAX_REASON = 500
_WARNING = re.compile(r'299 \S{1,255} "((?:[^"\\]|\\.)*)"')
_UNQUOTE = re.compile(r"\\(.)")
_LINK = re.compile(r"<([^<>]*)>([^<]*)")
_NEXT = re.compile(
    r';\s*rel\s*=\s*(?:"(?:[^"]*\s)?next(?:\s[^"]*)?"|next\s*(?:[;,]|$))', re.IGNORECASE
)
_RANGE = re.compile(r"(?:bytes=)?0-([0-9]{1,18})")
_CONTENT_RANGE = re.compile(
    r"bytes ([0-9]{1,18})-([0-9]{1,18})/(?:([0-9]{1,18})|\*)", re.IGNORECASE
)
_SECONDS = re.compile(r"[0-9]{1,9}")
_TOO_MANY = 429
_SERVER = 500
BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses after which the same request may succeed later."""


def line(text: str, limit: int = _MAX_REASON) -> str:
    """``text`` on one line, safe to print."""
    return " ".join(printable(text, limit).split())


def _errors(body: bytes) -> list[dict[str, Any]]:
    try:
        document: Any = parse(body, fold_keys=False, max_bytes=MAX_ERROR_BODY, max_depth=32)
    except StrictJsonError:
        return []
    errors = document.get("errors") if isinstance(document, dict) else None
    if not isinstance(errors, list):
        return []
    return [each for each in errors[:_MAX_REASONS] if isinstance(each, dict)]


def reasons(body: bytes) -> list[tuple[str, str]]:
    """Code and message of each error in the body of an answer; none if it is something else."""
    found: list[tuple[str, str]] = []
    for each in _errors(body):
        code, message = each.get("code"), each.get("message")
        found.append(
            (
                line(code, 100) if isinstance(code, str) else "",
                line(message) if isinstance(message, str) else "",
            )
        )
    return found


def failure(what: str, where: str, status: int, headers: Headers, body: bytes) -> RegistryError:
    """The error that an answer means.

    Args:
        what: what was tried, as it continues "cannot …".
        where: the registry.
        status: of the answer.
        headers: of the answer.
        body: the beginning of its body; empty for ``HEAD``.
    """
    given = reasons(body)
    said = "; ".join(": ".join(filter(None, pair)) for pair in given)
    message = f"cannot {what}: `{where}` answers {status}" + (f": {said}" if said else "")
    codes = tuple(code for code, _ in given if code)
    kind: type[RegistryError] = RegistryError
    hint = ""
    if status == HTTPStatus.UNAUTHORIZED:
        kind, hint = UnauthorizedError, f"`remit login {where}` keeps credentials for it"
    elif status == HTTPStatus.FORBIDDEN:
        kind = DeniedError
    elif status == HTTPStatus.NOT_FOUND:
        kind, hint = NotFoundError, "check the name; some registries hide what may not be seen"
    elif status == _TOO_MANY or status >= _SERVER:
        kind = UnreachableError
        again = retry_after(headers)
        hint = f"try again in {again:.0f} s" if again else "try again later"
    elif HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        kind, hint = ProtocolError, "only downloads of blobs may be redirected"
    detail = next((each.get("detail") for each in _errors(body)), None)
    return kind(message, hint=hint, status=status, reasons=codes, detail=detail)


def warnings(headers: Headers) -> Iterator[str]:
    """Texts of ``Warning: 299`` (distribution-spec, "Warnings"), at most 4,096 bytes of them."""
    left = MAX_WARNINGS_BYTES
    for field in headers.all("warning"):
        for found in _WARNING.finditer(field[:left]):
            yield line(_UNQUOTE.sub(r"\1", found[1]))
        left -= len(field)
        if left <= 0:
            return


def retry_after(headers: Headers) -> float:
    """Seconds to wait by ``Retry-After`` (RFC 9110, 10.2.3); 0 if it is missing or unreadable.

    A date is taken relative to ``Date`` of the same answer: the clocks may differ.
    """
    said = headers.get("retry-after")
    if _SECONDS.fullmatch(said):
        return float(said)
    try:
        until = email.utils.parsedate_to_datetime(said)
        since = email.utils.parsedate_to_datetime(headers.get("date"))
        return max(0.0, (until - since).total_seconds())
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0.0


def next_link(headers: Headers) -> str:
    """Where the next page is, by ``Link`` (RFC 8288); empty on the last page."""
    for field in headers.all("link"):
        for target, parameters in _LINK.findall(field[:8192]):
            if _NEXT.search(parameters):
                return str(target)
    return ""


def received(headers: Headers) -> int:
    """How many bytes of an upload the registry has, by ``Range: 0-<last>``.

    ``0-0`` is said of an upload with no byte and of one with one byte alike; it is read as none,
    and the registry refuses the other case with 416.

    Raises:
        ProtocolError: the field is malformed. A missing one means that it has nothing.
    """
    said = headers.get("range")
    if not said or said == "0--1":
        return 0
    found = _RANGE.fullmatch(said)
    if found is None:
        raise ProtocolError(f"the registry answers with a range that is none: `{said[:60]!a}`")
    return int(found[1]) + 1 if int(found[1]) else 0


def part(headers: Headers) -> tuple[int, int | None]:
    """First byte and whole size (None if unknown) of an answer 206.

    Raises:
        ProtocolError: ``Content-Range`` is missing or malformed.
    """
    said = headers.get("content-range")
    found = _CONTENT_RANGE.fullmatch(said)
    if found is None or int(found[1]) > int(found[2]):
        raise ProtocolError(f"the registry answers with a part that is none: `{said[:60]!a}`")
    return int(found[1]), int(found[3]) if found[3] else None


def length(headers: Headers) -> int | None:
    """``Content-Length``; None if it is missing or no number."""
    said = headers.get("content-length")
    return int(said) if re.fullmatch(r"[0-9]{1,18}", said) else None
