"""What hostile clients and servers tried."""

import asyncio
import time

import pytest

from remit.guard.mcp.framing import Line
from remit.guard.mcp.messages import failure
from remit.guard.mcp.session import Limits
from tests.unit.guard.helpers import POLICIES, TOOLS, Talk, denied, go, said, text_result

ELICIT = {"elicitation": {}}
CANCEL = {"method": "notifications/cancelled", "params": {"requestId": 1}}
QUESTION = {
    "resultType": "input_required",
    "requestState": "s",
    "inputRequests": {
        "q": {"method": "elicitation/create", "params": {"message": "m", "requestedSchema": {}}}
    },
}


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_a_call_and_its_cancellation_in_one_read_leave_nothing(tmp_path, turns):
    async def play():
        async with Talk(tmp_path, pinned=TOOLS) as talk:
            await talk.open()
            talk.call(0, "get")
            await talk.arrives("tools/call")
            for _ in range(20):
                talk.call(1, "put", key="x")
                for _ in range(turns):
                    await asyncio.sleep(0)
                talk.client(CANCEL)
                await talk.settle()
                if 1 in talk.mcp.calls:
                    # It was at the server already: the cancellation went there.
                    talk.server({"id": 1, "result": text_result()})
                    await talk.settle()
                assert set(talk.mcp.calls) == {0}
            assert not talk.answers(1)
            records = talk.records()
            opened = [r["call"] for r in records if r["kind"] == "tool.decision"
                      and r["decision"]["effect"] == "allow"]  # fmt: skip
            ended = [r["call"] for r in records if r["kind"] == "tool.result"]
            assert sorted(ended) == sorted(opened[1:])
            assert len(talk.ledger.open_calls) == 1

    go(play())


def test_the_first_modern_call_can_be_cancelled_while_the_list_is_fetched(tmp_path):
    async def play():
        async with Talk(tmp_path, manual=True) as talk:
            talk.call(1, "put", modern=True, key="x")
            own = await talk.arrives("tools/list")
            talk.client(CANCEL)
            await talk.settle()
            talk.server({"id": own["id"], "result": {"resultType": "complete", "tools": TOOLS}})
            await talk.settle()
            assert not talk.up
            assert not talk.answers(1)

    go(play())


def test_one_who_gives_up_does_not_take_the_list_from_the_others(tmp_path):
    async def play():
        async with Talk(tmp_path, manual=True, pinned=TOOLS) as talk:
            await talk.open()
            for number in (0, 1):
                talk.call(number, "put", key="x")
            own = await talk.arrives("tools/list")
            talk.client({"method": "notifications/cancelled", "params": {"requestId": 0}})
            await talk.settle()
            talk.server({"id": own["id"], "result": {"tools": TOOLS}})
            again = await talk.arrives("tools/list")
            talk.server({"id": again["id"], "result": {"tools": TOOLS}})
            await talk.arrives("tools/call")

    go(play())


@pytest.mark.parametrize(
    "ref",
    [
        {"type": "ref/resource", "name": "allowed", "uri": "secret://x"},
        {"type": "ref/prompt", "name": "allowed", "uri": "secret://x"},
        {"type": "ref/resource", "name": "allowed"},
        {"name": "allowed"},
    ],
)
def test_policy_sees_the_reference_that_the_server_acts_on(tmp_path, ref):
    policies = """
    @id("c") permit (principal, action in [Remit::Action::"mcp.connect"], resource);
    @id("r") permit (principal, action == Remit::Action::"mcp.complete", resource)
    when { context.input.ref == "allowed" };
    """

    async def play():
        async with Talk(tmp_path, policies) as talk:
            await talk.open()
            argument = {"name": "a", "value": "b"}
            talk.ask(1, "completion/complete", {"ref": ref, "argument": argument})
            assert denied(await talk.answer(1))
            assert not talk.up

    go(play())


def test_what_one_request_offered_is_not_offered_by_another(tmp_path):
    async def play():
        async with Talk(tmp_path) as talk:
            await talk.open(modern=True)
            talk.call(1, "put", modern=True, capabilities=ELICIT, key="x")
            await talk.arrives("tools/call")
            talk.call(2, "put", modern=True, capabilities={}, key="x")
            await talk.arrives("tools/call")
            talk.server({"id": 1, "result": QUESTION})
            assert (await talk.answer(1))["result"]["resultType"] == "input_required"
            talk.call(3, "put", modern=True, capabilities=ELICIT, key="x")
            await talk.arrives("tools/call")
            talk.server({"id": 2, "result": QUESTION})
            assert denied(await talk.answer(2))

    go(play())


def test_a_subscription_has_no_end_in_time(tmp_path):
    async def play():
        limits = Limits(call_s=0.05, own_s=5, confirm_s=5)
        async with Talk(tmp_path, limits=limits) as talk:
            await talk.open(modern=True)
            talk.ask(1, "subscriptions/listen", {"notifications": {}}, modern=True)
            await talk.arrives("subscriptions/listen")
            await asyncio.sleep(0.15)
            assert not talk.answers(1)
            assert not talk.up
            talk.client(CANCEL)
            await talk.arrives("notifications/cancelled")

    go(play())


def test_streams_of_the_server_cost_little_memory(tmp_path):
    async def play():
        async with Talk(tmp_path) as talk:
            await talk.open()
            for number in range(30):
                uri = f"{number}" + "x" * 100_000
                talk.server({"method": "notifications/resources/updated", "params": {"uri": uri}})
            await talk.settle()
            talk.down.clear()
            assert sum(len(str(key)) for key in talk.mcp._server._notices._streams) < 10_000

    go(play())


def test_a_modern_client_is_never_asked_in_the_legacy_way(tmp_path):
    async def play():
        async with Talk(tmp_path) as talk:
            talk.call(1, "get", modern=True, capabilities={**ELICIT, "roots": {}}, key="x")
            await talk.arrives("tools/call")
            for method in ("elicitation/create", "roots/list"):
                talk.server({"id": 0, "method": method, "params": {"message": "password?"}})
            await talk.settle()
            assert not talk.down
            assert all("error" in m for m in talk.up)

    go(play())


@pytest.mark.parametrize("method", ["tasks/result", "tasks/get"])
def test_the_result_of_a_task_is_judged_as_the_result_of_its_call(tmp_path, method):
    policies = POLICIES.replace(
        '"tool.result", resource);',
        '"tool.result", resource)\nwhen { context.input.tool != "srv/put" || !context.input.error };',
    ).replace(
        "unless { context.fulfilled.contains",
        "unless { context.fulfilled.contains",
    )
    policies += """
    @id("no-secrets") forbid (principal, action == Remit::Action::"tool.result", resource)
    when { context.input.tool == "srv/put" && context.input.error };
    """

    async def play():
        async with Talk(tmp_path, policies) as talk:
            await talk.open()
            talk.call(1, "put", more={"task": {}}, key="x")
            await talk.arrives("tools/call")
            talk.server({"id": 1, "result": {"task": {"taskId": "T", "status": "working"}}})
            await talk.answer(1)
            talk.ask(2, method, {"taskId": "T"})
            await talk.arrives(method)
            talk.server({"id": 2, "result": text_result("SECRET", isError=True)})
            assert denied(await talk.answer(2))
            assert "SECRET" not in str(talk.down)

    go(play())


def test_many_calls_with_a_dead_list_end_together(tmp_path):
    async def play():
        limits = Limits(call_s=5, own_s=0.1, confirm_s=5)
        async with Talk(tmp_path, manual=True, limits=limits) as talk:
            await talk.open()
            start = time.monotonic()
            for number in range(10):
                talk.call(number, "get")
            for number in range(10):
                assert denied(await talk.answer(number))
            assert time.monotonic() - start < 0.6

    go(play())


def test_a_call_that_was_asked_about_and_cancelled_is_recorded(tmp_path):
    async def play():
        async with Talk(tmp_path) as talk:
            await talk.open(capabilities=ELICIT)
            talk.call(1, "pay", amount=50)
            await talk.shown("elicitation/create")
            talk.client(CANCEL)
            await talk.settle()
            (decision,) = [r for r in talk.records() if r["kind"] == "tool.decision"]
            assert decision["decision"]["effect"] == "deny"
            assert decision["decision"]["error"] == "cancelled"

    go(play())


def test_plumbing_carries_nothing(tmp_path):
    async def play():
        async with Talk(tmp_path) as talk:
            await talk.open()
            secret = {"_meta": {"secret": "EXFIL"}}
            talk.ask(1, "ping", secret)
            talk.client({"method": "notifications/initialized", "params": secret})
            progress = {"progressToken": "nobody", "progress": 1, "message": "EXFIL"}
            talk.client({"method": "notifications/progress", "params": progress})
            talk.call(2, "put", key="x")
            await talk.arrives("tools/call")
            cancel = {"requestId": 2, "reason": "EXFIL", **secret}
            talk.client({"method": "notifications/cancelled", "params": cancel})
            await talk.settle()
            assert "EXFIL" not in str(talk.up)
            assert {m["method"] for m in talk.up} == {
                "ping",
                "notifications/initialized",
                "notifications/cancelled",
            }

    go(play())


def test_modern_capabilities_that_cannot_be_policed_are_taken_out(tmp_path):
    offered = {
        **ELICIT,
        "extensions": {"io.modelcontextprotocol/ui": {}},
        "experimental": {"z": {}},
    }

    async def play():
        async with Talk(tmp_path) as talk:
            await talk.open(modern=True)
            talk.call(1, "get", modern=True, capabilities=offered, key="x")
            up = await talk.arrives("tools/call")
            kept = up["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"]
            assert "io.modelcontextprotocol/ui" not in str(kept)
            assert "experimental" not in kept
            assert "elicitation" in kept

    go(play())


def test_answers_never_pass_for_those_of_other_calls(tmp_path):
    async def play():
        async with Talk(tmp_path) as talk:
            await talk.open()
            talk.call(1, "put", key="first")
            await talk.arrives("tools/call")
            first = talk.mcp.calls[1]
            # A line of the server that cannot be read ends the call …
            talk.mcp.from_server(Line(b'{"jsonrpc":"2.0","id":1,"result":{"a":NaN}}'))
            assert denied(await talk.answer(1))
            talk.down.clear()
            talk.call(1, "put", key="second")
            await talk.arrives("tools/call")
            # … and whatever still finishes for it does not answer the next one of its id.
            talk.mcp.answer(first, failure(1, -1, "old"))
            await talk.settle()
            assert not talk.down
            talk.server({"id": 1, "result": text_result("second")})
            assert said(await talk.answer(1)) == "second"

    go(play())


def test_two_who_give_up_do_not_take_the_list_from_the_third(tmp_path):
    async def play():
        async with Talk(tmp_path, manual=True, pinned=TOOLS) as talk:
            await talk.open()
            for number in (0, 1, 2):
                talk.call(number, "put", key="x")
            for number in (0, 1):
                await talk.arrives("tools/list")
                cancel = {"method": "notifications/cancelled", "params": {"requestId": number}}
                talk.client(cancel)
                await talk.settle()
            own = await talk.arrives("tools/list")
            talk.server({"id": own["id"], "result": {"tools": TOOLS}})
            assert (await talk.arrives("tools/call"))["id"] == 2

    go(play())


def test_the_server_cannot_answer_what_it_was_not_given(tmp_path):
    async def play():
        async with Talk(tmp_path) as talk:
            await talk.open(capabilities=ELICIT)
            talk.call(1, "pay", amount=50)
            asked = await talk.shown("elicitation/create")
            talk.server({"id": 1, "result": text_result("done already")})
            talk.mcp.from_server(Line(b'{"jsonrpc":"2.0","id":1,"result":{"a":NaN}}'))
            await talk.settle()
            assert not talk.down
            yes = {"action": "accept", "content": {"confirm": True}}
            talk.client({"id": asked["id"], "result": yes})
            await talk.arrives("tools/call")
            talk.server({"id": 1, "result": text_result("now")})
            assert said(await talk.answer(1)) == "now"

    go(play())


def test_the_client_cannot_answer_what_it_was_not_asked(tmp_path):
    async def play():
        policies = POLICIES.replace('Remit::Action::"mcp.roots", ', "")
        async with Talk(tmp_path, policies) as talk:
            await talk.open(capabilities={"roots": {}})
            talk.server({"id": 1, "method": "roots/list"})
            talk.client({"id": 1, "result": {"roots": [{"uri": "file:///"}]}})
            await talk.settle()
            assert [list(m) for m in talk.up] == [["jsonrpc", "id", "error"]]
            assert not [m for m in talk.down if m.get("method") == "roots/list"]

    go(play())
