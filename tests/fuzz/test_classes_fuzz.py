"""Two contexts that are called alike get the same answer of Cedar itself."""

import json

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from remit.policy import engine
from remit.policy.classes import Classes

LETTERS = "ab*\\é "
texts = st.text(LETTERS, max_size=5)
sets = st.lists(texts, max_size=3)
longs = st.integers(-3, 3)
decimals = st.integers(-30_000, 30_000).map(
    lambda n: f"{'-' if n < 0 else ''}{abs(n) // 10_000}.{abs(n) % 10_000:04d}"
)


def quoted(text):
    return json.dumps(text, ensure_ascii=False)


def listed(items):
    return f"[{', '.join(map(quoted, items))}]"


def pattern(text):
    return '"' + text.replace("\\", "\\\\") + '"'


ORDERS = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
METHODS = st.sampled_from(["lessThan", "lessThanOrEqual", "greaterThan", "greaterThanOrEqual"])
atoms = st.one_of(
    texts.map(lambda t: f"context.t like {pattern(t)}"),
    st.builds(lambda t, o: f"context.t {o} {quoted(t)}", texts, st.sampled_from(["==", "!="])),
    sets.filter(bool).map(lambda s: f"{listed(s)}.contains(context.t)"),
    texts.map(lambda t: f"context.s.contains({quoted(t)})"),
    sets.filter(bool).map(lambda s: f"context.s.containsAny({listed(s)})"),
    sets.filter(bool).map(lambda s: f"context.s.containsAll({listed(s)})"),
    sets.filter(bool).map(lambda s: f"{listed(s)}.containsAll(context.s)"),
    sets.filter(bool).map(lambda s: f"{listed(s)}.containsAny(context.s)"),
    sets.filter(bool).map(lambda s: f"context.s == {listed(s)}"),
    st.just("context.s.isEmpty()"),
    st.builds(lambda n, o: f"context.n {o} {n}", longs, ORDERS),
    st.builds(lambda n, o: f"{n} {o} context.n", longs, ORDERS),
    st.builds(lambda d, m: f'context.d.{m}(decimal("{d}"))', decimals, METHODS),
    st.builds(lambda d, m: f'decimal("{d}").{m}(context.d)', decimals, METHODS),
    st.just("context has o"),
    texts.map(lambda t: f"(context has o && context.o == {quoted(t)})"),
    st.just("context.n + 9223372036854775805 > 0"),
    st.just("context.b"),
    st.just("context.b == true"),
    st.just('(if context.b then context.t else "a") == "a"'),
)
conditions = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.builds("({} && {})".format, inner, inner),
        st.builds("({} || {})".format, inner, inner),
        st.builds("!({})".format, inner),
    ),
    max_leaves=6,
)
contexts = st.fixed_dictionaries(
    {"t": texts, "s": sets, "n": longs, "d": decimals, "b": st.booleans()}, optional={"o": texts}
)

_STRING = {"type": "EntityOrCommon", "name": "String"}
SCHEMA = engine.schema(
    {
        "Remit": {
            "entityTypes": {"Agent": {}, "Server": {}},
            "actions": {
                "act": {
                    "appliesTo": {
                        "principalTypes": ["Agent"],
                        "resourceTypes": ["Server"],
                        "context": {
                            "type": "Record",
                            "attributes": {
                                "t": _STRING,
                                "o": {**_STRING, "required": False},
                                "s": {"type": "Set", "element": _STRING},
                                "n": {"type": "EntityOrCommon", "name": "Long"},
                                "d": {"type": "EntityOrCommon", "name": "decimal"},
                                "b": {"type": "EntityOrCommon", "name": "Bool"},
                            },
                        },
                    }
                }
            },
        }
    }
)
ENTITIES = engine.entities(
    [{"uid": engine.uid(kind, "x"), "attrs": {}, "parents": []} for kind in ("Agent", "Server")],
    SCHEMA,
)


def answer(policies, context):
    request = {
        "principal": engine.uid("Agent", "x"),
        "action": engine.uid("Action", "act"),
        "resource": engine.uid("Server", "x"),
        "context": json.dumps(context),
    }
    try:
        return engine.evaluate(request, policies, ENTITIES, SCHEMA)
    except engine.EngineError:
        return "error"


@settings(suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(st.lists(conditions, min_size=1, max_size=4), contexts, contexts)
def test_contexts_of_one_class_get_one_answer(rules, one, two):
    parsed = engine.parse(
        "\n".join(
            f"{'permit' if n % 2 else 'forbid'} (principal, action, resource) when {{ {rule} }};"
            for n, rule in enumerate(["true", *rules])
        )
    )
    of = Classes(parsed)
    first = of.of(one)
    assert first is not None
    assume(first == of.of(two))
    policies = engine.policy_set({policy.id: policy for policy in parsed})
    assert answer(policies, one) == answer(policies, two)
