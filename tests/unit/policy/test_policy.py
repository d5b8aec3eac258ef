import msgspec
import pytest

from remit.core.decision import Effect
from remit.core.event import ToolClass
from remit.policy import slices
from remit.policy.errors import BundleError
from remit.policy.pins import pin
from remit.policy.policy import Needs, Policy
from tests.unit.policy.support import (
    BANK,
    PERMIT,
    call,
    compiled,
    decide,
    fact,
    load,
    other,
    servers,
    signals,
    tool,
)

FACTS = (
    '[[fact]]\nname = "path"\ntools = ["bank/*"]\narguments = ["to"]\n'
    '[[limit]]\nname = "l"\nmax = 1\nwindow = "1h"\nper = ["agent"]\ntools = ["bank/*"]\n'
)


def test_needs_are_what_some_policy_reads(tmp_path):
    policy = compiled(
        tmp_path,
        PERMIT + '@id("f") forbid (principal, action == Remit::Action::"bank/pay", resource) '
        "when { context.path.hidden };"
        '@id("l") forbid (principal, action == Remit::Action::"bank/see", resource) '
        'when { context.over_limit.contains("l") && context.session.calls > 3 };'
        '@id("n") forbid (principal, action == Remit::Action::"bank/drop", resource) '
        'when { context.now > datetime("2030-01-01") };',
        facts=FACTS,
    )
    assert [s.name for s in policy.needs("bank/pay").facts] == ["path"]
    assert policy.needs("bank/see") == Needs(limits=True, session=True)
    assert policy.needs("bank/drop") == Needs(now=True)
    assert policy.needs("mcp.list") == Needs()
    assert policy.needs("nothing") == Needs()


def test_engine_attributes_reach_the_policies(tmp_path):
    policy = compiled(
        tmp_path,
        PERMIT
        + '@id("s") forbid (principal, action, resource) when { context.session.labels.contains("web") };'
        '@id("n") forbid (principal, action, resource) when { context.now > datetime("2030-01-01") };'
        '@id("u") forbid (principal, action, resource) when { context.user in Remit::Team::"out" };',
        **{"entities__x.toml": '[users.eve]\nteams = ["out"]\n'},
    )
    assert decide(policy, "bank/see").effect is Effect.ALLOW
    labelled = {"labels": {"web"}, "calls": 1, "tools": []}
    assert decide(policy, "bank/see", session=labelled).rules == ("s",)
    assert decide(policy, "bank/see", user="eve").rules == ("u",)
    late = msgspec.structs.replace(signals(), now_us=1_900_000_000_000_000)
    assert policy.decide(call("bank/see"), late).rules == ("n",)


def test_other_actions_are_judged_too(tmp_path):
    policy = compiled(
        tmp_path,
        '@id("list") permit (principal, action == Remit::Action::"mcp.list", resource) '
        'when { context.input.what == "tools" };'
        '@id("content") permit (principal, action in Remit::Action::"content", resource);'
        '@id("files") forbid (principal, action == Remit::Action::"resource.read", resource) '
        'when { context.input.uri like "file:*" };',
    )
    for kind, arguments, effect in (
        ("mcp.list", {"what": "tools"}, "allow"),
        ("mcp.list", {"what": "prompts"}, "deny"),
        ("tool.result", {"tool": "x", "error": False}, "allow"),
        ("resource.read", {"uri": "https://x"}, "allow"),
        ("resource.read", {"uri": "file:///etc"}, "deny"),
        ("mcp.prompt", {"name": "x"}, "allow"),
        ("mcp.sample", {}, "deny"),
    ):
        decision = policy.decide(other(kind, arguments), signals())
        assert (decision.effect, decision.error) == (effect, ""), kind
    assert policy.decide(other("mcp.list", {"what": 1}), signals()).error == "bad_argument"
    assert policy.decide(other("mcp.list", {}), signals()).error == "bad_argument"
    assert (
        policy.decide(other("mcp.list", {"what": "tools", "x": 1}), signals()).error
        == "bad_argument"
    )


def test_visible_tools_are_those_that_could_be_allowed(tmp_path):
    policy = compiled(
        tmp_path,
        '@id("see") permit (principal, action == Remit::Action::"bank/see", resource);'
        '@id("pay") permit (principal, action == Remit::Action::"bank/pay", resource) '
        'when { context.input has to && context.input.to == "x" };'
        '@id("eve") forbid (principal == Remit::Agent::"eve", action, resource);'
        '@id("ask") @require("confirmation") forbid (principal, action, resource) '
        'unless { context.fulfilled.contains("ask") };',
    )

    def seen(agent):
        return [
            name
            for name in ("see", "pay", "drop", "none")
            if policy.visible(agent=agent, user="u", server="bank", tool=name)
        ]

    assert seen("a") == ["see", "pay"]
    assert seen("eve") == []
    assert seen('x" || "') == ["see", "pay"]


def test_odd_names_of_tools_and_agents_are_judged(tmp_path):
    name = 'dr"op\\ ü'
    policy = compiled(
        tmp_path,
        PERMIT + '@id("f") forbid (principal == Remit::Agent::"a\\"b", action, resource);',
        [pin("s", [tool(name, {"type": "object"})])],
    )
    assert decide(policy, f"s/{name}").effect is Effect.ALLOW
    assert decide(policy, f"s/{name}", agent='a"b').rules == ("f",)
    assert policy.visible(agent="a", user="u", server="s", tool=name)


def test_the_memo_answers_the_same_and_is_bounded(tmp_path, monkeypatch):
    policy = compiled(
        tmp_path,
        PERMIT + '@id("t") forbid (principal, action == Remit::Action::"bank/pay", resource) '
        'when { context.input has to && context.input.to == "eve" };',
    )
    policy.memo_size = 4
    asked = []
    real = slices.Slice.evaluate
    monkeypatch.setattr(slices.Slice, "evaluate", lambda *a: asked.append(a) or real(*a))
    for _ in range(3):
        assert decide(policy, "bank/pay", '{"to": "eve"}').effect is Effect.DENY
        assert decide(policy, "bank/pay", '{"to": "ann"}').effect is Effect.ALLOW
    assert len(asked) == 2
    for n in range(20):
        decide(policy, "bank/pay", f'{{"to": "{n}"}}')
    assert len(policy._memo) <= 4
    for other_agent in ("a", "b"):
        decide(policy, "bank/pay", '{"to": "z"}', agent=other_agent)
    assert len({key[1] for key in policy._memo}) == 2


def test_classes_come_from_the_bundle(tmp_path):
    policy = compiled(tmp_path, PERMIT, tools='[tools]\n"bank/see" = "read"\n')
    assert policy.tool_class("bank", "see") is ToolClass.READ
    assert policy.tool_class("bank", "pay") is ToolClass.DESTRUCTIVE
    assert policy.actions["bank/see"].tool_class is ToolClass.READ


def test_the_digest_is_of_bundle_and_pins(tmp_path):
    bundle = load(tmp_path, PERMIT)
    one = Policy.compile(bundle, BANK)
    assert Policy.compile(bundle, BANK).digest == one.digest
    assert Policy.compile(bundle, servers(bank={"see": {}})).digest != one.digest
    assert Policy.compile(load(tmp_path, PERMIT + "\n"), BANK).digest != one.digest
    assert decide(one, "bank/see").policy_digest == one.digest


def test_a_bundles_own_pins_win(tmp_path):
    from remit.policy.pins import Lock, dump_lock

    lock = dump_lock(Lock({"bank": pin("bank", [tool("only", {"type": "object"})])}))
    policy = Policy.compile(load(tmp_path, PERMIT, **{"tools.lock": lock}), BANK)
    assert decide(policy, "bank/only").effect is Effect.ALLOW
    assert decide(policy, "bank/see").error == "not_pinned"


def test_policies_for_servers_nobody_pinned_sleep(tmp_path):
    policy = compiled(
        tmp_path,
        PERMIT + '@id("x") forbid (principal, action == Remit::Action::"mail/send", resource);'
        '@id("y") forbid (principal, action in [Remit::Action::"mail/send", '
        'Remit::Action::"bank/see"], resource);',
    )
    assert [w.policy for w in policy.warnings if w.code == "policy.asleep"] == ["x", "y"]
    assert decide(policy, "bank/see").rules == ("y",)


def test_warnings_of_what_is_probably_forgotten(tmp_path):
    policy = compiled(
        tmp_path,
        '@id("p") permit (principal in Remit::Team::"nobody", '
        'action == Remit::Action::"bank/see", resource);'
        '@id("w") permit (principal == Remit::Agent::"a", action, resource);',
        facts='[[fact]]\nname = "path"\ntools = ["bank/pay"]\narguments = ["too"]\n'
        '[[fact]]\nname = "file"\nextractor = "path"\ntools = ["disk/*"]\narguments = ["x"]\n',
        tools='[tools]\n"bank/sea" = "read"\n',
    )
    assert {warning.code.removeprefix("policy.") for warning in policy.warnings} == {
        "empty_group",
        "wide_permit",
        "unknown_argument",
        "unused_fact",
        "unknown_tool",
    }


def test_a_tool_that_nobody_permits_is_told_unless_it_is_dark(tmp_path):
    see = '@id("p") permit (principal, action == Remit::Action::"bank/see", resource);'
    policy = compiled(tmp_path, see, tools='dark = ["bank/d*"]\n')
    told = [w.message for w in policy.warnings if w.code == "policy.dark_tool"]
    assert told == ["no policy permits `bank/pay`"]


def test_a_fact_declared_twice_for_a_tool_does_not_compile(tmp_path):
    twice = FACTS + '[[fact]]\nname = "path"\ntools = ["bank/pay"]\narguments = ["memo"]\n'
    with pytest.raises(BundleError):
        compiled(tmp_path, PERMIT, facts=twice)


def test_an_explanation_shows_the_working(tmp_path):
    policy = compiled(
        tmp_path,
        PERMIT
        + '\n@id("f") @reason("no")\nforbid (principal, action == Remit::Action::"bank/pay", resource) '
        'when { context.input has to && context.input.to == "eve" && context.path.ok };',
        facts=FACTS,
    )
    given = fact(
        real=[],
        inside_workspace=True,
        names=[],
        extensions=[],
        hidden=False,
        traversal=False,
        absolute=False,
    )
    shown = policy.explain(call("bank/pay", '{"to": "eve"}'), signals(facts={"path": given}))
    assert [(m.id, m.effect, m.file, m.line) for m in shown.matches] == [
        ("f", "forbid", "tool/a.cedar", 3)
    ]
    assert b'"eve"' in shown.context
    assert shown.considered == 2
    assert shown.decision.reasons == ("no",)


def test_slices_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(slices, "MAX_SLICES", 4)
    monkeypatch.setattr(slices, "MAX_USERS", 4)
    policy = compiled(tmp_path, PERMIT)
    for n in range(20):
        decide(policy, "bank/see", agent=str(n), user="u")
        decide(policy, "bank/see", agent="a", user=str(n))
    assert len(policy._slicer._slices) <= 4
    assert all(len(s._entities) <= 4 for s in policy._slicer._slices.values())


def test_a_tool_that_a_first_sight_lacks_sleeps_but_a_misspelt_one_does_not(tmp_path):
    absent = '@id("x") permit (principal, action == Remit::Action::"bank/repay-loan", resource);'
    policy = compiled(tmp_path, PERMIT + absent)
    assert [w.policy for w in policy.warnings if w.code == "policy.asleep"] == ["x"]
    assert decide(policy, "bank/see").effect is Effect.ALLOW
    misspelt = '@id("x") permit (principal, action == Remit::Action::"bank/sea", resource);'
    with pytest.raises(BundleError):
        compiled(tmp_path, PERMIT + misspelt)
