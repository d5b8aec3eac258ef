"""JSON, YAML and TOML by their values. What cannot be read so is compared as a text."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from remit.artifacts.diff.base import (
    Change,
    NotLookedIntoError,
    Pair,
    Severity,
    Work,
    capped,
)
from remit.artifacts.diff.comparers.text import COMPARER as TEXT
from remit.artifacts.diff.comparers.text import text_changes
from remit.artifacts.diff.structure import (
    MAX_JSON_BYTES,
    Place,
    load_json,
    load_toml,
    load_yaml,
    phrase,
    places,
    short,
)
from remit.artifacts.diff.text import looks_like_text, read_bytes, shown

NAME = "structured"
_SUFFIXES = {".json": "json", ".yaml": "yaml", ".yml": "yaml", ".toml": "toml", ".webmanifest":
             "json", ".sarif": "json"}  # fmt: skip
_LOADS_CODE = re.compile(
    r"^(auto_map|trust_remote_code|_target_|custom_pipelines|chat_template|command|args|env|image"
    r"|url|endpoint|hooks|permissions|allowed[-_]?tools|enableAllProjectMcpServers)$",
    re.IGNORECASE,
)
_LONG_TEXT = 80


class StructuredComparer:
    """Places of values, with both of them."""

    name = NAME
    order = 500

    def takes(self, pair: Pair) -> bool:
        """By its suffix."""
        return pair.suffix in _SUFFIXES and all(map(looks_like_text, pair.heads))

    def compare(self, pair: Pair, work: Work) -> Iterator[Change]:
        """Place by place, or as a text."""
        try:
            before, after = load_pair(pair)
        except NotLookedIntoError:
            yield from TEXT.compare(pair, work)
            return
        yield from value_changes(NAME, pair.path, before, after)


def load_pair(pair: Pair) -> tuple[Any, Any]:
    """The values of both sides.

    Raises:
        NotLookedIntoError: one of them cannot be read.
    """
    kind = _SUFFIXES.get(pair.suffix, "json")
    values = []
    for entry in (pair.a, pair.b):
        data = read_bytes(entry, MAX_JSON_BYTES)
        if kind == "toml":
            values.append(load_toml(data))
        elif kind == "yaml":
            values.append(load_yaml(data, pair.name))
        else:
            values.append(load_json(data))
    return values[0], values[1]


def value_changes(
    comparer: str, path: str, before: Any, after: Any, *, subject: str = ""
) -> Iterator[Change]:
    """One change for each place; long texts are shown by their lines."""
    yield from capped(
        (
            change
            for place in places(before, after)
            for change in place_changes(comparer, path, place, subject=subject)
        ),
        lambda left: Change(
            comparer=comparer,
            kind="value.more",
            path=path,
            subject=subject,
            severity="low",
            summary=f"{left} more values differ",
        ),
    )


def place_changes(
    comparer: str, path: str, place: Place, *, subject: str = "", severity: Severity | None = None
) -> Iterator[Change]:
    """The change at one place."""
    what = "added" if place.added else "removed" if place.removed else "changed"
    like = Change(
        comparer=comparer,
        kind=f"value.{what}",
        path=path,
        subject=f"{subject} {shown(place.pointer)}".strip(),
        severity=severity or _severity(place.steps),
        summary=_summary(place, what),
        before=short(place.before),
        after=short(place.after),
    )
    texts = isinstance(place.before, str) and isinstance(place.after, str)
    if texts and max(len(place.before), len(place.after)) > _LONG_TEXT:
        like = msgspec.structs.replace(like, summary="text", before=None, after=None)
        yield from text_changes(like, place.before, place.after)
    else:
        yield like


def _summary(place: Place, what: str) -> str:
    if what == "added":
        return f"added: {phrase(place.after)}"
    if what == "removed":
        return f"removed: {phrase(place.before)}"
    return f"{phrase(place.before)} → {phrase(place.after)}"


def _severity(steps: tuple[str, ...]) -> Severity:
    return "high" if any(_LOADS_CODE.match(step) for step in steps) else "low"


COMPARER = StructuredComparer()
