"""Kitfiles: what is in a ModelKit (KitOps, Kitfile format 1.0.0).

People write YAML, in which everything unknown is an error; the config of a ModelKit is the same as
JSON with the digests of the layers, in which unknown keys are kept. Here every entry of every
section is one :class:`Entry`, in the order in which their layers are: model, model parts, code,
data sets, documents, prompts, MCP servers.
"""

import json
import posixpath
import re
from collections.abc import Iterable, Iterator
from typing import Any, Literal, get_args

import msgspec

from remit.artifacts.errors import ArchiveError, BadReferenceError, DefinitionError, DigestError
from remit.artifacts.members import member_name, shown
from remit.artifacts.oci.names import Reference
from remit.artifacts.yamltree import dump, is_null, load, plain
from remit.core.strictjson import StrictJsonError, parse

NAMES = ("Kitfile", "kitfile", ".kitfile")
"""How the file may be called; the first that is there counts."""
VERSION = "1.0.0"
MAX_CONFIG_BYTES = 4 * 1024 * 1024
MAX_ENTRIES = 10_000

Section = Literal["model", "modelpart", "code", "dataset", "docs", "prompt", "mcpserver"]
SECTIONS: tuple[Section, ...] = get_args(Section)
"""In the order of their layers."""

_KEYS: dict[Section, tuple[str, ...]] = {
    "model": ("name", "path", "license", "framework", "format", "version", "description"),
    "modelpart": ("name", "path", "license", "type"),
    "code": ("path", "description", "license"),
    "dataset": ("name", "path", "remotePath", "remoteHash", "description", "license"),
    "docs": ("path", "description"),
    "prompt": ("name", "path", "description"),
    "mcpserver": ("name", "path", "description"),
}  # fmt: skip
_LISTS: dict[Section, str] = {
    "code": "code",
    "dataset": "datasets",
    "docs": "docs",
    "prompt": "prompts",
    "mcpserver": "mcpServers",
}
_PACKAGE = ("name", "version", "description", "license")
_PARAMETERS = ("model", "dataset")
_LAYER = ("digest", "diffId")
_TYPE = re.compile(r"\w[\w.-]{0,63}", re.ASCII)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of a section.

    Attributes:
        section: which one.
        path: where it is in the directory; empty means all of it.
        name, description, license, framework, format, version, type: as people wrote them.
        remote_path, remote_hash: of a data set that is elsewhere and has no layer.
        parameters: any JSON value; ``None`` if there are none.
        digest, diff_id: of its layer, packed and unpacked; empty until there is one.
        extra: unknown keys of the JSON.
    """

    section: Section
    path: str = ""
    name: str = ""
    description: str = ""
    license: str = ""
    framework: str = ""
    format: str = ""
    version: str = ""
    type: str = ""
    remote_path: str = ""
    remote_hash: str = ""
    parameters: Any = None
    digest: str = ""
    diff_id: str = ""
    extra: dict[str, Any] = {}

    @property
    def clean(self) -> str:
        """The path without ``./`` and ``//``; ``.`` for the whole directory."""
        return posixpath.normpath(self.path.strip() or ".")

    @property
    def layered(self) -> bool:
        """Whether it has a layer: a remote data set or a model in another ModelKit has none."""
        return not self.remote_path and not (
            self.section == "model" and (is_reference(self.path) or not self.path)
        )

    def json(self) -> dict[str, Any]:
        """Its object in the config, keys in the order of ``kit``."""
        found: dict[str, Any] = {}
        for key in _KEYS[self.section]:
            value = getattr(self, _attribute(key))
            if value or (key == "path" and self.section == "docs"):
                found[key] = value
        return found


class Kitfile(msgspec.Struct, frozen=True, kw_only=True):
    """A Kitfile, or the config of a ModelKit.

    Attributes:
        name, version, description, license, authors: of the package.
        entries: in the order of :data:`SECTIONS`.
        manifest_version: of the format.
        package_extra, extra: unknown keys of the JSON.
    """

    name: str = ""
    version: str = ""
    description: str = ""
    license: str = ""
    authors: tuple[str, ...] = ()
    entries: tuple[Entry, ...] = ()
    manifest_version: str = VERSION
    package_extra: dict[str, Any] = {}
    extra: dict[str, Any] = {}

    def of(self, *sections: Section) -> tuple[Entry, ...]:
        """The entries of some sections."""
        return tuple(each for each in self.entries if each.section in sections)

    @property
    def licenses(self) -> tuple[str, ...]:
        """Every licence that is named, once, sorted."""
        return tuple(sorted({self.license, *(each.license for each in self.entries)} - {""}))


def _attribute(key: str) -> str:
    return {"remotePath": "remote_path", "remoteHash": "remote_hash", "diffId": "diff_id"}.get(
        key, key
    )


def is_reference(text: str) -> bool:
    """Whether ``text`` names another ModelKit, as ``kit`` sees it: with ``:`` or ``@``."""
    if ":" not in text and "@" not in text:
        return False
    try:
        Reference.parse(text)
    except (BadReferenceError, DigestError):
        return False
    return True


# -- reading -----------------------------------------------------------------------------------


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
    for section, key in _LISTS.items():
        entries.extend(reader.entries(section, root.get(key), key))
    if len(entries) > MAX_ENTRIES:
        raise DefinitionError(f"`{what}` has more than {MAX_ENTRIES} entries")
    authors = reader.sequence(package.get("authors"), "package.authors")
    return Kitfile(
        **{key: reader.text(package.get(key), f"package.{key}") for key in _PACKAGE},
        authors=tuple(reader.text(each, "package.authors") for each in authors),
        entries=tuple(entries),
        manifest_version=reader.text(root.get("manifestVersion"), "manifestVersion"),
        package_extra=reader.rest(package, (*_PACKAGE, "authors"), "package"),
        extra=reader.rest(root, ("manifestVersion", "package", "model", *_LISTS.values()), ""),
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
        keys = _KEYS[section]
        layer = () if self._strict else _LAYER
        more = ("parameters",) if section in _PARAMETERS else ()
        parameters = fields.get("parameters") if more else None
        return Entry(
            section=section,
            **{
                _attribute(key): self.text(fields.get(key), f"{where}.{key}")
                for key in (*keys, *layer)
            },
            parameters=plain(parameters) if self._strict else _floats(parameters),
            extra=self.rest(fields, (*keys, *layer, *more, *known), where),
        )


# -- validating --------------------------------------------------------------------------------


def validate(kitfile: Kitfile, what: str = "Kitfile") -> None:
    """Check the paths and names, by the rules of ``kit``.

    1. Paths are relative and stay in the directory.
    2. No path is used twice, prompts excepted.
    3. URLs are refused, but ``s3://`` as the place of a remote data set, which then has a hash.
    4. A reference to another ModelKit may stand as path of the model, or as a remote path.
    5. Nothing lies inside a data set that comes from another ModelKit.
    6. The type of a model part is a word; MCP servers have a unique name and end in ``.mcpb``.

    Raises:
        DefinitionError: with every problem.
    """
    problems = [problem for each in kitfile.entries for problem in _entry_problems(each)]
    problems += _path_problems(kitfile)
    names = [each.name for each in kitfile.of("mcpserver")]
    problems += [
        f"two MCP servers have the name `{shown(name)}`"
        for name in sorted({name for name in names if names.count(name) > 1})
    ]
    if problems:
        raise DefinitionError(f"`{what}`: {'; '.join(problems[:20])}", hint=_hint(problems))


def _hint(problems: list[str]) -> str:
    return "correct them all" if len(problems) > 1 else ""


def _entry_problems(entry: Entry) -> Iterator[str]:
    where = f"the path `{shown(entry.path)}` of {entry.section}"
    if not (entry.section == "model" and is_reference(entry.path)):
        if is_reference(entry.path):
            yield f"{where} is a reference, which only a model may have"
        elif _SCHEME.match(entry.path):
            yield f"{where} is a URL"
        elif problem := local_problem(entry.path):
            yield f"{where} {problem}"
    if entry.section == "modelpart" and entry.type and not _TYPE.fullmatch(entry.type):
        yield f"the type `{shown(entry.type)}` of a model part is no word of at most 64 characters"
    if entry.section == "mcpserver":
        if not entry.name:
            yield f"the MCP server at `{shown(entry.path)}` has no name"
        if not entry.path.endswith(".mcpb"):
            yield f"{where} does not end in `.mcpb`"
    if entry.section == "dataset":
        yield from _remote_problems(entry)


def _remote_problems(entry: Entry) -> Iterator[str]:
    remote = entry.remote_path
    if not remote:
        if entry.remote_hash:
            yield "`remoteHash` stands only with `remotePath`"
    elif is_reference(remote):
        pass
    elif not remote.startswith("s3://"):
        yield f"the remote path `{shown(remote)}` is neither `s3://` nor a reference"
    elif not entry.remote_hash:
        yield f"the remote path `{shown(remote)}` has no `remoteHash`"


def local_problem(path: str) -> str:
    """What is wrong with a path in a Kitfile; empty if it stays in the directory."""
    if path.startswith("/"):
        return "is absolute"
    clean = posixpath.normpath(path.strip() or ".")
    if clean == ".":
        return ""
    if clean == ".." or clean.startswith("../"):
        return "leaves the directory"
    try:
        member_name(clean)
    except ArchiveError as error:
        return f"cannot be packed: {error.message.rpartition(': ')[2]}"
    return ""


def _path_problems(kitfile: Kitfile) -> Iterator[str]:
    seen: dict[str, Entry] = {}
    for each in kitfile.entries:
        if each.section == "prompt" or (each.section == "model" and not each.layered):
            continue
        if each.clean in seen:
            other = seen[each.clean].section
            yield f"{other} and {each.section} have the same path `{shown(each.clean)}`"
        seen.setdefault(each.clean, each)
    remote = [each.clean for each in kitfile.of("dataset") if is_reference(each.remote_path)]
    for each in kitfile.entries:
        for folder in remote:
            if each.clean != folder and (each.clean.startswith(f"{folder}/") or folder == "."):
                yield f"`{shown(each.clean)}` is inside the remote data set `{shown(folder)}`"


# -- writing -----------------------------------------------------------------------------------


def document(kitfile: Kitfile, *, layers: bool) -> dict[str, Any]:
    """The Kitfile as a JSON object, with the digests of its layers or without."""
    package: dict[str, Any] = {
        key: getattr(kitfile, key) for key in _PACKAGE if getattr(kitfile, key)
    }
    if kitfile.authors:
        package["authors"] = list(kitfile.authors)
    found: dict[str, Any] = {
        "manifestVersion": kitfile.manifest_version,
        "package": package | (kitfile.package_extra if layers else {}),
    }
    for model in kitfile.of("model"):
        parts = [_object(each, layers=layers) for each in kitfile.of("modelpart")]
        found["model"] = _object(model, layers=layers, parts=parts)
    for section, key in _LISTS.items():
        entries = [_object(each, layers=layers) for each in kitfile.of(section)]
        if entries:
            found[key] = entries
    return found | (kitfile.extra if layers else {})


def _object(
    entry: Entry, *, layers: bool, parts: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    found = entry.json()
    if parts:
        found["parts"] = parts
    if entry.parameters is not None:
        found["parameters"] = _sorted(entry.parameters)
    if layers:
        found |= {key: v for key in _LAYER if (v := getattr(entry, _attribute(key)))}
        found |= entry.extra
    return found


def _floats(value: Any) -> Any:
    """A JSON value with plain floats, instead of those that remember their text."""
    if isinstance(value, dict):
        return {key: _floats(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_floats(each) for each in value]
    return float(value) if isinstance(value, float) else value


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    if isinstance(value, (list, tuple)):
        return [_sorted(each) for each in value]
    return value


def config_bytes(kitfile: Kitfile) -> bytes:
    """The config of a ModelKit, byte for byte as ``kit`` writes it (Go's ``encoding/json``)."""
    text = json.dumps(
        document(kitfile, layers=True), ensure_ascii=False, separators=(",", ":"), allow_nan=False
    )
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode()


def yaml_bytes(kitfile: Kitfile) -> bytes:
    """The Kitfile for people, without digests and unknown keys."""
    return dump(document(kitfile, layers=False))
