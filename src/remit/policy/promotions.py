"""``artifact.promote``: whether an artifact may be pulled from its repository.

The principal is the user who pushed it, the resource the artifact, which is in its repository, and
that in every repository whose name is a beginning of its path (``team`` for ``team/model``).
``context.input`` is what the scans found (``spec/policy-schema.md``). ``require`` is answered only
if fulfilling every obligation would make Cedar allow, as for calls of tools.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import orjson

from remit.core.digest import Digest
from remit.policy import engine, obligations, quiet, reads, request, schema
from remit.policy.bundle import Directory
from remit.policy.explain import Explanation, Match, conclude
from remit.policy.loads import Scans
from remit.policy.schema import Action
from remit.policy.slices import entity
from remit.policy.source import Source


class Promotion(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked.

    Attributes:
        user: who pushed it.
        artifact: digest of its manifest.
        repository: where it would be pulled from.
        input: what is known of it, as the schema of the action has it.
        fulfilled: ids of policies whose obligation was met for exactly this artifact.
        now_us: wall time.
    """

    user: str
    artifact: str
    repository: str
    input: Mapping[str, Any]
    fulfilled: frozenset[str] = frozenset()
    now_us: int


class Promotions:
    """The policies that say what may be pulled. Compiled at the first question."""

    def __init__(
        self, action: Action, sources: Sequence[Source], who: Directory, digest: Digest
    ) -> None:
        self._who = who
        self._action = action
        self._digest = digest
        self._sources = {source.id: source for source in sources}
        self._reads = reads.union(reads.reads(source.node) for source in sources)
        self._input = schema.pruned_input(action, self._reads)
        self._schema = engine.schema(schema.document([action], self._reads))
        self._policies = engine.policy_set({source.id: source.node for source in sources})

    def judge(self, asked: Promotion) -> Explanation:
        """What policy says, and how it came about.

        Raises:
            BadArgument: what is known of the artifact has no exact policy form.
            EngineError: there is no trustworthy answer.
        """
        known = dict(asked.input)
        request.check(known)
        given = request.build(self._action.input, self._input, known)
        context = self._context(asked, given)
        answer = self._ask(asked, context)
        determining = [self._sources[rule] for rule in answer.reasons]
        owed = None
        if not answer.allowed and all(map(asks_people, determining)):
            owed = obligations.as_if(determining, asked.fulfilled, frozenset())
        if owed is not None:
            lifted = msgspec.structs.replace(asked, fulfilled=owed[0])
            if not self._ask(lifted, self._context(lifted, given)).allowed:
                owed = None
        decided = conclude(
            answer, determining, owed=owed is not None, action=self._action.id, digest=self._digest
        )
        return Explanation(
            decision=decided,
            matches=tuple(map(Match.of, determining)),
            considered=len(self._sources),
            context=orjson.dumps(context),
        )

    def _ask(self, asked: Promotion, context: Mapping[str, Any]) -> engine.Answer:
        question = {
            "principal": engine.uid("User", asked.user),
            "action": engine.uid("Action", self._action.id),
            "resource": engine.uid("Artifact", asked.artifact),
            "context": orjson.dumps(context).decode(),
        }
        entities = engine.entities(self._entities(asked), self._schema)
        return engine.evaluate(question, self._policies, entities, self._schema)

    def _entities(self, asked: Promotion) -> list[dict[str, Any]]:
        names = (asked.repository, *above(asked.repository))
        return [
            entity("User", asked.user, "Team", self._who.users.get(asked.user, ())),
            entity("Artifact", asked.artifact, "Repository", (asked.repository,)),
            *(entity("Repository", name, "Repository", above(name)) for name in names),
        ]

    def _context(self, asked: Promotion, given: Mapping[str, Any]) -> dict[str, Any]:
        """There is no session, call or flow: rules that read them see empty ones."""
        return quiet.context(
            self._reads,
            given=given,
            now_us=asked.now_us,
            user=asked.user,
            fulfilled=asked.fulfilled,
        )


def nothing_known() -> dict[str, Any]:
    """The input of an artifact that nobody looked at."""
    severities = ("critical", "high", "medium", "low", "info")
    return {
        **dict.fromkeys(("kind", "name", "repository", "reason"), ""),
        **dict.fromkeys(("complete", "dependencies_admitted"), False),
        **{name: list[str]() for name in ("scanners", "failed", "rules", "licences", "signed_by")},
        "unread": 0,
        "counts": dict.fromkeys(severities, 0),
        "findings": {name: list[str]() for name in severities},
        "scan": {**msgspec.to_builtins(Scans()), "scanners": list[str]()},
    }


def above(repository: str) -> Iterator[str]:
    """The beginnings of a repository's path: ``a/b`` and ``a`` of ``a/b/c``."""
    while "/" in repository:
        repository = repository.rpartition("/")[0]
        yield repository


def asks_people(source: Source) -> bool:
    """Whether what a policy requires is an approval: nothing else can be given to an artifact."""
    return source.node.annotations.get("require") == "approval"
