"""Packages that files of dependencies name: requirements, lock files, manifests. Pure."""

import collections
import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec

from remit.core.strictjson import StrictJsonError, parse

MAX_PACKAGES = 50_000
MAX_DEPTH = 64


class Package(msgspec.Struct, frozen=True, order=True):
    """A package that is named.

    Attributes:
        ecosystem: as OSV calls it: ``PyPI``, ``npm``, ``crates.io``, ``Go``.
        name: normalised for PyPI (PEP 503).
        version: exact, empty if it is not.
        source: where it comes from, if not from an index: a repository, an archive, a file.
        line: from 1, or 0.
        index: where the index is from which a lock file takes it, if it says so (URL).
    """

    ecosystem: str
    name: str
    version: str = ""
    source: str = ""
    line: int = 0
    index: str = ""

    @property
    def host(self) -> str:
        """Host of the index, in lower case; empty for the one that a tool uses by itself."""
        try:
            return (urlsplit(self.index).hostname or "").lower()
        except ValueError:
            return self.index[:100]


def foreign(listed: Sequence[Package], vouched: Collection[str]) -> Iterator[Package]:
    """Packages of one lock file that come from another index than the rest.

    With hosts that the operator vouches for, everything from another host is foreign. Without, the
    index of a lock file is the host that most of its packages come from; where no host has most,
    every one is foreign.
    """
    known = set(vouched)
    if not known:
        counted = collections.Counter(each.host for each in listed if not each.source)
        most = counted.most_common(2)
        if len(most) == 1 or (most and most[0][1] > most[1][1]):
            known = {most[0][0]}
    yield from (each for each in listed if each.index and each.host not in known)


class UnreadableError(ValueError):
    """A file of dependencies that cannot be read."""


_REQUIREMENT = re.compile(
    r"([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*(?:(===?)\s*([^\s;,#*]+))?"
)
_OPTION = re.compile(r"-{1,2}[A-Za-z]")
NAMES = re.compile(
    r"(?i)\A(?:(?:[\w.-]*requirements[\w.-]*|constraints[\w.-]*)\.(?:txt|in)|package(?:-lock)?\.json"
    r"|npm-shrinkwrap\.json|poetry\.lock|uv\.lock|pdm\.lock|pyproject\.toml|pipfile\.lock|cargo\.lock|yarn\.lock|go\.sum)\Z"
)


def pep503(name: str) -> str:
    """A name of PyPI in its normal form."""
    return re.sub(r"[-_.]+", "-", name).lower()


def packages(name: str, data: bytes) -> list[Package]:
    """Packages that a file names.

    Args:
        name: of the file, in lower case.
        data: its bytes.

    Raises:
        UnreadableError: it cannot be read.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableError("it is not UTF-8") from error
    found: list[Package] = []
    for each in _reader(name, text):
        found.append(each)
        if len(found) > MAX_PACKAGES:
            raise UnreadableError(f"it names more than {MAX_PACKAGES} packages")
    return found


def _reader(name: str, text: str) -> Iterator[Package]:
    if name.endswith((".txt", ".in")):
        return _requirements(text)
    if name in {"poetry.lock", "uv.lock", "pdm.lock"}:
        return _toml_lock(text, "PyPI")
    if name == "cargo.lock":
        return _toml_lock(text, "crates.io")
    if name == "pyproject.toml":
        return _pyproject(text)
    if name == "yarn.lock":
        return _yarn(text)
    if name == "go.sum":
        return _go(text)
    value = _json(text)
    if name == "pipfile.lock":
        return _pipfile(value)
    return _npm_lock(value) if "lock" in name or "shrinkwrap" in name else _package_json(value)


def _json(text: str) -> dict[str, Any]:
    try:
        value = parse(text.encode(), fold_keys=False, max_bytes=64 << 20)
    except StrictJsonError as error:
        raise UnreadableError(error.message) from error
    if not isinstance(value, dict):
        raise UnreadableError("it is no object")
    return value


def _toml(text: str) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UnreadableError(f"it is no TOML: {str(error)[:200]}") from error


def _requirement(text: str, line: int) -> Package | None:
    direct = re.match(r"([A-Za-z0-9][\w.-]*)\s*(?:\[[^\]]*\])?\s*@\s*(\S+)", text)
    if direct is not None:
        return Package("PyPI", pep503(direct[1]), "", direct[2], line)
    if re.match(r"(?:git|hg|svn|bzr)\+|https?://|file:", text):
        egg = re.search(r"#egg=([\w.-]+)", text)
        return Package("PyPI", pep503(egg[1]) if egg else "", "", text.split(maxsplit=1)[0], line)
    match = _REQUIREMENT.match(text)
    return Package("PyPI", pep503(match[1]), match[3] or "", "", line) if match else None


def _requirements(text: str) -> Iterator[Package]:
    joined = re.sub(r"\\\r?\n", lambda match: " " * len(match[0]), text)
    for number, raw in enumerate(joined.splitlines(), 1):
        line = re.sub(r"(?:\A|\s)#.*", "", raw).strip()
        if line.startswith(("-e ", "--editable ")):
            line = line.split(None, 1)[1]
        if line and not _OPTION.match(line):
            found = _requirement(line, number)
            if found is not None:
                yield found


def _toml_lock(text: str, ecosystem: str) -> Iterator[Package]:
    for each in _toml(text).get("package", []):
        if isinstance(each, dict) and isinstance(each.get("name"), str):
            source = each.get("source")
            place, index = _place(source) if isinstance(source, dict) else _cargo(source)
            name = pep503(each["name"]) if ecosystem == "PyPI" else each["name"]
            yield Package(ecosystem, name, str(each.get("version", "")), place, 0, index)


def _place(source: dict[str, Any]) -> tuple[str, str]:
    """(source, index) of a package in a lock of uv, Poetry or PDM."""
    if source.get("registry") or source.get("type") == "legacy":
        return "", str(source.get("registry") or source.get("url") or "")
    return str(source.get("git") or source.get("url") or ""), ""


def _cargo(source: Any) -> tuple[str, str]:
    """(source, index) of a package in a lock of Cargo."""
    place = str(source or "")
    kind, _, rest = place.partition("+")
    return ("", rest) if kind in {"registry", "sparse"} else (place, "")


def _pyproject(text: str) -> Iterator[Package]:
    project = _toml(text).get("project")
    if not isinstance(project, dict):
        return
    optional = project.get("optional-dependencies")
    groups = [
        project.get("dependencies"),
        *(optional.values() if isinstance(optional, dict) else ()),
    ]
    for group in groups:
        for each in group if isinstance(group, list) else ():
            found = _requirement(each, 0) if isinstance(each, str) else None
            if found is not None:
                yield found


def _pipfile(value: dict[str, Any]) -> Iterator[Package]:
    for section in ("default", "develop"):
        below = value.get(section)
        for name, each in below.items() if isinstance(below, dict) else ():
            version = str(each.get("version", "")) if isinstance(each, dict) else ""
            yield Package("PyPI", pep503(name), version.removeprefix("=="))


def _package_json(value: dict[str, Any]) -> Iterator[Package]:
    for section in ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies"):
        below = value.get(section)
        for name, wanted in below.items() if isinstance(below, dict) else ():
            said = str(wanted)
            exact = re.fullmatch(r"=?v?(\d+\.\d+\.\d+[\w.+-]*)", said)
            foreign = re.match(r"(?:git|http|github:|file:|[\w-]+/[\w-]+)", said)
            yield Package("npm", name, exact[1] if exact else "", said if foreign else "")


def _npm_lock(value: dict[str, Any]) -> Iterator[Package]:
    listed = value.get("packages")
    if isinstance(listed, dict):
        for path, each in listed.items():
            name = path.rpartition("node_modules/")[2]
            if name and isinstance(each, dict) and not each.get("link"):
                yield _npm(str(each.get("name") or name), each)
        return
    stack: list[tuple[Any, int]] = [(value.get("dependencies"), 0)]
    while stack:
        below, depth = stack.pop()
        for name, each in below.items() if isinstance(below, dict) and depth < MAX_DEPTH else ():
            if isinstance(each, dict):
                yield _npm(name, each)
                stack.append((each.get("dependencies"), depth + 1))


def _npm(name: str, each: dict[str, Any]) -> Package:
    place = str(each.get("resolved", ""))
    version = str(each.get("version", ""))
    # What an index serves lies below "/-/"; an archive of anywhere else is named by its URL.
    if place.startswith(("http:", "https:")) and "/-/" in place:
        return Package("npm", name, version, "", 0, place)
    return Package("npm", name, version, place)


def _yarn(text: str) -> Iterator[Package]:
    name = ""
    for number, line in enumerate(text.splitlines(), 1):
        head = re.match(r'"?(@?[^@\s"]+)@', line)
        if head is not None and not line.startswith((" ", "#")):
            name = head[1]
        version = re.match(r'\s+version:?\s+"?([^"\s]+)"?', line)
        if version is not None and name:
            yield Package("npm", name, version[1], "", number)
            name = ""


def _go(text: str) -> Iterator[Package]:
    for number, line in enumerate(text.splitlines(), 1):
        parts = line.split()
        if len(parts) == 3 and not parts[1].endswith("/go.mod"):
            yield Package("Go", parts[0], parts[1].removeprefix("v"), "", number)
