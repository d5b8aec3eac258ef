"""Reading Kitfiles: strictly what people write, and the config of a ModelKit as it comes."""

from collections.abc import Iterable, Iterator
from typing import Any

from remit.artifacts.errors import DefinitionError
from remit.artifacts.kitfile import KEYS, LAYER, LISTS, PACKAGE, Entry, Kitfile, Section, attribute
from remit.artifacts.kitrules import validate
from remit.artifacts.members import shown
from remit.artifacts.yamltree import is_null, load, plain
from remit.core.strictjson import StrictJsonError, parse

MAX_CONFIG_BYTES = 4 * 1024 * 1024
MAX_ENTRIES = 10_000
_PARAMETERS = ("model", "dataset")


def parse_yaml(data: bytes, what: str = "Kitfile") -> Kitfile:
    """Read and validate what a person wrote.

    Raises:
        DefinitionError: it is malformed, has unknown keys or wrong paths; every problem that was
            found in the paths is in the message.
    """
    found = _read(load(data, what), what, strict=True)
    validate(found, what)
    return found


def parse_config(data: bytes) -> Kitfile:
    """Read the config of a ModelKit.

    Raises:
        DefinitionError: it is malformed. Its paths are not judged here: nothing may be written to
            one that was not.
    """
    try:
        value = parse(data, fold_keys=False, max_bytes=MAX_CONFIG_BYTES)
    except StrictJsonError as error:
        raise DefinitionError(f"the config cannot be read: {error.message}") from error
    return _read(value, "config", strict=False)


def _read(tree: Any, what: str, *, strict: bool) -> Kitfile:
    reader = _Reader(what, strict=strict)
    root = reader.mapping(tree, "")
    package = reader.mapping(root.get("package"), "package")
    model = root.get("model")
    entries: list[Entry] = []
    if not is_null(model):
        fields = reader.mapping(model, "model")
        entries.append(reader.entry("model", fields, "model", ("parts",)))
        entries.extend(reader.entries("modelpart", fields.get("parts"), "model.parts"))
    for section, key in LISTS.items():
        entries.extend(reader.entries(section, root.get(key), key))
    if len(entries) > MAX_ENTRIES:
        raise DefinitionError(f"`{what}` has more than {MAX_ENTRIES} entries")
    authors = reader.sequence(package.get("authors"), "package.authors")
    return Kitfile(
        **{key: reader.text(package.get(key), f"package.{key}") for key in PACKAGE},
        authors=tuple(reader.text(each, "package.authors") for each in authors),
        entries=tuple(entries),
        manifest_version=reader.text(root.get("manifestVersion"), "manifestVersion"),
        package_extra=reader.rest(package, (*PACKAGE, "authors"), "package"),
        extra=reader.rest(root, ("manifestVersion", "package", "model", *LISTS.values()), ""),
    )


class _Reader:
    def __init__(self, what: str, *, strict: bool) -> None:
        self._what = what
        self._strict = strict

    def _wrong(self, where: str, problem: str) -> DefinitionError:
        at = f"`{where}` " if where else ""
        return DefinitionError(f"`{self._what}`: {at}{problem}")

    def mapping(self, value: Any, where: str) -> dict[str, Any]:
        if is_null(value):
            return {}
        if not isinstance(value, dict):
            raise self._wrong(where, "is not a mapping")
        return value

    def sequence(self, value: Any, where: str) -> list[Any]:
        if is_null(value):
            return []
        if not isinstance(value, list):
            raise self._wrong(where, "is not a list")
        return value

    def text(self, value: Any, where: str) -> str:
        if is_null(value):
            return ""
        if not isinstance(value, str):
            raise self._wrong(where, "is not a text")
        return str(value)

    def rest(self, value: dict[str, Any], known: Iterable[str], where: str) -> dict[str, Any]:
        left = {key: each for key, each in value.items() if key not in set(known)}
        if left and self._strict:
            raise DefinitionError(
                f"`{self._what}`: `{shown(next(iter(left)))}` is no key of"
                f" {f'`{where}`' if where else 'a Kitfile'}",
                hint=f"there are {', '.join(known)}",
            )
        return left

    def entries(self, section: Section, value: Any, where: str) -> Iterator[Entry]:
        for at, each in enumerate(self.sequence(value, where)):
            place = f"{where}[{at}]"
            yield self.entry(section, self.mapping(each, place), place)

    def entry(
        self, section: Section, fields: dict[str, Any], where: str, known: tuple[str, ...] = ()
    ) -> Entry:
        keys = KEYS[section]
        layer = () if self._strict else LAYER
        more = ("parameters",) if section in _PARAMETERS else ()
        parameters = fields.get("parameters") if more else None
        return Entry(
            section=section,
            **{
                attribute(key): self.text(fields.get(key), f"{where}.{key}")
                for key in (*keys, *layer)
            },
            parameters=plain(parameters) if self._strict else _floats(parameters),
            extra=self.rest(fields, (*keys, *layer, *more, *known), where),
        )


def _floats(value: Any) -> Any:
    """A JSON value with plain floats, instead of those that remember their text."""
    if isinstance(value, dict):
        return {key: _floats(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_floats(each) for each in value]
    return float(value) if isinstance(value, float) else value
