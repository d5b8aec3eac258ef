"""A model's second opinion in the corridor: policy chooses what it means, and what none means."""

import msgspec
import pytest

from remit.content.base import Finding
from remit.core.event import Kind
from tests.unit.guard.helpers import Corridor, event, go, text_result
from tests.unit.guard.test_content import ATTACK, BASE, CARD

PLAIN = "The weather in Lisbon is sunny today, with a light wind from the west in the evening."


class Said(msgspec.Struct):
    """An opinion that the test chooses; it keeps what it was asked."""

    findings: tuple[Finding, ...]
    asked: list[str] = []

    async def ask(self, text):
        self.asked.append(text)
        return self.findings


def finding(kind, label="judged"):
    return Finding(
        kind=kind, label=label, severity="high", score_milli=900, start=0, end=1, rule="judge",
        version="judge/1 m",
    )  # fmt: skip


POLICY = """
@id("orders")
forbid (principal, action == Remit::Action::"tool.result", resource)
when { context.content.injection > 80 };
@id("no-opinion")
forbid (principal, action == Remit::Action::"tool.result", resource)
when { context.content.findings.contains("unjudged:timeout") };
"""


def result(text):
    given = {"tool": "srv/get", "error": False}
    return event(kind=Kind.TOOL_RESULT, input=given, content=text_result(text))


@pytest.mark.parametrize(
    ("findings", "rules"),
    [
        ((), ()),
        ((finding("injection"),), ("orders",)),
        ((finding("unjudged", "timeout"),), ("no-opinion",)),
        ((finding("unjudged", "error"),), ()),
    ],
)
def test_policy_chooses_what_an_opinion_and_none_mean(tmp_path, findings, rules):
    async def story():
        one = Corridor(tmp_path, BASE + POLICY)
        one.guard.opinion = Said(findings)
        verdict = await one.judge(result(f"{PLAIN} Card {CARD}"))
        assert verdict.allowed is not bool(rules)
        if rules:
            assert verdict.decision.rules == rules
        (asked,) = one.guard.opinion.asked
        assert PLAIN in asked
        assert CARD not in asked, "values are masked before they go anywhere"
        one.close()

    go(story())


def test_nobody_is_asked_about_what_goes_out_or_what_is_plain(tmp_path):
    async def story():
        one = Corridor(tmp_path, BASE + POLICY)
        one.guard.opinion = Said(())
        await one.judge(event("get", {"key": PLAIN}))
        await one.judge(result(ATTACK))
        assert one.guard.opinion.asked == []
        one.close()

    go(story())
