"""The one JSON parser at trust borders: what it accepts has exactly one meaning.

Two parsers that disagree about the same bytes are how a call passes a proxy unseen. So everything
that any common parser reads differently is refused: duplicate keys, keys that differ only by case,
other encodings than UTF-8, a byte order mark, ``NaN`` and ``1e400``, lone surrogates, a second
value on the line, nesting and size without bound (RFC 8259 leaves all of these to the reader).

Numbers with a fraction or exponent become :class:`Number`, which keeps the token, because policy
compares decimals and a double has already lost them.
"""

import functools
import json
import math
from collections.abc import Callable
from typing import Any, NoReturn, Self

import orjson

from remit.core.errors import RemitError
from remit.core.text import fold_name

MAX_DEPTH = 64
MAX_BYTES = 4 * 1024 * 1024
MAX_INTEGER_DIGITS = 400
MAX_REMEMBERED = 64
MAX_REMEMBERED_KEYS = 16
MAX_REMEMBERED_OBJECTS = 1024
_SPACE = " \t\n\r"


class StrictJsonError(RemitError):
    """The bytes are not one unambiguous JSON value. ``code`` says why (``json.<reason>``)."""

    code = "json.syntax"


class Number(float):
    """A JSON number that is not an integer token; ``token`` is its text as it arrived."""

    __slots__ = ("token",)
    token: str

    def __new__(cls, token: str) -> Self:
        """Parse ``token``; an overflow is refused, because it would become infinity."""
        number = super().__new__(cls, token)
        if math.isinf(number):
            raise StrictJsonError(f"number `{token[:40]}` is out of range", code="json.number")
        number.token = token
        return number


_remembered = functools.lru_cache(maxsize=4096)(fold_name)


def _fold(key: str) -> str:
    return _remembered(key) if len(key) <= MAX_REMEMBERED else fold_name(key)


def _integer(token: str) -> int:
    if len(token) > MAX_INTEGER_DIGITS:
        raise StrictJsonError("integer has too many digits", code="json.number")
    return int(token)


def _constant(token: str) -> NoReturn:
    raise StrictJsonError(f"`{token}` is not JSON", code="json.number")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise StrictJsonError("an object names a key twice", code="json.duplicate_key")
    return value


def _unique_folded(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = _unique(pairs)
    if len(value) > 1:
        keys = tuple(value)
        if keys not in _distinct:
            if len(set(map(_fold, keys))) != len(keys):
                raise StrictJsonError(
                    "an object has two keys that differ only by case or look",
                    code="json.case_variant",
                )
            _remember(keys)
    return value


_distinct: set[tuple[str, ...]] = set()
"""Keys of objects that were seen to be distinct: messages have the same ones again and again."""


def _remember(keys: tuple[str, ...]) -> None:
    if len(keys) <= MAX_REMEMBERED_KEYS and max(map(len, keys)) <= MAX_REMEMBERED:
        if len(_distinct) >= MAX_REMEMBERED_OBJECTS:
            _distinct.clear()
        _distinct.add(keys)


def _decoder(hook: Callable[[list[tuple[str, Any]]], dict[str, Any]]) -> json.JSONDecoder:
    return json.JSONDecoder(
        object_pairs_hook=hook, parse_float=Number, parse_int=_integer, parse_constant=_constant
    )


# `raw_decode` and not `decode`: white space around a value costs two patterns there.
_EXACT = _decoder(_unique).raw_decode
_FOLDED = _decoder(_unique_folded).raw_decode


def parse(
    data: bytes, *, fold_keys: bool = True, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH
) -> Any:
    """Parse one JSON value from UTF-8 ``data``.

    Args:
        data: the bytes of one value; white space around it is allowed.
        fold_keys: also refuse keys of one object that are equal after NFKC and case folding. Off
            for data of a server's results, where ``the`` and ``The`` may both be keys.
        max_bytes: size limit.
        max_depth: limit of nested arrays and objects.

    Raises:
        StrictJsonError: with a ``code`` that names the reason.
    """
    if len(data) > max_bytes:
        raise StrictJsonError(f"message is larger than {max_bytes} bytes", code="json.size")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise StrictJsonError("message is not UTF-8", code="json.encoding") from error
    if text.startswith("\ufeff"):
        raise StrictJsonError("message starts with a byte order mark", code="json.encoding")
    try:
        start = len(text) - len(text.lstrip(_SPACE))
        value, end = (_FOLDED if fold_keys else _EXACT)(text, start)
    except RecursionError:
        raise StrictJsonError("message is nested too deeply", code="json.depth") from None
    except ValueError as error:
        raise StrictJsonError(f"message is not one JSON value: {error}") from None
    if end != len(text) and text[end:].strip(_SPACE):
        raise StrictJsonError("message is not one JSON value: there is more behind it")
    if data.count(b"{") + data.count(b"[") > max_depth and _deeper_than(value, max_depth):
        raise StrictJsonError("message is nested too deeply", code="json.depth")
    if b"\\ud" in data or b"\\uD" in data:
        try:
            dumps(value)
        except (UnicodeEncodeError, ValueError):
            raise StrictJsonError(
                "message holds half of a surrogate pair", code="json.surrogate"
            ) from None
    return value


def _deeper_than(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        below: list[Any] = []
        for item in level:
            if type(item) is dict:
                below.extend(v for v in item.values() if type(v) is dict or type(v) is list)
            elif type(item) is list:
                below.extend(v for v in item if type(v) is dict or type(v) is list)
        if not below:
            return False
        level = below
    return True


def dumps(value: Any) -> bytes:
    """Compact UTF-8 JSON of a parsed value, on one line, keys in the order they came.

    Raises:
        UnicodeEncodeError, ValueError: a string with a lone surrogate, a number that is not finite.
    """
    try:
        return orjson.dumps(value, default=_plain)
    except orjson.JSONEncodeError:
        # orjson stops at 64-bit integers and refuses lone surrogates; the second writer decides.
        return json.dumps(
            value, ensure_ascii=False, allow_nan=False, separators=(",", ":")
        ).encode()


def _plain(value: Any) -> float:
    if isinstance(value, Number):
        return float(value)
    raise TypeError(f"`{type(value).__name__}` is not a JSON value")
