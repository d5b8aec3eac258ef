"""Invariants of events, decisions and errors."""

import msgspec
import pytest

from remit.core.decision import Decision, Effect, Obligation
from remit.core.digest import sha256
from remit.core.errors import RemitError
from remit.core.event import Kind, ToolClass
from tests.unit.guard.helpers import event


def test_a_decision_denies_by_default():
    assert Decision().effect is Effect.DENY


@pytest.mark.parametrize("effect", [Effect.ALLOW, Effect.REQUIRE])
def test_an_error_never_allows(effect):
    owed = (Obligation(kind="wait", rule="r"),) if effect is Effect.REQUIRE else ()
    with pytest.raises(ValueError, match="must deny"):
        Decision(effect=effect, error="engine_error", obligations=owed)


@pytest.mark.parametrize("effect", [Effect.ALLOW, Effect.DENY])
def test_only_require_carries_obligations(effect):
    with pytest.raises(ValueError, match="obligations"):
        Decision(effect=effect, obligations=(Obligation(kind="wait", rule="r"),))
    with pytest.raises(ValueError, match="obligations"):
        Decision(effect=Effect.REQUIRE)


def test_a_changed_decision_is_checked_again():
    with pytest.raises(ValueError, match="must deny"):
        msgspec.structs.replace(Decision(error="x"), effect=Effect.ALLOW)


def test_values_are_frozen():
    with pytest.raises(AttributeError):
        Decision().effect = Effect.ALLOW
    with pytest.raises(AttributeError):
        event().tool = "other"


@pytest.mark.parametrize(
    ("kind", "tool_class", "side_effects"),
    [
        (Kind.TOOL_CALL, ToolClass.READ, False),
        (Kind.TOOL_CALL, ToolClass.WRITE, True),
        (Kind.TOOL_CALL, ToolClass.DESTRUCTIVE, True),
        (Kind.TOOL_CALL, None, True),
        (Kind.TOOL_RESULT, None, False),
        (Kind.RESOURCE_READ, None, False),
    ],
)
def test_an_unclassified_call_has_side_effects(kind, tool_class, side_effects):
    assert (
        msgspec.structs.replace(event(kind=kind), tool_class=tool_class).side_effects
        is side_effects
    )


def test_diagnostics_say_what_to_do():
    assert RemitError("it broke").diagnostics() == "it broke"
    assert RemitError("it broke", hint="mend it").diagnostics() == "it broke\n  mend it"
    assert RemitError("x", code="a.b").code == "a.b"
    assert RemitError.code == "error"


def test_digests_are_in_the_form_of_oci():
    assert sha256(b"") == (
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    )
