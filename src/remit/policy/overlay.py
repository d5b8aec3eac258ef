"""Overlays: a second bundle on top of a base, which can add rules and never loosen one.

In Cedar a ``forbid`` wins over every ``permit``, so adding policies cannot lift a base ``forbid``.
Adding anything else could: a team membership that an ``unless`` exempts, a milder class of a tool,
a fact or limit of the same name that says something else. So an overlay may

1. add policies under new ids;
2. add facts, limits, matchers, terms and canaries under new names;
3. not change the class or the labels of any tool (milder would slip past rules on writing,
   stricter past rules on reading), nor trust further domains;
4. list members of teams and groups that the base does not name, never of those it does;
5. not permit anybody to approve where the base has rules that ask for approval;
6. expire earlier, and enforce where the base observes.

Not restricted: an overlay may *permit* what the base merely does not permit.
"""

import msgspec

from remit.core.canonical import canonical_bytes
from remit.core.digest import sha256
from remit.core.text import printable
from remit.policy import lint, tables
from remit.policy.bundle import Bundle, Directory
from remit.policy.engine import pst
from remit.policy.errors import BundleError, Problem
from remit.policy.labels import labels_of
from remit.policy.reads import nodes
from remit.policy.schema import GRANT
from remit.policy.slices import scope_actions


def overlay(base: Bundle, extra: Bundle) -> Bundle:
    """``base`` with ``extra`` on top.

    Raises:
        BundleError: ``extra`` would change what a rule of ``base`` means.
    """
    problems = [*_names(base, extra), *_classes(base, extra), *_members(base, extra)]
    problems += [*_labels(base, extra), *_domains(base, extra), *_grants(base, extra)]
    if extra.lock is not None and base.lock is not None:
        shared = extra.lock.servers.keys() & base.lock.servers.keys()
        problems += [
            _problem("overlay_pins", f"server `{name}` is pinned twice") for name in shared
        ]
    expiries = [e for e in (base.expires_us, extra.expires_us) if e is not None]
    locks = [lock for lock in (base.lock, extra.lock) if lock is not None]
    merged = msgspec.structs.replace(
        base,
        name=f"{base.name}+{extra.name}",
        expires_us=min(expiries, default=None),
        mode="enforce" if "enforce" in (base.mode, extra.mode) else "observe",
        policies=(*base.policies, *extra.policies),
        fact_specs=(*base.fact_specs, *extra.fact_specs),
        limits=(*base.limits, *extra.limits),
        matchers={**extra.matchers, **base.matchers},
        terms={**extra.terms, **base.terms},
        canaries={**extra.canaries, **base.canaries},
        detectors=tuple(dict.fromkeys((*base.detectors, *extra.detectors))),
        dark=(*base.dark, *extra.dark),
        entities=Directory(
            {**extra.entities.agents, **base.entities.agents},
            {**extra.entities.users, **base.entities.users},
            {**extra.entities.servers, **base.entities.servers},
            {**extra.entities.keys, **base.entities.keys},
        ),
        lock=msgspec.structs.replace(
            locks[0], servers={name: pins for lock in locks for name, pins in lock.servers.items()}
        )
        if locks
        else None,
        digest=sha256(canonical_bytes([base.digest, extra.digest])),
        tests={**base.tests, **{f"overlay/{n}": data for n, data in extra.tests.items()}},
        warnings=(*base.warnings, *extra.warnings),
    )
    problems += [p for p in lint.lint(merged) if p.severity == "error"]
    if problems:
        raise BundleError(problems)
    return merged


def _problem(code: str, message: str) -> Problem:
    return Problem(code=f"policy.{code}", message=message, hint="overlays only add and tighten")


def _names(base: Bundle, extra: Bundle) -> list[Problem]:
    pairs = (
        ("fact", {s.name for s in base.fact_specs}, {s.name for s in extra.fact_specs}),
        ("limit", {x.name for x in base.limits}, {x.name for x in extra.limits}),
        ("matcher", set(base.matchers), set(extra.matchers)),
        ("list of terms", set(base.terms), set(extra.terms)),
        ("canary", set(base.canaries), set(extra.canaries)),
    )
    return [
        _problem("overlay_redefines", f"{kind} `{name}` is the base's")
        for kind, ours, theirs in pairs
        for name in sorted(ours & theirs)
    ]


def _classes(base: Bundle, extra: Bundle) -> list[Problem]:
    """An entry of the overlay may only repeat what the base says, for each tool by its name."""
    return [
        _problem("overlay_redefines", f"the class of `{pattern}` is the base's to say")
        for pattern, kind in extra.tool_classes.items()
        if any(c in pattern for c in "*?[")
        or kind is not tables.tool_class(base.tool_classes, pattern)
    ]


def _labels(base: Bundle, extra: Bundle) -> list[Problem]:
    """Like classes: repeated for a tool by its name, or not said at all."""
    return [
        _problem("overlay_redefines", f"the labels of `{pattern}` are the base's to say")
        for pattern, labels in extra.labels.items()
        if any(c in pattern for c in "*?[") or labels != labels_of(base.labels, pattern)
    ]


def _domains(base: Bundle, extra: Bundle) -> list[Problem]:
    return [
        _problem("overlay_loosens", f"the base does not trust the domain `{domain}`")
        for domain in extra.trusted_domains
        if domain not in base.trusted_domains
    ]


def _grants(base: Bundle, extra: Bundle) -> list[Problem]:
    if not _approvers(base):
        return []
    return [
        _problem("overlay_loosens", f"`{printable(source.id, 100)}` permits `{GRANT}`")
        for source in extra.policies
        if source.node.effect == "permit" and GRANT in (scope_actions(source.node) or (GRANT,))
    ]


def _approvers(bundle: Bundle) -> set[str]:
    """Teams that rules of a bundle leave decisions to."""
    return {
        source.node.annotations.get("approvers", "")
        for source in bundle.policies
        if source.node.annotations.get("require") == "approval"
    }


def _members(base: Bundle, extra: Bundle) -> list[Problem]:
    theirs, ours = extra.entities, base.entities
    kinds = (
        ("agent", theirs.agents, ours.agents),
        ("user", theirs.users, ours.users),
        ("server", theirs.servers, ours.servers),
    )
    named = {
        (str(node.type), node.id)
        for source in base.policies
        for node in nodes(source.node)
        if isinstance(node, pst.EntityUid)
    }
    taken = {name for kind, name in named if kind in ("Remit::Team", "Remit::ServerGroup")}
    taken |= _approvers(base)
    for _, _, members in kinds:
        taken.update(parent for parents in members.values() for parent in parents)
    out: list[Problem] = []
    for kind, new, old in kinds:
        out += [
            _problem("overlay_redefines", f"{kind} `{name}` is the base's")
            for name in sorted(new.keys() & old.keys())
        ]
        out += [
            _problem("overlay_loosens", f"{kind} `{name}` joins `{parent}`, which the base names")
            for name, parents in sorted(new.items())
            for parent in parents
            if parent in taken
        ]
    return out
