"""The Guard's side of the audit log: records of events, and waiting for their durability."""

import asyncio
import collections
import contextlib
import heapq
import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import orjson

from remit import __version__
from remit.audit.errors import QueueFull
from remit.audit.log import Log
from remit.core.canonical import prepared
from remit.core.decision import Decision, Effect
from remit.core.digest import sha256
from remit.core.errors import RemitError
from remit.core.event import Agent, Event, Kind
from remit.core.strictjson import dumps
from remit.core.text import printable
from remit.guard.errors import GuardError

if TYPE_CHECKING:
    from remit.content.summary import Summary

MAX_PRIVATE_BYTES = 64 * 1024
MAX_RULES = 32
SETTLE_S = 0.002
RETRY_S = 0.010
MAX_BEHIND = 512
MAX_REASONS = 8
MAX_PARTS = 512
MAX_FINDINGS = 16


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a forwarded call went.

    Attributes:
        call: id of the call's own event.
        status: ``ok``, ``tool_error``, ``protocol_error``, ``timeout``, ``server_gone``,
            ``cancelled``, ``unknown``.
        size: bytes of the result on the wire.
        latency_us: from forwarding to the answer.
        value: the result, for the encrypted side store.
    """

    call: str
    status: str
    size: int = 0
    latency_us: int = 0
    value: bytes = b""


Mode = Literal["enforce", "observe"]


class _Entry(msgspec.Struct, frozen=True):
    """One judged event on its way into the log."""

    event: Event
    decision: Decision
    outcome: Outcome | None
    fulfilled: frozenset[str]
    hits: Sequence[str]
    mode: Mode
    content: "Summary | None"


class Ledger:
    """Writes records and waits for their durability. Belongs to one event loop's thread."""

    def __init__(self, log: Log, *, guard_id: str, surface: str) -> None:
        self.log = log
        self._guard = prepared({"id": guard_id, "version": __version__, "mode": surface})
        # Parts that records share: who acts, on what, and answers that are given again and again.
        self._actors: dict[tuple[Agent, str], _Part] = {}
        self._actions: dict[tuple[str, ...], dict[str, str]] = {}
        self._decisions: dict[tuple[int, Mode], tuple[Decision, orjson.Fragment]] = {}
        self._loop = asyncio.get_running_loop()
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._tie = itertools.count()
        self._failed: RemitError | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._later: collections.deque[_Entry] = collections.deque()
        # How many records of judged events there are: (kind, effect) -> number.
        self.counts: collections.Counter[tuple[str, str]] = collections.Counter()
        # Allowed calls without a result yet: id of the call -> actor, session and action of it.
        self.open_calls: dict[str, dict[str, Any]] = {}
        log.subscribe(self._committed)

    def record(
        self,
        event: Event,
        decision: Decision,
        *,
        outcome: Outcome | None = None,
        fulfilled: frozenset[str] = frozenset(),
        hits: Sequence[str] = (),
        content: "Summary | None" = None,
        mode: Mode = "enforce",
    ) -> int | None:
        """Append the record of one judged event.

        A side effect's record is appended at once, and its index is given, to be waited for. All
        others are accepted here and appended together, in their order, within ``SETTLE_S`` and
        before anything that is appended at once: one after the other costs twice as much, and
        falls into the time of a call. If the disk does not keep up, everybody waits for it: what
        waits in memory stays bounded.

        Raises:
            AuditError: the log is poisoned or its queue is full; nothing may be allowed.
        """
        entry = _Entry(event, decision, outcome, fulfilled, hits, mode, content)
        behind = self.log.size - self.log.durable_size + len(self._later)
        if event.side_effects or behind > MAX_BEHIND:
            self._settle()
            return self._append(entry)
        failure = self._failed or self.log.poisoned
        if failure is not None:
            raise failure
        self._later.append(entry)
        if self._timer is None:
            self._timer = self._loop.call_later(SETTLE_S, self._settle_in_time)
        return None

    @property
    def accepted(self) -> int:
        """How many records there are, with those that are still to be appended."""
        return self.log.size + len(self._later)

    def _settle_in_time(self) -> None:
        self._timer = None
        self._settle_quietly()

    def _settle(self) -> None:
        """Append what was accepted before. A record that cannot be written stops everything.

        Raises:
            AuditError: the log is poisoned, or its queue is full (then what waits stays).
        """
        if self._failed is not None:
            raise self._failed
        while self._later:
            try:
                self._append(self._later[0])
            except QueueFull:
                self._loop.call_later(RETRY_S, self._settle_quietly)
                raise
            except RemitError as error:
                self._failed = error
                raise
            self._later.popleft()

    def _settle_quietly(self) -> None:
        with contextlib.suppress(RemitError):
            self._settle()

    def _append(self, entry: "_Entry") -> int:
        event, outcome = entry.event, entry.outcome
        body = self._body(entry)
        private = {}
        if outcome is not None:
            if outcome.value:
                private["outcome.result_c"] = (event.agent.id, _bounded(outcome.value))
        elif event.input:
            private["action.args_c"] = (event.agent.id, _bounded(dumps(event.input)))
        kind = _record_kind(event)
        seq = self.log.append(kind, body, private=private)
        self.counts[kind, entry.decision.effect.value] += 1
        allowed = entry.decision.effect is Effect.ALLOW or entry.mode == "observe"
        if event.kind is Kind.TOOL_CALL and allowed:
            self.open_calls[event.id] = {
                "actor": self._actor(event).plain,
                "session": event.session,
                "action": body["action"],
            }
        elif outcome is not None:
            self.open_calls.pop(outcome.call, None)
        return seq

    def _body(self, entry: "_Entry") -> dict[str, Any]:
        event, outcome = entry.event, entry.outcome
        body: dict[str, Any] = {
            "actor": self._actor(event).written,
            "session": event.session,
            "call": outcome.call if outcome else event.id,
            "action": self._action(event),
            "decision": self._decision(entry),
            "guard": self._guard,
        }
        if event.correlation:
            body["correlation"] = {k: printable(v, 128) for k, v in event.correlation.items()}
        if entry.hits:
            body["limits"] = list(entry.hits)
        if entry.content is not None and entry.content.kinds:
            body["content"] = _content(entry.content)
        if outcome is not None:
            body["outcome"] = _ending(outcome)
        return body

    def close_call(self, outcome: Outcome) -> None:
        """Record the end of an open call that has no judged result (cancelled, server gone …).

        Does nothing for a call that is not open.
        """
        self._settle()
        opening = self.open_calls.pop(outcome.call, None)
        if opening is not None:
            self.log.append(
                "tool.result",
                {
                    **opening,
                    "call": outcome.call,
                    "outcome": _ending(outcome),
                    "guard": self._guard,
                },
            )

    def note(
        self, kind: str, *, private: Mapping[str, tuple[str, bytes]] | None = None, **body: Any
    ) -> int:
        """Append a record that is not a judged event (start, refusal of a frame, pins).

        Args:
            kind: of the record.
            private: path of a field -> subject and value, which is committed to and kept apart.
            body: the other fields.
        """
        self._settle()
        hidden = {path: (who, _bounded(value)) for path, (who, value) in (private or {}).items()}
        return self.log.append(kind, {**body, "guard": self._guard}, private=hidden)

    def close(self) -> None:
        """Append what still waits. Never raises; a restart closes what could not be written."""
        if self._timer is not None:
            self._timer.cancel()
        self._settle_quietly()

    async def durable(self, seq: int) -> None:
        """Wait until record ``seq`` is on disk.

        Raises:
            AuditError: it cannot become durable.
        """
        if self.log.durable_size > seq:
            return
        if self._failed is not None:
            raise self._failed
        future = self._loop.create_future()
        heapq.heappush(self._waiting, (seq, next(self._tie), future))
        self.log.urge()
        await future

    def _committed(self, size: int, error: RemitError | None) -> None:
        """Called by the committer's thread after each group commit."""
        try:
            self._loop.call_soon_threadsafe(self._wake, size, error)
        except RuntimeError:
            # The loop has closed: nobody waits any more.
            return

    def _wake(self, size: int, error: RemitError | None) -> None:
        if error is not None:
            self._failed = error
        waiting = self._waiting
        while waiting and (waiting[0][0] < size or error is not None):
            seq, _, future = heapq.heappop(waiting)
            if future.done():
                continue
            if seq < size:
                future.set_result(None)
            else:
                future.set_exception(error or GuardError("the audit log failed"))

    def _actor(self, event: Event) -> "_Part":
        key = (event.agent, event.user)
        known = self._actors.get(key)
        if known is None:
            actor = {"agent": printable(event.agent.id, 200), "user": printable(event.user, 200)}
            if event.agent.executable:
                actor["executable"] = printable(event.agent.executable, 400)
            if event.agent.on_behalf_of:
                actor["on_behalf_of"] = printable(event.agent.on_behalf_of, 400)
            if event.agent.claimed:
                actor["claimed"] = printable(event.agent.claimed, 200)
            _make_room(self._actors)
            known = self._actors[key] = _Part(actor, prepared(actor))
        return known

    def _action(self, event: Event) -> dict[str, str]:
        key = (event.server, event.action, event.tool, event.method, event.schema_digest)
        known = self._actions.get(key)
        if known is None:
            known = {"server": event.server, "name": printable(event.action, 300)}
            if event.tool:
                known["tool"] = printable(event.tool, 200)
            if event.method:
                known["method"] = printable(event.method, 100)
            if event.schema_digest:
                known["schema_digest"] = event.schema_digest
            _make_room(self._actions)
            self._actions[key] = known
        return known

    def _decision(self, entry: _Entry) -> Any:
        if entry.fulfilled or entry.decision.error:
            return _decision(entry.decision, entry.fulfilled, entry.mode)
        # Policy gives one object again for all that is alike; it is kept, so its id stays its own.
        key = (id(entry.decision), entry.mode)
        known = self._decisions.get(key)
        if known is None:
            written = prepared(_decision(entry.decision, entry.fulfilled, entry.mode))
            _make_room(self._decisions)
            known = self._decisions[key] = (entry.decision, written)
        return known[1]


class _Part(msgspec.Struct, frozen=True):
    """A part of records, as it is and as it is written."""

    plain: dict[str, str]
    written: orjson.Fragment


def _make_room(parts: dict[Any, Any]) -> None:
    if len(parts) >= MAX_PARTS:
        parts.clear()


def _record_kind(event: Event) -> str:
    match event.kind:
        case Kind.TOOL_CALL:
            return "tool.decision"
        case Kind.TOOL_RESULT:
            return "tool.result"
        case Kind.MCP_CONNECT:
            return "agent.seen"
        case _:
            return "mcp.decision"


def _decision(decision: Decision, fulfilled: frozenset[str], mode: Mode) -> dict[str, Any]:
    value: dict[str, Any] = {
        "effect": str(decision.effect),
        "mode": mode,
        "policy_digest": decision.policy_digest,
        "rule_ids": list(decision.rules[:MAX_RULES]),
    }
    if decision.reasons:
        value["reasons"] = [printable(reason, 300) for reason in decision.reasons[:MAX_REASONS]]
    if decision.error:
        value["error"] = decision.error
        value["detail"] = printable(decision.detail, 300)
    if fulfilled:
        value["fulfilled"] = sorted(fulfilled)[:MAX_RULES]
    return value


def _content(found: "Summary") -> list[dict[str, Any]]:
    """Findings for the record: what and where, never the text itself."""
    shown: list[dict[str, Any]] = [
        {
            "kind": seen.finding.kind,
            "label": printable(seen.finding.label, 100),
            "severity": seen.finding.severity,
            "score_milli": seen.finding.score_milli,
            "rule": printable(seen.finding.rule, 100),
            "version": seen.finding.version,
            "path": printable(seen.path, 200),
            "start": seen.finding.start,
            "end": seen.finding.end,
        }
        for seen in found.seen[:MAX_FINDINGS]
    ]
    left = len(found.seen) - len(shown)
    if left:
        shown.append({"kind": "more", "label": str(left)})
    if not found.complete:
        shown.append({"kind": "uninspected", "label": "incomplete"})
    return shown


def _bounded(value: bytes) -> bytes:
    """The value, or the digest of one that is too large to keep."""
    return value if len(value) <= MAX_PRIVATE_BYTES else sha256(value).encode()


def _ending(outcome: Outcome) -> dict[str, Any]:
    return {
        "status": outcome.status,
        "bytes": outcome.size,
        "latency_us": outcome.latency_us,
    }
