"""Artifacts in memory, for tests of scanners."""

import io
import json
from collections.abc import Mapping
from typing import Any, BinaryIO

from remit.scan.base import NO_SETTINGS, Artifact, Coverage, Finding, Scanner, Settings


class Held:
    """A member that is held in memory."""

    def __init__(self, path: str, data: bytes) -> None:
        self.path = path
        self.data = data
        self.size = len(data)
        self.head = data[:4096]

    def open(self) -> BinaryIO:
        return io.BytesIO(self.data)


def artifact(
    files: Mapping[str, Any], *, kind: str = "", settings: Settings = NO_SETTINGS, **metadata: Any
) -> Artifact:
    """An artifact: bytes and text as they are, the rest as JSON."""
    members = []
    for path, value in files.items():
        text = value if isinstance(value, (str, bytes)) else json.dumps(value)
        members.append(Held(path, text.encode() if isinstance(text, str) else text))
    return Artifact(
        digest="sha256:" + "0" * 64,
        kind=kind,
        members=members,
        metadata=metadata,
        settings=settings,
    )


class Seen:
    """What a scanner says of an artifact."""

    def __init__(self, scanner: Scanner, what: Artifact) -> None:
        claimed = [each for each in what.members if scanner.claims(what, each)]
        results = list(scanner.scan(what, claimed))
        self.claimed = {each.path for each in claimed}
        self.findings = [each for each in results if isinstance(each, Finding)]
        self.coverage = {each.member: each for each in results if isinstance(each, Coverage)}
        assert set(self.coverage) >= self.claimed, "each claimed member has a coverage"

    @property
    def rules(self) -> set[str]:
        return {each.rule for each in self.findings}

    @property
    def worst(self) -> str:
        order = ("critical", "high", "medium", "low", "info", "")
        return min((each.severity for each in self.findings), key=order.index, default="")

    def severity(self, rule: str) -> str:
        return next((each.severity for each in self.findings if each.rule == rule), "")


def look(
    scanner: type[Scanner],
    files: Mapping[str, Any],
    *,
    kind: str = "",
    settings: Settings = NO_SETTINGS,
    **metadata: Any,
) -> Seen:
    """Scan files with one scanner."""
    return Seen(scanner(), artifact(files, kind=kind, settings=settings, **metadata))
