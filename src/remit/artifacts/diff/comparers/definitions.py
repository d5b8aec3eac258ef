"""Kitfiles and definitions of agents: what they refer to, and everything else that they say."""

from collections.abc import Iterator
from typing import Any

import msgspec

from remit.artifacts.diff.base import Change, NotLookedIntoError, Pair, Severity, Work, capped
from remit.artifacts.diff.comparers.structured import load_pair, place_changes
from remit.artifacts.diff.comparers.text import COMPARER as TEXT
from remit.artifacts.diff.structure import Place, load_yaml, places
from remit.artifacts.diff.text import looks_like_text, read_bytes
from remit.artifacts.oci.digests import is_digest
from remit.artifacts.oci.names import Reference
from remit.core.errors import RemitError

NAME = "definitions"
MAX_BYTES = 1024 * 1024
_KITFILES = ("kitfile", ".kitfile")
_AGENTS = ("agent.yaml", "agent.yml", "agent.json", "agent.lock", "agent-definition.yaml",
           "agentdefinition.yaml")  # fmt: skip
_COMPUTED = ("digest", "diffId")
"""Keys of a configuration that follow from the layers."""
_SECTIONS = ("model", "code", "datasets", "docs", "prompts", "mcpServers")


class DefinitionComparer:
    """Places of values; references by what moved in them."""

    name = NAME
    order = 350

    def takes(self, pair: Pair) -> bool:
        """By the names that such files have."""
        named = pair.name in (*_KITFILES, *_AGENTS) or pair.name.endswith(".agent.yaml")
        return named and all(map(looks_like_text, pair.heads))

    def compare(self, pair: Pair, work: Work) -> Iterator[Change]:
        """Place by place, or as a text."""
        try:
            if pair.suffix in {".json", ".yaml", ".yml"}:
                before, after = load_pair(pair)
            else:
                before, after = (
                    load_yaml(read_bytes(entry, MAX_BYTES), pair.name) for entry in (pair.a, pair.b)
                )
        except NotLookedIntoError:
            yield from TEXT.compare(pair, work)
            return
        kind = "kitfile" if pair.name in _KITFILES else "agent"
        yield from definition_changes(pair.path, kind, before, after)


def definition_changes(path: str, kind: str, before: Any, after: Any) -> Iterator[Change]:
    """What changed in a definition; ``kind`` begins the kinds of changes."""
    yield from capped(
        (
            change
            for place in places(before, after)
            for change in _change(path, kind, place)
        ),
        lambda left: Change(comparer=NAME, kind=f"{kind}.more", path=path, severity="medium",
                            summary=f"{left} more values differ"),
    )  # fmt: skip


def without_computed(value: Any) -> Any:
    """A configuration without what follows from its layers, in entries of a Kitfile only."""
    if not isinstance(value, dict):
        return value
    return {k: _entries(v) if k in _SECTIONS else v for k, v in value.items()}


def _entries(value: Any) -> Any:
    if isinstance(value, list):
        return [_entries(each) for each in value]
    if not isinstance(value, dict):
        return value
    kept = {k: v for k, v in value.items() if k not in _COMPUTED}
    return {k: _entries(v) if k == "parts" else v for k, v in kept.items()}


def _change(path: str, kind: str, place: Place) -> Iterator[Change]:
    old, new = _reference(place.before), _reference(place.after)
    if old is not None and new is not None:
        summary, severity = _moved(old, new)
        for change in place_changes(NAME, path, place, severity=severity):
            yield msgspec.structs.replace(change, kind=f"{kind}.reference", summary=summary)
        return
    digests = (
        isinstance(place.before, str)
        and isinstance(place.after, str)
        and (is_digest(place.before) and is_digest(place.after))
    )
    severity = "medium" if digests or kind == "agent" else "low"
    for change in place_changes(NAME, path, place):
        what = change.kind.rpartition(".")[2]
        worse: Severity = change.severity if change.severity == "high" else severity
        named = change.kind if change.kind.startswith("text.") else f"{kind}.{what}"
        yield msgspec.structs.replace(
            change, kind=f"{kind}.digest" if digests else named, severity=worse
        )


def _reference(value: Any) -> Reference | None:
    """A reference that says so: one with a tag or a digest."""
    if not isinstance(value, str) or not (":" in value or "@" in value) or "://" in value:
        return None
    if is_digest(value):
        return None
    try:
        found = Reference.parse(value)
    except RemitError:
        return None
    return found if found.tag or found.digest else None


def _moved(old: Reference, new: Reference) -> tuple[str, Severity]:
    if (old.host, old.repository) != (new.host, new.repository):
        return f"refers to `{new}` and no longer to `{old}`", "high"
    parts = []
    if old.tag != new.tag:
        parts.append(f"tag `{old.tag or 'none'}` → `{new.tag or 'none'}`")
    if old.digest != new.digest:
        was, now = old.digest[:19] or "none", new.digest[:19] or "none"
        parts.append(f"digest `{was}` → `{now}`")
    severity: Severity = "medium"
    if old.digest and not new.digest:
        parts.append("it is no longer pinned by a digest")
        severity = "high"
    elif old.digest != new.digest and old.tag == new.tag and old.digest:
        parts.append("under the same tag")
    return f"`{old.repository}` moved: {', '.join(parts)}", severity


COMPARER = DefinitionComparer()
