"""The corridor without servers: events come from a file, decisions go to one.

Everything but the wires is real: the bundle, the detectors, what a session remembers, the judge.
Nothing is recorded, and no person is asked: what needs one is answered ``approve``.
"""

import json
import posixpath
from collections.abc import Awaitable, Mapping
from typing import Any, Literal

import msgspec

from remit.core.canonical import digest_bytes
from remit.core.clock import Clock
from remit.core.decision import Decision, Obligation
from remit.core.digest import Digest, sha256
from remit.core.errors import RemitError
from remit.core.event import Agent, Event, Kind, ToolClass
from remit.core.ids import ENTROPY_BYTES, ulid
from remit.facts.base import Environment
from remit.facts.usage import Usage
from remit.guard.errors import GuardError
from remit.guard.judge import Answer, Guard, Ticket, Verdict
from remit.guard.memory import SessionMemory
from remit.policy.bundle import Bundle
from remit.policy.labels import Effect, Labels, Result
from remit.policy.pins import pin
from remit.policy.policy import Policy
from remit.policy.suspicion import suspicions, without

MAX_SESSIONS = 10_000
MAX_POLICIES = 256
_CLASSES: Mapping[str, ToolClass] = {
    "none": ToolClass.READ,
    "internal": ToolClass.WRITE,
    "egress": ToolClass.WRITE,
    "irreversible": ToolClass.DESTRUCTIVE,
}


class ToolLabels(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``labels`` of a tool; the same words as in ``tools.toml``."""

    result: Result = "untrusted"
    effect: Effect | None = None
    dest: tuple[str, ...] = ()


class Tool(msgspec.Struct, frozen=True):
    """One tool of a session."""

    name: str
    description: str = ""
    input_schema: dict[str, Any] = {}
    labels: ToolLabels | None = None


class SessionStart(msgspec.Struct, frozen=True, tag="session_start", tag_field="event"):
    """An agent begins to work for a user."""

    session: str
    user_prompt: str = ""
    tools: tuple[Tool, ...] = ()


class ToolCall(msgspec.Struct, frozen=True, tag="tool_call", tag_field="event"):
    """The agent calls a tool."""

    session: str
    tool: str
    call_id: str = ""
    args: dict[str, Any] = {}


class ToolResult(msgspec.Struct, frozen=True, tag="tool_result", tag_field="event"):
    """The tool answers."""

    session: str
    tool: str
    call_id: str = ""
    content: Any = None
    is_error: bool = False


class SessionEnd(msgspec.Struct, frozen=True, tag="session_end", tag_field="event"):
    """The agent is done."""

    session: str


Step = SessionStart | ToolCall | ToolResult | SessionEnd
Said = Literal["allow", "approve", "deny"]


class Answered(msgspec.Struct, frozen=True):
    """One line of the answer.

    Attributes:
        seq: of the event, as it came.
        decision: ``approve`` if a person would be asked.
        reason: policies and reasons; empty for what is simply allowed.
    """

    seq: Any
    decision: Said
    reason: str


def encode(answer: Answered) -> bytes:
    """A line of answer in ASCII: ``seq`` comes from outside, and not all of JSON's texts are UTF-8.

    What JSON cannot say of ``seq`` (``NaN``) becomes ``null``.
    """
    value = msgspec.structs.asdict(answer)
    try:
        text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    except (ValueError, RecursionError):
        text = json.dumps({**value, "seq": None}, separators=(",", ":"))
    return text.encode("ascii") + b"\n"


class _Nobody:
    """No person is there."""

    async def fulfil(self, event: Event, obligation: Obligation) -> Answer:
        del event, obligation
        return Answer.PENDING

    async def hold(self, decided: Awaitable[object]) -> bool:
        del decided
        return False


class _Unasked:
    """Approvals that nobody gives."""

    async def ask(self, *_arguments: Any) -> Ticket:
        return Ticket(request="", answer=Answer.PENDING, detail="")

    async def settled(self, ticket: Ticket) -> Ticket:
        return ticket

    async def use(self, *_arguments: Any) -> None:
        raise AssertionError("nothing was approved")


class _NoLog:
    """A simulation leaves no records."""

    def record(self, *_arguments: Any, **_more: Any) -> None:
        return None

    async def durable(self, seq: int) -> None:
        del seq


class _Session(msgspec.Struct):
    """One session that goes on: its policy and what it remembers."""

    id: str
    policy: Policy
    memory: SessionMemory
    calls: dict[str, str] = {}


class Simulator:
    """Judges lines of events one after the other.

    Args:
        bundle: the policies. Labels that a session gives its tools win over those of the bundle.
        clock: the time that policies see.
        entropy: random bytes for ids.
        server: id of the server that the tools belong to.
        agent, user: who acts.
    """

    def __init__(
        self, bundle: Bundle, clock: Clock, entropy: Any, *,
        server: str = "tools", agent: str = "agent", user: str = "user",
    ) -> None:  # fmt: skip
        self._bundle = bundle
        self._clock = clock
        self._entropy = entropy
        self._server = server
        self._agent = Agent(id=agent)
        self._user = user
        self._sessions: dict[str, _Session] = {}
        self._policies: dict[Digest, Policy] = {}
        self._guard = Guard(
            ledger=_NoLog(),
            usage=Usage(bundle.limits),
            environment=Environment(
                workspace="/workspace",
                realpath=posixpath.normpath,
                cwd="/workspace",
                matchers=bundle.matchers,
            ),
            clock=clock,
        )
        self._guard.approvals = _Unasked()

    async def line(self, data: bytes) -> Answered:
        """The answer to one line. Never raises: what cannot be understood is denied."""
        seq = None
        try:
            raw = json.loads(data)
            seq = raw.get("seq") if isinstance(raw, dict) else None
            step: Step = msgspec.convert(raw, Step)
            decision, reason = await self._step(step)
        except Exception as error:  # noqa: BLE001 - no line may stop those that come after it
            text = error.message if isinstance(error, RemitError) else str(error)
            return Answered(seq, "deny", f"this event cannot be judged: {text[:300]}")
        return Answered(seq, decision, reason)

    async def _step(self, step: Step) -> tuple[Said, str]:
        if isinstance(step, SessionStart):
            return self._start(step)
        session = self._sessions.get(step.session)
        if session is None:
            raise GuardError("there is no such session", code="simulate.no_session")
        if isinstance(step, SessionEnd):
            del self._sessions[step.session]
            return "allow", ""
        self._guard.policy = session.policy
        event = (
            self._call(session, step) if isinstance(step, ToolCall) else self._result(session, step)
        )
        return _said(await self._guard.judge(event, session.memory, _Nobody()))

    def _start(self, step: SessionStart) -> tuple[Said, str]:
        if len(self._sessions) >= MAX_SESSIONS or step.session in self._sessions:
            raise GuardError("the session is open already, or there are too many", code="simulate")
        session = _Session(self._id(), self._policy(step.tools), SessionMemory())
        session.memory.memory.provenance.user(step.user_prompt)
        self._sessions[step.session] = session
        hidden = [
            t.name for t in step.tools if f"{self._server}/{t.name}" not in session.policy.actions
        ]
        return "allow", f"hidden: {', '.join(hidden)}" if hidden else ""

    def _policy(self, tools: tuple[Tool, ...]) -> Policy:
        """The bundle, compiled for these tools; those that give orders to the model are hidden."""
        key = sha256(digest_bytes(msgspec.to_builtins(tools)))
        known = self._policies.get(key)
        if known is None:
            offered = pin(
                self._server,
                [
                    {"name": t.name, "description": t.description,
                     "inputSchema": t.input_schema or {"type": "object"}}
                    for t in tools
                ],
            )  # fmt: skip
            if len(self._policies) >= MAX_POLICIES:
                self._policies.clear()
            pinned = without(offered, suspicions(offered))
            known = self._policies[key] = Policy.compile(self._labelled(tools), [pinned])
        return known

    def _labelled(self, tools: tuple[Tool, ...]) -> Bundle:
        given = {f"{self._server}/{t.name}": t.labels for t in tools if t.labels is not None}
        labels = {
            name: Labels(result=one.result, effect=one.effect, dest=one.dest)
            for name, one in given.items()
        }
        classes = {name: _CLASSES[one.effect] for name, one in given.items() if one.effect}
        return msgspec.structs.replace(
            self._bundle,
            labels={**self._bundle.labels, **labels},
            tool_classes={**classes, **self._bundle.tool_classes},
        )

    def _call(self, session: _Session, step: ToolCall) -> Event:
        action = f"{self._server}/{step.tool}"
        if len(session.calls) >= MAX_SESSIONS:
            session.calls.clear()
        number = session.calls[step.call_id] = self._id()
        return self._event(
            session,
            Kind.TOOL_CALL,
            number,
            action=action,
            tool=step.tool,
            tool_class=session.policy.tool_class(self._server, step.tool),
            input=step.args,
        )

    def _result(self, session: _Session, step: ToolResult) -> Event:
        text = isinstance(step.content, str)
        content = {"content": [{"type": "text", "text": step.content}]} if text else step.content
        given = {"tool": f"{self._server}/{step.tool}", "error": step.is_error}
        body = {} if content is None else content
        number = session.calls.pop(step.call_id, "") or self._id()
        return self._event(
            session, Kind.TOOL_RESULT, number,
            action="tool.result", input=given, content=body, inbound=True,
        )  # fmt: skip

    def _event(self, session: _Session, kind: Kind, number: str, **more: Any) -> Event:
        return Event(
            id=number,
            kind=kind,
            server=self._server,
            agent=self._agent,
            user=self._user,
            session=session.id,
            **more,
        )

    def _id(self) -> str:
        return ulid(self._clock.now_us(), self._entropy(ENTROPY_BYTES))


def _said(verdict: Verdict) -> tuple[Said, str]:
    decision = verdict.decision
    if verdict.allowed:
        redacted = verdict.event.content != {} and decision.rules and decision.reasons
        return "allow", "; ".join(decision.reasons) if redacted else ""
    said: Said = "approve" if decision.error.endswith(f"_{Answer.PENDING.value}") else "deny"
    return said, _reason(decision)


def _reason(decision: Decision) -> str:
    parts = [*decision.reasons, decision.detail]
    text = "; ".join(dict.fromkeys(part for part in parts if part)) or decision.error
    return f"{text} ({', '.join(decision.rules)})" if decision.rules else text
