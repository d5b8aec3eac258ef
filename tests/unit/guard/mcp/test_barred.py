"""A session whose server may not run any more: what is under way, and all that comes later."""

import pytest

from remit.core.decision import Decision
from tests.unit.guard.helpers import Talk, denied, go, said, text_result

NO = Decision(error="artifact_denied", detail="the server was stopped: it was withdrawn")
ERAS = pytest.mark.parametrize("modern", [False, True], ids=["legacy", "modern"])


def refusal(answer):
    assert denied(answer), answer
    assert "It was withdrawn" in said(answer) or "it was withdrawn" in said(answer), answer


@ERAS
def test_what_is_in_flight_is_answered_once_and_its_result_goes_nowhere(tmp_path, modern):
    async def play():
        async with Talk(tmp_path) as talk:
            await talk.open(modern=modern)
            talk.call(5, "put", modern=modern, key="x")
            await talk.arrives("tools/call")
            talk.mcp.bar(NO)
            refusal(await talk.answer(5))
            talk.server({"id": 5, "result": text_result("too late")})
            talk.mcp.bar(Decision(error="x", detail="twice"))
            talk.call(6, "put", modern=modern, key="x")
            refusal(await talk.answer(6))
            assert len(talk.answers(5)) == 1
            assert not [each for each in talk.up if each.get("method") == "tools/call"]
            found = talk.records()
            (result,) = [each for each in found if each["kind"] == "tool.result"]
            assert result["outcome"]["status"] == "denied"
            (barred,) = [each for each in found if each["kind"] == "server.barred"]
            assert barred["in_flight"] == 1

    go(play())


def test_what_was_allowed_and_not_sent_yet_is_not_sent(tmp_path):
    async def play():
        async with Talk(tmp_path) as talk:
            await talk.open()
            judge = talk.guard.judge

            async def meanwhile(*given, **more):
                verdict = await judge(*given, **more)
                talk.mcp.bar(NO)
                return verdict

            talk.guard.judge = meanwhile
            talk.call(5, "put", key="x")
            refusal(await talk.answer(5))
            assert not [each for each in talk.up if each.get("method") == "tools/call"]
            (result,) = [each for each in talk.records() if each["kind"] == "tool.result"]
            assert result["outcome"]["status"] == "denied"

    go(play())


def test_a_person_who_is_asked_cannot_run_it_any_more(tmp_path):
    async def play():
        async with Talk(tmp_path) as talk:
            await talk.open(capabilities={"elicitation": {}})
            talk.call(5, "pay", amount=50, to="x")
            asked = await talk.shown("elicitation/create")
            talk.mcp.bar(NO)
            refusal(await talk.answer(5))
            talk.client(
                {"id": asked["id"], "result": {"action": "accept", "content": {"confirm": True}}}
            )
            talk.call(6, "put", key="x")
            refusal(await talk.answer(6))
            assert not [each for each in talk.up if each.get("method") == "tools/call"]
            decisions = [
                each["decision"]["error"] for each in talk.records()
                if each["kind"] == "tool.decision"
            ]  # fmt: skip
            assert decisions == ["artifact_denied"] * 2

    go(play())


def test_an_opening_under_way_is_asked_of_what_answers_now(tmp_path):
    async def play():
        async with Talk(tmp_path) as talk:
            params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {}}
            talk.ask(1, "initialize", params)
            await talk.arrives("initialize")
            talk.mcp.bar(NO)
            again = await talk.arrives("initialize")
            assert again["id"] == 1
            result = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}}
            talk.server({"id": 1, "result": result})
            assert (await talk.answer(1))["result"]["capabilities"] == {"tools": {}}
            talk.call(2, "put", key="x")
            refusal(await talk.answer(2))

    go(play())
