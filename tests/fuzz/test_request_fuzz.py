"""Requests: any schema and any arguments end in an exact request that Cedar takes, or a refusal."""

import json
import tempfile
from decimal import Decimal
from pathlib import Path

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.core.decision import Effect
from remit.core.errors import RemitError
from remit.core.strictjson import parse
from remit.policy import engine, request, schema
from remit.policy.arguments import Validator
from remit.policy.errors import BadArgument
from remit.policy.schema import Action
from remit.policy.shapes import ShapeError, derive
from tests.unit.policy.support import PERMIT, call, compiled, decide, servers, signals

NAMES = st.sampled_from(["a", "b", "in", "ü", "", "a b", "__x", "typeChoice0", "type"])
LEAF = st.sampled_from(
    [
        {"type": "string"},
        {"type": "integer"},
        {"type": "number"},
        {"type": "boolean"},
        {"type": "null"},
        {"type": "string", "format": "date-time"},
        {"type": "string", "format": "ipv4"},
        {"enum": ["x", "ü", '"']},
        {"const": "x"},
        {"type": ["integer", "null"]},
        {},
        True,
        {"type": "object"},
        {"$ref": "#/$defs/d"},
    ]
)


def objects(inner):
    return st.fixed_dictionaries(
        {"type": st.just("object"), "properties": st.dictionaries(NAMES, inner, max_size=3)},
        optional={
            "required": st.lists(NAMES, max_size=2, unique=True),
            "additionalProperties": st.booleans(),
        },
    )


SCHEMAS = st.recursive(
    LEAF,
    lambda inner: (
        objects(inner)
        | st.fixed_dictionaries({"type": st.just("array"), "items": inner})
        | st.fixed_dictionaries({"anyOf": st.lists(inner, min_size=1, max_size=3)})
    ),
    max_leaves=6,
)
ROOTS = objects(SCHEMAS).map(lambda s: {**s, "$defs": {"d": {"type": "string"}}})
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["x", "ü", "2026-01-01T00:00:00Z", "192.0.2.1", "e\u0301", "__entity"])
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
KNOWN = [{"uid": engine.uid(k, "x"), "attrs": {}, "parents": []} for k in ("Agent", "Server")]
ALWAYS = engine.policy_set({p.id: p for p in engine.parse("permit (principal, action, resource);")})


@settings(deadline=None, max_examples=200)
@given(ROOTS, st.dictionaries(NAMES, VALUES, max_size=3))
def test_cedar_takes_every_request_we_build(root, arguments):
    try:
        parsed = parse(json.dumps(arguments).encode())
        shape = derive("s_t", root)
        Validator(root)
        request.check(parsed)
        built = request.build(shape, shape, parsed)
    except (ShapeError, BadArgument, RemitError):
        return
    action = Action("s/t", "tool.read", shape)
    checked = engine.schema(schema.document([action], schema.Reads(attributes={"input": None})))
    answer = engine.evaluate(
        {
            "principal": engine.uid("Agent", "x"),
            "action": engine.uid("Action", "s/t"),
            "resource": engine.uid("Server", "x"),
            "context": json.dumps({"input": built}),
        },
        ALWAYS,
        engine.entities(KNOWN, checked),
        checked,
    )
    assert answer.allowed


AMOUNT = {"type": "object", "properties": {"n": {"type": "number"}, "i": {"type": "integer"}}}
FOLDER = tempfile.TemporaryDirectory()
POLICY = compiled(
    Path(FOLDER.name),
    PERMIT + '@id("n") forbid (principal, action == Remit::Action::"s/t", resource) '
    'when { context.input has n && context.input.n.greaterThan(decimal("100.25")) };'
    '@id("i") forbid (principal, action == Remit::Action::"s/t", resource) '
    "when { context.input has i && context.input.i > 100 };",
    servers(s={"t": AMOUNT}),
)
NUMBERS = (
    st.decimals(allow_nan=False, allow_infinity=False, places=5).map(str)
    | st.from_regex(r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,8})?([eE][-+]?[0-9]{1,3})?", fullmatch=True)
    | st.sampled_from(["100.25", "100.250000", "100.2501", "1.0025e2", "100.25000001"])
)


@settings(deadline=None)
@given(NUMBERS)
def test_a_number_is_compared_as_written_or_refused(token):
    try:
        event = call("s/t", f'{{"n": {token}}}')
    except RemitError:
        return
    decision = POLICY.decide(event, signals())
    if decision.error:
        assert decision.error == "bad_argument"
        exact = Decimal(token)
        fits = exact == round(exact, 4) if abs(exact) < 10**20 else False
        assert not (fits and abs(exact) < 10**14 and exact)
        return
    assert (decision.effect is Effect.DENY) == (Decimal(token) > Decimal("100.25"))


@settings(deadline=None)
@given(st.integers())
def test_an_integer_is_compared_or_refused(number):
    decision = decide(POLICY, "s/t", {"i": number})
    if -(2**63) <= number < 2**63:
        assert decision.error == ""
        assert (decision.effect is Effect.DENY) == (number > 100)
    else:
        assert decision.error == "bad_argument"


@settings(deadline=None)
@given(VALUES)
def test_whatever_comes_a_decision_goes(value):
    for arguments in (value, {"n": value}, {"i": value}):
        event = msgspec.structs.replace(call("s/t"), input=arguments)
        decision = POLICY.decide(event, signals())
        assert decision.effect in (Effect.ALLOW, Effect.DENY)
        if decision.effect is Effect.ALLOW:
            assert set(arguments) <= {"n", "i"}
