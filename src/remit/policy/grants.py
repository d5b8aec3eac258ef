"""``approval.grant``: whether a person may approve what an agent asks for.

The principal is the user who would approve, the resource the approval: the policy that asks for it,
the action, the agent, the server, and the user on whose behalf the action is done (`requester`).
Both must hold: Cedar allows it, and the user is in the team that ``@approvers`` of that policy
names. Beyond policy, nobody for whom the action is done ever approves it.
"""

import re
from collections.abc import Sequence
from typing import Any

import msgspec
import orjson

from remit.policy import engine, quiet, reads, schema
from remit.policy.bundle import Directory
from remit.policy.schema import Action
from remit.policy.slices import entity
from remit.policy.source import Source

DEFAULT_EXPIRES_S = 300
MAX_EXPIRES_S = 24 * 3600
MAX_QUORUM = 16
MAX_USES = 99
CURATORS = "curators"
"""In ``artifact.promote``: everybody who has that role for the repository in the Hub."""
ADMITTED_FOR = "90d"
MAX_ADMITTED_S = 366 * 24 * 3600
_SPAN = re.compile(r"([1-9][0-9]{0,5})(s|m|h)")
_LONG_SPAN = re.compile(r"([1-9][0-9]{0,5})(s|m|h|d)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked.

    Attributes:
        user: who would approve.
        rule: id of the policy that asks for the approval.
        approvers: its ``@approvers``.
        action, agent, server, requester: of the call.
        now_us: wall time.
    """

    user: str
    rule: str
    approvers: str
    action: str
    agent: str
    server: str
    requester: str
    now_us: int


class Grants:
    """The policies that say who may approve. Compiled at the first question."""

    def __init__(self, action: Action, sources: Sequence[Source], who: Directory) -> None:
        self._who = who
        self._action = action
        self._sources = sources
        self._reads = reads.union(reads.reads(source.node) for source in sources)
        self._schema = engine.schema(schema.document([action], self._reads))
        self._policies = engine.policy_set({source.id: source.node for source in sources})

    def ask(self, grant: Grant) -> engine.Answer:
        """Whether the user may approve, and which policies say so.

        Raises:
            EngineError: there is no trustworthy answer.
        """
        if grant.user == grant.requester:
            return engine.Answer(allowed=False, reasons=())
        if grant.approvers not in self._who.users.get(grant.user, ()):
            return engine.Answer(allowed=False, reasons=())
        entities = engine.entities(self._entities(grant), self._schema)
        question = {
            "principal": engine.uid("User", grant.user),
            "action": engine.uid("Action", self._action.id),
            "resource": engine.uid("Approval", grant.rule),
            "context": orjson.dumps(self._context(grant)).decode(),
        }
        return engine.evaluate(question, self._policies, entities, self._schema)

    def _entities(self, grant: Grant) -> list[dict[str, Any]]:
        who = self._who
        users = {grant.user, grant.requester}
        found = [entity("User", user, "Team", who.users.get(user, ())) for user in sorted(users)]
        found.append(entity("Agent", grant.agent, "Team", who.agents.get(grant.agent, ())))
        found.append(entity("Server", grant.server, "ServerGroup", who.groups(grant.server)))
        attributes = {
            "policy": grant.rule,
            "action": grant.action,
            "requester": {"__entity": engine.uid("User", grant.requester)},
            "agent": {"__entity": engine.uid("Agent", grant.agent)},
            "server": {"__entity": engine.uid("Server", grant.server)},
        }
        uid = engine.uid("Approval", grant.rule)
        found.append({"uid": uid, "attrs": attributes, "parents": []})
        return found

    def _context(self, grant: Grant) -> dict[str, Any]:
        """A person's decision has no session, findings or flow: rules that read them see none."""
        return quiet.context(self._reads, given={}, now_us=grant.now_us, user=grant.user)


def seconds(text: str) -> int | None:
    """The seconds of ``90s``, ``15m`` or ``2h``; ``None`` if it is no such span."""
    found = _SPAN.fullmatch(text)
    return int(found[1]) * _SECONDS[found[2]] if found else None


def span(text: str) -> int | None:
    """The same with days, ``30d``, for what is decided of artifacts."""
    found = _LONG_SPAN.fullmatch(text)
    return int(found[1]) * _SECONDS[found[2]] if found else None


def number(text: str, most: int) -> int | None:
    """The number in ``text``; ``None`` if it is none from 1 to ``most``, at most 99."""
    fits = text.isascii() and text.isdigit() and len(text) <= 2  # noqa: PLR2004 - two digits
    return int(text) if fits and 1 <= int(text) <= most else None
