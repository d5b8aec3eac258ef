"""Bundles: a directory of policies and what they need, read once and checked as a whole.

``load_bundle`` reads every file into memory, then parses and lints the bytes it has, so what was
checked, what is digested and what decides are the same. It reports all problems, not the first.
It does not validate policies against the tools of servers; :meth:`Policy.compile` does.
"""

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from remit.core.canonical import canonical_bytes
from remit.core.digest import Digest, sha256
from remit.core.event import ToolClass
from remit.core.text import printable
from remit.facts.registry import FactSpec
from remit.facts.usage import Limit
from remit.policy import source, tables
from remit.policy.errors import BundleError, PinError, PolicyError, Problem
from remit.policy.labels import Labels
from remit.policy.pins import Lock, parse_lock
from remit.policy.source import Source

MAX_FILES = 2000
MAX_FILE_BYTES = 32 * 1024 * 1024
MAX_TOTAL_BYTES = 64 * 1024 * 1024
POLICY_DIRECTORIES = ("approval", "artifact", "guardrail", "tool")
_TABLES = ("bundle.toml", "facts.toml", "tools.toml")
_MEANT = (".cedar", ".toml", ".lock", ".yaml", ".yml")


class Directory(msgspec.Struct, frozen=True):
    """Who belongs to what: the ``entities/*.toml`` files.

    Attributes:
        agents: agent id → teams.
        users: user name → teams.
        servers: server id → groups.
        keys: user name → fingerprints of the only keys that are this user's; others who are
            enrolled bring the key of their enrolment.
    """

    agents: Mapping[str, tuple[str, ...]] = {}
    users: Mapping[str, tuple[str, ...]] = {}
    servers: Mapping[str, tuple[str, ...]] = {}
    keys: Mapping[str, tuple[str, ...]] = {}

    def groups(self, server: str) -> tuple[str, ...]:
        """Groups of a server; none if it is not listed."""
        return self.servers.get(server, ())


class Bundle(msgspec.Struct, frozen=True, kw_only=True):
    """A loaded bundle.

    Attributes:
        name, version: as its author wrote them.
        serial: grows with every release; an older one never replaces a newer one.
        expires_us: from then on everything is denied; ``None`` if it never expires.
        mode: ``observe`` records what ``enforce`` would do; whoever enforces looks at it.
        policies: in the order of file names and lines.
        fact_specs, limits, matchers, terms, canaries, detectors: ``facts.toml``.
        tool_classes: pattern ``server/tool`` → class, ``tools.toml``.
        labels: pattern ``server/tool`` → what the tool does with data, ``tools.toml``.
        dark: patterns of tools that are meant to be permitted nowhere, ``tools.toml``.
        entities, trusted_domains: ``entities/*.toml``.
        lock: ``tools.lock``, if there is one.
        digest: over the paths and digests of all files.
        directory: where it was read from.
        tests: path → bytes of ``tests/*.yaml``.
        warnings: problems that do not keep it from loading.
    """

    name: str
    version: str
    serial: int
    expires_us: int | None = None
    mode: Literal["enforce", "observe"] = "enforce"
    policies: tuple[Source, ...] = ()
    fact_specs: tuple[FactSpec, ...] = ()
    limits: tuple[Limit, ...] = ()
    matchers: Mapping[str, str] = {}
    terms: Mapping[str, tuple[str, ...]] = {}
    canaries: Mapping[str, str] = {}
    detectors: tuple[str, ...] = ()
    tool_classes: Mapping[str, ToolClass] = {}
    labels: Mapping[str, Labels] = {}
    dark: tuple[str, ...] = ()
    entities: Directory = Directory()
    trusted_domains: tuple[str, ...] = ()
    lock: Lock | None = None
    digest: Digest
    directory: Path
    tests: Mapping[str, bytes] = {}
    warnings: tuple[Problem, ...] = ()


def load_bundle(directory: Path) -> Bundle:
    """Read and check a bundle.

    Raises:
        BundleError: with every problem found.
    """
    from remit.policy import lint

    files, problems = _read(directory)
    head, found = tables.head(files.get("bundle.toml"))
    problems += found
    facts, found = tables.facts(files.get("facts.toml"))
    problems += found
    tools, found = tables.tools(files.get("tools.toml"))
    problems += found
    members, domains, found = tables.entities(
        {name: data for name, data in files.items() if name.startswith("entities/")}
    )
    problems += found
    policies: list[Source] = []
    for name in sorted(files):
        if name.endswith(".cedar"):
            sources, found = source.read(name, files[name])
            policies += sources
            problems += found
    lock = None
    if "tools.lock" in files:
        try:
            lock = parse_lock(files["tools.lock"])
        except PinError as error:
            problems.append(
                Problem(
                    file="tools.lock",
                    code="policy.lock",
                    message=printable(error.message, 300),
                    hint=error.hint,
                )
            )
    bundle = Bundle(
        **head,
        policies=tuple(policies),
        fact_specs=tuple(facts["fact"]),
        limits=tuple(facts["limit"]),
        matchers=facts["matchers"],
        terms=facts["terms"],
        canaries=facts["canaries"],
        detectors=facts["detectors"],
        tool_classes=tools["tools"],
        labels=tools["labels"],
        dark=tools["dark"],
        entities=Directory(**members),
        trusted_domains=domains,
        lock=lock,
        digest=digest(files),
        directory=directory,
        tests={name: data for name, data in files.items() if name.startswith("tests/")},
    )
    broken = any(problem.file == "facts.toml" for problem in problems)
    problems += [
        problem
        for problem in dict.fromkeys(lint.lint(bundle))
        # What facts.toml could not declare is missing because of the errors already told.
        if not (broken and problem.code in ("policy.unknown_fact", "policy.unknown_limit"))
    ]
    if any(problem.severity == "error" for problem in problems):
        raise BundleError(problems)
    return msgspec.structs.replace(bundle, warnings=tuple(problems))


def files_of(bundle: Bundle) -> dict[str, bytes]:
    """The files of a loaded bundle by their paths, read again.

    Raises:
        BundleError: they are not what was loaded.
    """
    files, problems = _read(bundle.directory)
    if digest(files) != bundle.digest:
        changed = Problem(code="policy.changed", message="the bundle changed while it was read")
        raise BundleError([*problems, changed])
    return files


def digest(files: Mapping[str, bytes]) -> Digest:
    """The identity of a bundle: over path and digest of every file, in order of path."""
    listing: list[Any] = [[name.encode().hex(), sha256(files[name])] for name in sorted(files)]
    return sha256(canonical_bytes(listing))


def _read(directory: Path) -> tuple[dict[str, bytes], list[Problem]]:
    """Every file of the bundle by its path with ``/``; no symlink is followed inside it."""
    files: dict[str, bytes] = {}
    problems: list[Problem] = []

    def problem(name: str, code: str, message: str, hint: str = "") -> None:
        problems.append(Problem(file=printable(name, 200), code=code, message=message, hint=hint))

    total = 0
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        try:
            names = sorted(entry.name for entry in (directory / folder).iterdir())
        except OSError as error:
            problem(folder, "policy.unreadable", f"cannot be listed: {error.strerror}")
            continue
        for entry in names:
            if entry.startswith("."):
                continue
            name = f"{folder}{entry}"
            mode = (directory / name).lstat().st_mode
            if stat.S_ISDIR(mode):
                if name.count("/") < 4:  # noqa: PLR2004 - bundles are flat
                    waiting.append(f"{name}/")
                else:
                    problem(name, "policy.unexpected_file", "is nested too deeply")
                continue
            if not stat.S_ISREG(mode):
                problem(name, "policy.not_a_file", "is a link or no regular file")
                continue
            if not _expected(name):
                problem(
                    name,
                    "policy.unexpected_file",
                    "would not be read where it is",
                    f"policies belong in {', '.join(f'{d}/' for d in POLICY_DIRECTORIES)}",
                )
                continue
            if len(files) >= MAX_FILES:
                problem(name, "policy.too_large", f"the bundle has more than {MAX_FILES} files")
                return files, problems
            try:
                data = _bytes(directory / name)
            except OSError as error:
                problem(name, "policy.unreadable", f"cannot be read: {error.strerror}")
                continue
            total += len(data)
            if len(data) > MAX_FILE_BYTES or total > MAX_TOTAL_BYTES:
                problem(name, "policy.too_large", "the bundle is too large")
                return files, problems
            files[name] = data
    return files, problems


def _bytes(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    with open(descriptor, "rb") as stream:  # noqa: PTH123 - opened without following links
        return stream.read(MAX_FILE_BYTES + 1)


def _expected(name: str) -> bool:
    """Whether a file is read, or plainly not meant to be (a README)."""
    folder, _, file = name.rpartition("/")
    if file.endswith(".cedar"):
        return folder in POLICY_DIRECTORIES
    if file.endswith(".toml"):
        return name in _TABLES or folder == "entities"
    if file.endswith(".lock"):
        return name == "tools.lock"
    if file.endswith((".yaml", ".yml")):
        return folder == "tests" and file.endswith(".yaml")
    return not file.lower().endswith(_MEANT)


__all__ = [
    "Bundle",
    "BundleError",
    "Directory",
    "PolicyError",
    "Problem",
    "digest",
    "files_of",
    "load_bundle",
]
