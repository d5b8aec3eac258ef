"""A bill of materials (CycloneDX) as rows. It comes from outside: nothing is believed."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

MAX_ROWS = 1000


class Material(msgspec.Struct, frozen=True, kw_only=True):
    """A component.

    Attributes:
        kind, name, version: as the bill says.
        licences: identifiers or expressions, joined.
        hash: the first of it.
        purl: package URL; empty without one.
    """

    kind: str
    name: str
    version: str = ""
    licences: str = ""
    hash: str = ""
    purl: str = ""


def materials(bom: Mapping[str, Any]) -> tuple[list[Material], int]:
    """Rows of a bill, the packages before the files; and how many there are in all."""
    listed = bom.get("components")
    rows = list(_rows(listed if isinstance(listed, list) else []))
    rows.sort(key=lambda each: (each.kind == "file", each.kind, each.name))
    return rows[:MAX_ROWS], len(rows)


def main_licences(bom: Mapping[str, Any]) -> str:
    """Licences of what the bill is about."""
    metadata = bom.get("metadata")
    component = metadata.get("component") if isinstance(metadata, dict) else None
    return _licences(component) if isinstance(component, dict) else ""


def _rows(listed: list[Any]) -> Iterator[Material]:
    for each in listed:
        if not isinstance(each, dict):
            continue
        yield Material(
            kind=_text(each.get("type")),
            name=_text(each.get("name")),
            version=_text(each.get("version")),
            licences=_licences(each),
            hash=_hash(each.get("hashes")),
            purl=_text(each.get("purl")),
        )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _licences(component: Mapping[str, Any]) -> str:
    found = []
    listed = component.get("licenses")
    for each in listed if isinstance(listed, list) else []:
        if not isinstance(each, dict):
            continue
        inner = each.get("license")
        name = _text(each.get("expression"))
        if isinstance(inner, dict):
            name = _text(inner.get("id")) or _text(inner.get("name"))
        if name:
            found.append(name)
    return ", ".join(dict.fromkeys(found))


def _hash(value: Any) -> str:
    for each in value if isinstance(value, list) else []:
        if isinstance(each, dict) and _text(each.get("content")):
            return f"{_text(each.get('alg')).lower().replace('sha-', 'sha')}:{each['content']}"
    return ""
