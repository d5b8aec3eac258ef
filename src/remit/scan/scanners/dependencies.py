"""Dependencies: known vulnerabilities, malicious packages, places that are no registry.

Advisories come from a directory of OSV files that the operator names; nothing is asked over the
network, and nothing in an artifact can name another one. Without one, or with one that is older than
30 days, packages are listed and nobody says that they are good: coverage is ``partial``.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from remit.core.digest import Digest, sha256
from remit.core.strictjson import StrictJsonError, parse
from remit.scan.base import Artifact, Coverage, Finding, Member, Result, Settings, register
from remit.scan.scanners import _advisories, _launch, _orders, _text
from remit.scan.scanners._advisories import Database
from remit.scan.scanners._lockfiles import NAMES, Package, UnreadableError, foreign, packages
from remit.scan.scanners._text import TextScanner

_FAMILY = "dependencies"
MAX_BYTES = 32 * 1024 * 1024
_LIFECYCLE = ("preinstall", "install", "postinstall", "prepare", "preprepare", "postprepare")
_INDEX = re.compile(r"(?m)^[ \t]*(?:--(?:extra-)?index-url|-i|--find-links|-f)[= ]+(\S+)")
_POPULAR = frozenset(
    [
        "requests",
        "numpy",
        "pandas",
        "scipy",
        "torch",
        "tensorflow",
        "transformers",
        "datasets",
        "pillow",
        "matplotlib",
        "django",
        "flask",
        "fastapi",
        "pydantic",
        "sqlalchemy",
        "boto3",
        "urllib3",
        "cryptography",
        "pyyaml",
        "httpx",
        "aiohttp",
        "beautifulsoup4",
        "lxml",
        "selenium",
        "pytest",
        "setuptools",
        "scikit-learn",
        "openai",
        "anthropic",
        "langchain",
        "huggingface-hub",
        "safetensors",
        "react",
        "lodash",
        "express",
        "axios",
        "typescript",
        "webpack",
        "chalk",
        "commander",
        "debug",
        "dotenv",
        "eslint",
        "prettier",
    ]
)


@register
class Dependencies(TextScanner):
    """Scanner ``dependencies``."""

    name = "dependencies"
    version = "1"

    def rules_with(self, settings: Settings) -> Digest:
        """Of its rules, the database, and the indexes that the operator vouches for."""
        given = (self.rules, settings.advisories_digest, *sorted(settings.indexes))
        return sha256("\0".join(given).encode())

    def claims(self, artifact: Artifact, member: Member) -> bool:
        """Files that name packages, by their name."""
        del artifact
        return NAMES.match(_text.base(member)) is not None

    def scan(self, artifact: Artifact, claimed: Sequence[Member]) -> Iterator[Result]:
        """Read every file, then ask the database once about all of them."""
        indexes = artifact.settings.indexes
        named: list[tuple[Member, list[Package]]] = []
        unreadable: list[Result] = []
        for member in claimed:
            try:
                data = _read(member)
                named.append((member, packages(_text.base(member), data)))
                yield from _file(data, member, indexes)
            except UnreadableError as error:
                unreadable.append(
                    _text.unread(member, "dependencies", str(error)[:300], executes=False)
                )
                yield _text.found(
                    "dependencies.unreadable", "packages that nobody could list", "medium", member,
                    shown=str(error),
                )  # fmt: skip
        yield from unreadable
        if not named:
            return
        database, why = _database(artifact.settings, named)
        for member, listed in named:
            yield from _packages(listed, member, database)
            yield from _indexes(listed, member, indexes)
            yield Coverage(
                member=member.path, status="partial" if why else "complete", reason=why,
                format="dependencies",
            )  # fmt: skip
        if database.count:
            yield _text.found(
                "dependencies.advisories", "the database that was asked", "info", named[0][0],
                shown=f"{database.count} advisories, the newest of {database.newest or 'no date'}",
            )  # fmt: skip
        if why and database.count:
            yield _text.found(
                "dependencies.old_advisories", "known vulnerabilities may be missing", "low",
                named[0][0], shown=why,
            )  # fmt: skip
        elif why:
            yield _text.found(
                "dependencies.no_advisories", "nobody looked for known vulnerabilities", "info",
                named[0][0], shown=why,
            )  # fmt: skip


def _read(member: Member) -> bytes:
    data = _text.read(member, MAX_BYTES)
    if data is None:
        raise UnreadableError("it is too large")
    return data


def _database(
    settings: Settings, named: Sequence[tuple[Member, list[Package]]]
) -> tuple[Database, str]:
    """Advisories about all packages, and why there are none or not all."""
    if not settings.advisories:
        return Database(), "no database of advisories was given"
    wanted = {(each.ecosystem, each.name) for _, listed in named for each in listed}
    try:
        database = _advisories.load(Path(settings.advisories), wanted)
    except OSError as error:
        return Database(), f"the database of advisories cannot be read: {str(error)[:200]}"
    if not database.count:
        return database, "the database of advisories is empty"
    if database.unread:
        return database, f"{database.unread} files of the database could not be read"
    days = _advisories.age(database.newest, settings.today) if settings.today else 0
    if days < 0:
        return database, "nobody knows how old the database of advisories is"
    if days > _advisories.MAX_AGE_DAYS:
        return database, f"the newest advisory of the database is {days} days old"
    return database, ""


def _packages(listed: Sequence[Package], member: Member, database: Database) -> Iterator[Finding]:
    for package in listed:
        said = f"{package.ecosystem} {package.name} {package.version}".strip()
        for advisory in database.about(package):
            malicious = advisory.id.startswith("MAL-")
            yield _text.found(
                "dependencies.malicious" if malicious else f"dependencies.{advisory.id.lower()}",
                "a package that is malicious" if malicious else "a package with a known vulnerability",
                advisory.severity, member, shown=f"{said}: {advisory.id} {advisory.summary}",
                line=package.line,
            )  # fmt: skip
        if package.source.startswith("http:") or package.index.startswith("http:"):
            yield _found(
                "plain_http",
                "a package that is fetched without encryption",
                "high",
                said,
                member,
                package,
            )
        elif package.source and not package.source.startswith(("file:", ".", "/")):
            yield _found("foreign_source", "a package of a place that is no registry", "medium",
                         f"{said} {package.source}", member, package)  # fmt: skip
        twin = _twin(package.name)
        if twin:
            yield _found("look_alike", "a name that is nearly that of a well-known package", "medium",
                         f"{said}, not {twin}", member, package)  # fmt: skip


def _indexes(
    listed: Sequence[Package], member: Member, indexes: Collection[str]
) -> Iterator[Finding]:
    """Packages of a lock file that come from another place than the rest, or than they should."""
    for package in foreign(listed, indexes):
        said = f"{package.ecosystem} {package.name} {package.version}".strip()
        yield _found("foreign_index", "a package of another index than the rest", "high",
                     f"{said} {package.index}", member, package)  # fmt: skip
    hosts = sorted({each.host for each in listed if each.index} - set(indexes))
    if hosts:
        yield _text.found(
            "dependencies.index", "the index that a lock file takes its packages from", "info",
            member, shown=", ".join(hosts),
        )  # fmt: skip


def _found(
    rule: str, title: str, severity: Any, shown: str, member: Member, package: Package
) -> Finding:
    return _text.found(
        f"dependencies.{rule}", title, severity, member, shown=shown, line=package.line
    )


def _twin(name: str) -> str:
    """A well-known name with two letters exchanged, or one missing, added twice; else empty."""
    if name in _POPULAR or len(name) < 5:
        return ""
    swaps = (name[:i] + name[i + 1] + name[i] + name[i + 2 :] for i in range(len(name) - 1))
    less = (name[:i] + name[i + 1 :] for i in range(len(name) - 1) if name[i] == name[i + 1])
    return next((each for each in (*swaps, *less) if each in _POPULAR and each != name), "")


def _file(data: bytes, member: Member, indexes: Collection[str]) -> Iterator[Finding]:
    text = data.decode("utf-8-sig")
    for match in _INDEX.finditer(text) if _text.base(member).endswith((".txt", ".in")) else ():
        if not _launch.vouched(match[1], indexes):
            plain = match[1].startswith("http:") or re.match(r"https?://[\d.]+[:/]", match[1])
            yield _text.found(
                "dependencies.foreign_index", "packages of an index that nobody vouches for",
                "high" if plain else "medium", member, shown=match[0].strip(),
                line=_text.line_of(text, match.start(1)),
            )  # fmt: skip
    if _text.base(member) == "package.json":
        yield from _lifecycle(data, member)


def _lifecycle(data: bytes, member: Member) -> Iterator[Finding]:
    """Scripts that run when a package is installed."""
    try:
        value = parse(data.removeprefix(b"\xef\xbb\xbf"), fold_keys=False, max_bytes=MAX_BYTES)
    except StrictJsonError:
        return
    scripts = value.get("scripts") if isinstance(value, dict) else None
    for name in _LIFECYCLE if isinstance(scripts, dict) else ():
        said = scripts.get(name) if isinstance(scripts, dict) else None
        if isinstance(said, str):
            pointer = f"/scripts/{name}"
            yield from _orders.orders(said, member, "skill", family=_FAMILY, pointer=pointer)
            yield _text.found(
                "dependencies.lifecycle", "a script that runs when it is installed", "low", member,
                shown=f"{name}: {said}", pointer=pointer,
            )  # fmt: skip
