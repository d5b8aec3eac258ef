"""Arguments of a call → ``context.input``: exact, or refused.

What Cedar compares must be what the server receives. So nothing is rounded, guessed or dropped:
a number that does not fit Cedar's types, an argument nobody declared, a key by which Cedar's JSON
format names entities, text beyond the limits: each raises
:class:`~remit.policy.errors.BadArgument`, which names the argument and never its value.
"""

import datetime as dt
import decimal
import ipaddress
import re
from collections.abc import Mapping
from typing import Any

from remit.core.strictjson import Number
from remit.core.text import fold_name, normal
from remit.policy.errors import BadArgument, shown
from remit.policy.shapes import Choice, Enum, Opaque, Record, Scalar, SetOf, Shape

MAX_DEPTH = 32
MAX_VALUES = 20_000
MAX_TEXT = 4 * 1024 * 1024
_LONG = 2**63
_DECIMAL_DIGITS = 4
_ESCAPES = ("__entity", "__extn", "__expr")
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[Tt](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d))?\Z", re.ASCII
)
_UNKNOWN = {"type": "Remit::Unknown", "id": ""}


def check(arguments: Mapping[str, Any]) -> bool:
    """Limits of depth, count and size, and no key that Cedar's JSON format would interpret.

    Returns:
        Whether there is a number with fraction or exponent somewhere.

    Raises:
        BadArgument: naming the top-level argument.
    """
    count = size = 0
    fractions = False
    for name, argument in arguments.items():
        level: list[Any] = [{name: argument}]
        for _ in range(MAX_DEPTH):
            below: list[Any] = []
            for item in level:
                count += len(item)
                if type(item) is dict:
                    size += _keys(item, name)
                for value in item.values() if type(item) is dict else item:
                    kind = type(value)
                    if kind is str:
                        size += len(value)
                    elif kind is dict or kind is list:
                        below.append(value)
                    elif kind is not int and kind is not bool and value is not None:
                        fractions = True
            if count > MAX_VALUES or size > MAX_TEXT:
                raise BadArgument(shown(name), "is too large")
            if not below:
                break
            level = below
        else:
            raise BadArgument(shown(name), "is nested too deeply")
    return fractions


def _keys(item: Mapping[str, Any], name: str) -> int:
    size = 0
    for key in item:
        if key in _ESCAPES:
            raise BadArgument(shown(name), "uses a reserved key")
        size += len(key)
    return size


def exact(value: Any) -> Any:
    """A copy in which numbers with a fraction are :class:`decimal.Decimal`, without loss."""
    if isinstance(value, Number):
        return decimal.Decimal(value.token)
    if type(value) is dict:
        return {key: exact(item) for key, item in value.items()}
    if type(value) is list:
        return [exact(item) for item in value]
    return value


def build(shape: Record, read: Record, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The value of ``context.input``.

    Args:
        shape: shape of all arguments, for what is known and required.
        read: the part of it that some policy reads; only this is converted.
        arguments: as parsed by :mod:`remit.core.strictjson`.

    Raises:
        BadArgument: an argument is unknown, missing or has no exact Cedar value.
    """
    for name in arguments:
        if name not in shape.fields:
            if not shape.open:
                raise BadArgument(shown(name), "is not an argument of this tool")
            _distinct(name, shape, shown(name))
    for name in shape.required:
        if arguments.get(name) is None:
            raise BadArgument(shown(name), "is missing")
    out = {}
    for name, field in read.fields.items():
        value = arguments.get(name)
        if value is not None:
            out[name] = convert(field, value, shown(name))
    for name, field in shape.fields.items():
        if name not in read.fields and name in arguments and nested(field):
            declared(field, arguments[name], shown(name))
    return out


def _distinct(name: str, shape: Record, path: str) -> None:
    """An extra key must not be what a lenient server takes for a declared one (``Amount``)."""
    folded = fold_name(name)
    if any(fold_name(field) == folded for field in shape.fields):
        raise BadArgument(path, "looks like a declared argument")


def nested(shape: Shape) -> bool:
    """Whether a shape has objects inside, whose keys can be undeclared."""
    if isinstance(shape, SetOf):
        return nested(shape.element)
    if isinstance(shape, Choice):
        return any(map(nested, shape.options))
    return isinstance(shape, Record)


def declared(shape: Shape, value: Any, path: str) -> None:
    """Refuse undeclared keys in an argument that no policy reads and that is not converted.

    Raises:
        BadArgument: naming the key's path.
    """
    if isinstance(shape, SetOf) and type(value) is list:
        for item in value:
            declared(shape.element, item, path + "[]")
    elif isinstance(shape, Choice):
        refusals = []
        for option in shape.options:
            try:
                declared(option, value, path)
            except BadArgument as error:
                refusals.append(error)
        if len(refusals) == len(shape.options):
            raise refusals[0]
    elif isinstance(shape, Record) and type(value) is dict:
        for name, item in value.items():
            if name in shape.fields:
                declared(shape.fields[name], item, f"{path}.{shown(name)}")
            elif not shape.open:
                raise BadArgument(f"{path}.{shown(name)}", "is not declared")
            else:
                _distinct(name, shape, f"{path}.{shown(name)}")


def convert(shape: Shape, value: Any, path: str) -> Any:  # noqa: C901, PLR0912 - one branch per shape
    """One value in the JSON form that Cedar reads with a schema.

    Raises:
        BadArgument: it has no exact Cedar value of this type.
    """
    if isinstance(shape, Scalar):
        return _scalar(shape.kind, value, path)
    if isinstance(shape, Opaque):
        return _UNKNOWN
    if isinstance(shape, Enum):
        if type(value) is not str or value not in shape.values:
            raise BadArgument(path, "is none of the allowed values")
        return {"type": f"Remit::{shape.name}", "id": value}
    if isinstance(shape, SetOf):
        if type(value) is not list:
            raise BadArgument(path, "is not an array")
        return [convert(shape.element, item, path + "[]") for item in value]
    if isinstance(shape, Choice):
        return _choice(shape, value, path)
    if type(value) is not dict:
        raise BadArgument(path, "is not an object")
    for name in value:
        if name not in shape.fields:
            if not shape.open:
                raise BadArgument(f"{path}.{shown(name)}", "is not declared")
            _distinct(name, shape, f"{path}.{shown(name)}")
    out = {}
    for name, field in shape.fields.items():
        item = value.get(name)
        if item is not None:
            out[name] = convert(field, item, f"{path}.{shown(name)}")
        elif name in shape.required:
            raise BadArgument(f"{path}.{shown(name)}", "is missing")
    return out


def _choice(shape: Choice, value: Any, path: str) -> dict[str, Any]:
    """Every alternative the value fits, so that no policy about one of them can be passed by."""
    out = {}
    for i, option in enumerate(shape.options):
        try:
            out[f"typeChoice{i}"] = convert(option, value, path)
        except BadArgument:
            continue
    if not out:
        raise BadArgument(path, "fits none of the declared types")
    return out


def _scalar(kind: str, value: Any, path: str) -> Any:
    if kind == "String":
        return _text(value, path)
    if kind == "Bool":
        if type(value) is not bool:
            raise BadArgument(path, "is not a boolean")
        return value
    if kind == "Long":
        if type(value) is not int:
            raise BadArgument(path, "is not an integer")
        if not -_LONG <= value < _LONG:
            raise BadArgument(path, "is beyond 64 bits")
        return value
    if kind == "decimal":
        return _decimal(value, path)
    if kind == "datetime":
        return _datetime(_text(value, path), path)
    try:
        address = ipaddress.ip_address(_text(value, path))
    except ValueError:
        raise BadArgument(path, "is not an IP address") from None
    if getattr(address, "scope_id", None) is not None:
        raise BadArgument(path, "is not an IP address")
    return str(address)


def _text(value: Any, path: str) -> str:
    if type(value) is not str:
        raise BadArgument(path, "is not text")
    if value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadArgument(path, "holds half of a surrogate pair") from None
    return normal("NFC", value)


def _decimal(value: Any, path: str) -> str:
    """``-?digits.digits`` with one to four decimals, within 64 bits of ten-thousandths."""
    if type(value) is int:
        number = decimal.Decimal(value) if -_LONG < value < _LONG else None
    elif isinstance(value, Number):
        number = decimal.Decimal(value.token)
    elif isinstance(value, decimal.Decimal):
        number = value
    else:
        raise BadArgument(path, "is not an exact number")
    if number is None or not number.is_finite() or number.adjusted() > 15:  # noqa: PLR2004 - i64
        raise BadArgument(path, "is too large for a decimal")
    if number.adjusted() < -40 and number:  # noqa: PLR2004 - far below ten-thousandths
        raise BadArgument(path, "has more than 4 decimals")
    with decimal.localcontext() as context:
        context.prec = len(number.as_tuple().digits) + 64
        scaled = number.scaleb(_DECIMAL_DIGITS)
        whole = scaled.to_integral_value()
        if whole != scaled:
            raise BadArgument(path, "has more than 4 decimals")
        units = int(whole)
    if not -_LONG <= units < _LONG:
        raise BadArgument(path, "is too large for a decimal")
    sign = "-" if units < 0 else ""
    return f"{sign}{abs(units) // 10_000}.{abs(units) % 10_000:04d}"


def _datetime(text: str, path: str) -> str:
    """UTC with milliseconds; a date alone stays a date (RFC 3339, without leap seconds)."""
    match = _TIME.match(text)
    if match is None:
        raise BadArgument(path, "is not a date or a time with zone (RFC 3339)")
    day, clock, fraction, zone = match.groups()
    try:
        if clock is None:
            return dt.date.fromisoformat(day).isoformat()
        if fraction and fraction[3:].strip("0"):
            raise BadArgument(path, "is finer than a millisecond")
        offset = "+00:00" if zone in "Zz" else zone
        moment = dt.datetime.fromisoformat(f"{day}T{clock}{offset}").astimezone(dt.UTC)
    except (ValueError, OverflowError):
        raise BadArgument(path, "is not a date or a time with zone (RFC 3339)") from None
    return f"{moment:%Y-%m-%dT%H:%M:%S}".rjust(19, "0") + f".{(fraction or '')[:3]:0<3}Z"


def time_text(now_us: int) -> str:
    """``context.now``: UTC with milliseconds, rounded down."""
    seconds, micros = divmod(now_us, 1_000_000)
    moment = dt.datetime.fromtimestamp(seconds, dt.UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{micros // 1000:03d}Z"
