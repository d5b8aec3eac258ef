"""Finds extractors, and computes facts with them.

Every module of this package that has an ``EXTRACTOR`` is an extractor under the module's name: a
new fact is one new file. Modules are found by listing the package, so a wheel, a zip and a source
tree work alike.
"""

import functools
import importlib
import pkgutil
import re
from collections.abc import Collection, Mapping
from typing import Any, TypeVar

import msgspec

import remit.facts
from remit.core.errors import RemitError
from remit.core.text import printable
from remit.facts import select
from remit.facts.base import Attribute, AttributeType, Environment, Extractor, Fact, FactError, Raw

MAX_SET = 2000
"""Most members of one set attribute."""
MAX_TEXT = 64 * 1024
"""Most characters of all strings in one attribute."""

MAX_REMEMBERED = 512
"""Most facts of repeatable extractors that are remembered."""
MAX_REMEMBERED_TEXT = 4096
"""Longest text whose fact is remembered, in characters."""

_LONG = 1 << 63
_T = TypeVar("_T", str, list[str])


def extractor(name: str) -> Extractor:
    """The extractor called ``name``.

    Raises:
        FactError: ``facts.unknown_extractor``, with the nearest name as hint.
    """
    found = _load(name) if name in _modules() else None
    if found is None:
        raise _unknown(name)
    return found


def names() -> tuple[str, ...]:
    """Names of all extractors, sorted."""
    return tuple(name for name in _modules() if _load(name) is not None)


@functools.cache
def _modules() -> tuple[str, ...]:
    found = (module.name for module in pkgutil.iter_modules(remit.facts.__path__))
    return tuple(sorted(name for name in found if not name.startswith("_")))


@functools.cache
def _load(name: str) -> Extractor | None:
    found: Extractor | None = getattr(
        importlib.import_module(f"{remit.facts.__name__}.{name}"), "EXTRACTOR", None
    )
    if found is not None and found.name != name:
        raise FactError(f"the extractor of module `{name}` calls itself `{found.name}`")
    return found


def _unknown(name: str) -> FactError:
    import difflib

    near = difflib.get_close_matches(name, names(), n=1)
    return FactError(
        f"there is no extractor `{printable(name, 80)}`",
        hint=f"did you mean `{near[0]}`?" if near else f"there are: {', '.join(names())}",
        code="facts.unknown_extractor",
    )


def options_for(name: str, table: Mapping[str, Any]) -> Any:
    """Options of extractor ``name`` from its keys in ``facts.toml``.

    Raises:
        FactError: ``facts.unknown_extractor``, or ``facts.bad_options`` for unknown keys, missing
            ones and wrong values.
    """
    found = extractor(name)
    try:
        return msgspec.convert(dict(table), found.options, strict=True)
    except msgspec.ValidationError as error:
        raise FactError(
            f"the options of extractor `{name}` are wrong: {printable(str(error), 300)}",
            hint=f"it knows: {', '.join(found.options.__struct_fields__) or 'no options'}",
            code="facts.bad_options",
        ) from None


class FactSpec(msgspec.Struct, frozen=True):
    """One fact as a bundle declares it.

    Attributes:
        name: attribute of ``context``.
        extractor: name of the extractor.
        tools: globs over ``<server>/<tool>``; ``*`` also matches ``/``.
        arguments: top-level argument names, or JSONPath that starts with ``$``
            (:mod:`remit.facts.select`).
        options: an instance of the extractor's options.

    Raises:
        FactError: a path, an extractor or the options do not fit.
    """

    name: str
    extractor: str
    tools: tuple[str, ...]
    arguments: tuple[str, ...]
    options: Any

    def __post_init__(self) -> None:
        """Refuse what could only fail later, at every call."""
        if not self.arguments:
            raise FactError(f"fact `{self.name}` names no argument", code="facts.bad_path")
        for argument in self.arguments:
            select.parse(argument)
        if not isinstance(self.options, extractor(self.extractor).options):
            raise FactError(
                f"fact `{self.name}` has the options of another extractor",
                code="facts.bad_options",
            )

    def applies(self, action: str) -> bool:
        """Whether the fact belongs to ``action`` (``<server>/<tool>``)."""
        return matches(self.tools, action)


def matches(globs: tuple[str, ...], action: str) -> bool:
    """Whether one of ``globs`` matches all of ``action``: ``*`` any text, ``?`` one character."""
    return _globs(globs).fullmatch(action) is not None


@functools.lru_cache(maxsize=512)
def _globs(globs: tuple[str, ...]) -> re.Pattern[str]:
    parts = (
        "".join({"*": ".*", "?": "."}.get(c, re.escape(c)) for c in re.sub(r"\*+", "*", glob))
        for glob in globs
    )
    # No glob at all matches nothing.
    return re.compile("|".join(f"(?:{part})" for part in parts) or r"(?!)", re.DOTALL)


_remembered: dict[tuple[int, tuple[str, ...]], tuple[FactSpec, Fact]] = {}
"""Facts of texts seen before, by spec and text; the spec is kept so that its id stays its own."""


def forget() -> None:
    """Drop remembered facts, for measuring."""
    _remembered.clear()


def _key(found: Extractor, values: list[Any]) -> tuple[str, ...] | None:
    """What a fact depends on, if it depends on short texts alone."""
    if not getattr(found, "repeatable", False):
        return None
    if any(type(value) is not str or len(value) > MAX_REMEMBERED_TEXT for value in values):
        return None
    return tuple(values)


def _remember(found: Extractor, spec: FactSpec, values: list[Any], env: Environment) -> Fact:
    """The fact of ``values``, from memory if it depends on them alone."""
    key = _key(found, values)
    known = None if key is None else _remembered.get((id(spec), key))
    if known is not None and known[0] is spec:
        return known[1]
    attributes = found.extract(values, spec.options, env)
    fact = Fact(_typed(found.shape, {**attributes, "ok": True, "present": True}))
    if key is not None:
        if len(_remembered) >= MAX_REMEMBERED:
            _remembered.clear()
        _remembered[id(spec), key] = (spec, fact)
    return fact


def compute(spec: FactSpec, arguments: Mapping[str, Any], env: Environment) -> Fact:
    """Derive one fact from the arguments of a call; never raises.

    No selected argument: ``ok``, not ``present``, everything else false, zero or empty. Whatever
    goes wrong: not ``ok``, the other attributes at the extractor's worst values.
    """
    try:
        found = extractor(spec.extractor)
    except Exception as error:  # noqa: BLE001 - a fact that cannot be derived is a failed fact
        return Fact({"ok": False, "present": True}, f"no extractor: {type(error).__name__}")
    try:
        values = [v for a in spec.arguments for v in select.select(a, arguments)]
        if not values:
            return Fact({**_nothing(found), "ok": True})
        return _remember(found, spec, values, env)
    except FactError as error:
        return _failed(found, error.message, error.seen)
    except RemitError as error:
        return _failed(found, error.message, {})
    except Exception as error:  # noqa: BLE001 - any surprise in a parser is a failed fact
        return _failed(found, f"{type(error).__name__} in extractor `{found.name}`", {})


def _nothing(found: Extractor) -> dict[str, Attribute]:
    empty: dict[AttributeType, Attribute] = {"Bool": False, "Long": 0, "String": ""}
    return {name: empty.get(kind, []) for name, kind in found.shape.items()}


def _failed(found: Extractor, problem: str, seen: Mapping[str, Raw]) -> Fact:
    whole = {"ok": False, "present": True}
    try:
        attributes = _typed(found.shape, {**found.worst, **seen, **whole})
    except FactError:
        attributes = _typed(found.shape, {**found.worst, **whole})
    return Fact(attributes, printable(problem, 300) or "failed")


def _typed(shape: Mapping[str, AttributeType], raw: Mapping[str, Raw]) -> dict[str, Attribute]:
    if raw.keys() != shape.keys():
        raise FactError("the extractor did not return its declared attributes")
    return {name: _convert(kind, raw[name], name) for name, kind in shape.items()}


def _convert(kind: AttributeType, value: Raw, name: str) -> Attribute:
    if kind == "Bool" and type(value) is bool:
        return value
    if kind == "Long" and type(value) is int and -_LONG <= value < _LONG:
        return value
    if kind == "String" and isinstance(value, str):
        return _text(value, [value], name)
    if kind == "Set<String>" and isinstance(value, Collection) and not isinstance(value, str):
        if len(value) > MAX_SET:
            raise FactError(f"`{name}` has more than {MAX_SET} members", code="facts.size")
        members = sorted(set(value))
        return _text(members, members, name)
    raise FactError(f"attribute `{name}` is not a {kind}")


def _text(value: _T, strings: Collection[str], name: str) -> _T:
    if sum(map(len, strings)) > MAX_TEXT:
        raise FactError(f"`{name}` is longer than {MAX_TEXT} characters", code="facts.size")
    for text in strings:
        if not text.isascii():
            text.encode()  # half of a surrogate pair would become a failure of the engine
    return value
