"""Cedar types of tool arguments, derived from a tool's JSON Schema.

The AWS generator turns JSON Schema into Cedar types, but one odd name fails the whole call, a
recursive ``$ref`` yields a schema that Cedar refuses, and ``X | null`` becomes a record. So each
tool is generated alone, from a reduced copy of its schema: references resolved, names replaced by
surrogates, ``null`` alternatives turned into absence. The result is read back into the small type
tree below, which both the Cedar schema and the request builder are made from.
"""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec
import orjson

from remit.core.text import printable
from remit.policy.errors import PolicyError, is_failure

MAX_NODES = 5000
MAX_WEIGHT = 50_000
MAX_DEPTH = 32
MAX_ENUM = 5000
_CONFIG = {"objectsAsRecords": True, "numbersAsDecimal": True, "flattenNamespaces": True}
_STUB = "namespace Remit { @mcp_principal entity Agent; @mcp_resource entity Server; }"
_FORMATS = {"date-time", "date", "ipv4", "ipv6"}


class ShapeError(PolicyError):
    """A tool's input schema has no Cedar form; the tool is denied."""

    code = "policy.tool_schema"


class Scalar(msgspec.Struct, frozen=True, tag=True):
    """A Cedar type without parts."""

    kind: Literal["String", "Long", "Bool", "decimal", "datetime", "ipaddr"]


class Opaque(msgspec.Struct, frozen=True, tag=True):
    """A value policy cannot look into; only its presence is visible."""


class Enum(msgspec.Struct, frozen=True, tag=True):
    """One of fixed strings, a Cedar enum entity of type ``Remit::<name>``."""

    name: str
    values: tuple[str, ...]


class SetOf(msgspec.Struct, frozen=True, tag=True):
    """An array; Cedar forgets order and repetitions."""

    element: "Shape"


class Choice(msgspec.Struct, frozen=True, tag=True):
    """``anyOf``/``oneOf``: a record ``typeChoice0``, ``typeChoice1`` … of what the value fits."""

    options: tuple["Shape", ...]


class Record(msgspec.Struct, frozen=True, tag=True):
    """An object.

    Attributes:
        fields: name → shape.
        required: names that must be present.
        open: whether the JSON Schema explicitly allows other keys.
    """

    fields: Mapping[str, "Shape"]
    required: frozenset[str] = frozenset()
    open: bool = False


Shape = Scalar | Opaque | Enum | SetOf | Choice | Record


class _Reducer:
    """Reduces one JSON Schema for the generator and remembers what the surrogates stand for."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self.root = root
        self.names: dict[str, str] = {}
        self.open: set[str] = set()
        self.nodes = 0

    def object(self, schema: Mapping[str, Any], depth: int, trail: tuple[str, ...]) -> Any:
        properties = schema.get("properties", {})
        required = schema.get("required", [])
        if not isinstance(properties, dict) or not isinstance(required, list):
            raise ShapeError("`properties` or `required` of the schema is malformed")
        out: dict[str, Any] = {}
        needed: list[str] = []
        for name, item in properties.items():
            if not isinstance(name, str):
                raise ShapeError("a property of the schema has no name")
            surrogate = f"a{len(self.names)}"
            self.names[surrogate] = name
            out[surrogate], nullable = self.reduce(item, depth + 1, trail)
            if name in required and not nullable:
                needed.append(surrogate)
        reduced: dict[str, Any] = {"type": "object", "properties": out}
        if needed:
            reduced["required"] = needed
        if schema.get("additionalProperties", False) not in (False, None):
            # A marker property: the generator drops what it does not know.
            reduced["properties"]["open"] = {"type": "boolean"}
        return reduced

    def reduce(  # noqa: PLR0911, PLR0912 - one branch per keyword of JSON Schema
        self, schema: Any, depth: int, trail: tuple[str, ...]
    ) -> tuple[Any, bool]:
        """The reduced schema, and whether ``null`` is one of its values."""
        self.nodes += 1
        if self.nodes > MAX_NODES or depth > MAX_DEPTH:
            raise ShapeError("the schema is too large or too deep")
        if not isinstance(schema, dict):
            return {}, schema is True
        if "$ref" in schema:
            return self.reference(schema["$ref"], depth, trail)
        options = self.alternatives(schema)
        if options is not None:
            reduced = [self.reduce(option, depth + 1, trail) for option in options]
            nullable = any(n for _, n in reduced)
            kept = [r for r, _ in reduced if r != {"type": "null"}]
            if len(kept) == 1:
                return kept[0], nullable
            return ({"anyOf": kept} if kept else {"type": "null"}), nullable
        if isinstance(schema.get("const"), str):
            return {"type": "string", "enum": [schema["const"]]}, False
        enum = schema.get("enum")
        if enum is not None:
            return self.enumeration(schema, enum)
        kind = schema.get("type")
        if kind == "object" or (kind is None and "properties" in schema):
            if not schema.get("properties"):
                return {}, False
            return self.object(schema, depth, trail), False
        if kind == "array":
            items = schema.get("items", {})
            element, nullable = self.reduce(items, depth + 1, trail)
            # null has no Cedar form, so an array that may hold it cannot be looked into.
            return {"type": "array", "items": {} if nullable else element}, False
        if kind == "string":
            form = schema.get("format")
            return {"type": "string", **({"format": form} if form in _FORMATS else {})}, False
        if kind in ("integer", "number", "boolean"):
            return {"type": kind}, False
        if kind == "null":
            return {"type": "null"}, True
        return {}, True

    def alternatives(self, schema: Mapping[str, Any]) -> list[Any] | None:
        for key in ("anyOf", "oneOf"):
            if isinstance(schema.get(key), list) and schema[key]:
                return list(schema[key])
        whole = schema.get("allOf")
        if isinstance(whole, list) and whole and "type" not in schema:
            return list(whole) if len(whole) == 1 else [{}]
        kind = schema.get("type")
        if isinstance(kind, list):
            return [{**schema, "type": item} for item in kind]
        return None

    def enumeration(self, schema: Mapping[str, Any], enum: Any) -> tuple[Any, bool]:
        if not isinstance(enum, list) or len(enum) > MAX_ENUM:
            raise ShapeError("an `enum` of the schema is malformed or too long")
        words = [item for item in enum if isinstance(item, str)]
        nullable = None in enum
        if words and len(words) + nullable == len(enum):
            return {"type": "string", "enum": list(dict.fromkeys(words))}, nullable
        if enum and all(type(item) is int for item in enum):
            return {"type": "integer"}, False
        if schema.get("type") in ("number", "boolean"):
            return {"type": schema["type"]}, False
        return {}, True

    def reference(self, ref: Any, depth: int, trail: tuple[str, ...]) -> tuple[Any, bool]:
        if ref in trail:
            raise ShapeError("the schema refers to itself")
        return self.reduce(resolve(self.root, ref), depth + 1, (*trail, ref))


def resolve(root: Any, ref: Any) -> Any:
    """What a reference of the form ``#/a/b`` points at.

    Raises:
        ShapeError: another form, or it leads nowhere.
    """
    if not isinstance(ref, str) or not (ref == "#" or ref.startswith("#/")):
        raise ShapeError("the schema refers outside itself")
    target = root
    for part in ref[2:].split("/") if ref != "#" else ():
        key = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(target, dict) or key not in target:
            raise ShapeError("a reference of the schema leads nowhere")
        target = target[key]
    return target


def weigh(root: Any) -> int:
    """How many nodes a schema has with its references written out.

    A few lines of ``$ref`` beside ``$ref`` would keep a validator busy for ever.

    Raises:
        ShapeError: more than :data:`MAX_WEIGHT`, a schema inside itself, or another kind of
            reference.
    """
    known: dict[int, int] = {}
    open_nodes: set[int] = set()

    def weight(node: Any) -> int:
        if not isinstance(node, dict | list):
            return 1
        mark = id(node)
        if mark in open_nodes:
            raise ShapeError("the schema refers to itself")
        if mark not in known:
            open_nodes.add(mark)
            total = 1 + sum(map(weight, node.values() if isinstance(node, dict) else node))
            if isinstance(node, dict):
                if any(isinstance(node.get(k), str) for k in ("$dynamicRef", "$recursiveRef")):
                    raise ShapeError("the schema has a dynamic reference")
                if isinstance(node.get("$ref"), str):
                    total += weight(resolve(root, node["$ref"]))
            if total > MAX_WEIGHT:
                raise ShapeError("the schema is too large")
            open_nodes.discard(mark)
            known[mark] = total
        return known[mark]

    try:
        return weight(root)
    except RecursionError as error:
        raise ShapeError("the schema is too deep") from error


def derive(label: str, input_schema: Any) -> Record:
    """The Cedar shape of a tool's arguments.

    Args:
        label: an identifier-like text from which enum types are named.
        input_schema: the tool's ``inputSchema``.

    Raises:
        ShapeError: the schema is malformed, recursive, too large, or unknown to the generator.
    """
    if not isinstance(input_schema, dict) or input_schema.get("type", "object") != "object":
        raise ShapeError("the tool has no object as input schema")
    reducer = _Reducer(input_schema)
    try:
        reduced = reducer.object(input_schema, 0, ())
    except RecursionError as error:
        raise ShapeError("the schema is too deep") from error
    document = _generate(reduced)
    reader = _Reader(label, reducer.names, document)
    shape = reader.shape(document["actions"]["t0"]["appliesTo"]["context"]["attributes"]["input"])
    if not isinstance(shape, Record):
        raise ShapeError("the generator made no record of the schema")
    return shape


def _generate(reduced: Mapping[str, Any]) -> dict[str, Any]:
    from cedar_mcp_schema_generator import generate_schema

    tool = {"name": "t0", "description": "", "inputSchema": reduced}
    try:
        result = generate_schema(_STUB, [tool], config=_CONFIG)
    except BaseException as error:
        if not is_failure(error):
            raise
        raise ShapeError(f"the generator failed: {printable(str(error), 200)}") from error
    if not result["isOk"] or not result["schemaJson"]:
        raise ShapeError(f"the generator refuses it: {printable(str(result['error']), 200)}")
    document: dict[str, Any] = orjson.loads(result["schemaJson"])["Remit"]
    return document


class _Reader:
    """Reads the generator's Cedar JSON schema back, with the real names."""

    def __init__(self, label: str, names: Mapping[str, str], document: Mapping[str, Any]) -> None:
        self.label = label
        self.names = names
        self.types = document.get("commonTypes", {})
        self.entities = document.get("entityTypes", {})

    def shape(self, node: Mapping[str, Any], path: tuple[str, ...] = ()) -> Shape:
        kind = node["type"]
        if kind == "Record":
            return self.record(node.get("attributes", {}), path)
        if kind == "Set":
            return SetOf(self.shape(node["element"], path))
        name = str(node.get("name", kind)).removeprefix("Remit::").removeprefix("__cedar::")
        if name in self.types:
            return self.shape(self.types[name], path)
        if name in self.entities:
            values = self.entities[name].get("enum")
            return Enum(_type_name(self.label, path), tuple(values)) if values else Opaque()
        if name in ("String", "Long", "Bool", "decimal", "datetime", "ipaddr"):
            return msgspec.convert({"type": "Scalar", "kind": name}, Scalar)
        raise ShapeError(f"the generator made an unknown type `{printable(name, 80)}`")

    def record(self, attributes: Mapping[str, Any], path: tuple[str, ...]) -> Shape:
        if attributes and all(key.startswith("typeChoice") for key in attributes):
            ordered = sorted(attributes, key=lambda key: int(key.removeprefix("typeChoice")))
            return Choice(tuple(self.shape(attributes[key], path) for key in ordered))
        real = {key: self.names[key] for key in attributes if key != "open"}
        return Record(
            {name: self.shape(attributes[key], (*path, name)) for key, name in real.items()},
            frozenset(name for key, name in real.items() if attributes[key].get("required", True)),
            "open" in attributes,
        )


def _type_name(label: str, path: tuple[str, ...]) -> str:
    text = "_".join((label, *path))
    name = "".join(c if c.isascii() and c.isalnum() else "_" for c in text)
    return f"_{name}" if name[0].isdigit() else name
