"""``artifact.load``: whether an artifact may be loaded, by what was verified of it.

The principal is the agent for which it is loaded, the resource the artifact, which is in its
repository and in everything that is a path above it: a policy on
``Remit::Repository::"hub.example/team"`` speaks of all repositories there. What is unknown of an
artifact is never a harmless value: an age or a count that nobody attested is :data:`UNKNOWN`, which
no upper bound admits.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import orjson

from remit.policy import engine, quiet, reads, schema
from remit.policy.bundle import Directory
from remit.policy.schema import Action
from remit.policy.slices import entity
from remit.policy.source import Source

UNKNOWN = (1 << 53) - 1
"""An age or a number of findings that nobody attested."""


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The verification summary that counts: the newest under the policy of the gate.

    Attributes:
        present: whether there is one; the others are empty without.
        result: ``PASSED`` or ``FAILED``.
        age_s: seconds since the gate looked.
        policy_digest: of the gate's policy.
        levels: what the gate found to hold.
    """

    present: bool = False
    result: str = ""
    age_s: int = UNKNOWN
    policy_digest: str = ""
    levels: tuple[str, ...] = ()


class Scans(msgspec.Struct, frozen=True, kw_only=True):
    """What trusted scanners attested.

    Attributes:
        present: whether any did.
        complete: whether all of them looked at everything.
        critical, high, medium, low, info: findings of all of them together.
        scanners: their names.
    """

    present: bool = False
    complete: bool = False
    critical: int = UNKNOWN
    high: int = UNKNOWN
    medium: int = UNKNOWN
    low: int = UNKNOWN
    info: int = UNKNOWN
    scanners: tuple[str, ...] = ()


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked.

    Attributes:
        agent, user: for whom it is loaded.
        server: Guard's name of the server that it becomes; empty if it becomes none.
        kind: of the artifact, for example ``mcp-server``.
        repository: ``HOST/NAME``, or the name in this machine's store.
        tag: by which it was asked for; empty for a digest alone.
        digest: of its manifest.
        signed_by: names of the keys that signed it, of the trust root.
        attested: predicate types that trusted keys attested.
        vsa, scan: what the gate and the scanners said.
        now_us: wall time.
    """

    agent: str
    user: str
    server: str = ""
    kind: str
    repository: str
    tag: str = ""
    digest: str
    signed_by: tuple[str, ...] = ()
    attested: tuple[str, ...] = ()
    vsa: Summary = Summary()
    scan: Scans = Scans()
    now_us: int

    def input(self) -> dict[str, Any]:
        """``context.input``."""
        value = msgspec.to_builtins(self)
        for engine_owned in ("agent", "user", "now_us"):
            del value[engine_owned]
        found: dict[str, Any] = _lists(value)
        return found


class Loads:
    """The policies that say what may be loaded. Compiled at the first question."""

    def __init__(self, action: Action, sources: Sequence[Source], who: Directory) -> None:
        self._who = who
        self._action = action
        self._reads = reads.union(reads.reads(source.node) for source in sources)
        self._read = schema.pruned_input(action, self._reads)
        self._schema = engine.schema(schema.document([action], self._reads))
        self._policies = engine.policy_set({source.id: source.node for source in sources})
        self.sources = {source.id: source for source in sources}

    def ask(self, load: Load) -> engine.Answer:
        """Whether it may be loaded, and which policies say so.

        Raises:
            EngineError: there is no trustworthy answer.
        """
        question = {
            "principal": engine.uid("Agent", load.agent),
            "action": engine.uid("Action", self._action.id),
            "resource": engine.uid("Artifact", load.digest),
            "context": orjson.dumps(self._context(load)).decode(),
        }
        entities = engine.entities(self._entities(load), self._schema)
        return engine.evaluate(question, self._policies, entities, self._schema)

    def _entities(self, load: Load) -> list[dict[str, Any]]:
        who = self._who
        return [
            entity("Agent", load.agent, "Team", who.agents.get(load.agent, ())),
            entity("User", load.user, "Team", who.users.get(load.user, ())),
            entity("Artifact", load.digest, "Repository", above(load.repository)),
        ]

    def _context(self, load: Load) -> dict[str, Any]:
        """Nobody has a session, findings or a flow before a server runs: rules see none."""
        given = {name: value for name, value in load.input().items() if name in self._read.fields}
        return quiet.context(self._reads, given=given, now_us=load.now_us, user=load.user)


def above(repository: str) -> Iterator[str]:
    """A repository and every path above it."""
    while repository:
        yield repository
        repository = repository.rpartition("/")[0]


def _lists(value: Any) -> Any:
    """With lists in place of tuples, as JSON has them."""
    if isinstance(value, dict):
        return {key: _lists(each) for key, each in value.items()}
    return sorted(value) if isinstance(value, list | tuple) else value
