"""A small valid instance of a JSON Schema, for the first tests of a new bundle."""

from collections.abc import Mapping
from typing import Any

MAX_DEPTH = 8
_TEXTS = {
    "date-time": "2026-01-01T00:00:00Z",
    "date": "2026-01-01",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "email": "a@example.com",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


def sample(schema: Any, texts: Mapping[str, str] | None = None) -> Any:
    """An instance that most likely fits ``schema``; whoever needs to be sure validates it.

    Args:
        schema: a JSON Schema whose references stay inside it.
        texts: values of top-level properties that mean something.
    """
    return _sample(schema, schema, texts or {}, MAX_DEPTH)


def _sample(  # noqa: C901, PLR0911, PLR0912 - one branch per keyword of JSON Schema
    schema: Any, root: Any, texts: Mapping[str, str], depth: int
) -> Any:
    if not isinstance(schema, dict) or depth == 0:
        return "x"
    for key in ("const", "default"):
        if schema.get(key) is not None:
            return schema[key]
    for key in ("enum", "examples"):
        if isinstance(schema.get(key), list) and schema[key]:
            return schema[key][0]
    for key in ("anyOf", "oneOf", "allOf"):
        if isinstance(schema.get(key), list) and schema[key]:
            return _sample(schema[key][0], root, {}, depth - 1)
    ref = schema.get("$ref")
    if isinstance(ref, str) and ref.startswith("#/"):
        target = root
        for part in ref[2:].split("/"):
            target = target.get(part) if isinstance(target, dict) else None
        return _sample(target, root, {}, depth - 1)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if isinstance(kind, list):
        kind = kind[0] if kind else "string"
    if kind == "object":
        return _object(schema, root, texts, depth)
    if kind == "array":
        least = schema.get("minItems", 0)
        item = _sample(schema.get("items", {}), root, {}, depth - 1)
        return [item] * min(least if type(least) is int else 0, 16)
    if kind in ("integer", "number"):
        least = schema.get("minimum", schema.get("exclusiveMinimum", 0))
        return int(least) + 1 if isinstance(least, int | float) else 1
    if kind == "boolean":
        return False
    return _text(schema) if kind == "string" else None


def _object(schema: Mapping[str, Any], root: Any, texts: Mapping[str, str], depth: int) -> Any:
    properties = schema.get("properties", {})
    required = schema.get("required", [])
    out = {}
    for name, item in properties.items() if isinstance(properties, dict) else ():
        if name in texts:
            kind = item.get("type") if isinstance(item, dict) else None
            out[name] = [texts[name]] if kind == "array" else texts[name]
        elif isinstance(required, list) and name in required:
            out[name] = _sample(item, root, {}, depth - 1)
    return out


def _text(schema: Mapping[str, Any]) -> str:
    text = _TEXTS.get(str(schema.get("format", "")), "x")
    least = schema.get("minLength", 0)
    return text.ljust(min(least, 1000), "x") if type(least) is int else text
