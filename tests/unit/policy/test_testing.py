from pathlib import Path

import pytest

from remit.core.strictjson import Number
from remit.policy.bundle import load_bundle
from remit.policy.expected import TestError
from remit.policy.policy import Policy
from remit.policy.testing import event_of, run_tests
from tests.unit.policy.support import PERMIT, compiled

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "bundles"
LIMITED = (
    PERMIT + '@id("big") forbid (principal, action == Remit::Action::"bank/pay", resource) '
    'when { context.input has amount && context.input.amount.greaterThan(decimal("1.0")) };'
)


def report(tmp_path, text, policies=LIMITED):
    return run_tests(compiled(tmp_path, policies, **{"tests__x.yaml": text}))


def one(tmp_path, case, policies=LIMITED):
    (outcome,) = report(tmp_path, f"tests:\n  - {case}\n", policies).outcomes
    return outcome


@pytest.mark.parametrize("name", ["git", "db", "fs"])
def test_the_example_bundles_pass_their_tests_without_a_warning(name):
    policy = Policy.compile(load_bundle(EXAMPLES / name))
    assert policy.warnings == ()
    found = run_tests(policy)
    assert [o.message for o in found.outcomes if not o.passed] == []
    assert found.problems == ()
    assert len(found.outcomes) > 15


@pytest.mark.parametrize(
    "case",
    [
        "{tool: bank/pay, args: {amount: 1}, expect: allow}",
        "{tool: bank/pay, args: {amount: 1.0001}, expect: {deny: [big]}}",
        "{tool: bank/pay, args: {amount: 1.00001}, expect: error}",
        "{tool: bank/pay, args: {amount: 1.00001}, expect: {error: bad_argument}}",
        "{tool: bank/pay, args: {to: yes}, expect: allow}",
        "{tool: bank/pay, args: {to: on, mode: fast}, expect: allow}",
        "{tool: bank/pay, args: {to: 2026-01-01}, expect: allow}",
        "{tool: bank/pay, args: {urgent: true, memo: null}, expect: {allow: [all]}}",
        "{tool: bank/none, expect: {error: not_pinned}}",
        "{action: mcp.list, server: bank, args: {what: tools}, expect: {deny: []}}",
    ],
)
def test_cases_that_hold(tmp_path, case):
    assert one(tmp_path, case).message == ""


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("{tool: bank/pay, expect: deny}", "expected deny, got allow by all"),
        ("{tool: bank/pay, args: {amount: 5}, expect: {deny: [all]}}", "got deny by big"),
        ("{tool: bank/pay, args: {amount: 5}, expect: {deny: []}}", "got deny by big"),
        ("{tool: bank/pay, args: {amount: x}, expect: deny}", "got error bad_argument"),
        ("{tool: bank/pay, args: {amount: x}, expect: {error: fact_failed}}", "expected error"),
        ("{tool: bank/pay}", "`expect` is not"),
        ("{tool: bank/pay, expect: {allow: all}}", "not a list"),
        ("{tool: bank/pay, expect: {allow: [], deny: []}}", "`expect` is not"),
        ("{tool: bank/pay, expects: allow}", "unknown key"),
        ("{tool: pay, expect: allow}", "not `server/tool`"),
        ("{expect: allow}", "neither"),
        ("{action: tool.call, expect: allow}", "neither"),
        ("{tool: 1, expect: allow}", "not a text"),
        ("{tool: bank/pay, args: [], expect: allow}", "not a mapping"),
        ("{tool: bank/pay, session: {label: [x]}, expect: allow}", "labels"),
        ("{tool: bank/pay, over_limit: x, expect: allow}", "not a list"),
        ("{tool: bank/pay, now_us: 1.5, expect: allow}", "microseconds"),
        ("{tool: bank/pay, expect: allow, after: {expect: deny}}", "after: expected deny"),
        ("{tool: bank/pay, expect: allow, after: {fulfill: [], expect: allow}}", "fulfil"),
    ],
)
def test_cases_that_do_not_hold_say_why(tmp_path, case, message):
    if "expects" in case or "fulfill" in case:
        found = report(tmp_path, f"tests:\n  - {case}\n")
        texts = [o.message for o in found.outcomes] + [p.message + p.hint for p in found.problems]
        assert any(message in text for text in texts)
        assert not found.passed
        return
    outcome = one(tmp_path, case)
    assert message in outcome.message
    assert not outcome.passed
    assert outcome.line == 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tests: []",
        "tests: x",
        "- x",
        "tests: [x]",
        "test: []",
        "tests: [{tool: a/b, tool: a/c, expect: allow}]",
        "tests: [{1: x}]",
        "tests: [{tool: !!python/name:os.system x}]",
        "tests: [",
        "tests: [{tool: a/b, args: {a: 1e999}}]",
        "defaults: {x: 1}\ntests: [{tool: a/b}]",
        "tests: [{tool: a/b}]\n---\ntests: [{tool: a/b}]",
        "#" * 2_000_000,
        "tests: " + "[" * 3000,
    ],
)
def test_files_that_cannot_be_read(tmp_path, text):
    found = report(tmp_path, text)
    assert not found.passed
    assert found.problems[0].code == "policy.test"


def test_numbers_keep_their_text_and_words_stay_words(tmp_path):
    policy = compiled(tmp_path, LIMITED)
    from remit.policy.jsonyaml import Loader

    value = Loader(
        "{a: 1.50, b: 10, c: no, d: ~, e: false, f: 0x1f, g: 010, h: 1_0, i: -0.5e3}"
    ).get_data()
    assert isinstance(value["a"], Number)
    assert (value["a"].token, value["i"].token) == ("1.50", "-0.5e3")
    assert {k: v for k, v in value.items() if k not in "ai"} == {
        "b": 10,
        "c": "no",
        "d": None,
        "e": False,
        "f": "0x1f",
        "g": "010",
        "h": "1_0",
    }
    event, _ = event_of(policy, {"tool": "bank/pay", "args": {"amount": value["a"]}})
    assert event.input["amount"].token == "1.50"
    with pytest.raises(TestError):
        event_of(policy, {"tool": "bank/pay", "arguments": {}})


def test_policies_that_decide_no_test_are_told(tmp_path):
    found = report(tmp_path, "tests: [{tool: bank/see, expect: allow}]")
    assert found.passed
    assert [(p.code, p.policy) for p in found.problems] == [("policy.untested", "big")]


def test_alias_bombs_end(tmp_path):
    bomb = "let:\n  a0: &a0 [x, x]\n" + "".join(
        f"  a{n}: &a{n} [*a{n - 1}, *a{n - 1}, *a{n - 1}, *a{n - 1}]\n" for n in range(1, 25)
    )
    found = report(tmp_path, bomb + "tests: [{tool: bank/pay, args: {tags: *a24}, expect: error}]")
    assert found.passed
