"""Each trap in which a Cedar deployment fails open, and the proof that ours does not.

Every test states a rule of ``spec/policy-schema.md`` §6 and fails if the check behind it is taken
out.
"""

import msgspec
import pytest

from remit.core.decision import Effect
from remit.core.strictjson import StrictJsonError
from remit.policy import engine, schema, slices
from remit.policy.errors import BundleError, EngineError, PinError
from remit.policy.overlay import overlay
from remit.policy.pins import pin
from remit.policy.policy import Policy
from tests.unit.policy.support import (
    BANK,
    PAY,
    PERMIT,
    call,
    codes,
    compiled,
    decide,
    fact,
    load,
    other,
    servers,
    signals,
)

ALLOW, DENY, REQUIRE = Effect.ALLOW, Effect.DENY, Effect.REQUIRE
FACTS = '[[fact]]\nname = "path"\ntools = ["bank/*"]\narguments = ["to"]\n'


def denied(decision, error):
    assert (decision.effect, decision.error) == (DENY, error), decision


# Errors deny.


def test_a_forbid_that_errs_denies(tmp_path):
    policy = compiled(
        tmp_path,
        PERMIT + '@id("big") forbid (principal, action == Remit::Action::"bank/pay", resource) '
        "when { context.input has count && context.input.count + 9223372036854775807 > 5 };",
    )
    denied(decide(policy, "bank/pay", '{"count": 1}'), "engine_error")
    assert decide(policy, "bank/pay", '{"count": -1}').effect is DENY
    assert decide(policy, "bank/pay", '{"to": "x"}').effect is ALLOW


def test_the_engine_gives_no_answer_with_an_error_beside_an_allow():
    text = (
        "permit (principal, action, resource);"
        "forbid (principal, action, resource) when { context.n + 9223372036854775807 > 0 };"
    )
    with pytest.raises(EngineError):
        _ask(text, '{"n":1}')


def test_no_decision_is_no_answer():
    with pytest.raises(EngineError):
        _ask("permit (principal, action, resource);", '{"n":"text"}')


def test_any_exception_denies(tmp_path, monkeypatch):
    policy = compiled(tmp_path, PERMIT)
    monkeypatch.setattr(slices.Slice, "evaluate", lambda *_: 1 / 0)
    denied(decide(policy, "bank/see"), "engine_error")
    denied(policy.decide(None, None), "engine_error")

    class Panic(BaseException):
        """What native code raises when it panics."""

    def panic(*_):
        raise Panic

    monkeypatch.setattr(slices.Slice, "evaluate", panic)
    denied(decide(policy, "bank/see"), "engine_error")
    monkeypatch.setattr(slices.Slice, "possible", panic)
    assert not policy.visible(agent="a", user="u", server="bank", tool="see")


def test_an_error_says_nothing_of_values_or_internals(tmp_path):
    policy = compiled(tmp_path, LIMITS)
    for arguments in ('{"count": "s3cret"}', '{"mode": "s3cret"}', '{"s3cret\\u0000`": 1}'):
        decision = decide(policy, "bank/pay", arguments)
        denied(decision, "bad_argument")
        assert "\0" not in decision.detail
        if "count" in arguments or "mode" in arguments:
            assert "s3cret" not in decision.detail


# The schema is always passed.


def _ask(text, context, action="act"):
    checked = engine.schema(engine._TEST_SCHEMA)
    known = engine.entities(
        [{"uid": engine.uid(k, "x"), "attrs": {}, "parents": []} for k in ("Agent", "Server")],
        checked,
    )
    request = {
        "principal": engine.uid("Agent", "x"),
        "action": engine.uid("Action", action),
        "resource": engine.uid("Server", "x"),
        "context": context,
    }
    policies = engine.policy_set({p.id: p for p in engine.parse(text)})
    return engine.evaluate(request, policies, known, checked)


@pytest.mark.parametrize(
    "context",
    [
        '{"n":{"__entity":{"type":"Remit::Agent","id":"x"}}}',
        '{"n":{"__extn":{"fn":"unknown","arg":"x"}}}',
        '{"n":1.5}',
        '{"n":null}',
        '{"n":9223372036854775808}',
        '{"n":true}',
        '{"n":1,"m":1}',
        "{}",
    ],
)
def test_with_a_schema_cedar_answers_no_forged_context(context):
    with pytest.raises(EngineError):
        _ask("permit (principal, action, resource);", context)


def test_with_a_schema_cedar_answers_no_unknown_action():
    with pytest.raises(EngineError):
        _ask("permit (principal, action, resource);", '{"n":1}', "other")


@pytest.mark.parametrize("without", ["entities", "call"])
def test_the_self_test_notices_a_missing_schema(monkeypatch, without):
    engine.self_test()
    if without == "entities":
        real = engine.Entities.from_json_str
        monkeypatch.setattr(engine.Entities, "from_json_str", lambda text, _: real(text))
    else:
        ask = engine.cedarpy.is_authorized
        monkeypatch.setattr(engine.cedarpy, "is_authorized", lambda *a: ask(*a[:3]))
    with pytest.raises(EngineError, match="self-test"):
        engine.self_test()


def test_nothing_compiles_when_the_self_test_fails(tmp_path, monkeypatch):
    bundle = load(tmp_path, PERMIT)
    real = engine.Entities.from_json_str
    monkeypatch.setattr(engine.Entities, "from_json_str", lambda text, _: real(text))
    with pytest.raises(EngineError, match="self-test"):
        Policy.compile(bundle, BANK)


@pytest.mark.parametrize("group", ["tool.call", "tool.write", "tool.destructive"])
def test_a_forbid_on_a_group_bites(tmp_path, group):
    policy = compiled(
        tmp_path,
        PERMIT + f'@id("f") forbid (principal, action in Remit::Action::"{group}", resource) '
        'when { action in Remit::Action::"tool.write" };',
        tools='[tools]\n"bank/see" = "read"\n',
    )
    assert decide(policy, "bank/drop").rules == ("f",)
    assert decide(policy, "bank/see").effect is ALLOW


# Nothing an agent sends is an entity, an extension value, or an engine's attribute.


@pytest.mark.parametrize("key", ["__entity", "__extn", "__expr"])
@pytest.mark.parametrize(
    "shape", ['{"to": {"KEY": 1}}', '{"KEY": {"type": "x"}}', '{"tags": [{"a": {"KEY": 1}}]}']
)
def test_forged_escapes_are_refused_at_any_depth(tmp_path, key, shape):
    anything = {"type": "object", "additionalProperties": True}
    policy = compiled(tmp_path, PERMIT, servers(s={"t": anything}))
    assert decide(policy, "s/t", '{"a": {"b": [1]}}').effect is ALLOW
    denied(decide(policy, "s/t", shape.replace("KEY", key)), "bad_argument")


def test_arguments_cannot_reach_the_engines_attributes(tmp_path):
    anything = {"type": "object", "additionalProperties": True}
    policy = compiled(
        tmp_path,
        PERMIT + '@id("ask") @require("confirmation") forbid (principal, action, resource) '
        'unless { context.fulfilled.contains("ask") };',
        servers(s={"t": anything}),
    )
    forged = '{"fulfilled": ["ask"], "context": {"fulfilled": ["ask"]}}'
    assert decide(policy, "s/t", forged).effect is REQUIRE


# Unknown actions.


@pytest.mark.parametrize(
    "name",
    [
        "bank/PAY",
        "bank/pay ",
        " bank/pay",
        "bank/p\u200bay",
        "bank/\uff50ay",
        "bank/pа\u0443",
        "Bank/pay",
        "bank/pay/",
        "bank/",
        "tool.call",
        "bank/nothing",
    ],
)
def test_only_the_exact_name_of_a_tool_is_an_action(tmp_path, name):
    policy = compiled(
        tmp_path,
        '@id("x") permit (principal, action, resource) when { context.fulfilled.isEmpty() };',
    )
    assert decide(policy, "bank/pay").effect is ALLOW
    denied(decide(policy, name), "not_pinned")
    server, _, tool = name.partition("/")
    assert not policy.visible(agent="a", user="u", server=server, tool=tool)


def test_an_event_that_disagrees_with_its_action_is_refused(tmp_path):
    policy = compiled(tmp_path, PERMIT)
    event = call("bank/see")
    for changes in ({"server": "x"}, {"tool": "pay"}, {"kind": other("mcp.list").kind}):
        denied(
            policy.decide(msgspec.structs.replace(event, **changes), signals()), "unknown_action"
        )
    denied(
        policy.decide(msgspec.structs.replace(event, action="mcp.list"), signals()),
        "unknown_action",
    )


def test_a_tool_that_is_not_what_was_pinned_is_denied(tmp_path):
    policy = compiled(tmp_path, PERMIT)
    digest = BANK[0].tool("see").digest
    assert decide(policy, "bank/see", schema_digest=digest).effect is ALLOW
    denied(decide(policy, "bank/see", schema_digest="sha256:" + "0" * 64), "not_pinned")


def test_look_alike_tools_cannot_be_pinned_together():
    for twin in ("Pay", "pay\u200b", "\uff50ay", "р\u0430\u0443"):
        with pytest.raises(PinError):
            pin("s", [{"name": "pay", "inputSchema": {}}, {"name": twin, "inputSchema": {}}])


# What does not load.


@pytest.mark.parametrize(
    ("policies", "code"),
    [
        ('@id("a") @advice("x") forbid (principal, action, resource);', "unknown_annotation"),
        ('@id("a") @Require("x") forbid (principal, action, resource);', "unknown_annotation"),
        (
            (
                '@id("a") forbid (principal, action, resource);\n'
                '@id("a") forbid (principal, action, resource);'
            ),
            "duplicate_id",
        ),
        ("forbid (principal, action, resource);", "missing_id"),
        ('@id("a b") forbid (principal, action, resource);', "bad_id"),
        ('@id("a\u202eb") forbid (principal, action, resource);', "bad_id"),
        ('@id("") forbid (principal, action, resource);', "missing_id"),
        ('@id("a") permit (principal, action, resource);', "bare_permit"),
        ('@id("a") permit (principal, action, resource) when { true };', "bare_permit"),
        (
            '@id("a") permit (principal is Remit::Agent, action, resource) when { 1 < 2 };',
            "bare_permit",
        ),
        (
            '@id("a") permit (principal, action, resource) unless { principal != principal };',
            "bare_permit",
        ),
        ('@id("a") forbid (principal, action, resource) when { 5 < 3 };', "constant_condition"),
        (
            (
                '@id("a") permit (principal, action == Remit::Action::"bank/pay", resource) '
                'when { ["x"].containsAll(context.input.tags) };'
            ),
            "vacuous_contains_all",
        ),
        (
            (
                '@id("a") forbid (principal, action == Remit::Action::"bank/pay", resource) '
                'unless { ["x"].containsAll(context.path.names) };'
            ),
            "vacuous_contains_all",
        ),
        (
            (
                '@id("a") permit (principal, action == Remit::Action::"bank/pay", resource) '
                'when { context.path.ok && ["x"].containsAll(context.path.names) };'
            ),
            "vacuous_contains_all",
        ),
        (
            (
                '@id("a") permit (principal, action == Remit::Action::"bank/pay", resource) '
                'when { context.path.present || ["x"].containsAll(context.path.names) };'
            ),
            "vacuous_contains_all",
        ),
        ('@id("a") forbid (principal == ?principal, action, resource);', "template"),
        ('@id("a") permit (principal in ?principal, action, resource);', "template"),
        (
            '@id("a") @require("confirmation") forbid (principal, action, resource);',
            "unliftable",
        ),
        (
            (
                '@id("a") @require("confirmation") forbid (principal, action, resource) '
                'unless { context.fulfilled.contains("b") };'
                '@id("b") forbid (principal, action, resource);'
            ),
            "unliftable",
        ),
        (
            (
                '@id("a") @require("confirmation") permit (principal, action, resource) '
                'unless { context.fulfilled.contains("a") };'
            ),
            "require_on_permit",
        ),
        (
            (
                '@id("a") @require("wait") @limit("hourly") forbid (principal, action, resource) '
                'when { context.over_limit.contains("hourly") };'
            ),
            "unknown_limit",
        ),
        (
            (
                '@id("a") @require("approval") forbid (principal, action, resource) '
                'unless { context.fulfilled.contains("a") };'
            ),
            "approval",
        ),
        (
            (
                '@id("a") @require("redact") forbid (principal, action, resource) '
                'unless { context.fulfilled.contains("a") };'
            ),
            "redact",
        ),
        (
            (
                '@id("a") @require("redact") @findings("injection") '
                "forbid (principal, action, resource) "
                'unless { context.fulfilled.contains("a") };'
            ),
            "redact",
        ),
        (
            (
                '@id("a") @require("redact") @findings("pii") @with("ink") '
                "forbid (principal, action, resource) "
                'unless { context.fulfilled.contains("a") };'
            ),
            "redact",
        ),
        (
            (
                '@id("a") @require("redact") @findings("pii") '
                "forbid (principal, action, resource) "
                'when { context.content.findings.contains("pii") };'
            ),
            "unliftable",
        ),
        (
            (
                '@id("a") forbid (principal, action, resource) '
                'when { context.content.findings.contains("secrets") };'
            ),
            "unknown_word",
        ),
        (
            (
                '@id("a") forbid (principal, action, resource) '
                'when { context.flow.destination == "untrustd" };'
            ),
            "unknown_word",
        ),
        (
            '@id("a") @require("magic") forbid (principal, action, resource);',
            "unknown_obligation",
        ),
        (
            '@id("a") @limit("x") forbid (principal, action, resource);',
            "misplaced_annotation",
        ),
        (
            (
                '@id("a") forbid (principal, action, resource) '
                'when { context.over_limit.contains("houry") };'
            ),
            "unknown_limit",
        ),
        (
            '@id("a") forbid (principal, action, resource) when { context has pth };',
            "unknown_fact",
        ),
    ],
)
def test_what_cedar_accepts_and_we_do_not(tmp_path, policies, code):
    with pytest.raises(BundleError) as error:
        load(tmp_path, policies, facts=FACTS)
    assert f"policy.{code}" in codes(error)


def test_a_guarded_contains_all_loads(tmp_path):
    bundle = load(
        tmp_path,
        '@id("a") permit (principal, action == Remit::Action::"bank/pay", resource) '
        'when { context.path.present && ["x"].containsAll(context.path.names) };'
        '@id("b") permit (principal, action == Remit::Action::"bank/pay", resource) '
        'when { !context.input.tags.isEmpty() && ["x"].containsAll(context.input.tags) };',
        facts=FACTS,
    )
    assert len(bundle.policies) == 2


@pytest.mark.parametrize(
    ("policies", "hint"),
    [
        (
            '@id("a") forbid (principal, action == Remit::Action::"bank/pya", resource);',
            "bank/pay",
        ),
        (
            (
                '@id("a") forbid (principal, action == Remit::Action::"bank/pay", resource) '
                "when { context.input.ammount == 1 };"
            ),
            "context.input.amount",
        ),
        (
            (
                '@id("a") forbid (principal, action == Remit::Action::"bank/pay", resource) '
                'when { context.input has mode && context.input.mode == "fast" };'
            ),
            "bank_pay_mode",
        ),
        (
            (
                '@id("a") forbid (principal, action == Remit::Action::"bank/pay", resource) '
                'when { context.input.to == "x" };'
            ),
            "",
        ),
    ],
)
def test_a_policy_that_does_not_validate_does_not_compile(tmp_path, policies, hint):
    with pytest.raises(BundleError) as error:
        compiled(tmp_path, policies)
    assert any(hint in problem.hint for problem in error.value.problems)
    wrong = [problem for problem in error.value.problems if problem.severity == "error"]
    assert wrong
    assert {(problem.file, problem.line, problem.policy) for problem in wrong} == {
        ("tool/a.cedar", 1, "a")
    }


# Arguments are exact or refused.

LIMITS = PERMIT + (
    '@id("amount") forbid (principal, action == Remit::Action::"bank/pay", resource) '
    'when { context.input has amount && context.input.amount.greaterThan(decimal("100.0")) };'
    '@id("count") forbid (principal, action == Remit::Action::"bank/pay", resource) '
    "when { context.input has count && context.input.count > 100 };"
    '@id("to") forbid (principal, action == Remit::Action::"bank/pay", resource) '
    'when { context.input has to && context.input.to == "é" };'
    '@id("when") forbid (principal, action == Remit::Action::"bank/pay", resource) '
    "when { context.input has when && "
    'context.input.when > datetime("2026-01-01T00:00:00Z") };'
    '@id("mode") forbid (principal, action == Remit::Action::"bank/pay", resource) '
    'when { context.input has mode && context.input.mode == Remit::bank_pay_mode::"fast" };'
)


@pytest.mark.parametrize(
    "arguments",
    [
        '{"amount": 0.00001}',
        '{"amount": 100.000000000000000001}',
        '{"amount": 1e-30}',
        '{"amount": 922337203685477.5808}',
        '{"amount": -922337203685477.5809}',
        '{"amount": 1e300}',
        '{"amount": 99999999999999999999}',
        '{"amount": "NaN"}',
        '{"amount": "5,000"}',
        '{"amount": "50"}',
        '{"amount": [50]}',
        '{"amount": true}',
        '{"amount": null}',
        '{"amount": {"value": 1}}',
        '{"count": 1.0}',
        '{"count": 1e1}',
        '{"count": 9223372036854775808}',
        '{"count": -9223372036854775809}',
        '{"count": true}',
        '{"count": "1"}',
        '{"count": null}',
        '{"to": 1}',
        '{"to": ["x"]}',
        '{"to": null}',
        '{"urgent": 1}',
        '{"urgent": "false"}',
        '{"when": "yesterday"}',
        '{"when": "2026-01-01T00:00:00"}',
        '{"when": "2026-01-01T00:00:00.0001Z"}',
        '{"when": "2026-13-01T00:00:00Z"}',
        '{"when": "0001-01-01T00:00:00+23:59"}',
        '{"mode": "Fast"}',
        '{"mode": "other"}',
        '{"unknown": 1}',
        '{"Amount": 1}',
        '{"amount ": 1}',
        '{"extra": {"other": 1}}',
    ],
)
def test_what_has_no_exact_value_is_refused(tmp_path, arguments):
    policy = compiled(tmp_path, LIMITS)
    denied(decide(policy, "bank/pay", arguments), "bad_argument")


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ('{"amount": 100}', ""),
        ('{"amount": 100.0001}', "amount"),
        ('{"amount": 1.0001e2}', "amount"),
        ('{"amount": 100.00010000000}', "amount"),
        ('{"amount": -100.5}', ""),
        ('{"amount": -0.0}', ""),
        ('{"amount": 922337203685477.5807}', "amount"),
        ('{"count": 100}', ""),
        ('{"count": 9223372036854775807}', "count"),
        ('{"count": -9223372036854775808}', ""),
        ('{"to": "e\\u0301"}', "to"),
        ('{"when": "2026-01-01T01:00:00+01:00"}', ""),
        ('{"when": "2026-01-01T00:00:00.001000Z"}', "when"),
        ('{"when": "2025-12-31T23:30:00-01:00"}', "when"),
        ('{"mode": "fast"}', "mode"),
        ('{"mode": "slow"}', ""),
        ('{"memo": null}', ""),
        ('{"memo": "x"}', ""),
    ],
)
def test_exact_values_are_compared_exactly(tmp_path, arguments, rule):
    policy = compiled(tmp_path, LIMITS)
    decision = decide(policy, "bank/pay", arguments)
    assert decision.error == ""
    assert decision.rules == ((rule,) if rule else ("all",))


@pytest.mark.parametrize("name", ["Amount", "AMOUNT", " amount", "amoun\u200bt", "\uff41mount"])
def test_an_extra_argument_cannot_pass_for_a_declared_one(tmp_path, name):
    lenient = {**PAY, "additionalProperties": True}
    nested = {"type": "object", "properties": {"x": lenient}}
    policy = compiled(tmp_path, PERMIT, servers(s={"t": lenient, "n": nested}))
    assert decide(policy, "s/t", {"other": 1}).effect is ALLOW
    denied(decide(policy, "s/t", {name: 1}), "bad_argument")
    denied(decide(policy, "s/n", {"x": {name: 1}}), "bad_argument")
    reading = PERMIT + (
        '@id("r") forbid (principal, action == Remit::Action::"s/n", resource) '
        'when { context.input has x.to && context.input.x.to == "eve" };'
    )
    policy = compiled(tmp_path / "reading", reading, servers(s={"n": nested}))
    assert decide(policy, "s/n", {"x": {"other": 1}}).effect is ALLOW
    denied(decide(policy, "s/n", {"x": {name: 1}}), "bad_argument")


def test_floats_that_lost_their_text_are_refused(tmp_path):
    policy = compiled(tmp_path, LIMITS)
    for value in (0.5, float("nan"), float("inf")):
        denied(decide(policy, "bank/pay", {"amount": value}), "bad_argument")


def test_a_required_argument_must_be_there(tmp_path):
    needed = {**PAY, "required": ["to"]}
    policy = compiled(tmp_path, PERMIT, servers(s={"t": needed}))
    denied(decide(policy, "s/t"), "bad_argument")
    denied(decide(policy, "s/t", '{"to": null}'), "bad_argument")
    assert decide(policy, "s/t", '{"to": "x"}').effect is ALLOW


def test_the_border_refuses_what_no_number_is():
    for text in ('{"amount": NaN}', '{"amount": 1e400}', '{"a": 1, "a": 2}', '{"a": 1, "A": 2}'):
        with pytest.raises(StrictJsonError):
            call("bank/pay", text)


def test_deep_and_large_arguments_are_refused(tmp_path):
    anything = {"type": "object", "additionalProperties": True}
    policy = compiled(tmp_path, PERMIT, servers(s={"t": anything}))
    deep = value = {}
    for _ in range(40):
        value["a"] = {}
        value = value["a"]
    denied(decide(policy, "s/t", deep), "bad_argument")
    denied(decide(policy, "s/t", {"a": list(range(30_000))}), "bad_argument")
    bomb = ["x"]
    for _ in range(25):
        bomb = [bomb] * 10
    denied(decide(policy, "s/t", {"a": bomb}), "bad_argument")


def test_patterns_and_ranges_of_the_schema_count(tmp_path):
    strict = {
        "type": "object",
        "properties": {
            "name": {"type": "string", "pattern": "^[a-z]+$"},
            "n": {"type": "number", "maximum": 1.5},
        },
    }
    policy = compiled(tmp_path, PERMIT, servers(s={"t": strict}))
    assert decide(policy, "s/t", '{"name": "abc", "n": 1.5}').effect is ALLOW
    denied(decide(policy, "s/t", '{"name": "x; rm"}'), "bad_argument")
    denied(decide(policy, "s/t", '{"n": 1.5000000000000000000001}'), "bad_argument")


# Facts.


def test_a_failed_fact_that_is_read_denies(tmp_path):
    policy = compiled(
        tmp_path,
        PERMIT + '@id("out") forbid (principal, action == Remit::Action::"bank/pay", resource) '
        "when { context.path.hidden };",
        facts=FACTS,
    )
    shape = policy.actions["bank/pay"].facts["path"]
    kinds = {"Bool": False, "Long": 0, "String": "", "Set<String>": []}
    good = fact(**{n: kinds[k] for n, k in shape.items() if n not in ("ok", "present")})
    assert decide(policy, "bank/pay", facts={"path": good}).effect is ALLOW
    for bad in (
        msgspec.structs.replace(good, problem="x"),
        msgspec.structs.replace(good, attributes={**good.attributes, "ok": False}),
        msgspec.structs.replace(good, attributes={**good.attributes, "ok": 1}),
    ):
        denied(decide(policy, "bank/pay", facts={"path": bad}), "fact_failed")
    denied(decide(policy, "bank/pay"), "fact_failed")
    assert decide(policy, "bank/see").effect is ALLOW


def test_a_fact_of_the_wrong_type_denies(tmp_path):
    policy = compiled(
        tmp_path,
        PERMIT + '@id("out") forbid (principal, action == Remit::Action::"bank/pay", resource) '
        "when { context.path.hidden };",
        facts=FACTS,
    )
    denied(decide(policy, "bank/pay", facts={"path": fact(hidden="no")}), "engine_error")
    denied(decide(policy, "bank/pay", facts={"path": fact()}), "engine_error")


# Expiry.


def test_an_expired_bundle_denies_everything(tmp_path):
    head = 'name = "t"\nversion = "1"\nserial = 1\nexpires = 2026-01-01T00:00:00Z\n'
    policy = compiled(tmp_path, PERMIT, head=head)
    event = call("bank/see")
    expires = policy.bundle.expires_us
    before = msgspec.structs.replace(signals(), now_us=expires - 1)
    assert policy.decide(event, before).effect is ALLOW
    denied(policy.decide(event, signals()), "bundle_expired")
    denied(policy.decide(other("mcp.list", {"what": "tools"}), signals()), "bundle_expired")


# Obligations.

ASK = (
    '@id("ask") @require("confirmation") forbid '
    '(principal, action == Remit::Action::"bank/pay", resource) '
    'unless { context.fulfilled.contains("ask") };'
)
WAIT = (
    '@id("slow") @require("wait") @limit("hourly") forbid '
    '(principal, action == Remit::Action::"bank/pay", resource) '
    'when { context.over_limit.contains("hourly") };'
)
HOURLY = '[[limit]]\nname = "hourly"\nmax = 1\nwindow = "1h"\nper = ["agent"]\ntools = ["bank/*"]\n'


def test_a_confirmation_lifts_only_its_own_policy(tmp_path):
    policy = compiled(tmp_path, PERMIT + ASK)
    first = decide(policy, "bank/pay")
    assert (first.effect, first.rules) == (REQUIRE, ("ask",))
    assert [(o.kind, o.rule) for o in first.obligations] == [("confirmation", "ask")]
    assert decide(policy, "bank/pay", fulfilled=frozenset({"ask"})).effect is ALLOW
    assert decide(policy, "bank/pay", fulfilled=frozenset({"other"})).effect is REQUIRE


def test_nobody_is_asked_for_what_cannot_be_permitted(tmp_path):
    hard = '@id("never") forbid (principal, action == Remit::Action::"bank/pay", resource);'
    policy = compiled(tmp_path / "a", PERMIT + ASK + hard)
    assert decide(policy, "bank/pay").effect is DENY
    policy = compiled(tmp_path / "b", ASK)
    decision = decide(policy, "bank/pay")
    assert (decision.effect, decision.rules) == (DENY, ("ask",))


def test_several_obligations_are_all_owed(tmp_path):
    policy = compiled(tmp_path, PERMIT + ASK + WAIT, facts=HOURLY)
    over = frozenset({"hourly"})
    decision = decide(policy, "bank/pay", over_limit=over)
    assert [(o.kind, o.rule) for o in decision.obligations] == [
        ("confirmation", "ask"),
        ("wait", "slow"),
    ]
    assert decision.obligations[1].parameters == {"limit": "hourly"}
    fulfilled = frozenset({"ask"})
    decision = decide(policy, "bank/pay", over_limit=over, fulfilled=fulfilled)
    assert [o.kind for o in decision.obligations] == ["wait"]
    assert decide(policy, "bank/pay", fulfilled=fulfilled).effect is ALLOW


def test_a_forbid_that_bites_once_something_is_fulfilled_denies_at_once(tmp_path):
    trap = (
        '@id("trap") forbid (principal, action == Remit::Action::"bank/pay", resource) '
        'when { context.fulfilled.contains("ask") };'
    )
    policy = compiled(tmp_path, PERMIT + ASK + trap)
    assert decide(policy, "bank/pay").effect is DENY


# Schemas that cannot be judged.


@pytest.mark.parametrize(
    "broken",
    [
        None,
        True,
        {"type": "array"},
        {"type": "object", "properties": {"a": {"$ref": "#"}}},
        {"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:9/x"}}},
        {"type": "object", "properties": {"a": {"$ref": "file:///etc/passwd"}}},
        {
            "type": "object",
            "properties": {"a": {"$ref": "#/$defs/A"}},
            "$defs": {"A": {"type": "object", "properties": {"b": {"$ref": "#/$defs/A"}}}},
        },
        {"type": "object", "properties": {"a": {"type": "string", "pattern": "(?=x)"}}},
        {"type": "object", "properties": []},
        {"type": "object", "properties": {"a": {"type": "nonsense"}}},
    ],
)
def test_a_tool_without_policy_form_is_denied_and_the_others_are_not(tmp_path, broken):
    pins = [pin("s", [{"name": "bad", "inputSchema": broken}, {"name": "ok", "inputSchema": {}}])]
    policy = compiled(tmp_path, PERMIT, pins)
    denied(decide(policy, "s/bad"), "bad_schema")
    assert not policy.visible(agent="a", user="u", server="s", tool="bad")
    assert decide(policy, "s/ok").effect is ALLOW
    assert "policy.tool_schema" in {warning.code for warning in policy.warnings}


# Slices answer as the whole would.


def test_a_slice_decides_as_all_policies_would(tmp_path):
    teams = '[agents.a]\nteams = ["red"]\n[agents.b]\nteams = ["blue"]\n[servers.bank]\ngroups = ["money"]\n'
    policies = PERMIT + "".join(
        f'@id("{name}") forbid ({who}, action {what}, {where});\n'
        for name, who, what, where in [
            ("1", 'principal == Remit::Agent::"a"', '== Remit::Action::"bank/pay"', "resource"),
            ("2", 'principal in Remit::Team::"red"', "", 'resource == Remit::Server::"bank"'),
            (
                "3",
                'principal in Remit::Team::"blue"',
                "",
                'resource in Remit::ServerGroup::"money"',
            ),
            ("4", "principal is Remit::Agent", 'in Remit::Action::"tool.write"', "resource"),
            (
                "5",
                'principal is Remit::Agent in Remit::Team::"blue"',
                "",
                "resource is Remit::Server",
            ),
            ("6", 'principal == Remit::Agent::"c"', "", 'resource in Remit::Server::"bank"'),
            ("7", "principal", 'in [Remit::Action::"tool.destructive"]', "resource"),
        ]
    )
    policy = compiled(
        tmp_path,
        policies,
        **{"entities__x.toml": teams},
        tools='[tools]\n"bank/see" = "read"\n"bank/pay" = "write"\n',
    )
    whole_schema = engine.schema(schema.document(policy.actions.values(), schema.Reads()))
    whole = engine.policy_set({s.id: s.node for s in policy.bundle.policies})
    for agent in "abcd":
        for action in ("bank/pay", "bank/drop", "bank/see"):
            parents = [engine.uid("Team", t) for t in policy.bundle.entities.agents.get(agent, ())]
            entities = engine.entities(
                [
                    {"uid": engine.uid("Agent", agent), "attrs": {}, "parents": parents},
                    {
                        "uid": engine.uid("Server", "bank"),
                        "attrs": {},
                        "parents": [engine.uid("ServerGroup", "money")],
                    },
                ],
                whole_schema,
            )
            request = {
                "principal": engine.uid("Agent", agent),
                "action": engine.uid("Action", action),
                "resource": engine.uid("Server", "bank"),
                "context": "{}",
            }
            expected = engine.evaluate(request, whole, entities, whole_schema)
            got = decide(policy, action, agent=agent)
            assert got.rules == expected.reasons, (agent, action)
            assert (got.effect is ALLOW) == expected.allowed


# Overlays.

BASE = PERMIT + (
    '@id("locked") forbid (principal, action in Remit::Action::"tool.destructive", resource) '
    'unless { principal in Remit::Team::"trusted" };'
)
TRUSTED = '[agents.boss]\nteams = ["trusted"]\n'


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"entities__e.toml": '[agents.a]\nteams = ["new"]\n'},
        {"facts": FACTS},
    ],
)
def test_an_overlay_adds_and_loosens_nothing(tmp_path, files):
    base = load(tmp_path / "base", BASE, **{"entities__e.toml": TRUSTED})
    more = '@id("more") permit (principal, action, resource) when { context.session.calls >= 0 };'
    policy = Policy.compile(overlay(base, load(tmp_path / "o", more, **files)), BANK)
    assert decide(policy, "bank/drop").rules == ("locked",)
    assert decide(policy, "bank/drop", agent="boss").effect is ALLOW


@pytest.mark.parametrize(
    "files",
    [
        {"policies": '@id("locked") forbid (principal, action, resource);'},
        {"tools": '[tools]\n"bank/drop" = "read"\n'},
        {"tools": '[tools]\n"bank/*" = "read"\n'},
        {"tools": '[tools]\n"bank/see" = "destructive"\n'},
        {"entities__e.toml": '[agents.a]\nteams = ["trusted"]\n'},
        {"entities__e.toml": "[agents.boss]\nteams = []\n"},
        {"facts": HOURLY},
        {"facts": FACTS},
        {"facts": '[matchers]\nname = "x"\n'},
    ],
)
def test_an_overlay_that_would_loosen_is_refused(tmp_path, files):
    base = load(
        tmp_path / "base",
        BASE,
        facts=FACTS + HOURLY + '[matchers]\nname = "y"\n',
        tools='[tools]\n"bank/see" = "read"\n',
        **{"entities__e.toml": TRUSTED},
    )
    with pytest.raises(BundleError):
        overlay(base, load(tmp_path / "o", **files))


def test_an_overlay_expires_and_enforces_as_the_stricter_of_both(tmp_path):
    heads = [
        'name = "a"\nversion = "1"\nserial = 1\nmode = "observe"\n',
        'name = "b"\nversion = "1"\nserial = 1\nexpires = 2026-01-01T00:00:00Z\n',
    ]
    one, two = (load(tmp_path / str(n), head=head) for n, head in enumerate(heads))
    for merged in (overlay(one, two), overlay(two, one)):
        assert merged.mode == "enforce"
        assert merged.expires_us == two.expires_us
