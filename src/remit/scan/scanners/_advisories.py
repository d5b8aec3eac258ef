"""An offline database of advisories: a directory of JSON files in the OSV schema (1.7). Pure reading.

Versions of npm, crates.io and Go compare as SemVer 2.0, those of PyPI as PEP 440 so far as they are
releases. A version that cannot be compared counts as affected where a range starts at ``0``.
"""

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from remit.scan.base import Severity
from remit.scan.scanners._lockfiles import Package, pep503

MAX_AGE_DAYS = 30
MAX_FILES = 500_000
MAX_BYTES = 4 * 1024 * 1024

Key = tuple[tuple[int, ...], tuple[tuple[int, int, str], ...]]


class Advisory(msgspec.Struct, frozen=True):
    """An advisory about a package.

    Attributes:
        id: for example ``GHSA-…``; malicious packages are ``MAL-…``.
        summary: one line.
        severity: as it is graded, ``high`` if it is not.
        affected: the ``affected`` object of the package.
    """

    id: str
    summary: str
    severity: Severity
    affected: Mapping[str, Any]

    def hits(self, version: str) -> bool:
        """Whether a version is affected."""
        versions = self.affected.get("versions")
        if isinstance(versions, list) and version in versions:
            return True
        ranges = self.affected.get("ranges")
        listed = (
            [each for each in ranges if isinstance(each, dict)] if isinstance(ranges, list) else []
        )
        spans = [each for each in listed if each.get("type") in {"SEMVER", "ECOSYSTEM"}]
        if not spans and not versions:
            return True
        return any(_within(each.get("events"), version) for each in spans)


class Database(msgspec.Struct):
    """Advisories by ecosystem and name.

    Attributes:
        by: (ecosystem, name) → advisories.
        count: how many.
        unread: files that could not be read.
        newest: when the newest advisory was changed, as it says.
    """

    by: dict[tuple[str, str], list[Advisory]] = {}
    count: int = 0
    unread: int = 0
    newest: str = ""

    def about(self, package: Package) -> Iterator[Advisory]:
        """Advisories that affect a package; without an exact version those of any."""
        for each in self.by.get((package.ecosystem, package.name), ()):
            if (each.id.startswith("MAL-") and not package.version) or (
                package.version and each.hits(package.version)
            ):
                yield each


def load(folder: Path, wanted: set[tuple[str, str]]) -> Database:
    """Advisories of some packages.

    Args:
        folder: of the database.
        wanted: (ecosystem, name) of the packages that are asked for.

    Raises:
        OSError: the directory cannot be read.
    """
    database = Database()
    if not folder.is_dir():
        raise NotADirectoryError(f"there is no directory `{folder}`")
    for number, path in enumerate(sorted(folder.rglob("*.json"))):
        if number >= MAX_FILES:
            database.unread += 1
            break
        try:
            with path.open("rb") as file:
                data = file.read(MAX_BYTES + 1)
            if len(data) > MAX_BYTES:
                database.unread += 1
                continue
            # The operator's own, and there are hundreds of thousands: the fast reader.
            value = msgspec.json.decode(data)
        except (OSError, ValueError, RecursionError):
            database.unread += 1
            continue
        _add(value, database, wanted)
    return database


def age(newest: str, today: str) -> int:
    """Days from the newest advisory to a day, both in ISO 8601; -1 if nobody can say."""
    try:
        then, now = (dt.date.fromisoformat(each[:10]) for each in (newest, today))
    except ValueError:
        return -1
    return max(0, (now - then).days)


def _add(value: Any, database: Database, wanted: set[tuple[str, str]]) -> None:
    if not isinstance(value, dict) or not isinstance(value.get("id"), str):
        database.unread += 1
        return
    database.count += 1
    database.newest = max(database.newest, str(value.get("modified", ""))[:32])
    if value.get("withdrawn"):
        return
    affected = value.get("affected")
    for each in affected if isinstance(affected, list) else ():
        package = each.get("package") if isinstance(each, dict) else None
        if not isinstance(package, dict):
            continue
        ecosystem, name = str(package.get("ecosystem", "")), str(package.get("name", ""))
        ecosystem = ecosystem.partition(":")[0]
        key = (ecosystem, pep503(name) if ecosystem == "PyPI" else name)
        if key in wanted:
            summary = str(value.get("summary") or value.get("details") or "")[:200]
            made = Advisory(value["id"], summary, _severity(value), each)
            database.by.setdefault(key, []).append(made)


_WORDS: dict[str, Severity] = {
    "CRITICAL": "critical", "HIGH": "high", "MODERATE": "medium", "MEDIUM": "medium", "LOW": "low",
}  # fmt: skip


def _severity(value: Mapping[str, Any]) -> Severity:
    if value["id"].startswith("MAL-"):
        return "critical"
    specific = value.get("database_specific")
    word = str(specific.get("severity", "")) if isinstance(specific, dict) else ""
    return _WORDS.get(word.upper(), "high")


def key(version: str) -> Key | None:
    """What versions are ordered by; ``None`` if it is no version that is understood."""
    bare = version.strip().lower().removeprefix("v").partition("+")[0]
    match = re.fullmatch(r"(?:\d+!)?(\d+(?:\.\d+)*)(.*)", bare[:200])
    if match is None:
        return None
    numbers = [int(each[:18]) for each in match[1].split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    rest = match[2].lstrip("-_.")
    if rest.startswith("post"):
        return tuple(numbers), ((2, int(re.sub(r"\D", "", rest)[:18] or 0), ""),)
    if not rest:
        return tuple(numbers), ((1, 0, ""),)
    # A part of a pre-release is less than none; numbers are less than words.
    parts = re.findall(r"\d+|[a-z]+", rest)
    made = tuple((-1, int(p[:18]), "") if p.isdigit() else (0, 0, p) for p in parts)
    return tuple(numbers), ((-1 if parts[:1] == ["dev"] else 0, 0, ""), *made)


def _within(events: Any, version: str) -> bool:
    at = key(version)
    inside = False
    for event in events if isinstance(events, list) else ():
        if not isinstance(event, dict):
            continue
        if (start := event.get("introduced")) is not None:
            inside |= str(start) == "0" or _least(at, str(start), strict=False)
        elif (
            (fixed := event.get("fixed")) is not None and _least(at, str(fixed), strict=False)
        ) or (
            (last := event.get("last_affected")) is not None and _least(at, str(last), strict=True)
        ):
            inside = False
    return inside


def _least(at: Key | None, limit: str, *, strict: bool) -> bool:
    """Whether a version is at least (or more than) a limit; what is not understood is not."""
    bound = key(limit)
    if at is None or bound is None:
        return False
    return at > bound if strict else at >= bound
