"""What predicates are made of: times (RFC 3339), digest sets, and members that must be there."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from remit.attest.errors import StatementError

_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})",
    re.ASCII,
)
_DIGEST = re.compile(r"(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})")
MAX_TEXT = 4096


class PredicateError(StatementError):
    """A predicate that does not have the form of its type."""

    code = "attest.predicate"


def time_text(time_us: int) -> str:
    """Microseconds since 1970 as RFC 3339 in UTC, to the second."""
    return datetime.fromtimestamp(time_us // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def time_us(text: Any, where: str) -> int:
    """Microseconds since 1970 of an RFC 3339 time.

    Raises:
        PredicateError: it is none.
    """
    if isinstance(text, str) and _TIME.fullmatch(text):
        # Python reads at most six digits of a fraction.
        cut = re.sub(r"(\.[0-9]{6})[0-9]+", r"\1", text)
        try:
            return round(datetime.fromisoformat(cut).timestamp() * 1_000_000)
        except (ValueError, OverflowError):
            pass
    raise PredicateError(f"`{where}` is not a time as in 2026-01-02T03:04:05Z")


def text(value: Any, where: str, *, empty: bool = False) -> str:
    """A text of bounded length.

    Raises:
        PredicateError: it is none.
    """
    if not isinstance(value, str) or len(value) > MAX_TEXT or not (value or empty):
        raise PredicateError(f"`{where}` is not a text")
    return value


def member(value: Any, where: str) -> Mapping[str, Any]:
    """A JSON object.

    Raises:
        PredicateError: it is none.
    """
    if not isinstance(value, Mapping):
        raise PredicateError(f"`{where}` is not an object")
    return value


def count(value: Any, where: str) -> int:
    """A number of things.

    Raises:
        PredicateError: it is none.
    """
    if type(value) is not int or not 0 <= value < 1 << 53:
        raise PredicateError(f"`{where}` is not a count")
    return value


def digest(value: Any, where: str) -> str:
    """``sha256:<hex>`` or ``sha512:<hex>``.

    Raises:
        PredicateError: it is none.
    """
    if not isinstance(value, str) or _DIGEST.fullmatch(value) is None:
        raise PredicateError(f"`{where}` is not a digest as in sha256:<64 hexadecimal digits>")
    return value


def digest_set(value: str) -> dict[str, str]:
    """in-toto's DigestSet of ``sha256:<hex>``."""
    algorithm, _, digits = value.partition(":")
    return {algorithm: digits}


def from_set(value: Any, where: str) -> str:
    """``sha256:<hex>`` of a DigestSet that has one of the digests that Remit computes.

    Raises:
        PredicateError: it has none.
    """
    found = member(value, where)
    for algorithm in ("sha256", "sha512"):
        if algorithm in found:
            return digest(f"{algorithm}:{found[algorithm]}", where)
    raise PredicateError(f"`{where}` has no SHA-256 digest")
