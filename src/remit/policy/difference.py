"""What changed between two policy bundles, by their meaning.

Policies are compared as Cedar parsed them, by id: format and comments are told apart, and never
hide a change of effect, scope, conditions or annotations. Tables are compared by their values. A
file that cannot be read is reported and not compared; the bundles need not load.

Severities say which way a change goes: what permits more, asks less or enforces no longer is high.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import msgspec

from remit.core.text import printable
from remit.policy import source, tables
from remit.policy.bundle import POLICY_DIRECTORIES
from remit.policy.errors import Problem
from remit.policy.source import Source
from remit.policy.tables import STRICTNESS

Severity = Literal["info", "low", "medium", "high", "critical"]
MAX_FILES = 2000
_OBLIGATIONS = ("require", "approvers", "quorum", "expires", "findings", "limit")
_TABLES = ("bundle.toml", "facts.toml", "tools.toml")


class PolicyChange(msgspec.Struct, frozen=True, kw_only=True):
    """One difference.

    Attributes:
        kind: stable name: ``policy.added``, ``policy.effect``, ``bundle.mode`` …
        file: path in the bundle.
        subject: id of the policy, or the entry of a table.
        severity: how soon somebody should look at it.
        summary: one sentence.
        before, after: JSON values of both sides, where they are short.
        text: Cedar text of both sides, where it changed.
    """

    kind: str
    file: str
    subject: str
    severity: Severity
    summary: str
    before: Any = None
    after: Any = None
    text: tuple[str, str] | None = None


def reads(path: str) -> bool:
    """Whether a file of a bundle is compared here."""
    folder, _, name = path.rpartition("/")
    if name.endswith(".cedar"):
        return folder in POLICY_DIRECTORIES
    return path in _TABLES or (folder == "entities" and name.endswith(".toml"))


def compare_bundles(
    before: Mapping[str, bytes], after: Mapping[str, bytes]
) -> tuple[tuple[PolicyChange, ...], tuple[Problem, ...]]:
    """What changed, and what could not be read.

    Args:
        before: path in the bundle → bytes, of files that :func:`reads` names.
        after: the same of the other side.
    """
    problems: list[Problem] = []
    old, new = _Side(before, problems), _Side(after, problems)
    changes = [*_policies(old, new), *_comments(old, new), *_tables(before, after, problems)]
    broken = {problem.file for problem in problems}
    kept = tuple(change for change in changes if change.file not in broken)
    return kept, tuple(dict.fromkeys(problems))


class _Side:
    """The policies of one bundle by id, and the text of each file between them."""

    def __init__(self, files: Mapping[str, bytes], problems: list[Problem]) -> None:
        self.policies: dict[str, Source] = {}
        self.comments: dict[str, str] = {}
        for file in sorted(files)[:MAX_FILES]:
            if not file.endswith(".cedar"):
                continue
            found, wrong = source.read(file, files[file])
            problems += wrong
            for policy in found:
                if policy.id in self.policies:
                    message = f"two policies have the id `{printable(policy.id, 80)}`"
                    problems.append(Problem(file=file, code="policy.duplicate_id", message=message))
                self.policies[policy.id] = policy
            if not wrong:
                self.comments[file] = _between(files[file].decode())


def _between(text: str) -> str:
    """What is left of a file without its policies: comments."""
    rest, at = [], 0
    for _, _, chunk in source.chunks(text):
        start = text.index(chunk, at)
        rest.append(text[at:start])
        at = start + len(chunk)
    rest.append(text[at:])
    return "\n".join(line.strip() for line in "".join(rest).splitlines() if line.strip())


def _policies(old: _Side, new: _Side) -> Iterator[PolicyChange]:
    gone = {key: each for key, each in old.policies.items() if key not in new.policies}
    come = {key: each for key, each in new.policies.items() if key not in old.policies}
    for was, now in _renamed(gone, come):
        del gone[was.id], come[now.id]
        yield PolicyChange(
            kind="policy.renamed", file=now.file, subject=now.id, severity="low",
            summary=f"was called `{was.id}`", before=was.id, after=now.id,
        )  # fmt: skip
    for each in gone.values():
        effect = each.node.effect
        yield PolicyChange(
            kind="policy.removed", file=each.file, subject=each.id,
            severity="high" if effect == "forbid" else "low",
            summary=f"{effect} removed", text=(each.text, ""),
        )  # fmt: skip
    for each in come.values():
        effect = each.node.effect
        yield PolicyChange(
            kind="policy.added", file=each.file, subject=each.id,
            severity="high" if effect == "permit" else "low",
            summary=f"{effect} added", text=("", each.text),
        )  # fmt: skip
    for key, was in old.policies.items():
        now_ = new.policies.get(key)
        if now_ is not None:
            yield from _policy(was, now_)


def _renamed(gone: Mapping[str, Source], come: Mapping[str, Source]) -> list[tuple[Source, Source]]:
    left: dict[str, list[Source]] = {}
    for each in gone.values():
        left.setdefault(_nameless(each), []).append(each)
    found = []
    for now in come.values():
        alike = left.get(_nameless(now))
        if alike:
            found.append((alike.pop(0), now))
    return found


def _nameless(each: Source) -> str:
    """All of a policy but its id, as a key."""
    annotations = sorted(item for item in each.node.annotations.items() if item[0] != "id")
    return repr((dataclasses.replace(each.node, id="", annotations={}), annotations))


def _policy(was: Source, now: Source) -> Iterator[PolicyChange]:
    old, new = was.node, now.node

    def change(kind: str, severity: Severity, summary: str, **more: Any) -> PolicyChange:
        return PolicyChange(
            kind=f"policy.{kind}", file=now.file, subject=now.id, severity=severity,
            summary=summary, **more,
        )  # fmt: skip

    if was.file != now.file:
        yield change("moved", "info", f"moved from {printable(was.file, 200)}",
                     before=was.file, after=now.file)  # fmt: skip
    if old.effect != new.effect:
        yield change("effect", "critical" if new.effect == "permit" else "high",
                     f"{old.effect} → {new.effect}", before=old.effect,
                     after=new.effect)  # fmt: skip
    parts = [
        name
        for name in ("principal", "action", "resource")
        if _scope(getattr(old, name)) != _scope(getattr(new, name))
    ]
    text: tuple[str, str] | None = (was.text, now.text)
    if parts:
        yield change("scope", "high", f"applies to another {' and '.join(parts)}", text=text)
        text = None
    if old.clauses != new.clauses:
        yield change("conditions", "high", "conditions changed", text=text)
    yield from _annotations(change, old.annotations, new.annotations)


def _scope(scope: Any) -> Any:
    """A part of the scope; of a list of entities the order means nothing."""
    entities = getattr(scope, "entities", None)
    return frozenset(entities) if isinstance(entities, tuple) else scope


def _annotations(
    change: Callable[..., PolicyChange], old: Mapping[str, str], new: Mapping[str, str]
) -> Iterator[PolicyChange]:
    for key in sorted(old.keys() | new.keys()):
        was, now = old.get(key), new.get(key)
        if was != now:
            severity: Severity = "high" if key in _OBLIGATIONS else "info"
            yield change("annotation", severity, f"@{key} {_value(was)} → {_value(now)}",
                         before=was, after=now)  # fmt: skip


def _comments(old: _Side, new: _Side) -> Iterator[PolicyChange]:
    for file in sorted(old.comments.keys() & new.comments.keys()):
        was, now = old.comments[file], new.comments[file]
        if was != now:
            yield PolicyChange(
                kind="policy.comments", file=file, subject="", severity="info",
                summary="comments changed; policies are compared apart from them",
                text=(was, now),
            )  # fmt: skip


# -- tables --------------------------------------------------------------------------------------


def _tables(
    before: Mapping[str, bytes], after: Mapping[str, bytes], problems: list[Problem]
) -> Iterator[PolicyChange]:
    readers = (("bundle.toml", tables.head), ("facts.toml", tables.facts),
               ("tools.toml", tables.tools))  # fmt: skip
    for file, read in readers:
        values = []
        for side in (before, after):
            value, wrong = read(side.get(file))
            if file in side or file == "bundle.toml":
                problems += wrong
            values.append(_plain(value))
        yield from _values(file, *values)
    members = []
    for side in (before, after):
        files = {name: data for name, data in side.items() if name.startswith("entities/")}
        found, domains, wrong = tables.entities(files)
        problems += wrong
        members.append({**_plain(found), "trusted_domains": dict.fromkeys(domains, True)})
    yield from _values(_entities_file(before, after), *members)


def _entities_file(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> str:
    """The one file of entities that differs, if it is one."""
    names = sorted(n for n in {*before, *after} if n.startswith("entities/"))
    changed = [name for name in names if before.get(name) != after.get(name)]
    return changed[0] if changed else "entities"


def _plain(value: Any) -> Any:
    """A table as JSON; lists of things that have a name or action, by that."""
    value = msgspec.json.decode(msgspec.json.encode(value, enc_hook=str))
    return {key: _keyed(each) for key, each in value.items()}


def _keyed(value: Any) -> Any:
    if not isinstance(value, (list, tuple)):
        return value
    if all(isinstance(each, str) for each in value):
        return dict.fromkeys(value, True)
    found: dict[str, Any] = {}
    for number, each in enumerate(value):
        name = each.get("name") if isinstance(each, dict) else None
        key = str(name or number)
        found[key if key not in found else f"{key} #{number}"] = each
    return found


def _values(file: str, old: Any, new: Any) -> Iterator[PolicyChange]:
    for key in sorted(old.keys() | new.keys()):
        was, now = old.get(key), new.get(key)
        if was == now:
            continue
        if isinstance(was, dict) and isinstance(now, dict):
            for entry in sorted(was.keys() | now.keys()):
                if was.get(entry) != now.get(entry):
                    yield _entry(file, key, entry, was.get(entry), now.get(entry))
        else:
            yield _entry(file, key, "", was, now)


def _entry(file: str, key: str, entry: str, was: Any, now: Any) -> PolicyChange:
    head = file == "bundle.toml"
    kind = f"bundle.{key}" if head else f"{file.partition('.')[0].partition('/')[0]}.{key}"
    subject = printable(f"{key} {entry}".strip(), 200)
    if was is True or now is True:
        summary = "added" if now is True else "removed"
        was = now = None
    elif isinstance(was, dict) and isinstance(now, dict):
        fields = [k for k in sorted(was.keys() | now.keys()) if was.get(k) != now.get(k)]
        was, now = ({k: each.get(k) for k in fields} for each in (was, now))
        summary = ", ".join(f"{k} {_value(was[k])} → {_value(now[k])}" for k in fields)
    else:
        summary = f"{_value(was)} → {_value(now)}"
    return PolicyChange(
        kind=kind, file=file, subject=subject, severity=_severity(key, was, now, summary),
        summary=summary, before=was, after=now,
    )  # fmt: skip


def _severity(key: str, was: Any, now: Any, summary: str) -> Severity:
    if key == "mode":
        return "critical" if now == "observe" else "low"
    if key == "tools":
        order = [str(each.value) for each in STRICTNESS]
        known = was in order and now in order
        looser = known and order.index(now) < order.index(was)
        return "high" if looser or now is None or was is None else "low"
    if key == "serial":
        return "high" if (now or 0) < (was or 0) else "info"
    if key in {"name", "version"}:
        return "info"
    if key == "trusted_domains":
        return "high" if summary == "added" else "low"
    if key in {"detectors", "dark", "terms", "canaries"}:
        return "high" if summary == "removed" or now is None else "low"
    return "medium"


def _value(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, str):
        return f"`{printable(value, 200)}`"
    return f"`{printable(msgspec.json.encode(value).decode(), 200)}`"
