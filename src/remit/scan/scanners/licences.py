"""Licences by SPDX: what the card says, what the file says, and whether the two agree.

Tags become SPDX expressions (Annex D of SPDX 2.3) by ``license-expression``; what its list does not
have is in a table here, or becomes ``LicenseRef-`` and the tag. Restrictions of use are said, and
so is the absence of a licence. This is no legal advice.
"""

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from remit.artifacts.errors import ArtifactError
from remit.artifacts.kinds.base import front_matter
from remit.artifacts.yamltree import plain
from remit.scan.base import (
    Artifact,
    Coverage,
    Finding,
    Member,
    Result,
    Severity,
    evidence,
    register,
)
from remit.scan.scanners import _text
from remit.scan.scanners._text import TextScanner

NONE = "NONE"
_CARDS = ("readme.md", "model_card.md", "modelcard.md", "dataset_card.md")
_FILES = re.compile(r"(?i)\A(?:licen[cs]e|copying|use_policy|notice|unlicense)(?:[-_.][\w.-]*)?\Z")
_OWN = {
    "odc-by": "ODC-By-1.0", "odbl": "ODbL-1.0", "pddl": "PDDL-1.0", "c-uda": "C-UDA-1.0",
    "lgpl-lr": "LGPLLR", "cdla-permissive": "CDLA-Permissive-1.0", "cdla-sharing": "CDLA-Sharing-1.0",
    "wtfpl": "WTFPL", "isc": "ISC", "zlib": "Zlib", "afl-3.0": "AFL-3.0", "artistic-2.0": "Artistic-2.0",
    "bsl-1.0": "BSL-1.0", "ms-pl": "MS-PL", "etalab-2.0": "etalab-2.0", "eupl-1.1": "EUPL-1.1",
    "eupl-1.2": "EUPL-1.2",
}  # fmt: skip
_RESTRICTED = frozenset({
    "openrail++", "creativeml-openrail-m", "bigscience-openrail-m", "bigscience-bloom-rail-1.0",
    "bigcode-openrail-m", "llama2", "llama3", "llama3.1", "llama3.2", "llama3.3", "llama4", "gemma",
    "deepfloyd-if-license", "apple-amlr", "apple-ascl", "grok2-community", "intel-research",
    "h-research", "fair-noncommercial-research-license",
})  # fmt: skip
_NO_VERSION = frozenset({"gpl", "lgpl", "bsd", "cc", "gfdl", "openrail", "agpl", "apache", "mpl"})
_TEXTS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (spdx, re.compile(pattern, re.IGNORECASE | re.DOTALL))
    for spdx, pattern in (
        ("AGPL-3.0-only", r"GNU\s+Affero\s+General\s+Public\s+License[\s,]*(?:\(?v(?:ersion)?\.?\s*)?3"),
        ("LGPL-3.0-only", r"GNU\s+Lesser\s+General\s+Public\s+License[\s,]*(?:\(?v(?:ersion)?\.?\s*)?3"),
        ("LGPL-2.1-only", r"GNU\s+Lesser\s+General\s+Public\s+License[\s,]*(?:\(?v(?:ersion)?\.?\s*)?2"),
        ("GPL-3.0-only", r"GNU\s+General\s+Public\s+License[\s,]*(?:\(?v(?:ersion)?\.?\s*)?3|\bGPL\s*-?v?3(?:\.0)?\b"),
        ("GPL-2.0-only", r"GNU\s+General\s+Public\s+License[\s,]*(?:\(?v(?:ersion)?\.?\s*)?2|\bGPL\s*-?v?2(?:\.0)?\b"),
        ("Apache-2.0", r"Apache\s+License[\s,]*(?:v(?:ersion)?\.?\s*)?2|licensed\s+under\s+(?:the\s+)?Apache[\s-]2"),
        ("MIT", r"\bMIT\s+Licen[cs]e\b|Permission is hereby granted, free of charge, to any person obtaining a copy"),
        ("MPL-2.0", r"Mozilla\s+Public\s+License[\s,]*(?:v(?:ersion)?\.?\s*)?2"),
        ("CC-BY-NC-SA-4.0", r"Attribution-NonCommercial-ShareAlike\s+4|CC[ -]BY-NC-SA[ -]4"),
        ("CC-BY-NC-4.0", r"Attribution-NonCommercial\s+4|CC[ -]BY-NC[ -]4"),
        ("CC-BY-SA-4.0", r"Attribution-ShareAlike\s+4|CC[ -]BY-SA[ -]4"),
        ("CC-BY-4.0", r"Creative Commons Attribution\s+4|CC[ -]BY[ -]4"),
        ("CC0-1.0", r"CC0\s+1\.0|Creative Commons Zero"),
        ("BSD-3-Clause", r"Redistribution and use in source and binary forms.{0,1500}Neither the name"),
        ("LicenseRef-llama", r"LLAMA\s+[\d.]+\s+COMMUNITY\s+LICENSE"),
        ("LicenseRef-gemma", r"Gemma\s+Terms\s+of\s+Use"),
        ("LicenseRef-openrail", r"Open\s+RAIL(?:\+\+)?-?M|Responsible\s+AI\s+License"),
    )
)  # fmt: skip
_SAYS = re.compile(
    r"(?i)\b(?:licen[cs]ed|released|distributed|available|provided|published)\s+under\b(.{0,160})|^#+\s*licen[cs]e\s*$(.{0,400})",
    re.DOTALL | re.MULTILINE,
)


class Licence(msgspec.Struct, frozen=True):
    """A licence that is declared.

    Attributes:
        expression: SPDX, ``LicenseRef-…`` for what SPDX does not list, ``NONE`` without.
        known: whether SPDX or the table here knows it.
        restricted: whether it restricts what one may do with it.
        vague: whether the tag is a family without a version.
    """

    expression: str
    known: bool = True
    restricted: bool = False
    vague: bool = False


def spdx(tag: str) -> Licence:
    """The licence of a tag, as cards of models have it."""
    bare = tag.strip()
    low = bare.lower()
    if not low or low in {"none", "unknown", "unlicensed", "proprietary"}:
        return Licence(NONE if low != "proprietary" else "LicenseRef-proprietary", known=False)
    if low in _RESTRICTED:
        return Licence(f"LicenseRef-{_ref(low)}", restricted=True)
    if low in _OWN:
        return Licence(_OWN[low], restricted="-nc" in low)
    if low in _NO_VERSION:
        return Licence(f"LicenseRef-{low}", vague=True)
    if len(bare) <= 500:
        try:
            parsed = _licensing().parse(bare)
        except Exception:  # noqa: BLE001 - whatever a parser of other people does not take is unknown
            parsed = None
        if parsed is not None and not _licensing().unknown_license_keys(parsed):
            text = str(parsed)
            restricted = "-NC" in text or "-ND" in text
            return Licence(text, restricted=restricted)
    return Licence(f"LicenseRef-{_ref(low)}", known=False)


def _ref(tag: str) -> str:
    return (
        re.sub(r"[^A-Za-z0-9.-]+", "-", tag.replace("++", "-plus-plus")).strip("-")[:100]
        or "unknown"
    )


@functools.cache
def _licensing() -> Any:
    from license_expression import get_spdx_licensing

    return get_spdx_licensing()


def in_text(text: str) -> tuple[str, ...]:
    """Licences whose text or name is in a text, the most specific of a family."""
    found = [name for name, pattern in _TEXTS if pattern.search(text[:200_000])]
    if "LicenseRef-openrail" in found or "LicenseRef-llama" in found:
        found = [each for each in found if each.startswith("LicenseRef")]
    return tuple(found)


def card(text: str, name: str = "card") -> tuple[Mapping[str, Any], str]:
    """Front matter and body of a card; nothing and all of it if it has none that can be read."""
    try:
        values, body = front_matter(text, name)
    except ArtifactError:
        return {}, text
    value = plain(values)
    return (value if isinstance(value, dict) else {}), body


@register
class Licences(TextScanner):
    """Scanner ``licences``."""

    name = "licences"
    version = "1"

    def claims(self, artifact: Artifact, member: Member) -> bool:
        """Cards and texts of licences, not those of archives in it."""
        del artifact
        name = _text.base(member)
        return "!/" not in member.path and (name in _CARDS or _FILES.match(name) is not None)

    def scan(self, artifact: Artifact, claimed: Sequence[Member]) -> Iterator[Result]:
        """Compare what is declared in all of them."""
        declared: dict[str, Member | None] = {}
        for text, where in _kitfile(artifact.metadata):
            licence = spdx(text)
            declared.setdefault(licence.expression, None)
            yield from _about(licence, where, text)
        stated: dict[str, Member] = {}
        for member in claimed:
            data = _text.read(member)
            text = "" if data is None else data.decode("utf-8", "replace")
            if data is None:
                yield _text.unread(member, "licence", "it is too large", executes=False)
                continue
            if _text.base(member) in _CARDS:
                yield from _card(text, member, declared, stated)
            else:
                for name in in_text(text):
                    stated.setdefault(name, member)
            yield Coverage(
                member=member.path, status="partial", format="licence",
                reason="looked at for licences only",
            )  # fmt: skip
        yield from _together(declared, stated, artifact, claimed)


def _kitfile(metadata: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    package = metadata.get("package")
    if isinstance(package, dict) and isinstance(package.get("license"), str):
        yield package["license"], "Kitfile"
    for section in ("model", "code", "datasets"):
        entries = metadata.get(section)
        for entry in entries if isinstance(entries, list) else [entries]:
            if isinstance(entry, dict) and isinstance(entry.get("license"), str):
                yield entry["license"], "Kitfile"


def _about(licence: Licence, member: str, tag: str) -> Iterator[Finding]:
    yield _finding("declared", "the licence that is declared", "info", member, licence.expression)
    if licence.vague or not licence.known:
        title = (
            "a family of licences without a version"
            if licence.vague
            else "a licence that SPDX does not know"
        )
        yield _finding("unclear", title, "medium", member, f"{tag} → {licence.expression}")
    if licence.restricted:
        yield _finding(
            "restricted", "a licence that restricts use", "low", member, licence.expression
        )


def _finding(rule: str, title: str, severity: Severity, member: str, shown: str) -> Finding:
    return Finding(
        rule=f"licence.{rule}", title=title, severity=severity, member=member,
        evidence=evidence(shown),
    )  # fmt: skip


def _card(
    text: str, member: Member, declared: dict[str, Member | None], stated: dict[str, Member]
) -> Iterator[Finding]:
    values, body = card(text, member.path)
    tags = values.get("license", values.get("licence"))
    for tag in tags if isinstance(tags, list) else [tags]:
        if not isinstance(tag, str) or not tag.strip():
            continue
        if tag.strip().lower() == "other":
            name = values.get("license_name")
            if not isinstance(name, str) or not values.get("license_link"):
                yield _finding("unnamed", "another licence without its name and link", "medium",
                               member.path, tag)  # fmt: skip
                continue
            tag = name  # noqa: PLW2901 - its own name is what counts
        licence = spdx(tag)
        declared.setdefault(licence.expression, member)
        yield from _about(licence, member.path, tag)
    for match in _SAYS.finditer(body[:200_000]):
        for name in in_text(match[0]):
            stated.setdefault(name, member)


def _family(expression: str) -> str:
    low = re.sub(r"-(?:only|or-later)\b|\+\Z", "", expression.lower())
    return re.sub(
        r"\Alicenseref-(llama|gemma|openrail)[\w.-]*\Z",
        r"\1",
        re.sub(r".*(openrail).*", r"\1", low),
    )


def _together(
    declared: Mapping[str, Member | None],
    stated: Mapping[str, Member],
    artifact: Artifact,
    claimed: Sequence[Member],
) -> Iterator[Finding]:
    said = " ".join(declared).lower()
    families = {_family(each) for each in declared}
    if declared:
        for name, member in stated.items():
            if _family(name) not in families and _family(name) not in said:
                yield _finding(
                    "conflict", "licences that contradict each other", "medium", member.path,
                    f"{' and '.join(sorted(declared))} != {name}",
                )  # fmt: skip
    elif stated:
        for name, member in stated.items():
            yield _finding(
                "stated", "a licence that only the text names", "info", member.path, name
            )
    elif artifact.kind in {"model", "dataset"}:
        where = claimed[0].path if claimed else "Kitfile"
        yield _finding("none", "no licence", "medium", where, NONE)
