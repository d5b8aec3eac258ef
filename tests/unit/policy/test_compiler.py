import pytest

from remit.policy import compiler
from remit.policy.errors import BundleError
from remit.policy.shapes import Enum, Record, derive
from tests.unit.policy.support import PERMIT, compiled, decide, servers

MODES = {"type": "object", "properties": {"mode": {"enum": ["a", "b"]}}}


def test_a_shape_that_cedar_refuses_costs_one_tool(tmp_path, monkeypatch):
    def odd(label, schema):
        if label == "s_bad":
            return Record({"x": Enum("no name", ("a",))})
        return derive(label, schema)

    monkeypatch.setattr(compiler, "derive", odd)
    policy = compiled(tmp_path, PERMIT, servers(s={"bad": {}, "good": MODES}))
    assert decide(policy, "s/bad").error == "bad_schema"
    assert decide(policy, "s/good").effect == "allow"
    assert [w.code for w in policy.warnings] == ["policy.tool_schema"]


def test_enum_types_have_names_that_cedar_takes(tmp_path):
    policy = compiled(
        tmp_path,
        PERMIT + '@id("m") forbid (principal, action == Remit::Action::"7z-2/a.b", resource) '
        'when { context.input has mode && context.input.mode == Remit::_7z_2_a_b_mode::"b" };',
        servers(**{"7z-2": {"a.b": MODES}}),
    )
    assert decide(policy, "7z-2/a.b", '{"mode": "a"}').effect == "allow"
    assert decide(policy, "7z-2/a.b", '{"mode": "b"}').rules == ("m",)
    assert decide(policy, "7z-2/a.b", '{"mode": "c"}').error == "bad_argument"


def test_two_tools_whose_enum_types_would_be_one_are_not_both_judged(tmp_path):
    policy = compiled(tmp_path, PERMIT, servers(s={"a-b": MODES, "a.b": MODES}))
    assert [decide(policy, f"s/{name}").error for name in ("a-b", "a.b")] == ["", "bad_schema"]


def test_a_misspelt_action_is_one_problem(tmp_path):
    with pytest.raises(BundleError) as error:
        compiled(
            tmp_path, '@id("x") forbid (principal, action == Remit::Action::"bank/pya", resource);'
        )
    assert [p.hint for p in error.value.problems if p.severity == "error"] == [
        "did you mean `bank/pay`?"
    ]


def test_invalid_as_a_whole_is_invalid(tmp_path, monkeypatch):
    real = compiler.engine.validate
    monkeypatch.setattr(
        compiler.engine,
        "validate",
        lambda text, s: ["odd"] if text.count(";") > 1 else real(text, s),
    )
    with pytest.raises(BundleError):
        compiled(
            tmp_path,
            PERMIT + '@id("x") forbid (principal, action == Remit::Action::"bank/pay", resource);',
        )
