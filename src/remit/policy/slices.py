"""Slices: the policies that can apply to one request, with handles made for just them.

A policy whose scope names another action, another agent or another server cannot determine the
answer, so leaving it out changes nothing and makes ten thousand policies as fast as twenty. The
schema of a slice declares one action and only the context that its policies read; the rest of a
call, a file of megabytes perhaps, never reaches Cedar.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from remit.policy import engine, reads, schema
from remit.policy.bundle import Directory
from remit.policy.classes import Classes
from remit.policy.engine import pst
from remit.policy.schema import Action, Reads
from remit.policy.source import Source

MAX_SLICES = 1024
MAX_USERS = 64


class Slice:
    """What decides for one (action, agent, server).

    Attributes:
        action: the action.
        sources: policies that can apply, by id.
        reads: what they read of the context.
        input: the part of ``context.input`` that is read.
        classes: which contexts they cannot tell apart.
    """

    def __init__(
        self, action: Action, agent: str, server: str, sources: Iterable[Source], who: Directory
    ) -> None:
        self.action = action
        self.sources = {source.id: source for source in sources}
        self.reads: Reads = reads.union(reads.reads(s.node) for s in self.sources.values())
        self.input = schema.pruned_input(action, self.reads)
        self.classes = Classes(s.node for s in self.sources.values())
        self._agent = agent
        self._server = server
        self._who = who
        self.schema = engine.schema(schema.document([action], self.reads))
        self.policies = engine.policy_set({s.id: s.node for s in self.sources.values()})
        self.request: dict[str, Any] = {
            "principal": engine.uid("Agent", agent),
            "action": engine.uid("Action", action.id),
            "resource": engine.uid("Server", server),
        }
        self._entities: dict[str, engine.Entities] = {}

    def entities(self, user: str) -> engine.Entities:
        """The entities of a request on behalf of ``user``."""
        known = self._entities.get(user)
        if known is None:
            if len(self._entities) >= MAX_USERS:
                self._entities.clear()
            items = [
                entity("Agent", self._agent, "Team", self._who.agents.get(self._agent, ())),
                entity("User", user, "Team", self._who.users.get(user, ())),
                entity("Server", self._server, "ServerGroup", self._who.groups(self._server)),
            ]
            known = self._entities[user] = engine.entities(items, self.schema)
        return known

    def evaluate(self, user: str, context: str) -> engine.Answer:
        """Ask Cedar.

        Raises:
            EngineError: there is no trustworthy answer.
        """
        request = {**self.request, "context": context}
        return engine.evaluate(request, self.policies, self.entities(user), self.schema)

    def possible(self, user: str) -> bool:
        """Whether some context could be allowed.

        Raises:
            EngineError: there is no trustworthy answer.
        """
        return engine.possible(
            self._agent,
            self.action.id,
            self._server,
            self.policies,
            self.entities(user),
            self.schema,
        )


def entity(kind: str, name: str, above: str, parents: Iterable[str]) -> dict[str, Any]:
    """An entity with the groups of type ``above`` that it is in."""
    return {
        "uid": engine.uid(kind, name),
        "attrs": {},
        "parents": [engine.uid(above, parent) for parent in sorted(parents)],
    }


class Slicer:
    """All policies, indexed by the actions their scopes name."""

    def __init__(
        self, sources: Iterable[Source], actions: Mapping[str, Action], who: Directory
    ) -> None:
        self._who = who
        self._actions = actions
        self._any: list[int] = []
        self._named: dict[str, list[int]] = {}
        self._sources = tuple(sources)
        self._slices: dict[tuple[str, str, str], Slice] = {}
        for number, source in enumerate(self._sources):
            names = scope_actions(source.node)
            if names is None:
                self._any.append(number)
            else:
                for name in names:
                    self._named.setdefault(name, []).append(number)

    def of_action(self, action: Action) -> list[Source]:
        """Policies whose scope admits the action, in the order of the bundle."""
        numbers = set(self._any)
        for name in (action.id, *action.ancestors()):
            numbers.update(self._named.get(name, ()))
        return [self._sources[number] for number in sorted(numbers)]

    def get(self, action: Action, agent: str, server: str) -> Slice:
        """The slice of a request, made at its first use."""
        key = (action.id, agent, server)
        known = self._slices.get(key)
        if known is None:
            teams = self._who.agents.get(agent, ())
            groups = self._who.groups(server)
            sources = [
                source
                for source in self.of_action(action)
                if _admits(source.node.principal, "Agent", agent, "Team", teams)
                and _admits(source.node.resource, "Server", server, "ServerGroup", groups)
            ]
            if len(self._slices) >= MAX_SLICES:
                self._slices.clear()
            known = self._slices[key] = Slice(action, agent, server, sources, self._who)
        return known


def scope_actions(policy: pst.Template) -> list[str] | None:
    """Action ids the scope names; ``None`` if it takes any action."""
    if isinstance(policy.action, pst.ActionEq):
        return [policy.action.entity.id]
    if isinstance(policy.action, pst.ActionIn):
        return [entity.id for entity in policy.action.entities]
    return None


def _admits(
    scope: pst.PrincipalOrResourceConstraint,
    kind: str,
    name: str,
    above: str,
    parents: Iterable[str],
) -> bool:
    """Whether a scope can match the entity; unknown forms are kept for Cedar to judge."""
    if isinstance(scope, pst.ScopeIs | pst.ScopeIsIn) and _type(scope.entity_type) != kind:
        return False
    if isinstance(scope, pst.ScopeEq | pst.ScopeIn | pst.ScopeIsIn):
        entity = scope.entity
        if not isinstance(entity, pst.EntityUid):
            return True
        named = (_type(entity.type), entity.id)
        if named == (kind, name):
            return True
        return not isinstance(scope, pst.ScopeEq) and (
            named[0] == above and named[1] in set(parents)
        )
    return True


def _type(kind: pst.EntityType) -> str:
    return str(kind).removeprefix(f"{engine.NAMESPACE}::")
