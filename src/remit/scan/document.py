"""JSON and YAML of artifacts as plain trees, bounded, without anything that YAML may construct."""

from collections.abc import Iterator
from typing import Any

from remit.core.strictjson import StrictJsonError, parse

MAX_JSON = 96 * 1024 * 1024
MAX_YAML = 2 * 1024 * 1024
MAX_NODES = 400_000
MAX_DEPTH = 64
_CORE = "tag:yaml.org,2002:"
_PLAIN = (
    *("null", "bool", "int", "float", "str", "seq", "map", "set", "omap", "pairs", "binary"),
    *("timestamp", "merge", "value"),
)
_PLAIN_TAGS = frozenset(_CORE + name for name in _PLAIN)


class BrokenDocumentError(ValueError):
    """It cannot be read, or readers would understand it differently."""


class Tag:
    """A value of a document with a tag that makes more of it than text, list or mapping."""

    def __init__(self, tag: str, value: Any, line: int) -> None:
        self.tag = tag
        self.value = value
        self.line = line


def read_json(data: bytes) -> Any:
    """One value.

    Raises:
        BrokenDocumentError: it is no JSON, has a key twice, or is too deep or too large.
    """
    try:
        return parse(
            data.removeprefix(b"\xef\xbb\xbf"),
            fold_keys=False,
            max_bytes=MAX_JSON,
            max_depth=MAX_DEPTH,
        )
    except StrictJsonError as error:
        raise BrokenDocumentError(error.message) from None


def read_yaml(data: bytes) -> list[Any]:
    """All documents; aliases are not followed (what they stand for is there once).

    Raises:
        BrokenDocumentError: it is no YAML, has a key twice, or is too large.
    """
    import yaml

    if len(data) > MAX_YAML:
        raise BrokenDocumentError(f"it is larger than {MAX_YAML} bytes")
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found: list[Any] = []
    try:
        events = iter(yaml.parse(data, Loader=loader))
        builder = _Builder(events)
        found.extend(
            builder.value(next(events), 0)
            for event in events
            if isinstance(event, yaml.DocumentStartEvent)
        )
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        if isinstance(error, BrokenDocumentError):
            raise
        problem = getattr(error, "problem", None) or "it is no YAML"
        raise BrokenDocumentError(str(problem)[:200]) from None
    return found


class _Builder:
    def __init__(self, events: Iterator[Any]) -> None:
        self._events = events
        self._left = MAX_NODES

    def value(self, event: Any, depth: int) -> Any:
        import yaml

        self._left -= 1
        if self._left < 0 or depth > MAX_DEPTH:
            raise BrokenDocumentError("it is nested too deeply or has too many values")
        if isinstance(event, yaml.AliasEvent):
            return None
        made: Any
        if isinstance(event, yaml.ScalarEvent):
            made = event.value
        elif isinstance(event, yaml.SequenceStartEvent):
            made = []
            while not isinstance(each := next(self._events), yaml.SequenceEndEvent):
                made.append(self.value(each, depth + 1))
        else:
            made = self._mapping(depth)
        tag = getattr(event, "tag", None)
        if tag and tag != "!" and tag not in _PLAIN_TAGS:
            return Tag(tag, made, event.start_mark.line + 1)
        return made

    def _mapping(self, depth: int) -> dict[str, Any]:
        import yaml

        made: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self.value(event, depth + 1)
            value = self.value(next(self._events), depth + 1)
            if isinstance(key, Tag):
                made[f"(tag {key.tag})"] = key
                key = str(key.value)
            name = key if isinstance(key, str) else repr(key)
            if name in made and name != "<<":
                raise BrokenDocumentError(f"a mapping names the key `{name[:80]}` twice")
            made[name] = value
        return made


def walk(value: Any, pointer: str = "") -> Iterator[tuple[str, str, Any]]:
    """(JSON pointer, key, value) of all values below one; keys of lists are empty."""
    stack: list[tuple[str, str, Any]] = [(pointer, "", value)]
    while stack:
        at, key, each = stack.pop()
        yield at, key, each
        if isinstance(each, Tag):
            each = each.value
        if isinstance(each, dict):
            stack += [
                (f"{at}/{str(k).replace('~', '~0').replace('/', '~1')}", str(k), v)
                for k, v in each.items()
            ]
        elif isinstance(each, list):
            stack += [(f"{at}/{n}", "", v) for n, v in enumerate(each)]
