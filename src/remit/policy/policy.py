"""The judge: a compiled bundle that answers events.

Rules, each with a test in ``tests/conformance/test_cedar_invariants.py``:

1. Nothing compiles unless the engine's self-test passes and every policy validates against the
   pinned tools.
2. Only actions of the schema are judged; a tool that is not pinned has none.
3. Arguments are exact or the answer is deny (:mod:`remit.policy.request`).
4. A fact that failed, and that some policy reads, denies.
5. Any error of Cedar, and any exception at all, denies.
6. ``require`` is answered only if fulfilling every obligation would make Cedar allow.
7. An expired bundle denies everything.

Not checked here: who the agent is, and whether the live tool equals its pin. The Guard does.
"""

import functools
from collections.abc import Iterable, Mapping
from typing import Any, Self

import msgspec
import orjson

from remit.core.canonical import canonical_bytes
from remit.core.decision import Decision, Effect
from remit.core.digest import Digest, sha256
from remit.core.event import Event, Kind, ToolClass
from remit.facts.base import Fact
from remit.facts.registry import FactSpec
from remit.policy import compiler, engine, obligations, request, tables
from remit.policy.arguments import Validator
from remit.policy.bundle import Bundle
from remit.policy.compiler import Compiled
from remit.policy.errors import BadArgument, EngineError, Problem, is_failure
from remit.policy.explain import Explanation, Match, conclude
from remit.policy.grants import Grant, Grants
from remit.policy.inspection import Inspector
from remit.policy.labels import Labels, labels_of
from remit.policy.loads import Load, Loads
from remit.policy.pins import PinnedServer
from remit.policy.promotions import Promotion, Promotions
from remit.policy.reads import reads as reads_of
from remit.policy.reads import union
from remit.policy.schema import GRANT, LOAD, PROMOTE, Action
from remit.policy.slices import Slice, Slicer

MAX_MEMO = 4096
MAX_CLASS_BYTES = 4096
_SESSION: Mapping[str, Any] = {"labels": [], "calls": 0, "tools": []}

_NOTHING = b"{}"
_Key = tuple[str, str, str, str, bytes]


class Signals(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine knows besides the event; nothing of it comes from an agent.

    Attributes:
        now_us: wall time in microseconds.
        facts: fact name → fact, for the specs of :class:`Needs`.
        session: ``labels``, ``calls``, ``tools`` of the connection.
        over_limit: names of limits this event would exceed.
        fulfilled: ids of policies whose obligation was met for exactly this event.
        content: what detectors found in it, :meth:`remit.content.summary.Summary.fact`.
        flow: where its arguments come from, :func:`remit.content.flow.flow`.
    """

    now_us: int
    facts: Mapping[str, Fact] = {}
    session: Mapping[str, Any] = msgspec.field(default_factory=lambda: {**_SESSION})
    over_limit: frozenset[str] = frozenset()
    fulfilled: frozenset[str] = frozenset()
    content: Mapping[str, Any] = {}
    flow: Mapping[str, Any] = {}


class Needs(msgspec.Struct, frozen=True, kw_only=True):
    """What a decision on an action reads, so that nothing else is computed."""

    facts: tuple[FactSpec, ...] = ()
    session: bool = False
    limits: bool = False
    now: bool = False
    content: bool = False
    flow: bool = False


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """What decisions on later events read of earlier ones.

    Attributes:
        labels: what was found in results: some policy reads ``context.session.labels``.
        flow: where values came from: some policy reads ``context.flow``.
        content: what is in an event: some policy reads ``context.content``.
    """

    labels: bool = False
    flow: bool = False
    content: bool = False


class Policy:
    """A bundle compiled for a set of pinned servers.

    Attributes:
        bundle: what it was compiled from.
        digest: over the bundle and the pins; it goes into every decision.
        warnings: problems that did not keep it from compiling.
        inspector: looks into events with what the bundle knows.
    """

    def __init__(self, bundle: Bundle, compiled: Compiled, digest: Digest) -> None:
        self.bundle = bundle
        self.digest = digest
        self.inspector = Inspector(bundle)
        self.warnings: tuple[Problem, ...] = (*bundle.warnings, *compiled.warnings)
        self._compiled = compiled
        self._slicer = Slicer(compiled.sources, compiled.actions, bundle.entities)
        self._needs: dict[str, Needs] = {}
        self._labels: dict[str, Labels] = {}
        self._validators: dict[str, Validator] = {}
        self._memo: dict[_Key, engine.Answer] = {}
        self._allowed: dict[_Key, Explanation] = {}
        self._constant: dict[tuple[str, str, str, str], Explanation] = {}
        self._visible: dict[tuple[str, str, str, str], bool] = {}
        self.memo_size = MAX_MEMO

    @classmethod
    def compile(cls, bundle: Bundle, servers: Iterable[PinnedServer] = ()) -> Self:
        """Check every policy against the tools it will judge.

        Args:
            bundle: a loaded bundle.
            servers: pins by the state directory; those of the bundle's own lock win.

        Raises:
            BundleError: a policy does not validate.
            EngineError: the engine fails its self-test.
        """
        engine.self_test()
        pins = {server.id: server for server in servers}
        if bundle.lock is not None:
            pins.update(bundle.lock.servers)
        compiled = compiler.compile_bundle(bundle, pins)
        identity: list[Any] = [
            [
                server.id,
                server.instructions_digest,
                [[sha256(tool.name.encode()), tool.digest] for tool in server.tools],
            ]
            for _, server in sorted(pins.items())
        ]
        return cls(bundle, compiled, sha256(canonical_bytes([bundle.digest, identity])))

    @property
    def actions(self) -> Mapping[str, Action]:
        """Every action that can be judged, by id."""
        return self._compiled.actions

    def tool_class(self, server: str, tool: str) -> ToolClass:
        """Class of a tool; destructive unless ``tools.toml`` says otherwise."""
        return tables.tool_class(self.bundle.tool_classes, f"{server}/{tool}")

    def needs(self, action: str) -> Needs:
        """What deciding on ``action`` reads; nothing for an unknown action."""
        known = self._needs.get(action)
        if known is None:
            declared = self.actions.get(action)
            if declared is None:
                return Needs()
            read = union(reads_of(s.node) for s in self._slicer.of_action(declared))
            known = self._needs[action] = Needs(
                facts=tuple(
                    spec
                    for spec in self.bundle.fact_specs
                    if spec.applies(action) and read.has(spec.name)
                ),
                session=read.has("session"),
                limits=read.has("over_limit"),
                now=read.has("now"),
                content=read.has("content"),
                flow=read.has("flow"),
            )
        return known

    @functools.cached_property
    def watch(self) -> Watch:
        """What has to be remembered of results, whichever server's tools will ask for it."""
        read = union(reads_of(source.node) for source in self.bundle.policies)
        return Watch(
            labels=read.part("session", "labels"),
            flow=read.has("flow"),
            content=read.has("content"),
        )

    def labels(self, action: str) -> Labels:
        """What the tool ``server/tool`` does with data."""
        known = self._labels.get(action)
        if known is None:
            known = self._labels[action] = labels_of(self.bundle.labels, action)
        return known

    @functools.cached_property
    def _grants(self) -> Grants:
        action = self.actions[GRANT]
        return Grants(action, self._slicer.of_action(action), self.bundle.entities)

    def may_approve(self, grant: Grant) -> engine.Answer:
        """Whether a person may approve what an agent asks for. Never raises; doubt is no."""
        expires = self.bundle.expires_us
        if expires is None or grant.now_us < expires:
            try:
                return self._grants.ask(grant)
            except BaseException as error:
                if not is_failure(error):
                    raise
        return engine.Answer(allowed=False, reasons=())

    @functools.cached_property
    def _loads(self) -> Loads:
        action = self.actions[LOAD]
        return Loads(action, self._slicer.of_action(action), self.bundle.entities)

    def may_load(self, load: Load) -> Decision:
        """Whether an artifact may be loaded. Never raises; doubt is no.

        An obligation is not fulfilled here: a ``forbid`` that could be lifted forbids.
        """
        expires = self.bundle.expires_us
        if expires is not None and load.now_us >= expires:
            return self._failed("bundle_expired", "the policy bundle has expired").decision
        try:
            answer = self._loads.ask(load)
            rules = [self._loads.sources[rule].node for rule in answer.reasons]
        except BaseException as error:
            if not is_failure(error):
                raise
            return self._failed("engine_error", "policy could not be evaluated").decision
        reasons = (rule.annotations.get("reason", "") for rule in rules)
        silent = not (answer.allowed or answer.reasons)
        return Decision(
            effect=Effect.ALLOW if answer.allowed else Effect.DENY,
            rules=answer.reasons,
            reasons=tuple(reason for reason in reasons if reason),
            detail=f"no policy permits `{LOAD}` of it" if silent else "",
            policy_digest=self.digest,
        )

    @functools.cached_property
    def _promotions(self) -> Promotions:
        action = self.actions[PROMOTE]
        return Promotions(action, self._slicer.of_action(action), self.bundle.entities, self.digest)

    def promote(self, promotion: Promotion) -> Explanation:
        """Judge whether an artifact may be pulled. Never raises; doubt is a deny."""
        expires = self.bundle.expires_us
        if expires is not None and promotion.now_us >= expires:
            return self._failed("bundle_expired", "the policy bundle has expired")
        try:
            return self._promotions.judge(promotion)
        except BadArgument as error:
            return self._failed("bad_argument", error.message)
        except BaseException as error:
            if not is_failure(error):
                raise
            return self._failed("engine_error", "policy could not be evaluated", repr(error))

    def decide(self, event: Event, signals: Signals) -> Decision:
        """Judge an event. Never raises; what cannot be judged is denied."""
        return self._guarded(event, signals, remember=True).decision

    def explain(self, event: Event, signals: Signals) -> Explanation:
        """Judge an event and show the working: for people, it holds values of the request."""
        return self._guarded(event, signals, remember=False)

    def _guarded(self, event: Event, signals: Signals, *, remember: bool) -> Explanation:
        try:
            known = self._known(event, signals) if remember else None
            return known or self._judge(event, signals, remember=remember)
        except BadArgument as error:
            return self._failed("bad_argument", error.message)
        except EngineError as error:
            return self._failed("engine_error", "policy could not be evaluated", error.message)
        except BaseException as error:
            if not is_failure(error):
                raise
            return self._failed("engine_error", "policy could not be evaluated", repr(error))

    def visible(self, *, agent: str, user: str, server: str, tool: str) -> bool:
        """Whether a tool could ever be allowed, for ``tools/list``; doubt hides it."""
        key = (agent, user, server, tool)
        known = self._visible.get(key)
        if known is None:
            try:
                action = self.actions[f"{server}/{tool}"]
                known = self._slicer.get(action, agent, server).possible(user)
            except BaseException as error:
                if not is_failure(error):
                    raise
                known = False
            if len(self._visible) >= MAX_MEMO:
                self._visible.clear()
            self._visible[key] = known
        return known

    def _failed(self, code: str, detail: str, internal: str = "") -> Explanation:
        decision = Decision(error=code, detail=detail, policy_digest=self.digest)
        return Explanation(decision=decision, internal=internal)

    def _judge(self, event: Event, signals: Signals, *, remember: bool) -> Explanation:
        if self._expired(signals):
            return self._failed("bundle_expired", "the policy bundle has expired")
        action = self.actions.get(event.action)
        if action is None:
            return self._unknown(event)
        is_tool = event.kind is Kind.TOOL_CALL
        if (action.tool_class is not None) is not is_tool or (
            event.action != f"{event.server}/{event.tool}"
            if is_tool
            else event.action != event.kind.value
        ):
            return self._failed("unknown_action", "the event and its action do not agree")
        if is_tool and event.schema_digest and event.schema_digest != action.digest:
            return self._failed("not_pinned", f"tool `{event.action}` is not what was pinned")
        piece = self._slicer.get(action, event.agent.id, event.server)
        arguments = event.input if type(event.input) is dict else dict(event.input)
        fractions = request.check(arguments)
        given = request.build(action.input, piece.input, arguments)
        if is_tool:
            self._validator(action).check(request.exact(arguments) if fractions else arguments)
        for fact in action.facts:
            if piece.reads.has(fact):
                known = signals.facts.get(fact)
                if known is None or known.problem or known.attributes.get("ok") is not True:
                    return self._failed("fact_failed", f"fact `{fact}` could not be established")
        context = self._context(piece, event, signals, given)
        key = self._key(piece, event, context)
        if remember and key is not None:
            known_answer = self._allowed.get(key)
            if known_answer is not None:
                return known_answer
        found = self._evaluate(piece, event, signals, given, context)
        if key is not None and found.decision.effect is Effect.ALLOW:
            self._remember(key, found.decision, constant=not context and not is_tool)
        return found

    def _known(self, event: Event, signals: Signals) -> Explanation | None:
        if event.kind != event.action or self._expired(signals):
            return None
        return self._constant.get((event.action, event.agent.id, event.user, event.server))

    def _remember(self, key: _Key, decision: Decision, *, constant: bool) -> None:
        """Keep an answer that allows.

        A constant one depends on who acts alone: no policy looks into such an event, and no
        schema (arguments of tools are always checked against theirs).
        """
        if len(self._allowed) >= self.memo_size:
            self._allowed.clear()
            self._constant.clear()
        self._allowed[key] = known = Explanation(decision=decision)
        if constant:
            self._constant[key[:4]] = known

    def _expired(self, signals: Signals) -> bool:
        expires = self.bundle.expires_us
        return expires is not None and signals.now_us >= expires

    def _unknown(self, event: Event) -> Explanation:
        if event.action in self._compiled.refused:
            return self._failed("bad_schema", f"tool `{event.action}` has a schema without policy")
        if event.kind is Kind.TOOL_CALL:
            return self._failed("not_pinned", "the tool is not pinned")
        return self._failed("unknown_action", "the action is not known to policy")

    def _evaluate(
        self,
        piece: Slice,
        event: Event,
        signals: Signals,
        given: dict[str, Any],
        context: dict[str, Any],
    ) -> Explanation:
        answer = self._ask(piece, event, context)
        determining = [piece.sources[rule] for rule in answer.reasons]
        owed = None
        if not answer.allowed:
            owed = obligations.as_if(determining, signals.fulfilled, signals.over_limit)
        if owed is not None:
            lifted = msgspec.structs.replace(
                signals,
                fulfilled=owed[0],
                over_limit=owed[1],
                content=obligations.redacted(determining, signals.content),
            )
            if not self._ask(piece, event, self._context(piece, event, lifted, given)).allowed:
                owed = None
        decided = conclude(
            answer, determining, owed=owed is not None, action=event.action, digest=self.digest
        )
        return Explanation(
            decision=decided,
            matches=tuple(Match.of(source) for source in determining),
            considered=len(piece.sources),
            context=orjson.dumps(context),
            facts=signals.facts,
        )

    def _context(
        self, piece: Slice, event: Event, signals: Signals, given: dict[str, Any]
    ) -> dict[str, Any]:
        read = piece.reads
        context: dict[str, Any] = {}
        if read.has("input"):
            context["input"] = given
        for fact in piece.action.facts:
            if read.has(fact):
                context[fact] = {
                    name: value
                    for name, value in signals.facts[fact].attributes.items()
                    if read.part(fact, name)
                }
        if read.has("now"):
            context["now"] = request.time_text(signals.now_us)
        if read.has("session"):
            context["session"] = {
                name: sorted(value) if isinstance(value, (set, frozenset)) else value
                for name, value in signals.session.items()
                if read.part("session", name)
            }
        if read.has("over_limit"):
            context["over_limit"] = sorted(signals.over_limit)
        if read.has("fulfilled"):
            context["fulfilled"] = sorted(signals.fulfilled)
        if read.has("user"):
            context["user"] = engine.uid("User", event.user)
        # An event that nobody looked into has none of these: Cedar has no answer, which denies.
        for name, record in (("content", signals.content), ("flow", signals.flow)):
            if read.has(name):
                context[name] = {key: v for key, v in record.items() if read.part(name, key)}
        if read.has("on_behalf_of"):
            context["on_behalf_of"] = event.agent.on_behalf_of
        return context

    def _ask(self, piece: Slice, event: Event, context: dict[str, Any]) -> engine.Answer:
        """Cedar's answer; a pure function of the request, so it is remembered for its class."""
        key = self._key(piece, event, context)
        known = None if key is None else self._memo.get(key)
        if known is None:
            known = piece.evaluate(event.user, orjson.dumps(context).decode())
            if key is None:
                return known
            if len(self._memo) >= self.memo_size:
                self._memo.clear()
            self._memo[key] = known
        return known

    def _key(self, piece: Slice, event: Event, context: dict[str, Any]) -> _Key | None:
        """All that an answer depends on; ``None`` if it is not worth remembering."""
        if self.memo_size == 0 or piece.reads.has("now"):
            return None
        alike = piece.classes.of(context) if context else _NOTHING
        if alike is None or len(alike) > MAX_CLASS_BYTES:
            return None
        return (event.action, event.agent.id, event.user, event.server, alike)

    def _validator(self, action: Action) -> Validator:
        known = self._validators.get(action.id)
        if known is None:
            known = self._validators[action.id] = Validator(self._compiled.schemas[action.id])
        return known
