"""What the model is told."""

import pytest

from remit.core.decision import Decision
from remit.guard.mcp.denials import denial_text, denied_result


@pytest.mark.parametrize(
    "error",
    [
        "", "not_pinned", "no_catalog", "fact_failed", "bad_argument", "unknown_action",
        "confirmation_refused", "wait_refused", "engine_error", "judge_failed", "audit.poisoned",
        "never_heard_of",
    ],
)  # fmt: skip
def test_it_says_something_and_nothing_internal(error):
    internal = "" if error in {"bad_argument", "fact_failed"} else "RuntimeError at /srv/secret.py"
    text = denial_text("srv/put", Decision(error=error, detail=internal), ["get"])
    assert text.startswith("Denied by Remit: srv/put.")
    assert "secret" not in text
    assert "Error" not in text
    assert text.endswith("Do not retry the same call.")


def test_reasons_and_rules_are_named():
    decision = Decision(rules=("a", "b"), reasons=("Too much", "Ask Bob!"))
    text = denial_text("srv/pay", decision, ["get"])
    assert "Too much. Ask Bob!" in text
    assert "(policy: a, b)" in text
    assert "You may use" not in text


def test_what_is_foreign_is_shown_safely_and_bounded():
    names = [f"\x1btool\u202e{n}" * 100 for n in range(1000)]
    text = denial_text("x\x1b[31m\u202e" * 10_000, Decision(reasons=()), names)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert len(text) < 10_000


@pytest.mark.parametrize("modern", [False, True])
def test_the_result_is_an_error_of_its_era(modern):
    result = denied_result("no", modern=modern)
    assert result["isError"] is True
    assert result["content"] == [{"type": "text", "text": "no"}]
    assert result.get("resultType") == ("complete" if modern else None)
