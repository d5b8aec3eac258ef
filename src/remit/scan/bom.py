"""The bill of materials of an artifact, as CycloneDX 1.6 JSON with components of machine learning.

Deterministic: the same artifact has the same bytes. There is no time in it and no random serial
number; its serial number is a UUID of version 5 made from the digest of the artifact, and of what
the operator says: with a database of advisories the bill lists the vulnerabilities that it knows
of, and which database that was; without one it says nothing of any.
"""

import hashlib
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from remit.core.canonical import canonical_bytes
from remit.scan.base import Artifact, Member, ScanError, Settings
from remit.scan.scanners import _advisories, _text
from remit.scan.scanners._lockfiles import NAMES, Package, UnreadableError, packages
from remit.scan.scanners.licences import NONE, card, in_text, spdx

SPEC_VERSION = "1.6"
PREDICATE_TYPE = "https://cyclonedx.org/bom"
MAX_COMPONENTS = 100_000
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://cyclonedx.org/bom#remit")
_CHUNK = 1024 * 1024
_TYPES = {"model": "machine-learning-model", "dataset": "data"}
_PURLS = {"PyPI": "pypi", "npm": "npm", "crates.io": "cargo", "Go": "golang"}


def bom(artifact: Artifact, *, version: str = "") -> dict[str, Any]:
    """The bill of materials.

    Args:
        artifact: with its members and its Kitfile as metadata.
        version: of Remit, named as the tool.

    Raises:
        ScanError: it has more files than a bill can list, or the database of advisories cannot be
            read.
    """
    if len(artifact.members) > MAX_COMPONENTS:
        raise ScanError(
            f"the artifact has more than {MAX_COMPONENTS} files",
            hint="pack directories of many small files as one archive",
        )
    kit = artifact.metadata
    package = _object(kit.get("package"))
    reference = f"artifact@{artifact.digest}"
    values = _card(artifact)
    files = sorted((_file(each) for each in artifact.members), key=lambda each: each["name"])
    named = _packages(artifact)
    parts = [*_entries(kit), *_bases(kit, values), *map(_library, named)]
    components = _unique([*files, *parts])
    main: dict[str, Any] = {
        "type": _TYPES.get(artifact.kind, "application"),
        "bom-ref": reference,
        "name": _string(package.get("name")) or "artifact",
        "version": _string(package.get("version")) or artifact.digest,
        "hashes": _hashes(artifact.digest),
        "properties": [{"name": "remit:kind", "value": artifact.kind or "unknown"}],
    }
    if text := _string(package.get("description")):
        main["description"] = text
    if authors := [
        {"name": each} for each in _list(package.get("authors")) if isinstance(each, str)
    ]:
        main["authors"] = authors
    if licences := _licences(package.get("license") or values.get("license")):
        main["licenses"] = licences
    if main["type"] == "machine-learning-model":
        main["modelCard"] = _model_card(kit, values)
    tool = {"type": "application", "name": "remit", **({"version": version} if version else {})}
    about = _vulnerabilities(artifact.settings, named)
    said = _settings(artifact.settings)
    metadata = {"tools": {"components": [tool]}, "component": main}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": SPEC_VERSION,
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, _seed(artifact.digest, said))}",
        "version": 1,
        "metadata": metadata | ({"properties": said} if said else {}),
        "components": components,
        "dependencies": [
            {"ref": reference, "dependsOn": sorted(each["bom-ref"] for each in components)}
        ],
        **({} if about is None else {"vulnerabilities": about}),
    }


def bom_bytes(artifact: Artifact, *, version: str = "") -> bytes:
    """:func:`bom` as canonical JSON (RFC 8785)."""
    return canonical_bytes(bom(artifact, version=version))


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _hashes(digest: str) -> list[dict[str, str]]:
    algorithm, _, value = digest.partition(":")
    names = {"sha256": "SHA-256", "sha384": "SHA-384", "sha512": "SHA-512"}
    return [{"alg": names[algorithm], "content": value}] if algorithm in names else []


def _file(member: Member) -> dict[str, Any]:
    total = hashlib.sha256()
    with member.open() as file:
        while data := file.read(_CHUNK):
            total.update(data)
    return {
        "type": "file",
        "bom-ref": f"file:{member.path}",
        "name": member.path,
        "hashes": [{"alg": "SHA-256", "content": total.hexdigest()}],
        "properties": [{"name": "remit:size", "value": str(member.size)}],
    }


def _licences(value: Any) -> list[dict[str, Any]]:
    """Licences in the form of CycloneDX: one expression, or identifiers and names."""
    tags = [each for each in (value if isinstance(value, list) else [value]) if each]
    found = sorted({spdx(each).expression for each in tags if isinstance(each, str)} - {NONE})
    if len(found) == 1 and " " in found[0]:
        return [{"expression": found[0]}]
    return [
        {
            "license": {"name": each}
            if each.startswith("LicenseRef-") or " " in each
            else {"id": each}
        }
        for each in found
    ]


def _entries(kit: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What the Kitfile lists: the model, its parts, data sets and code."""
    model = _object(kit.get("model"))
    if model:
        yield _entry(model, "machine-learning-model", "model")
        for part in _list(model.get("parts")):
            if isinstance(part, dict):
                yield _entry(part, "machine-learning-model", "model part")
    for section, kind in (("datasets", "data"), ("code", "file"), ("prompts", "data"),
                          ("mcpServers", "application")):  # fmt: skip
        for each in _list(kit.get(section)):
            if isinstance(each, dict):
                yield _entry(each, kind, section)


def _entry(entry: Mapping[str, Any], kind: str, section: str) -> dict[str, Any]:
    path = _string(entry.get("path")) or _string(entry.get("remotePath"))
    made: dict[str, Any] = {
        "type": kind,
        "bom-ref": f"kitfile:{section}:{path or _string(entry.get('name'))}",
        "name": _string(entry.get("name")) or path or section,
        "properties": [{"name": "remit:section", "value": section}],
    }
    if path:
        made["properties"].append({"name": "remit:path", "value": path})
    if _string(entry.get("version")):
        made["version"] = entry["version"]
    if _string(entry.get("description")):
        made["description"] = entry["description"]
    if hashes := _hashes(_string(entry.get("digest"))):
        made["hashes"] = hashes
    if licences := _licences(entry.get("license")):
        made["licenses"] = licences
    return made


def _bases(kit: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Models and data sets that it was made from, by what card and Kitfile say."""
    for key, kind in (("base_model", "machine-learning-model"), ("datasets", "data")):
        said = values.get(key)
        for each in said if isinstance(said, list) else [said]:
            if isinstance(each, str) and each.strip():
                yield {
                    "type": kind,
                    "bom-ref": f"card:{key}:{each}",
                    "name": each,
                    "properties": [{"name": "remit:relation", "value": key}],
                }
    path = _string(_object(kit.get("model")).get("path"))
    if "@sha256:" in path or (":" in path and "/" in path):
        yield {
            "type": "machine-learning-model",
            "bom-ref": f"kitfile:base:{path}",
            "name": path,
            "properties": [{"name": "remit:relation", "value": "base_model"}],
        }


def _card(artifact: Artifact) -> Mapping[str, Any]:
    for member in artifact.members:
        if member.path.lower() in {"readme.md", "model_card.md", "docs/readme.md"}:
            data = _text.read(member)
            text = None if data is None else _text.decoded(data)
            if text is not None:
                values, body = card(text, member.path)
                if not values.get("license") and (found := in_text(body)):
                    values = {**values, "license": list(found)}
                return values
    return {}


def _model_card(kit: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    model = _object(kit.get("model"))
    parameters: dict[str, Any] = {}
    if task := _string(values.get("pipeline_tag")):
        parameters["task"] = task
    if family := _string(model.get("framework")):
        parameters["architectureFamily"] = family
    listed = values.get("datasets")
    data = [each for each in (listed if isinstance(listed, list) else [listed]) if _string(each)]
    if data:
        parameters["datasets"] = [{"ref": f"card:datasets:{each}"} for each in data]
    return {"modelParameters": parameters} if parameters else {}


def _seed(digest: str, said: Sequence[Mapping[str, str]]) -> str:
    return "\n".join([digest, *(f"{each['name']} {each['value']}" for each in said)])


def _settings(settings: Settings) -> list[dict[str, str]]:
    """What the operator says, as properties of the bill."""
    found = [{"name": "remit:index", "value": each} for each in sorted(settings.indexes)]
    if settings.advisories:
        found.append({"name": "remit:advisories", "value": settings.advisories_digest})
    return found


def _vulnerabilities(settings: Settings, named: Sequence[Package]) -> list[dict[str, Any]] | None:
    """What the database knows of these packages; ``None`` if there is no database.

    Raises:
        ScanError: it cannot be read, or not all of it: a bill with less would say that there is no
            more.
    """
    if not settings.advisories:
        return None
    try:
        database = _advisories.load(
            Path(settings.advisories), {(each.ecosystem, each.name) for each in named}
        )
    except OSError as error:
        raise ScanError(f"the database of advisories cannot be read: {error.strerror}") from error
    if database.unread:
        raise ScanError(f"{database.unread} files of the database of advisories cannot be read")
    found: dict[str, dict[str, Any]] = {}
    for package in named:
        for each in database.about(package):
            one = found.setdefault(
                each.id,
                {
                    "bom-ref": f"vulnerability:{each.id}",
                    "id": each.id,
                    "description": each.summary,
                    "ratings": [{"severity": each.severity}],
                    "affects": [],
                },
            )
            one["affects"].append({"ref": _library(package)["bom-ref"]})
    return [found[id_] for id_ in sorted(found)]


def _packages(artifact: Artifact) -> list[Package]:
    found: set[Package] = set()
    for member in artifact.members:
        name = _text.base(member)
        data = _text.read(member) if NAMES.match(name) else None
        if data is not None:
            try:
                found.update(packages(name, data))
            except UnreadableError:
                continue
    return [each for each in sorted(found) if each.name]


def _library(package: Package) -> dict[str, Any]:
    from urllib.parse import quote

    path = "/".join(quote(part, safe="") for part in package.name.split("/"))
    purl = f"pkg:{_PURLS[package.ecosystem]}/{path}"
    if package.version:
        purl += f"@{quote(package.version, safe='')}"
    made = {"type": "library", "bom-ref": purl, "name": package.name, "purl": purl}
    return made | ({"version": package.version} if package.version else {})


def _unique(components: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Components without those of a reference that was there before."""
    known: dict[str, dict[str, Any]] = {}
    for each in components:
        known.setdefault(each["bom-ref"], each)
    return list(known.values())
