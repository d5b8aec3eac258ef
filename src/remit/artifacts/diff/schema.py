"""Differences of JSON Schemas, with their direction: what a tool takes now that it did not.

``wider``: every value that was valid is, and more are. ``narrower``: some that were are not any
more. ``other``: neither can be said, or only words changed.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

import msgspec

from remit.artifacts.diff.structure import phrase
from remit.core.canonical import digest_bytes

Direction = Literal["wider", "narrower", "other"]
MAX_DEPTH = 40
_WORDS = ("description", "title", "$comment")
_LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "minContains")
_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties", "maxContains")
_RULES = ("pattern", "format", "multipleOf", "uniqueItems", "contentEncoding", "contentMediaType",
          "propertyNames", "dependentRequired", "dependentSchemas", "if", "then", "else", "not",
          "contains", "prefixItems", "unevaluatedProperties", "unevaluatedItems")  # fmt: skip
_CHOICES = ("anyOf", "oneOf")
_ALL_TYPES = frozenset({"string", "number", "integer", "boolean", "object", "array", "null"})


class SchemaChange(msgspec.Struct, frozen=True, kw_only=True):
    """One difference of two schemas.

    Attributes:
        parameter: which, as a path of names: ``filter.limit``, ``items[]``; empty for the whole.
        direction: see above.
        summary: what happened, without the name of the parameter.
        words: both texts, if a description or title changed.
    """

    parameter: str
    direction: Direction
    summary: str
    words: tuple[str, str] | None = None


def schema_changes(
    before: Any, after: Any, parameter: str = "", depth: int = 0
) -> Iterator[SchemaChange]:
    """Everything that differs between two schemas."""
    if digest_bytes(before) == digest_bytes(after):
        return
    old, new = _object(before), _object(after)
    if old is None or new is None or depth > MAX_DEPTH:
        yield _boolean(parameter, before, after)
        return
    yield from _type(parameter, old, new)
    yield from _values(parameter, old, new)
    yield from _bounds(parameter, old, new)
    yield from _properties(parameter, old, new, depth)
    yield from _parts(parameter, old, new, depth)
    yield from _rest(parameter, old, new)


def _change(parameter: str, direction: Direction, summary: str) -> SchemaChange:
    return SchemaChange(parameter=parameter, direction=direction, summary=summary)


def _object(schema: Any) -> Mapping[str, Any] | None:
    """A schema as an object; ``true`` and nothing at all are the empty one."""
    if schema is True or schema is None:
        return {}
    return schema if isinstance(schema, Mapping) else None


def _boolean(parameter: str, before: Any, after: Any) -> SchemaChange:
    direction: Direction = "other"
    if after is False:
        direction = "narrower"
    elif before is False:
        direction = "wider"
    return _change(parameter, direction, f"{phrase(before)} → {phrase(after)}")


def _type(parameter: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[SchemaChange]:
    was, now = _types(old), _types(new)
    if was == now:
        return
    # Every integer is a number.
    lost = {t for t in was - now if not (t == "integer" and "number" in now)}
    won = {t for t in now - was if not (t == "integer" and "number" in was)}
    yield _change(parameter, _direction(bool(won), bool(lost)), f"type {_list(was)} → {_list(now)}")


def _types(schema: Mapping[str, Any]) -> frozenset[str]:
    found = schema.get("type")
    if isinstance(found, str):
        return frozenset({found})
    if isinstance(found, list):
        return frozenset(map(str, found))
    return _ALL_TYPES


def _values(
    parameter: str, old: Mapping[str, Any], new: Mapping[str, Any]
) -> Iterator[SchemaChange]:
    was, now = _allowed(old), _allowed(new)
    if was == now:
        return
    if was is None or now is None:
        known = now if now is not None else was
        assert known is not None
        values = ", ".join(sorted(known.values()))
        if was is None:
            yield _change(parameter, "narrower", f"only these values from now on: {values}")
        else:
            yield _change(parameter, "wider", f"any value, no longer only {values}")
        return
    won = [text for key, text in now.items() if key not in was]
    lost = [text for key, text in was.items() if key not in now]
    parts = [f"values added: {', '.join(won)}"] if won else []
    parts += [f"values removed: {', '.join(lost)}"] if lost else []
    if parts:
        yield _change(parameter, _direction(bool(won), bool(lost)), "; ".join(parts))


def _allowed(schema: Mapping[str, Any]) -> dict[bytes, str] | None:
    """The values that ``enum`` or ``const`` allow."""
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    if not isinstance(values, list):
        return None
    return {digest_bytes(value): phrase(value) for value in values}


def _bounds(
    parameter: str, old: Mapping[str, Any], new: Mapping[str, Any]
) -> Iterator[SchemaChange]:
    for names, sign in ((_LOWER, 1), (_UPPER, -1)):
        for name in names:
            was, now = old.get(name), new.get(name)
            if was == now:
                continue
            if was is None:
                yield _change(parameter, "narrower", f"{name} {phrase(now)}")
            elif now is None:
                yield _change(parameter, "wider", f"{name} {phrase(was)} is gone")
            else:
                direction: Direction = "other"
                if _number(was) and _number(now):
                    direction = "narrower" if (now - was) * sign > 0 else "wider"
                yield _change(parameter, direction, f"{name} {phrase(was)} → {phrase(now)}")


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _properties(
    parameter: str, old: Mapping[str, Any], new: Mapping[str, Any], depth: int
) -> Iterator[SchemaChange]:
    was, now = _mapping(old.get("properties")), _mapping(new.get("properties"))
    needed_before, needed = _names(old.get("required")), _names(new.get("required"))
    closed = old.get("additionalProperties") is False
    for name in [*was, *(n for n in now if n not in was)]:
        path = f"{parameter}.{name}" if parameter else name
        if name not in now:
            yield _change(path, "narrower" if new.get("additionalProperties") is False else "other",
                          "parameter removed")  # fmt: skip
        elif name not in was:
            if name in needed:
                yield _change(path, "narrower", f"required parameter added{_kind(now[name])}")
            else:
                yield _change(path, "wider" if closed else "other",
                              f"optional parameter added{_kind(now[name])}")  # fmt: skip
        else:
            if (name in needed) != (name in needed_before):
                yield _change(path, "narrower" if name in needed else "wider",
                              _needed(needed=name in needed))  # fmt: skip
            yield from schema_changes(was[name], now[name], path, depth + 1)
    for name in sorted((needed ^ needed_before) - was.keys() - now.keys()):
        path = f"{parameter}.{name}" if parameter else name
        yield _change(path, "narrower" if name in needed else "wider",
                      _needed(needed=name in needed))  # fmt: skip


def _needed(*, needed: bool) -> str:
    return "is required now" if needed else "is optional now"


def _kind(schema: Any) -> str:
    types = _types(schema) if isinstance(schema, Mapping) else _ALL_TYPES
    return "" if types == _ALL_TYPES else f", {_list(types)}"


def _parts(
    parameter: str, old: Mapping[str, Any], new: Mapping[str, Any], depth: int
) -> Iterator[SchemaChange]:
    """Schemas in schemas."""
    if digest_bytes(old.get("items")) != digest_bytes(new.get("items")):
        yield from schema_changes(old.get("items"), new.get("items"), f"{parameter}[]", depth + 1)
    was, now = old.get("additionalProperties", True), new.get("additionalProperties", True)
    if digest_bytes(was) != digest_bytes(now):
        if isinstance(was, Mapping) and isinstance(now, Mapping):
            yield from schema_changes(was, now, f"{parameter}.*", depth + 1)
        elif now is False or (was is True and isinstance(now, Mapping)):
            yield _change(parameter, "narrower", "other parameters are refused or restricted now")
        else:
            yield _change(parameter, "wider", "other parameters are taken now")
    for name in ("$defs", "definitions", "patternProperties"):
        left, right = _mapping(old.get(name)), _mapping(new.get(name))
        for key in [*left, *(k for k in right if k not in left)]:
            path = f"{parameter}#{key}"
            if key not in left or key not in right:
                what = "added" if key in right else "removed"
                yield _change(path, "other", f"definition {what}")
            else:
                yield from schema_changes(left[key], right[key], path, depth + 1)
    for name in (*_CHOICES, "allOf"):
        yield from _choices(parameter, name, old.get(name), new.get(name))


def _choices(parameter: str, name: str, old: Any, new: Any) -> Iterator[SchemaChange]:
    if digest_bytes(old) == digest_bytes(new):
        return
    was = {digest_bytes(each) for each in old} if isinstance(old, list) else None
    now = {digest_bytes(each) for each in new} if isinstance(new, list) else None
    direction: Direction = "other"
    if name == "anyOf" and was is not None and now is not None:
        direction = _direction(bool(now - was), bool(was - now))
    elif was is None:
        direction = "narrower"
    elif now is None:
        direction = "wider"
    yield _change(parameter, direction, f"{name} {phrase(old)} → {phrase(new)}")


def _rest(parameter: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[SchemaChange]:
    known = {
        "type", "enum", "const", "properties", "required", "items", "additionalProperties",
        "$defs", "definitions", "patternProperties", "allOf", *_LOWER, *_UPPER, *_CHOICES,
    }  # fmt: skip
    for name in [*old, *(n for n in new if n not in old)]:
        was, now = old.get(name), new.get(name)
        if name in known or (
            (name in old) == (name in new) and digest_bytes(was) == digest_bytes(now)
        ):
            continue
        if name in _WORDS:
            yield SchemaChange(
                parameter=parameter,
                direction="other",
                summary=name,
                words=(was if isinstance(was, str) else "", now if isinstance(now, str) else ""),
            )
            continue
        direction: Direction = "other"
        if name in _RULES and name not in old:
            direction = "narrower"
        elif name in _RULES and name not in new:
            direction = "wider"
        if name not in old:
            summary = f"{name} {phrase(now)}"
        elif name not in new:
            summary = f"{name} {phrase(was)} is gone"
        else:
            summary = f"{name} {phrase(was)} → {phrase(now)}"
        yield _change(parameter, direction, summary)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _names(value: Any) -> frozenset[str]:
    return frozenset(map(str, value)) if isinstance(value, list) else frozenset()


def _list(types: Iterable[str]) -> str:
    found = frozenset(types)
    return "any" if found == _ALL_TYPES else " or ".join(sorted(found))


def _direction(wider: bool, narrower: bool) -> Direction:  # noqa: FBT001 - two answers
    if wider and not narrower:
        return "wider"
    return "narrower" if narrower and not wider else "other"
