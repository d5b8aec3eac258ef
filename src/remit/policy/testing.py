"""The tests of a bundle: ``tests/*.yaml``, calls with real JSON arguments and what must come out.

Facts are computed by the real extractors from the arguments, as at run time; only what a single
call cannot have (a session, limits, the time, fulfilled obligations) is written down.

YAML is read with JSON's scalars: numbers keep their text, ``on``, ``yes`` and ``no`` are words, a
key may not be named twice.
"""

import posixpath
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from remit.core.decision import Decision, Effect
from remit.core.errors import RemitError
from remit.core.event import Agent, Event, Kind
from remit.core.text import printable
from remit.facts.base import Environment
from remit.facts.registry import compute
from remit.policy import request
from remit.policy.errors import BadArgument, Problem
from remit.policy.expected import TestError, differs
from remit.policy.grants import Grant
from remit.policy.inspection import flow_of
from remit.policy.loads import Load, Scans, Summary
from remit.policy.policy import Policy, Signals
from remit.policy.promotions import Promotion, nothing_known
from remit.policy.schema import FIXED, PROMOTE
from remit.policy.tables import meant

MAX_TEST_BYTES = 1024 * 1024
NOW_US = 1_767_225_600_000_000
"""Time of a test that names none: 2026-01-01T00:00:00Z."""

_ASKING = frozenset(
    {Kind.TOOL_CALL, Kind.MCP_PROMPT, Kind.MCP_COMPLETE, Kind.RESOURCE_READ}
)  # fmt: skip
"""What goes out only: a ``result`` of a test goes along with it."""
_TEST = frozenset(
    {
        "name",
        "agent",
        "user",
        "tool",
        "action",
        "server",
        "args",
        "session",
        "over_limit",
        "fulfilled",
        "result",
        "seen",
        "now_us",
        "workspace",
        "cwd",
        "expect",
        "after",
        "approve",
        "requester",
        "artifact",
        "repository",
        "load",
    }
)
_AFTER = frozenset({"fulfil", "over_limit", "expect"})
_SESSION = frozenset({"labels", "calls", "tools"})
_SEEN = frozenset({"user", "trusted", "listing", "named", "untrusted"})


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One test that was run.

    Attributes:
        file, line: where it stands.
        name: as its author called it.
        passed: whether the decision was the expected one.
        message: what was expected and what came; empty if it passed.
        decision: the first decision.
    """

    file: str
    line: int
    name: str
    passed: bool
    message: str = ""
    decision: Decision | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All tests of a bundle.

    Attributes:
        outcomes: in the order of files and lines.
        problems: unreadable files (errors), policies that determined no test (warnings).
    """

    outcomes: tuple[Outcome, ...]
    problems: tuple[Problem, ...]

    @property
    def passed(self) -> bool:
        """Whether every test passed and every file was readable."""
        return all(outcome.passed for outcome in self.outcomes) and not any(
            problem.severity == "error" for problem in self.problems
        )


def run_tests(policy: Policy) -> Report:
    """Run every test of the bundle the policy was compiled from."""
    outcomes: list[Outcome] = []
    problems: list[Problem] = []
    determined: set[str] = set()
    for file, data in sorted(policy.bundle.tests.items()):
        if not file.endswith(".yaml"):
            continue
        try:
            defaults, tests = _load(data)
        except TestError as error:
            problems.append(
                Problem(file=file, code="policy.test", message=error.message, hint=error.hint)
            )
            continue
        for line, test in tests:
            outcomes.append(_run(policy, file, line, {**defaults, **test}, determined))
    problems += [
        Problem(
            file=source.file,
            line=source.line,
            column=source.column,
            policy=source.id,
            severity="warning",
            code="policy.untested",
            message="no test is determined by this policy",
            hint="add a case to tests/ in which it decides",
        )
        for source in policy.bundle.policies
        if source.id not in determined
    ]
    return Report(outcomes=tuple(outcomes), problems=tuple(problems))


def _run(
    policy: Policy, file: str, line: int, test: Mapping[str, Any], determined: set[str]
) -> Outcome:
    name = printable(str(test.get("name", f"line {line}")), 200)
    decision = None
    try:
        if test.get("action") == PROMOTE:
            return _promoted(policy, file, line, test, determined)
        if "approve" in test:
            decision = _granted(policy, test)
            determined.update(decision.rules)
            message = differs(test.get("expect"), decision)
            return Outcome(
                file=file,
                line=line,
                name=name,
                passed=not message,
                message=message,
                decision=decision,
            )
        if "load" in test:
            decision = policy.may_load(_asked(test))
            determined.update(decision.rules)
            message = differs(test.get("expect"), decision)
            return Outcome(
                file=file,
                line=line,
                name=name,
                passed=not message,
                message=message,
                decision=decision,
            )
        event, signals = event_of(policy, test)
        decision = policy.decide(event, signals)
        determined.update(decision.rules)
        message = differs(test.get("expect"), decision)
        after = test.get("after")
        if not message and after is not None:
            _only(after, _AFTER, "`after`")
            signals = msgspec.structs.replace(
                signals,
                fulfilled=signals.fulfilled | _texts(after, "fulfil"),
                over_limit=_texts(after, "over_limit")
                if "over_limit" in after
                else signals.over_limit,
            )
            second = policy.decide(event, signals)
            determined.update(second.rules)
            message = differs(after.get("expect"), second)
            message = f"after: {message}" if message else ""
    except TestError as error:
        message = f"{error.message} {error.hint}".strip()
    return Outcome(
        file=file, line=line, name=name, passed=not message, message=message, decision=decision
    )


_LOAD = frozenset({"name", "load", "agent", "user", "server", "now_us", "expect"})
_LOADED = frozenset(Load.__struct_fields__) - {"agent", "user", "server", "now_us"}


def _asked(test: Mapping[str, Any]) -> Load:
    """What is asked of an artifact; what a test does not say of it nobody attested."""
    _only(test, _LOAD, "a test with `load`")
    given = test["load"]
    _only(given, _LOADED, "`load`")
    for name, kind in (("vsa", Summary), ("scan", Scans)):
        _only(given.get(name, {}), frozenset(kind.__struct_fields__), f"`load.{name}`")
    defaults = {"kind": "", "repository": "", "digest": f"sha256:{'0' * 64}"}
    asked = {key: test[key] for key in ("agent", "user", "server", "now_us") if key in test}
    try:
        return msgspec.convert(
            {"agent": "agent", "user": "user", "now_us": NOW_US, **asked, **defaults, **given}, Load
        )
    except msgspec.ValidationError as error:
        raise TestError(f"`load` is malformed: {error}") from error


_APPROVE = frozenset({"name", "approve", "user", "requester", "agent", "tool", "now_us", "expect"})


def _granted(policy: Policy, test: Mapping[str, Any]) -> Decision:
    """Whether ``user`` may give the approval that a policy asks for."""
    _only(test, _APPROVE, "a test with `approve`")
    rule = _text(test, "approve", "")
    source = next((s for s in policy.bundle.policies if s.id == rule), None)
    if source is None or source.node.annotations.get("require") != "approval":
        raise TestError("`approve` names no policy that asks for approval")
    now_us = test.get("now_us", NOW_US)
    if type(now_us) is not int:
        raise TestError("`now_us` is not a number of microseconds")
    tool = _text(test, "tool", "server/tool")
    answer = policy.may_approve(
        Grant(
            user=_text(test, "user", "user"),
            rule=rule,
            approvers=source.node.annotations.get("approvers", ""),
            action=tool,
            agent=_text(test, "agent", "agent"),
            server=tool.partition("/")[0],
            requester=_text(test, "requester", "requester"),
            now_us=now_us,
        )
    )
    effect = Effect.ALLOW if answer.allowed else Effect.DENY
    return Decision(effect=effect, rules=answer.reasons)


_PROMOTE = frozenset(
    {"name", "action", "user", "artifact", "repository", "fulfilled", "now_us", "expect", "after"}
)


_NESTED = ("counts", "findings", "scan")


def promotion_of(test: Mapping[str, Any]) -> Promotion:
    """What a mapping says of an artifact; what it does not say was found clean by nobody.

    Raises:
        TestError: an unknown key or a value of the wrong type.
    """
    _only(test, _PROMOTE, "a test of `artifact.promote`")
    given = test.get("artifact", {})
    known = FIXED[PROMOTE][1].fields
    _only(given, frozenset(known), "`artifact`")
    for name in _NESTED:
        _only(given.get(name, {}), frozenset(nothing_known()[name]), f"`artifact.{name}`")
    repository = _text(test, "repository", "team/artifact")
    now_us = test.get("now_us", NOW_US)
    if type(now_us) is not int:
        raise TestError("`now_us` is not a number of microseconds")
    value = {**nothing_known(), "repository": repository, **given}
    for name in _NESTED:
        value[name] = {**nothing_known()[name], **value[name]}
    return Promotion(
        user=_text(test, "user", "user"),
        artifact=f"sha256:{'0' * 64}",
        repository=repository,
        input=value,
        fulfilled=_texts(test, "fulfilled"),
        now_us=now_us,
    )


def _promoted(
    policy: Policy, file: str, line: int, test: Mapping[str, Any], determined: set[str]
) -> Outcome:
    asked = promotion_of(test)
    decision = policy.promote(asked).decision
    determined.update(decision.rules)
    message = differs(test.get("expect"), decision)
    after = test.get("after")
    if not message and after is not None:
        _only(after, frozenset({"fulfil", "expect"}), "`after`")
        asked = msgspec.structs.replace(asked, fulfilled=asked.fulfilled | _texts(after, "fulfil"))
        second = policy.promote(asked).decision
        determined.update(second.rules)
        message = differs(after.get("expect"), second)
        message = f"after: {message}" if message else ""
    name = printable(str(test.get("name", f"line {line}")), 200)
    return Outcome(
        file=file, line=line, name=name, passed=not message, message=message, decision=decision
    )


def event_of(
    policy: Policy,
    test: Mapping[str, Any],
    realpath: Callable[[str], str] = posixpath.normpath,
) -> tuple[Event, Signals]:
    """The event and signals that a mapping describes (keys: see ``spec/bundle.md``).

    Args:
        policy: says which facts are needed.
        test: one case.
        realpath: how paths are resolved; tests know no file system.

    Raises:
        TestError: an unknown key or a value of the wrong type.
    """
    _only(test, _TEST, "the test")
    arguments = test.get("args", {})
    if not isinstance(arguments, dict):
        raise TestError("`args` is not a mapping")
    name = _text(test, "tool", "")
    if name:
        server, slash, tool = name.partition("/")
        if not slash:
            raise TestError("`tool` is not `server/tool`")
        kind = Kind.TOOL_CALL
    else:
        server, tool = _text(test, "server", "server"), ""
        name = _text(test, "action", "")
        if name not in list(Kind) or name == Kind.TOOL_CALL:
            raise TestError("the test names neither a `tool` nor a known `action`")
        kind = Kind(name)
    known = policy.actions.get(name)
    event = Event(
        id="01JG0000000000000000000000",
        kind=kind,
        server=server,
        action=name,
        agent=Agent(id=_text(test, "agent", "agent")),
        user=_text(test, "user", "user"),
        session="01JG0000000000000000000001",
        input=arguments,
        tool=tool,
        tool_class=known.tool_class if known else None,
        schema_digest=known.digest if known else "",
    )
    session = test.get("session", {})
    _only(session, _SESSION, "`session`")
    environment = Environment(
        workspace=_text(test, "workspace", "/workspace"),
        realpath=realpath,
        cwd=_text(test, "cwd", ""),
        matchers=policy.bundle.matchers,
    )
    try:
        request.check(arguments)
        facts = {
            spec.name: compute(spec, arguments, environment) for spec in policy.needs(name).facts
        }
    except BadArgument:
        facts = {}
    now_us = test.get("now_us", NOW_US)
    if type(now_us) is not int:
        raise TestError("`now_us` is not a number of microseconds")
    signals = Signals(
        now_us=now_us,
        facts=facts,
        session={
            "labels": sorted(_texts(session, "labels")),
            "calls": session.get("calls", 0),
            "tools": sorted(_texts(session, "tools")),
        },
        over_limit=_texts(test, "over_limit"),
        fulfilled=_texts(test, "fulfilled"),
        content=_content(policy, event, test),
        flow=_flow(policy, event, test),
    )
    return event, signals


def _content(policy: Policy, event: Event, test: Mapping[str, Any]) -> Mapping[str, Any]:
    """``context.content``: of the ``result`` that the test gives, else of its arguments."""
    if not policy.needs(event.action).content:
        return {}
    if "result" in test:
        inbound = event.kind not in _ASKING
        event = msgspec.structs.replace(event, content=test["result"], inbound=inbound)
    return policy.inspector.look_into(event).fact()


def _flow(policy: Policy, event: Event, test: Mapping[str, Any]) -> Mapping[str, Any]:
    """``context.flow``, after what the test says that the session has seen."""
    if not policy.needs(event.action).flow:
        return {}
    from remit.content.provenance import Provenance

    seen = Provenance()
    given = test.get("seen", {})
    _only(given, _SEEN, "`seen`")
    if "user" in given:
        seen.user(_text(given, "user", ""))
    for name in ("trusted", "listing", "named", "untrusted"):
        if name in given:
            seen.result(
                given[name],
                trusted=name in {"trusted", "listing"},
                listing=name == "listing",
                named=name == "named",
            )
    return flow_of(event, policy.labels(event.action), seen)


def _only(value: Any, known: frozenset[str], what: str) -> None:
    if not isinstance(value, dict):
        raise TestError(f"{what} is not a mapping")
    for key in value:
        if key not in known:
            raise TestError(
                f"{what} has an unknown key `{printable(str(key), 80)}`.",
                hint=meant(str(key), known),
            )


def _text(value: Mapping[str, Any], key: str, default: str) -> str:
    item = value.get(key, default)
    if not isinstance(item, str):
        raise TestError(f"`{key}` is not a text")
    return item


def _texts(value: Mapping[str, Any], key: str) -> frozenset[str]:
    item = value.get(key, [])
    if not isinstance(item, list) or not all(isinstance(one, str) for one in item):
        raise TestError(f"`{key}` is not a list of texts")
    return frozenset(item)


def _load(data: bytes) -> tuple[dict[str, Any], list[tuple[int, dict[str, Any]]]]:
    """Defaults and tests (with their lines) of one file."""
    import yaml

    from remit.policy.jsonyaml import Loader

    if len(data) > MAX_TEST_BYTES:
        raise TestError("the file is too large")
    try:
        loader = Loader(data.decode("utf-8"))
        root = loader.get_single_node()
        value = loader.construct_document(root) if root is not None else {}
    except (yaml.YAMLError, RemitError, RecursionError, ValueError) as error:
        text = str(error).replace("\n", " ")
        raise TestError(f"the file is not readable: {printable(text, 300)}") from error
    _only(value, frozenset({"let", "defaults", "tests"}), "the file")
    defaults = value.get("defaults", {})
    _only(defaults, _TEST, "`defaults`")
    tests = value.get("tests")
    if not isinstance(tests, list) or not tests:
        raise TestError("the file has no `tests`")
    assert root is not None
    node = next(item for key, item in root.value if key.value == "tests")
    lines = [item.start_mark.line + 1 for item in node.value]
    for test in tests:
        _only(test, _TEST, "a test")
    return defaults, list(zip(lines, tests, strict=True))


__all__ = ["NOW_US", "Outcome", "Report", "TestError", "event_of", "promotion_of", "run_tests"]
