import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.policy import engine, schema
from remit.policy.bundle import Directory
from remit.policy.reads import reads, union
from remit.policy.schema import Reads
from remit.policy.shapes import derive
from remit.policy.slices import Slice
from remit.policy.source import read

INPUT = derive(
    "s_t",
    {
        "type": "object",
        "properties": {
            "a": {"type": "string"},
            "b": {"type": "integer"},
            "c": {"type": "object", "properties": {"d": {"type": "string"}}},
            "e": {"type": "array", "items": {"type": "string"}},
        },
    },
)


def policy(condition, scope="forbid (principal, action, resource)"):
    (node,) = engine.parse(f"{scope} when {{ {condition} }};")
    return node


@pytest.mark.parametrize(
    ("condition", "attributes"),
    [
        ('context.input.a == "x"', {"input": {"a"}}),
        ('context.input["a"] == "x"', {"input": {"a"}}),
        ('context["input"]["a"] == "x"', {"input": {"a"}}),
        ("context has input", {"input": set()}),
        ("context has input.a", {"input": {"a"}}),
        ("context.input has a", {"input": {"a"}}),
        ("context.input has c.d", {"input": {"c"}}),
        ('context.input.c.d == "x"', {"input": {"c"}}),
        ("context.input == context.input", {"input": None}),
        ('{"x": context.input}.x.a == "x"', {"input": None}),
        ("[context.path.hidden].contains(true)", {"path": {"hidden"}}),
        (
            'if context.path.ok then context.input.a like "x*" else false',
            {"path": {"ok"}, "input": {"a"}},
        ),
        ('context.over_limit.contains("x")', {"over_limit": None}),
        ('context.user in Remit::Team::"t"', {"user": None}),
        ("context.user is Remit::User in context.user", {"user": None}),
        ("context.session.calls > 1", {"session": {"calls"}}),
        ("principal == principal", {}),
    ],
)
def test_what_is_read(condition, attributes):
    expected = {k: None if v is None else frozenset(v) for k, v in attributes.items()}
    assert reads(policy(condition)) == Reads(attributes=dict(sorted(expected.items())))


@pytest.mark.parametrize(
    "condition", ["context == context", '{"x": context}.x has a', "[context].isEmpty()"]
)
def test_the_whole_context_is_read(condition):
    assert reads(policy(condition)).everything


def test_unions():
    parts, whole = Reads(attributes={"a": frozenset("x")}), Reads(attributes={"a": None})
    assert union([parts, Reads(attributes={"a": frozenset("y")})]).attributes == {
        "a": frozenset("xy")
    }
    assert union([parts, whole]) == union([whole, parts]) == whole
    assert union([parts, Reads(everything=True)]).everything
    assert union([]) == Reads()
    assert not union([]).has("a")


ATOMS = st.sampled_from(
    [
        'context.input has a && context.input.a == "x"',
        'context.input has a && context.input.a like "x*"',
        "context.input has b && context.input.b > 3",
        "context has input.c.d",
        'context.input has c && context.input.c has d && context.input.c.d == "y"',
        'context.input has e && context.input.e.contains("x")',
        'context.over_limit.contains("l")',
        "context.session.calls > 2",
        'context.session.labels.contains("web")',
        'context.user == Remit::User::"u"',
        'context.on_behalf_of == "w"',
        'context.content.findings.contains("secret")',
        "context.content.max_severity > 2",
        "context.content.injection > 50",
        "context.content.inspected",
        'context.flow.destination == "untrusted"',
        'context.flow.untrusted.contains("to")',
        'context.now > datetime("2026-06-01")',
        "context.input == context.input",
        'context.fulfilled == ["f"]',
    ]
)
CONDITIONS = st.recursive(
    ATOMS,
    lambda inner: (
        st.builds("({}) && ({})".format, inner, inner)
        | st.builds("({}) || ({})".format, inner, inner)
        | st.builds("!({})".format, inner)
        | st.builds("if {} then {} else {}".format, ATOMS, inner, inner)
    ),
    max_leaves=4,
)
CONTEXTS = st.fixed_dictionaries(
    {
        "input": st.fixed_dictionaries(
            {},
            optional={
                "a": st.sampled_from(["x", "xy", "z"]),
                "b": st.integers(0, 6),
                "c": st.fixed_dictionaries({}, optional={"d": st.sampled_from("xy")}),
                "e": st.lists(st.sampled_from("xy")),
            },
        ),
        "now": st.sampled_from(["2026-01-01T00:00:00.000Z", "2026-12-01T00:00:00.000Z"]),
        "session": st.fixed_dictionaries(
            {"calls": st.integers(0, 5), "labels": st.lists(st.just("web")), "tools": st.just([])}
        ),
        "over_limit": st.lists(st.sampled_from("lm")),
        "fulfilled": st.lists(st.sampled_from("fg")),
        "user": st.sampled_from("uv").map(lambda name: engine.uid("User", name)),
        "on_behalf_of": st.sampled_from(["", "w"]),
        "content": st.fixed_dictionaries(
            {
                "findings": st.lists(st.sampled_from(["secret", "injection"])),
                "max_severity": st.integers(0, 4),
                "injection": st.integers(0, 100),
                "inspected": st.booleans(),
            }
        ),
        "flow": st.fixed_dictionaries(
            {
                "effect": st.sampled_from(["none", "egress"]),
                "destination": st.sampled_from(["none", "user", "untrusted"]),
                "payload": st.sampled_from(["user", "untrusted"]),
                "links": st.sampled_from(["none", "untrusted"]),
                **{
                    name: st.lists(st.sampled_from(["to", "body"]))
                    for name in ("user", "trusted", "named", "quoted", "unknown", "untrusted")
                },
            }
        ),
    }
)
ACTION = schema.Action("s/t", "tool.read", INPUT, tool_class="read", server="s", tool="t")
WHOLE = engine.schema(schema.document([ACTION]))
ENTITIES = [
    {"uid": engine.uid(kind, name), "attrs": {}, "parents": []}
    for kind, name in (("Agent", "a"), ("Server", "s"), ("User", "u"), ("User", "v"))
]


@settings(deadline=None, max_examples=150)
@given(st.lists(st.tuples(st.booleans(), CONDITIONS), min_size=1, max_size=3), CONTEXTS)
def test_a_pruned_context_answers_as_the_whole(rules, context):
    import json

    text = "".join(
        f'@id("{n}") {"permit" if good else "forbid"} (principal, action, resource) '
        f"when {{ {condition} }};\n"
        for n, (good, condition) in enumerate(rules)
    )
    sources, problems = read("f.cedar", text.encode())
    assert not problems
    piece = Slice(ACTION, "a", "s", sources, Directory())
    request = {**piece.request, "context": json.dumps(context)}
    nodes = engine.policy_set({s.id: s.node for s in sources})
    expected = engine.evaluate(request, nodes, engine.entities(ENTITIES, WHOLE), WHOLE)
    pruned = {
        name: {k: v for k, v in value.items() if piece.reads.part(name, k)}
        if name in ("input", "session", "content", "flow")
        else value
        for name, value in context.items()
        if piece.reads.has(name)
    }
    user = context["user"]["id"]
    assert piece.evaluate(user, json.dumps(pruned)) == expected
