"""What Cedar accepts and we do not: ids, annotations, bare permits, vacuous tests, unknown names.

Every rule here was a policy that looked right and let something through, or a typing error that
switched a rule off without a word.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from remit.core.text import printable
from remit.policy import grants, obligations
from remit.policy.bundle import Bundle
from remit.policy.engine import pst
from remit.policy.errors import Problem
from remit.policy.labels import EFFECTS
from remit.policy.reads import children, context_path, nodes, paths
from remit.policy.schema import ENGINE, GRANT, PROMOTE
from remit.policy.slices import scope_actions
from remit.policy.source import Source
from remit.policy.tables import meant

PARAMETERS = {
    "confirmation": frozenset[str](),
    "wait": frozenset({"limit"}),
    "approval": frozenset({"approvers", "quorum", "expires", "uses"}),
    "redact": frozenset({"findings", "with"}),
}
"""``@require`` → the annotations that go with it."""

KINDS = obligations.REDACTABLE | {"injection", "poisoning", "uninspected", "unjudged"}
"""Kinds of findings, :class:`remit.content.base.Finding`."""

_ORIGINS = ("none", "user", "trusted", "named", "quoted", "unknown", "untrusted")
WORDS: Mapping[tuple[str, ...], tuple[str, ...]] = {
    ("flow", "effect"): EFFECTS,
    ("flow", "destination"): _ORIGINS,
    ("flow", "payload"): _ORIGINS,
    ("flow", "links"): _ORIGINS,
}
"""Attributes of the engine that hold one of a few words."""

_ID = re.compile(r"[A-Za-z0-9._:/-]{1,100}\Z")
ANNOTATIONS = frozenset({"id", "reason", "require"}).union(*PARAMETERS.values())


class _Linter:
    """One pass over a bundle."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.problems: list[Problem] = []
        self.ids: dict[str, Source] = {}
        self.limits = {limit.name for limit in bundle.limits}
        self.context = {*ENGINE, "input", *(spec.name for spec in bundle.fact_specs)}
        self.teams = {t for m in (bundle.entities.agents, bundle.entities.users) for t in _all(m)}
        self.groups = set(_all(bundle.entities.servers))

    def run(self) -> list[Problem]:
        for source in self.bundle.policies:
            first = self.ids.setdefault(source.id, source)
            if first is not source:
                self.problem(
                    source,
                    "duplicate_id",
                    f"the id is taken by {first.file}:{first.line}",
                    "every policy needs its own @id",
                )
        for source in self.bundle.policies:
            if not _ID.match(source.id):
                self.problem(
                    source,
                    "bad_id",
                    "an id is 1 to 100 letters, digits and `.`, `_`, `-`, `:`, `/`",
                )
            self.annotations(source)
            self.conditions(source)
            self.names(source)
            self.vacuous(source)
        return self.problems

    def problem(
        self, source: Source, code: str, message: str, hint: str = "", *, warning: bool = False
    ) -> None:
        self.problems.append(
            Problem(
                file=source.file,
                line=source.line,
                column=source.column,
                policy=printable(source.id, 100),
                severity="warning" if warning else "error",
                code=f"policy.{code}",
                message=message,
                hint=hint,
            )
        )

    def annotations(self, source: Source) -> None:
        own = source.node.annotations
        for name in sorted(own.keys() - ANNOTATIONS):
            self.problem(
                source, "unknown_annotation", f"`@{name}` is unknown", meant(name, ANNOTATIONS)
            )
        kind = own.get("require")
        if kind is not None and kind not in PARAMETERS:
            self.problem(
                source,
                "unknown_obligation",
                f"`@require` knows no `{printable(kind, 80)}`",
                meant(kind, PARAMETERS),
            )
            return
        wanted = PARAMETERS.get(kind or "", frozenset())
        for name in sorted((own.keys() & ANNOTATIONS) - wanted - {"id", "reason", "require"}):
            self.problem(
                source,
                "misplaced_annotation",
                f"`@{name}` does not belong to "
                + (f'`@require("{kind}")`' if kind else "a policy without `@require`"),
            )
        if kind is not None:
            self.obligation(source, kind)

    def obligation(self, source: Source, kind: str) -> None:
        if kind not in obligations.AVAILABLE:
            self.problem(
                source,
                "obligation_not_available",
                f'`@require("{kind}")` is not available in this version',
                meant(kind, obligations.AVAILABLE),
            )
            return
        if source.node.effect != "forbid":
            self.problem(source, "require_on_permit", "`@require` belongs to a forbid")
            return
        limit = source.node.annotations.get("limit", "")
        if kind == "wait" and limit not in self.limits:
            self.problem(
                source,
                "unknown_limit",
                f"`@limit` names `{printable(limit, 80)}`, which is not declared in facts.toml",
                meant(limit, self.limits),
            )
        elif kind == "redact" and (why := _unredactable(source.node.annotations)):
            self.problem(source, "redact", *why)
        elif kind == "approval" and (why := self.unapprovable(source)):
            self.problem(source, "approval", *why)
        elif kind != "approval" and PROMOTE in (scope_actions(source.node) or ()):
            self.problem(
                source,
                "unliftable",
                f'`@require("{kind}")` can never be fulfilled for an artifact',
                'use @require("approval") @approvers("curators")',
            )
        elif not obligations.lifts(source.node):
            self.problem(
                source,
                "unliftable",
                f'`@require("{kind}")` can never be fulfilled',
                f'add: unless {{ context.fulfilled.contains("{source.id}") }}'
                if kind in obligations.LIFTED_BY_ID
                else f'add: when {{ context.over_limit.contains("{limit}") }}',
            )

    def unapprovable(self, source: Source) -> tuple[str, str] | None:
        """Message and hint if nobody could ever give the approval."""
        annotations: Mapping[str, str] = source.node.annotations
        team = annotations.get("approvers", "")
        if scope_actions(source.node) == [PROMOTE]:
            return self.uncurated(annotations)
        members = [user for user, teams in self.bundle.entities.users.items() if team in teams]
        if not members:
            known = set(_all(self.bundle.entities.users))
            return (
                f"`@approvers` names `{printable(team, 80)}`, which has no users",
                meant(team, known) or "list its members in entities/: [users.ann] teams = [...]",
            )
        if grants.number(annotations.get("uses", "1"), grants.MAX_USES) is None:
            return "`@uses` is not a number of calls", f'"1" to "{grants.MAX_USES}"'
        wanted = grants.number(annotations.get("quorum", "1"), grants.MAX_QUORUM)
        if wanted is None:
            return "`@quorum` is not a number of people", f'"1" to "{grants.MAX_QUORUM}"'
        if wanted > len(members):
            told = f"`@quorum` asks for {wanted} people, and `{printable(team, 80)}` has"
            return (
                f"{told} {len(members)}",
                "the requester never counts, so a team needs one more than that",
            )
        span = grants.seconds(annotations.get("expires", f"{grants.DEFAULT_EXPIRES_S}s"))
        if span is None or span > grants.MAX_EXPIRES_S:
            return "`@expires` is not a time of at most a day", 'for example "30m"'
        if not any(
            source.node.effect == "permit" and GRANT in (scope_actions(source.node) or ())
            for source in self.bundle.policies
        ):
            whom = f'principal in Remit::Team::"{printable(team, 80)}"'
            return (
                "no policy permits anybody to approve",
                f'add to approval/: permit ({whom}, action == Remit::Action::"{GRANT}", resource);',
            )
        return None

    def uncurated(self, annotations: Mapping[str, str]) -> tuple[str, str] | None:
        """The same for an artifact: those who approve have the role in the Hub."""
        team = annotations.get("approvers", "")
        if team != grants.CURATORS and team not in _all(self.bundle.entities.users):
            return (
                f"`@approvers` names `{printable(team, 80)}`, which has no users",
                f'@approvers("{grants.CURATORS}") are all who have that role in the Hub',
            )
        if grants.number(annotations.get("quorum", "1"), grants.MAX_QUORUM) is None:
            return "`@quorum` is not a number of people", f'"1" to "{grants.MAX_QUORUM}"'
        if "uses" in annotations:
            return "`@uses` does not belong to an artifact", "an admission is not used up"
        span = grants.span(annotations.get("expires", grants.ADMITTED_FOR))
        if span is None or span > grants.MAX_ADMITTED_S:
            return "`@expires` is not a time of at most a year", 'for example "90d"'
        return None

    def conditions(self, source: Source) -> None:
        node = source.node
        live = False
        for clause in node.clauses:
            for part in _conjuncts(clause.expr):
                if _constant(part):
                    self.problem(
                        source, "constant_condition", "a condition is always true or always false"
                    )
                else:
                    live = True
        scopes = (node.principal, node.action, node.resource)
        if node.effect == "permit" and not live:
            if all(isinstance(scope, pst.ScopeAny | pst.ScopeIs) for scope in scopes):
                self.problem(
                    source,
                    "bare_permit",
                    "this permits everything to everybody",
                    "name an action, or add a condition",
                )
            elif isinstance(node.action, pst.ScopeAny):
                self.problem(
                    source,
                    "wide_permit",
                    "this permits every action, also those of tools to come",
                    'name actions, for example action in Remit::Action::"tool.read"',
                    warning=True,
                )

    def names(self, source: Source) -> None:
        for path, _ in paths(source.node.clauses):
            if path and path[0] not in self.context:
                self.problem(
                    source,
                    "unknown_fact",
                    f"`context.{printable(path[0], 80)}` is no fact of facts.toml",
                    meant(path[0], self.context),
                )
        for item in nodes(source.node):
            for word, words in _misspelt(item):
                self.problem(
                    source,
                    "unknown_word",
                    f"`{printable(word, 80)}` never occurs there",
                    meant(word, words),
                )
            if isinstance(item, pst.BinaryOp) and item.op in (
                "contains",
                "contains_any",
                "contains_all",
            ):
                held = context_path(item.left)
                known: dict[str, Collection[str]] = {
                    "over_limit": self.limits,
                    "fulfilled": self.ids,
                }
                name = held[0] if held and len(held) == 1 else ""
                for text in _texts(item.right) if name in known else ():
                    if text not in known[name]:
                        self.problem(
                            source,
                            "unknown_limit" if name == "over_limit" else "unknown_policy",
                            f"`{printable(text, 80)}` is declared nowhere",
                            meant(text, known[name]),
                        )
            elif isinstance(item, pst.EntityUid):
                self.entity(source, item)

    def entity(self, source: Source, item: pst.EntityUid) -> None:
        known = {"Remit::Team": self.teams, "Remit::ServerGroup": self.groups}.get(str(item.type))
        if known is not None and item.id not in known:
            self.problem(
                source,
                "empty_group",
                f'nobody belongs to {item.type}::"{printable(item.id, 80)}"',
                meant(item.id, known) or "list its members in entities/",
                warning=True,
            )

    def vacuous(self, source: Source) -> None:
        """``[...].containsAll(x)`` is true for an empty ``x``: something must say it is not."""
        whens = [
            part
            for clause in source.node.clauses
            if isinstance(clause, pst.When)
            for part in _conjuncts(clause.expr)
        ]
        for clause in source.node.clauses:
            for test, guards in _contains_all(clause.expr, whens):
                for path, _ in paths(test.right):
                    if not any(_guards(guard, path) for guard in guards):
                        self.problem(
                            source,
                            "vacuous_contains_all",
                            f"`containsAll` holds when `context.{'.'.join(path)}` is empty",
                            f"add: && context.{path[0]}.present"
                            if path[0] != "input"
                            else f"add: && !context.{'.'.join(path)}.isEmpty()",
                        )


def _all(members: Any) -> Iterator[str]:
    for parents in members.values():
        yield from parents


def _conjuncts(expression: pst.Expr) -> list[pst.Expr]:
    if isinstance(expression, pst.BinaryOp) and expression.op == "and":
        return [*_conjuncts(expression.left), *_conjuncts(expression.right)]
    return [expression]


def _constant(expression: pst.Expr) -> bool:
    """Whether a condition cannot depend on the request; what our schema fixes is constant."""
    if isinstance(expression, pst.BinaryOp):
        if expression.op in ("and", "or"):
            return _constant(expression.left) or _constant(expression.right)
        if expression.op in ("eq", "not_eq", "less_eq", "greater_eq", "less", "greater"):
            return expression.left == expression.right or not _varies(expression)
    if isinstance(expression, pst.UnaryOp) and expression.op == "not":
        return _constant(expression.arg)
    if isinstance(expression, pst.Is) and isinstance(expression.base, pst.Var):
        return expression.in_expr is None
    if isinstance(expression, pst.HasAttr) and isinstance(expression.base, pst.Var):
        return expression.base.name == "context" and expression.attrs in {(n,) for n in ENGINE}
    return not _varies(expression)


def _varies(expression: pst.Expr) -> bool:
    return any(isinstance(node, pst.Var) for node in nodes(expression))


def _unredactable(annotations: Mapping[str, str]) -> tuple[str, str] | None:
    """Message and hint if the parameters of ``@require("redact")`` make no sense."""
    known = obligations.REDACTABLE
    wanted = obligations.kinds(annotations.get("findings", ""))
    if not wanted:
        return "`@findings` does not say what to take out", 'for example @findings("pii secret")'
    for kind in sorted(wanted - known):
        return f"`@findings` cannot take out `{printable(kind, 80)}`", meant(kind, known)
    form = annotations.get("with", "mask")
    if form not in obligations.FORMS:
        return f"`@with` knows no `{printable(form, 80)}`", meant(form, obligations.FORMS)
    return None


def _misspelt(expression: pst.Expr) -> Iterator[tuple[str, Collection[str]]]:
    """Words that an attribute of the engine never holds, with those that it may hold."""
    if not isinstance(expression, pst.BinaryOp):
        return
    if expression.op in ("contains", "contains_any", "contains_all"):
        if context_path(expression.left) == ("content", "findings"):
            for text in _texts(expression.right):
                if text.partition(":")[0] not in KINDS:
                    yield text, KINDS
        return
    sides = (expression.left, expression.right), (expression.right, expression.left)
    for side, other in sides if expression.op in ("eq", "not_eq") else ():
        words = WORDS.get(context_path(side) or ())
        if words is not None and isinstance(other, pst.StringLit) and other.value not in words:
            yield other.value, words


def _texts(expression: pst.Expr) -> list[str]:
    items = expression.elements if isinstance(expression, pst.Set) else (expression,)
    return [item.value for item in items if isinstance(item, pst.StringLit)]


def _contains_all(
    expression: Any, guards: list[pst.Expr]
) -> Iterator[tuple[pst.BinaryOp, list[pst.Expr]]]:
    if isinstance(expression, pst.BinaryOp) and expression.op == "and":
        parts = _conjuncts(expression)
        for part in parts:
            yield from _contains_all(part, [*guards, *parts])
        return
    if isinstance(expression, pst.BinaryOp) and expression.op == "contains_all":
        yield expression, guards
    for child in children(expression):
        yield from _contains_all(child, guards)


def _guards(guard: pst.Expr, path: tuple[str, ...]) -> bool:
    """Whether a condition makes sure that the set at ``path`` was found or holds something.

    ``ok`` is no guard: an absent argument is ``ok`` and its sets are empty.
    """
    if context_path(guard) == (path[0], "present"):
        return path[0] != "input"
    if isinstance(guard, pst.UnaryOp) and guard.op == "not":
        inner = guard.arg
        return (
            isinstance(inner, pst.UnaryOp)
            and inner.op == "is_empty"
            and context_path(inner.arg) == path
        )
    return (
        isinstance(guard, pst.BinaryOp)
        and guard.op in ("contains", "contains_any")
        and context_path(guard.left) == path
    )


def lint(bundle: Bundle) -> list[Problem]:
    """All problems that the text of a bundle shows by itself."""
    return _Linter(bundle).run()
