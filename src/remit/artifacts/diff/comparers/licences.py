"""Licences: what a Kitfile, a model card, the configuration and licence texts say.

Texts are recognised by their heading and by sentences that only they have; names are SPDX ids.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from remit.artifacts.diff.base import Change, Work
from remit.artifacts.diff.structure import load_json, load_yaml
from remit.artifacts.diff.text import decode, shown
from remit.artifacts.diff.tree import Entry, Tree
from remit.core.errors import RemitError

NAME = "licences"
MAX_BYTES = 1024 * 1024
_MAX_PLACES = 1000
_FILES = re.compile(r"(^|/)(licen[cs]e|copying|unlicense|notice)([.-][^/]{0,30})?$", re.IGNORECASE)
_CARDS = re.compile(r"(^|/)(readme|model_?card|dataset_?card|skill)\.md$", re.IGNORECASE)
_KITFILES = re.compile(r"(^|/)\.?kitfile$", re.IGNORECASE)
_PACKAGES = re.compile(r"(^|/)(package\.json|pyproject\.toml)$")
_OCI = "org.opencontainers.image.licenses"
UNKNOWN = "unrecognised"

_TEXTS: tuple[tuple[str, str], ...] = (
    ("Apache-2.0", r"Apache License\s+Version 2\.0"),
    ("AGPL-3.0", r"GNU AFFERO GENERAL PUBLIC LICENSE\s+Version 3"),
    ("LGPL-3.0", r"GNU LESSER GENERAL PUBLIC LICENSE\s+Version 3"),
    ("LGPL-2.1", r"GNU LESSER GENERAL PUBLIC LICENSE\s+Version 2\.1"),
    ("GPL-3.0", r"GNU GENERAL PUBLIC LICENSE\s+Version 3"),
    ("GPL-2.0", r"GNU GENERAL PUBLIC LICENSE\s+Version 2"),
    ("MPL-2.0", r"Mozilla Public License,? (Version|v\.?) ?2\.0"),
    ("BUSL-1.1", r"Business Source License 1\.1"),
    ("EPL-2.0", r"Eclipse Public License - v 2\.0"),
    ("BSL-1.0", r"Boost Software License - Version 1\.0"),
    ("Unlicense", r"This is free and unencumbered software released into the public domain"),
    ("CC0-1.0", r"CC0 1\.0 Universal"),
    ("CC-BY-NC-SA-4.0", r"Attribution-NonCommercial-ShareAlike 4\.0 International"),
    ("CC-BY-NC-ND-4.0", r"Attribution-NonCommercial-NoDerivatives 4\.0 International"),
    ("CC-BY-NC-4.0", r"Attribution-NonCommercial 4\.0 International"),
    ("CC-BY-SA-4.0", r"Attribution-ShareAlike 4\.0 International"),
    ("CC-BY-ND-4.0", r"Attribution-NoDerivatives 4\.0 International"),
    ("CC-BY-4.0", r"Attribution 4\.0 International"),
    ("LicenseRef-llama3", r"META LLAMA 3 COMMUNITY LICENSE AGREEMENT"),
    ("LicenseRef-llama2", r"LLAMA 2 COMMUNITY LICENSE AGREEMENT"),
    ("LicenseRef-gemma", r"Gemma Terms of Use"),
    ("LicenseRef-openrail", r"(Open|BigScience|BigCode|CreativeML) ?(Open)? ?RAIL"),
    ("ISC", r"Permission to use, copy, modify, and/or distribute this software for any purpose"),
    ("MIT", r"Permission is hereby granted, free of charge, to any person obtaining a copy"),
    ("BSD-3-Clause", r"Redistribution and use in source and binary forms.{0,1200}Neither the name"),
    ("BSD-2-Clause", r"Redistribution and use in source and binary forms"),
)  # fmt: skip
_TAGS = {
    "apache-2.0": "Apache-2.0", "mit": "MIT", "bsd-2-clause": "BSD-2-Clause",
    "bsd-3-clause": "BSD-3-Clause", "cc0-1.0": "CC0-1.0", "cc-by-4.0": "CC-BY-4.0",
    "cc-by-sa-4.0": "CC-BY-SA-4.0", "cc-by-nc-4.0": "CC-BY-NC-4.0",
    "cc-by-nc-sa-4.0": "CC-BY-NC-SA-4.0", "cc-by-nc-nd-4.0": "CC-BY-NC-ND-4.0",
    "gpl-2.0": "GPL-2.0", "gpl-3.0": "GPL-3.0", "lgpl-3.0": "LGPL-3.0", "lgpl-2.1": "LGPL-2.1",
    "agpl-3.0": "AGPL-3.0", "mpl-2.0": "MPL-2.0", "isc": "ISC", "unlicense": "Unlicense",
    "odc-by": "ODC-By-1.0", "odbl": "ODbL-1.0", "pddl": "PDDL-1.0",
}  # fmt: skip


class LicenceAspect:
    """Each place that names a licence."""

    name = NAME

    def claims(self, a: Tree, b: Tree) -> frozenset[str]:
        """None: the files are compared as what they are, too."""
        del a, b
        return frozenset()

    def compare(self, a: Tree, b: Tree, work: Work) -> Iterator[Change]:
        """What each place said and says."""
        del work
        skip = _equal(a, b)
        old, new = _stated(a, skip), _stated(b, skip)
        for path, what in sorted(old.keys() | new.keys()):
            was, now = old.get((path, what), ""), new.get((path, what), "")
            if was != now:
                yield _change(path, what, was, now)


def _change(path: str, what: str, was: str, now: str) -> Change:
    kind = "changed" if was and now else "added" if now else "removed"
    summary = f"licence `{shown(was)}` → `{shown(now)}`"
    if kind != "changed":
        summary = f"licence {kind}: `{shown(now or was)}`"
    return Change(
        comparer=NAME,
        kind=f"licence.{kind}",
        path=path,
        subject=shown(what),
        severity="medium" if now else "high",
        summary=summary,
        before=shown(was) or None,
        after=shown(now) or None,
    )


def _equal(a: Tree, b: Tree) -> frozenset[str]:
    """Files that need no look, because they are the same."""
    others = b.entries()
    return frozenset(
        path
        for path, entry in a.entries().items()
        if _interesting(path)
        and (other := others.get(path)) is not None
        and other.size == entry.size
        and other.digest == entry.digest
    )


def _interesting(path: str) -> bool:
    return any(p.search(path) for p in (_FILES, _CARDS, _KITFILES, _PACKAGES))


def _stated(tree: Tree, skip: frozenset[str]) -> dict[tuple[str, str], str]:
    """Path and place → the licence that is named there."""
    found: dict[tuple[str, str], str] = {}
    if tree.metadata is not None:
        value = tree.metadata.manifest.annotations.get(_OCI)
        if value:
            found["", _OCI] = _spdx(value)
        found |= {("", key): text for key, text in _config(tree.metadata.config).items()}
    paths = [path for path in tree.entries() if path not in skip and _interesting(path)]
    for path in sorted(paths)[:_MAX_PLACES]:
        text = _text(tree.entries()[path])
        if text is None:
            continue
        try:
            for what, licence in _named(path, text).items():
                found[path, what] = licence
        except RemitError:
            continue
    return found


def _named(path: str, text: str) -> dict[str, str]:
    if _KITFILES.search(path):
        return _kitfile(load_yaml(text.encode(), path))
    if _CARDS.search(path):
        return _card(text, path)
    if path.endswith("package.json"):
        package = load_json(text.encode(), MAX_BYTES)
        value = package.get("license") if isinstance(package, Mapping) else None
        return {"license": _spdx(value)} if isinstance(value, str) else {}
    if path.endswith("pyproject.toml"):
        match = re.search(r'^license\s*=\s*"([^"\n]{1,200})"', text, re.MULTILINE)
        return {"license": _spdx(match[1])} if match else {}
    return {"": recognised(text)}


def recognised(text: str) -> str:
    """The SPDX id of a licence text, :data:`UNKNOWN` if it is none that is known."""
    tag = re.search(r"SPDX-License-Identifier:\s*([^\s][^\n]{0,200})", text[:5000])
    if tag:
        return _spdx(tag[1].strip())
    flat = " ".join(text[:20_000].split())
    for name, pattern in _TEXTS:
        if re.search(pattern.replace(r"\s+", " "), flat, re.IGNORECASE):
            return name
    return UNKNOWN


def _config(data: bytes) -> dict[str, str]:
    """Of a KitOps or ModelPack configuration."""
    try:
        value = load_json(data, MAX_BYTES) if data.strip() else {}
    except RemitError:
        return {}
    if not isinstance(value, Mapping):
        return {}
    found = _kitfile(value)
    descriptor = value.get("descriptor")
    licences = descriptor.get("licenses") if isinstance(descriptor, Mapping) else None
    if isinstance(licences, list) and licences:
        found["descriptor"] = " AND ".join(_spdx(str(each)) for each in licences[:20])
    return found


def _kitfile(value: Any) -> dict[str, str]:
    """Licences of the package and of each entry."""
    found: dict[str, str] = {}
    if not isinstance(value, Mapping):
        return found
    for section in ("package", "model", "code", "datasets"):
        entries = value.get(section)
        for entry in entries if isinstance(entries, list) else [entries]:
            if isinstance(entry, Mapping) and isinstance(entry.get("license"), str):
                name = entry.get("name") or entry.get("path") or ""
                what = section if section in {"package", "model"} else f"{section} {name}"
                found[what] = _spdx(entry["license"])
    return found


def _card(text: str, path: str) -> dict[str, str]:
    """The front matter of a model card."""
    if not text.startswith("---\n"):
        return {}
    front, end, _ = text[4:].partition("\n---")
    value = load_yaml(front.encode(), path) if end else {}
    if not isinstance(value, Mapping):
        return {}
    found = value.get("license")
    if isinstance(found, list):
        found = " AND ".join(_spdx(str(each)) for each in found[:20])
    if not isinstance(found, str):
        return {}
    name = value.get("license_name")
    return {"license": f"LicenseRef-{name}" if found == "other" and name else _spdx(found)}


def _spdx(text: str) -> str:
    return _TAGS.get(text.strip().lower(), text.strip())


def _text(entry: Entry) -> str | None:
    if entry.size > MAX_BYTES or entry.kind != "file":
        return None
    with entry.open() as file:
        return decode(file.read(MAX_BYTES + 1))


ASPECT = LicenceAspect()
