"""Differences of JSON values: what is at which place, before and after.

Items of lists that name themselves (``name``, ``id``, ``path``) are compared by that, others in
the order they come.
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from remit.artifacts.diff.base import NotLookedIntoError
from remit.artifacts.diff.sequence import edits
from remit.artifacts.diff.text import shown
from remit.core.canonical import digest_bytes
from remit.core.errors import RemitError
from remit.core.strictjson import parse

MAX_JSON_BYTES = 32 * 1024 * 1024
MAX_VALUES = 4_000_000
"""Commas and brackets together: a value of three bytes takes twenty times as much in memory."""
MAX_TOML_BYTES = 1024 * 1024
MAX_DEPTH = 64
_NAMING = ("name", "id", "ruleId", "path", "digest", "key")
_MISSING = object()


class Place(msgspec.Struct, frozen=True):
    """A difference at one place.

    Attributes:
        steps: keys and indexes that lead there; an item that names itself is led to by its name.
        added, removed: whether one side has nothing there.
        before, after: both values, ``None`` where there is none.
    """

    steps: tuple[str, ...]
    added: bool
    removed: bool
    before: Any
    after: Any

    @property
    def pointer(self) -> str:
        """The steps as a JSON pointer (RFC 6901), in which named items stand by their name."""
        return "".join(f"/{s.replace('~', '~0').replace('/', '~1')}" for s in self.steps)


def load_json(data: bytes, limit: int = MAX_JSON_BYTES) -> Any:
    """A JSON value.

    Raises:
        NotLookedIntoError: none, or one that can be read in two ways.
    """
    check_values(data, MAX_VALUES)
    try:
        return parse(data, fold_keys=False, max_bytes=limit, max_depth=MAX_DEPTH)
    except RemitError as error:
        raise NotLookedIntoError(f"it cannot be read as JSON: {error.message}") from error


def check_values(data: bytes, limit: int) -> None:
    """Refuse JSON that is small as a text and huge once it is parsed.

    Raises:
        NotLookedIntoError: there are more than ``limit`` commas and brackets.
    """
    if len(data) > limit and data.count(b",") + data.count(b"[") + data.count(b"{") > limit:
        raise NotLookedIntoError(f"it has more than {limit} values")


def load_yaml(data: bytes, what: str) -> Any:
    """The JSON value of a YAML document.

    Raises:
        NotLookedIntoError: none, or one with anchors, tags or several documents.
    """
    from remit.artifacts.yamltree import load, plain

    try:
        return plain(load(data, shown(what, 80)))
    except RemitError as error:
        raise NotLookedIntoError(f"it cannot be read as YAML: {error.message}") from error


def load_toml(data: bytes) -> Any:
    """The JSON value of a TOML document; dates become text.

    Raises:
        NotLookedIntoError: it is none.
    """
    if len(data) > MAX_TOML_BYTES:
        raise NotLookedIntoError(f"it is larger than {MAX_TOML_BYTES} bytes")
    try:
        value = tomllib.loads(data.decode("utf-8"))
        return msgspec.to_builtins(value)
    except (ValueError, RecursionError, TypeError) as error:
        raise NotLookedIntoError(f"it cannot be read as TOML: {shown(str(error), 100)}") from error


def places(before: Any, after: Any, steps: tuple[str, ...] = ()) -> Iterator[Place]:
    """Everything that differs, in the order of the values."""
    if _same(before, after):
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in [*before, *(k for k in after if k not in before)]:
            old, new = before.get(key, _MISSING), after.get(key, _MISSING)
            yield from _one(old, new, (*steps, str(key)))
    elif isinstance(before, list) and isinstance(after, list):
        yield from _lists(before, after, steps)
    else:
        yield Place(steps, added=False, removed=False, before=before, after=after)


def short(value: Any, limit: int = 500) -> Any:
    """A value to be shown: texts are visible and cut, and so are big lists and objects."""
    if isinstance(value, str):
        return shown(value, limit)
    if isinstance(value, (bool, int)) or value is None:
        return value if not isinstance(value, int) or abs(value) < 1 << 53 else str(value)
    if isinstance(value, float):
        return float(value)
    text = digest_bytes(value).decode()
    if len(text) > limit:
        return shown(text, limit)
    if isinstance(value, list):
        return [short(each, limit) for each in value]
    return {shown(str(k), 100): short(v, limit) for k, v in value.items()}


def phrase(value: Any) -> str:
    """A value in a sentence."""
    if isinstance(value, str):
        return f"`{shown(value, 80)}`"
    try:
        return f"`{shown(digest_bytes(value).decode(), 80)}`"
    except RemitError:
        return "a value"


def _one(old: Any, new: Any, steps: tuple[str, ...]) -> Iterator[Place]:
    if new is _MISSING:
        yield Place(steps, added=False, removed=True, before=old, after=None)
    elif old is _MISSING:
        yield Place(steps, added=True, removed=False, before=None, after=new)
    else:
        yield from places(old, new, steps)


def _lists(before: Sequence[Any], after: Sequence[Any], steps: tuple[str, ...]) -> Iterator[Place]:
    names_a, names_b = _names(before), _names(after)
    if names_a is not None and names_b is not None and (names_a or names_b):
        yield from places(
            dict(zip(names_a, before, strict=True)), dict(zip(names_b, after, strict=True)), steps
        )
        if sorted(names_a) == sorted(names_b) and names_a != names_b:
            yield Place((*steps, "(order)"), added=False, removed=False, before=names_a,
                        after=names_b)  # fmt: skip
        return
    left, right = [digest_bytes(each) for each in before], [digest_bytes(each) for each in after]
    for what, i, j, k, m in edits(left, right):
        if what == "equal":
            continue
        if j - i == m - k:
            for n in range(j - i):
                yield from places(before[i + n], after[k + n], (*steps, str(i + n)))
            continue
        for n in range(i, j):
            yield from _one(before[n], _MISSING, (*steps, str(n)))
        for n in range(k, m):
            yield from _one(_MISSING, after[n], (*steps, str(n)))


def _names(items: Sequence[Any]) -> list[str] | None:
    """What each item calls itself; ``None`` unless all do, and differently."""
    if not items:
        return []
    for key in _NAMING:
        found = [each.get(key) if isinstance(each, Mapping) else None for each in items]
        if all(isinstance(each, str) and each for each in found) and len(set(found)) == len(found):
            return [str(each) for each in found]
    return None


def _same(before: Any, after: Any) -> bool:
    """Equality of JSON: ``true`` is not 1, and 1.0 is 1."""
    if isinstance(before, bool) or isinstance(after, bool):
        return before is after
    if isinstance(before, (int, float)) and isinstance(after, (int, float)):
        return before == after
    if type(before) is not type(after):
        return False
    if isinstance(before, (Mapping, list)):
        return digest_bytes(before) == digest_bytes(after)
    return bool(before == after)
