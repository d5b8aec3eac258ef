"""Kitfiles: what is in a ModelKit (KitOps, Kitfile format 1.0.0).

People write YAML, in which everything unknown is an error; the config of a ModelKit is the same as
JSON with the digests of the layers, in which unknown keys are kept. Here every entry of every
section is one :class:`Entry`, in the order in which their layers are: model, model parts, code,
data sets, documents, prompts, MCP servers.
"""

import json
import posixpath
from typing import Any, Literal, get_args

import msgspec

from remit.artifacts.errors import BadReferenceError, DigestError
from remit.artifacts.oci.names import Reference
from remit.artifacts.yamltree import dump

NAMES = ("Kitfile", "kitfile", ".kitfile")
"""How the file may be called; the first that is there counts."""
VERSION = "1.0.0"

Section = Literal["model", "modelpart", "code", "dataset", "docs", "prompt", "mcpserver"]
SECTIONS: tuple[Section, ...] = get_args(Section)
"""In the order of their layers."""

# The keys of each section, of the package, and of what the config adds, in the order of `kit`.
KEYS: dict[Section, tuple[str, ...]] = {
    "model": ("name", "path", "license", "framework", "format", "version", "description"),
    "modelpart": ("name", "path", "license", "type"),
    "code": ("path", "description", "license"),
    "dataset": ("name", "path", "remotePath", "remoteHash", "description", "license"),
    "docs": ("path", "description"),
    "prompt": ("name", "path", "description"),
    "mcpserver": ("name", "path", "description"),
}  # fmt: skip
LISTS: dict[Section, str] = {
    "code": "code",
    "dataset": "datasets",
    "docs": "docs",
    "prompt": "prompts",
    "mcpserver": "mcpServers",
}
PACKAGE = ("name", "version", "description", "license")
LAYER = ("digest", "diffId")


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
        for key in KEYS[self.section]:
            value = getattr(self, attribute(key))
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


def attribute(key: str) -> str:
    """The attribute of :class:`Entry` that has a key."""
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


def document(kitfile: Kitfile, *, layers: bool) -> dict[str, Any]:
    """The Kitfile as a JSON object, with the digests of its layers or without."""
    package: dict[str, Any] = {
        key: getattr(kitfile, key) for key in PACKAGE if getattr(kitfile, key)
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
    for section, key in LISTS.items():
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
        found |= {key: v for key in LAYER if (v := getattr(entry, attribute(key)))}
        found |= entry.extra
    return found


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
