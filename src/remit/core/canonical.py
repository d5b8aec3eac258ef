"""Canonical JSON: the one byte form that is hashed, signed and stored.

``canonical_bytes`` is RFC 8785 (JCS) on the values Remit writes: ASCII keys, integers of at most
53 bits, no floats. Within those limits orjson's sorted output equals JCS; outside them the value
is refused, because there two writers could disagree.

``digest_bytes`` is for values of other people's (a tool's schema, call arguments), which may hold
floats, any key and any integer: keys sorted by code point, numbers as Python writes them. It serves
equality between our own runs, never a signature that others check.
"""

import json
from collections.abc import Iterable
from typing import Any

import orjson

from remit.core.errors import RemitError

MAX_SAFE_INTEGER = 2**53 - 1


class CanonicalError(RemitError):
    """The value has no canonical form that every JSON library agrees on."""

    code = "core.not_canonical"


def _check(value: Any, depth: int) -> None:
    """Refuse what two JSON libraries could write differently. Scalars are checked in place."""
    if type(value) is dict:
        for key in value:
            if type(key) is not str or not key.isascii():
                raise CanonicalError(f"key `{key!r}` is not ASCII text")
        items: Iterable[Any] = value.values()
    elif type(value) in (list, tuple):
        items = value
    else:
        items = (value,)
    for item in items:
        kind = type(item)
        if kind is str or item is None or kind is bool or kind is orjson.Fragment:
            continue
        if kind is int:
            if not -MAX_SAFE_INTEGER <= item <= MAX_SAFE_INTEGER:
                raise CanonicalError("integer beyond 53 bits")
        elif kind in (dict, list, tuple):
            if depth == 0:
                raise CanonicalError("nesting too deep")
            _check(item, depth - 1)
        else:
            raise CanonicalError(f"`{kind.__name__}` has no canonical JSON form")


def canonical_bytes(value: Any) -> bytes:
    """RFC 8785 bytes of a value that Remit wrote.

    Raises:
        CanonicalError: floats, integers beyond 53 bits, keys that are not ASCII, other types.
    """
    _check(value, 64)
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError as error:
        raise CanonicalError(str(error)) from error


def prepared(value: Any) -> orjson.Fragment:
    """The canonical bytes of a value, to be put as a part into many others without looking again.

    :func:`canonical_bytes` takes fragments as they are, so nothing else may make them.

    Raises:
        CanonicalError: as :func:`canonical_bytes`.
    """
    return orjson.Fragment(canonical_bytes(value))


def digest_bytes(value: Any) -> bytes:
    """Deterministic bytes of any parsed JSON value, for comparing by digest.

    Raises:
        CanonicalError: a value that is not JSON, or a number that is not finite.
    """
    try:
        return json.dumps(
            value, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":")
        ).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise CanonicalError(str(error)) from error
