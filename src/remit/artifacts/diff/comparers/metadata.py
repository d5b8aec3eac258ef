"""What an artifact has besides files: type, annotations, configuration, types of layers."""

from collections.abc import Iterator
from typing import Any

from remit.artifacts.diff.base import Change, NotLookedIntoError, Work
from remit.artifacts.diff.comparers.definitions import definition_changes, without_computed
from remit.artifacts.diff.structure import load_json, phrase, places, short
from remit.artifacts.diff.text import shown
from remit.artifacts.diff.tree import Metadata, Tree

NAME = "metadata"
_OF_WRITER = ("org.opencontainers.image.created", "ml.kitops.modelkit.cli-version")
MAX_CONFIG_BYTES = 4 * 1024 * 1024


class MetadataAspect:
    """Only where both sides are artifacts: a directory has none of this."""

    name = NAME

    def claims(self, a: Tree, b: Tree) -> frozenset[str]:
        """No files."""
        del a, b
        return frozenset()

    def compare(self, a: Tree, b: Tree, work: Work) -> Iterator[Change]:
        """Type, annotations, configuration, layers."""
        before, after = a.metadata, b.metadata
        if before is None or after is None or before.digest == after.digest:
            return
        if before.manifest.kind != after.manifest.kind:
            yield Change(comparer=NAME, kind="artifact.type", severity="high",
                         summary=f"type `{shown(before.manifest.kind)}` → "
                         f"`{shown(after.manifest.kind)}`",
                         before=shown(before.manifest.kind),
                         after=shown(after.manifest.kind))  # fmt: skip
        yield from _annotations(before.manifest.annotations, after.manifest.annotations)
        yield from self._config(before, after, work)
        yield from _packing(before, after)

    def _config(self, before: Metadata, after: Metadata, work: Work) -> Iterator[Change]:
        if before.config == after.config:
            return
        try:
            old, new = _config(before), _config(after)
        except NotLookedIntoError as error:
            work.unread("", f"the configuration: {error.message}")
            return
        config = after.manifest.config
        kit = config is not None and "kitops" in config.media_type
        yield from definition_changes("", "kitfile" if kit else "config", old, new)


def _config(metadata: Metadata) -> Any:
    if not metadata.config.strip():
        return {}
    return without_computed(load_json(metadata.config, MAX_CONFIG_BYTES))


def _annotations(before: dict[str, str], after: dict[str, str]) -> Iterator[Change]:
    for place in places(_read(before), _read(after)):
        what = "added" if place.added else "removed" if place.removed else "changed"
        both = not place.added and not place.removed
        yield Change(
            comparer=NAME,
            kind=f"annotation.{what}",
            subject=shown(" ".join(place.steps), 300),
            severity="info" if place.steps[0] in _OF_WRITER else "low",
            summary=f"{phrase(place.before)} → {phrase(place.after)}"
            if both
            else f"annotation {what}: {phrase(place.after if place.added else place.before)}",
            before=short(place.before),
            after=short(place.after),
        )


def _read(annotations: dict[str, str]) -> dict[str, Any]:
    """Annotations, those that hold JSON objects as what they hold."""
    found: dict[str, Any] = {}
    for key, text in annotations.items():
        found[key] = text
        if text.startswith("{"):
            try:
                found[key] = load_json(text.encode(), MAX_CONFIG_BYTES)
            except (NotLookedIntoError, UnicodeEncodeError):
                continue
    return found


def _packing(before: Metadata, after: Metadata) -> Iterator[Change]:
    """Media types of layers, if they are not the same; their content is compared as files."""
    old = [layer.media_type for layer in before.manifest.layers]
    new = [layer.media_type for layer in after.manifest.layers]
    if old != new:
        yield Change(
            comparer=NAME,
            kind="layers.types",
            severity="info",
            summary=f"{len(old)} → {len(new)} layers, or of other types",
            before=[shown(each) for each in old[:100]],
            after=[shown(each) for each in new[:100]],
        )


ASPECT = MetadataAspect()
