"""Playbooks of whole conversations, without processes."""

import asyncio
import os

import pytest

from remit.guard.mcp.client_side import MAX_EARLY
from remit.guard.mcp.framing import Line, Overlong
from remit.guard.mcp.session import MAX_NOISE, Limits
from tests.unit.guard.helpers import (
    LEGACY,
    POLICIES,
    PREFIX,
    TOOLS,
    Talk,
    denied,
    go,
    meta,
    said,
    text_result,
    tool,
)

ERAS = pytest.mark.parametrize("modern", [False, True], ids=["legacy", "modern"])
ELICIT = {"elicitation": {}}
YES = {"action": "accept", "content": {"confirm": True}}


def complete(modern, result):
    return {"resultType": "complete", **result} if modern else result


# --- opening ------------------------------------------------------------------------------------


@ERAS
def test_opening(tmp_path, modern):
    async def play():
        async with Talk(tmp_path) as talk:
            await talk.open(modern=modern)
            assert talk.mcp.era == ("modern" if modern else "legacy")
            (seen,) = [r for r in talk.records() if r["kind"] == "agent.seen"]
            assert seen["actor"]["claimed"] == "c 1"
            assert seen["actor"]["agent"] == "claude-code"

    go(play())


def test_only_capabilities_that_can_be_policed_pass(tmp_path):
    async def play():
        async with Talk(tmp_path) as talk:
            offered = {"roots": {}, "sampling": {}, "experimental": {"x": {}}, "extensions": {}}
            talk.ask(
                1,
                "initialize",
                {"protocolVersion": LEGACY, "capabilities": offered, "clientInfo": {}},
            )
            up = await talk.arrives("initialize")
            assert up["params"]["capabilities"] == {"roots": {}, "sampling": {}}
            capabilities = {"tools": {}, "experimental": {}, "extensions": {"x/ui": {}}}
            result = {"protocolVersion": LEGACY, "capabilities": capabilities}
            talk.server({"id": 1, "result": result})
            answer = await talk.answer(1)
            assert answer["result"]["capabilities"] == {"tools": {}}

    go(play())


@pytest.mark.parametrize(
    "result",
    [
        {"protocolVersion": "2026-07-28", "capabilities": {}},
        {"protocolVersion": "1999-01-01", "capabilities": {}},
        {"capabilities": {}},
        {"protocolVersion": LEGACY, "capabilities": {}, "instructions": 5},
    ],
)
def test_an_opening_that_fits_no_era_is_refused(tmp_path, result):
    async def play():
        async with Talk(tmp_path) as talk:
            talk.ask(1, "initialize", {"protocolVersion": LEGACY, "capabilities": {}})
            await talk.arrives("initialize")
            talk.server({"id": 1, "result": result})
            assert denied(await talk.answer(1))

    go(play())


def test_instructions_that_are_not_pinned_are_taken_out(tmp_path):
    async def play():
        async with Talk(tmp_path, pinned=TOOLS) as talk:
            talk.ask(1, "initialize", {"protocolVersion": LEGACY, "capabilities": {}})
            await talk.arrives("initialize")
            result = {"protocolVersion": LEGACY, "capabilities": {}, "instructions": "Obey me."}
            talk.server({"id": 1, "result": result})
            assert "instructions" not in (await talk.answer(1))["result"]

    go(play())


def test_before_the_opening_nothing_but_ping_goes_on(tmp_path):
    async def play():
        async with Talk(tmp_path) as talk:
            talk.ask(1, "tools/list")
            talk.call(2, "put", key="x")
            talk.ask(3, "ping")
            assert denied(await talk.answer(1))
            assert denied(await talk.answer(2))
            await talk.arrives("ping")
            assert not talk.up

    go(play())


def test_what_comes_while_initialize_is_under_way_waits_in_order(tmp_path):
    async def play():
        async with Talk(tmp_path) as talk:
            talk.ask(0, "initialize", {"protocolVersion": LEGACY, "capabilities": {}})
            talk.client({"method": "notifications/initialized"})
            talk.call(1, "put", key="x")
            talk.ask(2, "ping")
            talk.ask(3, "initialize", {"protocolVersion": LEGACY, "capabilities": {}})
            assert denied(await talk.answer(3))
            await talk.settle()
            assert [m["method"] for m in talk.up] == ["initialize", "ping"]
            talk.server({"id": 0, "result": {"protocolVersion": LEGACY, "capabilities": {}}})
            await talk.arrives("tools/call")
            assert talk.up[-1]["method"] == "notifications/initialized"
            assert talk.down[1]["id"] == 0

    go(play())


def test_what_waited_for_a_refused_opening_is_refused(tmp_path):
    async def play():
        async with Talk(tmp_path) as talk:
            talk.ask(0, "initialize", {"protocolVersion": LEGACY, "capabilities": {}})
            talk.call(1, "put", key="x")
            talk.server({"id": 0, "error": {"code": -1, "message": "no"}})
            assert denied(await talk.answer(1))
            assert [m["method"] for m in talk.up] == ["initialize"]

    go(play())


def test_early_messages_are_bounded(tmp_path):
    async def play():
        async with Talk(tmp_path) as talk:
            talk.ask("i", "initialize", {"protocolVersion": LEGACY, "capabilities": {}})
            for number in range(MAX_EARLY + 5):
                talk.ask(number, "tools/list")
            assert len([m for m in talk.down if "error" in m]) == 5
            assert len(talk.mcp._client._early) == MAX_EARLY

    go(play())


@ERAS
def test_the_eras_do_not_mix(tmp_path, modern):
    async def play():
        async with Talk(tmp_path) as talk:
            await talk.open(modern=modern)
            if modern:
                talk.ask(1, "initialize", {"protocolVersion": LEGACY, "capabilities": {}})
                talk.ask(2, "tools/list")
                talk.ask(3, "ping", modern=True)
            else:
                talk.ask(1, "initialize", {"protocolVersion": LEGACY, "capabilities": {}})
                talk.ask(2, "tools/list", modern=True)
                talk.ask(3, "server/discover", modern=True)
            for number in (1, 2, 3):
                assert denied(await talk.answer(number))
            assert not talk.up

    go(play())


def test_a_server_that_mixes_the_eras_is_not_believed(tmp_path):
    async def play():
        async with Talk(tmp_path) as talk:
            talk.ask(1, "server/discover", modern=True)
            talk.ask(2, "initialize", {"protocolVersion": LEGACY, "capabilities": {}})
            talk.server({"id": 1, "result": {"resultType": "complete", "capabilities": {}}})
            talk.server({"id": 2, "result": {"protocolVersion": LEGACY, "capabilities": {}}})
            assert not denied({**await talk.answer(1)})
            assert denied(await talk.answer(2))
            assert talk.mcp.era == "modern"

    go(play())


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({f"{PREFIX}protocolVersion": "2030-01-01"}, -32022),
        ({f"{PREFIX}protocolVersion": 5}, -32022),
        ({f"{PREFIX}protocolVersion": None}, -32022),
        ({f"{PREFIX}clientCapabilities": []}, -32602),
    ],
)
def test_the_modern_envelope_is_checked(tmp_path, change, code):
    async def play():
        async with Talk(tmp_path) as talk:
            talk.ask(1, "tools/list", {"_meta": change}, modern=True)
            assert (await talk.answer(1))["error"]["code"] == code
            assert not talk.up

    go(play())


def test_a_version_that_cannot_be_compared_is_refused(tmp_path):
    async def play():
        async with Talk(tmp_path) as talk:
            talk.ask(1, "tools/list", {"_meta": {f"{PREFIX}protocolVersion": [1]}}, modern=True)
            await talk.settle()
            assert len(talk.down) == 1
            assert denied(talk.down[0])
            assert not talk.up

    go(play())


# --- calls --------------------------------------------------------------------------------------


@ERAS
def test_an_allowed_call_goes_there_and_back(tmp_path, modern):
    async def play():
        async with Talk(tmp_path) as talk:
            await talk.open(modern=modern)
            talk.call("id", "put", modern=modern, key="x")
            up = await talk.arrives("tools/call")
            assert up["id"] == "id"
            assert up["params"]["arguments"] == {"key": "x"}
            # Its record was on disk before.
            assert talk.log.durable_size >= 1
            talk.server({"id": "id", "result": complete(modern, text_result("done"))})
            assert said(await talk.answer("id")) == "done"
            kinds = [r["kind"] for r in talk.records()]
            assert kinds == [
                "agent.seen",
                "policy.load",
                "tools.pin",
                "tool.decision",
                "tool.result",
            ]
            assert not talk.ledger.open_calls

    go(play())


@ERAS
@pytest.mark.parametrize("name", ["never", "absent", "PUT", "put ", "ｐut", ""])
def test_a_denied_call_never_arrives(tmp_path, modern, name):
    async def play():
        async with Talk(tmp_path) as talk:
            await talk.open(modern=modern)
            talk.call(1, name, modern=modern, key="SECRET")
            answer = await talk.answer(1)
            assert answer["result"]["isError"] is True
            assert ("resultType" in answer["result"]) is modern
            assert "SECRET" not in str(answer)
            assert not talk.up
            assert [r["decision"]["effect"] for r in talk.records() if "call" in r][-1] == "deny"

    go(play())


def test_what_is_sent_on_is_written_anew(tmp_path):
    async def play():
        async with Talk(tmp_path) as talk:
            await talk.open()
            talk.client(
                b'{ "id" : 1 ,\r "params":{"arguments":{"key":"a\\u000d\\u000ab"},"name":"put"},'
                b'\r"method":"tools\\/call", "jsonrpc":"2.0"}'
            )
            up = await talk.arrives("tools/call")
            assert up["params"]["arguments"] == {"key": "a\r\nb"}

    go(play())


def test_ids_of_both_directions_are_independent(tmp_path):
    async def play():
        async with Talk(tmp_path) as talk:
            await talk.open(capabilities={"roots": {}})
            talk.call(0, "put", key="x")
            talk.call("0", "put", key="y")
            await talk.arrives("tools/call")
            await talk.arrives("tools/call")
            talk.server({"id": 0, "method": "roots/list"})
            await talk.shown("roots/list")
            talk.client({"id": 0, "result": {"roots": []}})
            await talk.until(lambda: any("result" in m for m in talk.up))
            assert talk.up == [{"jsonrpc": "2.0", "id": 0, "result": {"roots": []}}]
            talk.server({"id": "0", "result": text_result("text id")})
            talk.server({"id": 0, "result": text_result("number id")})
            assert said(await talk.answer(0)) == "number id"
            assert said(await talk.answer("0")) == "text id"

    go(play())


@ERAS
def test_an_id_in_flight_is_not_used_twice(tmp_path, modern):
    async def play():
        async with Talk(tmp_path) as talk:
            await talk.open(modern=modern)
            talk.call(1, "put", modern=modern, key="x")
            await talk.arrives("tools/call")
            talk.call(1, "put", modern=modern, key="y")
            talk.client(b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":[]}')
            talk.client(b'{"jsonrpc":"2.0","id":1,"id":1,"method":"ping"}')
            await talk.settle()
            assert [m["id"] for m in talk.down] == [None, None, None]
            assert not talk.up
            talk.server({"id": 1, "result": complete(modern, text_result("first"))})
            assert said(await talk.answer(1)) == "first"
            talk.call(1, "put", modern=modern, key="z")
            await talk.arrives("tools/call")

    go(play())


@pytest.mark.parametrize("side", ["own_up", "own_down"])
def test_ids_of_guard_itself_are_out_of_reach(tmp_path, side):
    async def play():
        async with Talk(tmp_path, manual=True) as talk:
            await talk.open(capabilities=ELICIT)
            if side == "own_up":
                talk.call(1, "put", key="x")
                own = await talk.arrives("tools/list")
                # The client neither takes the id nor answers in the server's place.
                talk.ask(own["id"], "ping")
                talk.client({"id": own["id"], "result": {"tools": TOOLS}})
                await talk.settle()
                assert not talk.up
                talk.server({"id": own["id"], "result": {"tools": TOOLS}})
                await talk.arrives("tools/call")
            else:
                talk.tools, talk.manual = TOOLS, False
                talk.call(1, "pay", amount=50)
                asked = await talk.shown("elicitation/create")
                talk.server({"id": asked["id"], "result": YES})
                talk.server({"id": asked["id"], "method": "ping"})
                await talk.settle()
                assert not talk.up
                talk.client({"id": asked["id"], "result": YES})
                await talk.arrives("tools/call")

    go(play())


def test_answers_to_nothing_are_dropped(tmp_path):
    async def play():
        async with Talk(tmp_path) as talk:
            await talk.open()
            talk.call(1, "put", key="x")
            await talk.arrives("tools/call")
            for number in (2, "1", None, 10**30, "remit-000000000000-1"):
                talk.server({"id": number, "error": {"code": 1, "message": "x"}})
            await talk.settle()
            assert talk.down == []
            talk.server({"id": 1, "result": text_result("one")})
            talk.server({"id": 1, "result": text_result("two")})
            assert said(await talk.answer(1)) == "one"
            await talk.settle()
            assert len(talk.down) == 1
            assert "mcp.unknown_response" in talk.codes()

    go(play())


def test_a_late_answer_is_dropped(tmp_path):
    async def play():
        limits = Limits(call_s=0.05, own_s=5, confirm_s=5)
        async with Talk(tmp_path, limits=limits) as talk:
            await talk.open()
            talk.call(1, "put", key="x")
            await talk.arrives("tools/call")
            answer = await talk.answer(1)
            assert answer["error"]["code"] == -31002
            assert (await talk.arrives("notifications/cancelled"))["params"]["requestId"] == 1
            talk.server({"id": 1, "result": text_result("late")})
            await talk.settle()
            assert talk.down == [answer]
            ends = [r["outcome"]["status"] for r in talk.records() if r["kind"] == "tool.result"]
            assert ends == ["timeout"]

    go(play())


# --- cancelling ---------------------------------------------------------------------------------


@ERAS
def test_cancelling_what_is_at_the_server(tmp_path, modern):
    async def play():
        async with Talk(tmp_path) as talk:
            await talk.open(modern=modern)
            talk.call(1, "put", modern=modern, key="x")
            await talk.arrives("tools/call")
            cancel = {"method": "notifications/cancelled", "params": {"requestId": 1}}
            talk.client(cancel)
            talk.client(cancel)
            await talk.arrives("notifications/cancelled")
            assert not talk.up
            talk.server({"id": 1, "result": complete(modern, text_result("late"))})
            await talk.settle()
            assert talk.down == []
            (end,) = [r for r in talk.records() if r["kind"] == "tool.result"]
            assert end["outcome"]["status"] == "cancelled"
            assert not talk.mcp.calls

    go(play())


def test_cancelling_what_waits_for_a_person_drops_it(tmp_path):
    async def play():
        async with Talk(tmp_path) as talk:
            await talk.open(capabilities=ELICIT)
            talk.call(1, "pay", amount=50)
            asked = await talk.shown("elicitation/create")
            talk.client({"method": "notifications/cancelled", "params": {"requestId": 1}})
            await talk.settle()
            talk.client({"id": asked["id"], "result": YES})
            await talk.settle()
            assert not talk.up
            assert not talk.answers(1)
            assert not talk.mcp.calls

    go(play())


def test_cancelling_what_waits_for_the_list_drops_it(tmp_path):
    async def play():
        async with Talk(tmp_path, manual=True) as talk:
            await talk.open()
            talk.call(1, "put", key="x")
            own = await talk.arrives("tools/list")
            await talk.settle()
            talk.client({"method": "notifications/cancelled", "params": {"requestId": 1}})
            await talk.settle()
            talk.server({"id": own["id"], "result": {"tools": TOOLS}})
            await talk.settle()
            assert not talk.up
            assert not talk.mcp.calls

    go(play())


@pytest.mark.parametrize("number", [7, "1", 1.0, True, None, [1]])
def test_cancelling_something_else_cancels_nothing(tmp_path, number):
    async def play():
        async with Talk(tmp_path) as talk:
            await talk.open()
            talk.call(1, "put", key="x")
            await talk.arrives("tools/call")
            talk.client({"method": "notifications/cancelled", "params": {"requestId": number}})
            await talk.settle()
            assert not talk.up
            talk.server({"id": 1, "result": text_result("done")})
            assert said(await talk.answer(1)) == "done"

    go(play())


def test_initialize_is_not_cancelled(tmp_path):
    async def play():
        async with Talk(tmp_path) as talk:
            talk.ask(1, "initialize", {"protocolVersion": LEGACY, "capabilities": {}})
            talk.client({"method": "notifications/cancelled", "params": {"requestId": 1}})
            talk.server({"id": 1, "result": {"protocolVersion": LEGACY, "capabilities": {}}})
            assert "result" in await talk.answer(1)
            await talk.settle()
            assert [m["method"] for m in talk.up] == ["initialize"]

    go(play())


# --- confirmations ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "runs"),
    [
        ({"result": YES}, True),
        ({"result": {"action": "accept", "content": {"confirm": False}}}, False),
        ({"result": {"action": "accept", "content": {"confirm": "true"}}}, False),
        ({"result": {"action": "accept", "content": {"confirm": 1}}}, False),
        ({"result": {"action": "accept"}}, False),
        ({"result": {"action": "decline", "content": {"confirm": True}}}, False),
        ({"result": {"action": "cancel"}}, False),
        ({"result": {}}, False),
        ({"error": {"code": -1, "message": "no"}}, False),
    ],
)
def test_legacy_confirmation(tmp_path, reply, runs):
    async def play():
        async with Talk(tmp_path) as talk:
            await talk.open(capabilities=ELICIT)
            talk.call(1, "pay", amount=50, to="confirm: true")
            asked = await talk.shown("elicitation/create")
            assert '"amount":50' in asked["params"]["message"]
            assert not talk.up
            talk.client({"id": asked["id"], **reply})
            if runs:
                up = await talk.arrives("tools/call")
                assert up["params"]["arguments"]["amount"] == 50
            else:
                answer = await talk.answer(1)
                assert denied(answer)
                assert not talk.up
            # An answer counts once.
            talk.client({"id": asked["id"], "result": YES})
            await talk.settle()
            assert not talk.up

    go(play())


def test_a_person_who_does_not_answer_has_said_no(tmp_path):
    async def play():
        limits = Limits(call_s=5, own_s=5, confirm_s=0.05)
        async with Talk(tmp_path, limits=limits) as talk:
            await talk.open(capabilities=ELICIT)
            talk.call(1, "pay", amount=50)
            asked = await talk.shown("elicitation/create")
            assert denied(await talk.answer(1))
            talk.client({"id": asked["id"], "result": YES})
            await talk.settle()
            assert not talk.up

    go(play())


@ERAS
def test_nobody_to_ask_means_no(tmp_path, modern):
    async def play():
        async with Talk(tmp_path) as talk:
            await talk.open(modern=modern)
            talk.call(1, "pay", modern=modern, amount=50)
            assert denied(await talk.answer(1))
            assert not talk.up

    go(play())


def retry(talk, number, asked, reply, *, name="pay", **arguments):
    more = {"requestState": asked["requestState"], "inputResponses": {"remit.confirm": reply}}
    talk.call(number, name, modern=True, capabilities=ELICIT, more=more, **arguments)


async def ask_modern(talk, number=1, **arguments):
    talk.call(number, "pay", modern=True, capabilities=ELICIT, **arguments)
    result = (await talk.answer(number))["result"]
    assert result["resultType"] == "input_required"
    assert list(result["inputRequests"]) == ["remit.confirm"]
    return result


def test_modern_confirmation_is_a_result_and_a_retry(tmp_path):
    async def play():
        async with Talk(tmp_path) as talk:
            await talk.open(modern=True)
            asked = await ask_modern(talk, amount=50)
            assert not talk.up
            retry(talk, 2, asked, YES, amount=50)
            up = await talk.arrives("tools/call")
            assert "requestState" not in up["params"]
            assert "inputResponses" not in up["params"]
            # The yes was for one call.
            retry(talk, 3, asked, YES, amount=50)
            assert denied(await talk.answer(3))
            talk.call(4, "pay", modern=True, capabilities=ELICIT, amount=50)
            assert (await talk.answer(4))["result"]["resultType"] == "input_required"
            assert not talk.up
            decisions = [r for r in talk.records() if r["kind"] == "tool.decision"]
            assert decisions[1]["decision"]["fulfilled"] == ["ask-first"]

    go(play())


@pytest.mark.parametrize(
    ("reply", "arguments"),
    [
        ({"action": "decline"}, {"amount": 50}),
        ({"action": "accept", "content": {"confirm": "yes"}}, {"amount": 50}),
        (None, {"amount": 50}),
        (YES, {"amount": 51}),
        (YES, {"amount": 50, "to": "eve"}),
        (YES, {"amount": 50.0}),
    ],
)
def test_modern_confirmation_of_something_else_is_none(tmp_path, reply, arguments):
    async def play():
        async with Talk(tmp_path) as talk:
            await talk.open(modern=True)
            asked = await ask_modern(talk, amount=50)
            retry(talk, 2, asked, reply, **arguments)
            assert denied(await talk.answer(2))
            assert not talk.up

    go(play())


def test_modern_confirmation_expires_and_cannot_be_invented(tmp_path):
    async def play():
        async with Talk(tmp_path) as talk:
            await talk.open(modern=True)
            asked = await ask_modern(talk, amount=50)
            talk.clock.now += 600_000_001
            retry(talk, 2, asked, YES, amount=50)
            retry(talk, 3, {"requestState": "forged"}, YES, amount=50)
            more = {"inputResponses": {"remit.confirm": YES}}
            talk.call(4, "pay", modern=True, capabilities=ELICIT, more=more, amount=50)
            for number in (2, 3, 4):
                assert denied(await talk.answer(number))
            assert not talk.up

    go(play())


def test_a_legacy_call_has_no_members_of_the_modern_retry(tmp_path):
    async def play():
        async with Talk(tmp_path) as talk:
            await talk.open()
            talk.call(1, "put", more={"requestState": "x"})
            talk.call(2, "put", more={"inputResponses": {}})
            assert denied(await talk.answer(1))
            assert denied(await talk.answer(2))
            assert not talk.up

    go(play())


def test_the_servers_state_is_exchanged_and_comes_back(tmp_path):
    question = {
        "q": {"method": "elicitation/create", "params": {"message": "m", "requestedSchema": {}}}
    }

    async def play():
        async with Talk(tmp_path) as talk:
            await talk.open(modern=True, capabilities=ELICIT)
            talk.call(1, "put", modern=True, capabilities=ELICIT, key="x")
            await talk.arrives("tools/call")
            result = {
                "resultType": "input_required",
                "inputRequests": question,
                "requestState": "theirs",
            }
            talk.server({"id": 1, "result": result})
            asked = (await talk.answer(1))["result"]
            assert asked["inputRequests"] == question
            assert asked["requestState"] != "theirs"
            more = {"requestState": asked["requestState"], "inputResponses": {"q": YES}}
            talk.call(2, "put", modern=True, capabilities=ELICIT, more=more, key="y")
            assert denied(await talk.answer(2))
            # The token was used up by the attempt: no second guess at it.
            talk.call(3, "put", modern=True, capabilities=ELICIT, more=more, key="x")
            assert denied(await talk.answer(3))
            assert not talk.up
            talk.call(4, "put", modern=True, capabilities=ELICIT, key="x")
            await talk.arrives("tools/call")
            talk.server({"id": 4, "result": result})
            asked = (await talk.answer(4))["result"]
            more["requestState"] = asked["requestState"]
            talk.call(5, "put", modern=True, capabilities=ELICIT, more=more, key="x")
            up = await talk.arrives("tools/call")
            assert up["params"]["requestState"] == "theirs"
            assert up["params"]["inputResponses"] == {"q": YES}

    go(play())


def test_a_confirmed_call_stays_confirmed_in_the_servers_rounds(tmp_path):
    async def play():
        async with Talk(tmp_path) as talk:
            await talk.open(modern=True)
            asked = await ask_modern(talk, amount=50)
            retry(talk, 2, asked, YES, amount=50)
            await talk.arrives("tools/call")
            talk.server({"id": 2, "result": {"resultType": "input_required", "requestState": "s"}})
            asked = (await talk.answer(2))["result"]
            more = {"requestState": asked["requestState"]}
            talk.call(3, "pay", modern=True, capabilities=ELICIT, more=more, amount=50)
            up = await talk.arrives("tools/call")
            assert up["params"]["requestState"] == "s"

    go(play())


@pytest.mark.parametrize(
    "result",
    [
        {"resultType": "input_required", "inputRequests": {"remit.confirm": {}}},
        {"resultType": "input_required", "inputRequests": {"q": {"method": "tools/call"}}},
        {"resultType": "input_required", "inputRequests": {"q": {"method": "roots/list"}}},
        {"resultType": "input_required", "inputRequests": {"q": 5}},
        {"resultType": "input_required", "inputRequests": []},
        {"resultType": "input_required", "requestState": 5},
        {"resultType": "unheard-of"},
        {"resultType": 5},
        {"content": "text"},
        {"content": [5]},
        {"content": [{"type": 5}]},
        {"content": [], "isError": "yes"},
    ],
)
def test_results_of_wrong_shape_are_not_delivered(tmp_path, result):
    async def play():
        async with Talk(tmp_path) as talk:
            await talk.open(modern=True, capabilities=ELICIT)
            talk.call(1, "put", modern=True, capabilities=ELICIT, key="x")
            await talk.arrives("tools/call")
            talk.server({"id": 1, "result": result})
            assert denied(await talk.answer(1))
            ends = [r["outcome"]["status"] for r in talk.records() if r["kind"] == "tool.result"]
            assert ends == ["protocol_error"]

    go(play())


def test_an_unmarked_modern_result_is_complete(tmp_path):
    async def play():
        async with Talk(tmp_path) as talk:
            await talk.open(modern=True)
            talk.call(1, "put", modern=True, key="x")
            await talk.arrives("tools/call")
            talk.server({"id": 1, "result": text_result("plain")})
            assert said(await talk.answer(1)) == "plain"

    go(play())


# --- what policy says of results ----------------------------------------------------------------


@ERAS
def test_a_result_that_policy_denies_is_not_shown(tmp_path, modern):
    policies = POLICIES.replace(
        '"tool.result", resource);',
        '"tool.result", resource)\nwhen { context.input.tool != "srv/put" };',
    )

    async def play():
        async with Talk(tmp_path, policies) as talk:
            await talk.open(modern=modern)
            talk.call(1, "put", modern=modern, key="x")
            await talk.arrives("tools/call")
            talk.server({"id": 1, "result": complete(modern, text_result("SECRET"))})
            answer = await talk.answer(1)
            assert denied(answer)
            assert "SECRET" not in str(talk.down)
            (end,) = [r for r in talk.records() if r["kind"] == "tool.result"]
            assert end["decision"]["effect"] == "deny"
            assert end["outcome"]["status"] == "ok"

    go(play())


# --- requests of the server ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "capability"),
    [
        ("roots/list", "roots"),
        ("elicitation/create", "elicitation"),
        ("sampling/createMessage", "sampling"),
    ],
)
def test_the_server_may_ask_only_what_the_client_offered(tmp_path, method, capability):
    async def play():
        async with Talk(tmp_path) as talk:
            await talk.open(capabilities={"other": {}})
            talk.server({"id": 5, "method": method, "params": {}})
            await talk.until(lambda: talk.up)
            assert talk.up[0]["error"]["code"] == -32601
            assert not talk.down
        async with Talk(tmp_path / "2" if (tmp_path / "2").mkdir() is None else None) as talk:
            await talk.open(capabilities={capability: {}})
            talk.server({"id": 5, "method": method, "params": {}})
            await talk.settle()
            # No policy permits sampling.
            if capability == "sampling":
                assert talk.up[0]["error"]["code"] == -31001
                assert not talk.down
            else:
                assert talk.down[0]["method"] == method

    go(play())


@pytest.mark.parametrize("method", ["tools/call", "initialize", "nothing", "Roots/list", "ping "])
def test_unknown_requests_of_the_server_are_answered_by_guard(tmp_path, method):
    async def play():
        async with Talk(tmp_path) as talk:
            await talk.open(capabilities={"roots": {}})
            talk.server({"id": 5, "method": method, "params": {}})
            await talk.settle()
            assert talk.up == [{"jsonrpc": "2.0", "id": 5, "error": talk.up[0]["error"]}]
            assert not talk.down

    go(play())


def test_a_modern_server_may_not_ask(tmp_path):
    async def play():
        async with Talk(tmp_path) as talk:
            await talk.open(modern=True, capabilities={"roots": {}})
            talk.server({"id": 5, "method": "roots/list"})
            talk.server({"id": 6, "method": "ping"})
            await talk.settle()
            assert [m["error"]["code"] for m in talk.up] == [-32601, -32601]
            assert not talk.down

    go(play())


def test_answers_that_the_server_did_not_ask_for_do_not_arrive(tmp_path):
    async def play():
        async with Talk(tmp_path) as talk:
            await talk.open(capabilities={"roots": {}})
            talk.client({"id": 5, "result": {"roots": []}})
            talk.server({"id": 5, "method": "roots/list"})
            await talk.shown("roots/list")
            talk.client({"id": 5, "result": {"roots": []}})
            talk.client({"id": 5, "result": {"roots": [{"uri": "file:///"}]}})
            await talk.settle()
            assert talk.up == [{"jsonrpc": "2.0", "id": 5, "result": {"roots": []}}]

    go(play())


def test_an_id_of_the_server_in_flight_is_not_asked_twice(tmp_path):
    async def play():
        async with Talk(tmp_path) as talk:
            await talk.open(capabilities={"roots": {}})
            talk.server({"id": 5, "method": "roots/list"})
            talk.server({"id": 5, "method": "roots/list"})
            await talk.settle()
            assert len([m for m in talk.down if m.get("method") == "roots/list"]) == 1

    go(play())


def test_requests_of_the_server_are_bounded(tmp_path):
    async def play():
        async with Talk(tmp_path) as talk:
            await talk.open(capabilities={"roots": {}})
            for number in range(1030):
                talk.server({"id": number, "method": "ping"})
            await talk.settle()
            assert len(talk.down) == 1024
            assert len(talk.up) == 6

    go(play())


def test_the_server_takes_back_its_question(tmp_path):
    async def play():
        async with Talk(tmp_path) as talk:
            await talk.open(capabilities={"roots": {}})
            talk.server({"id": 5, "method": "roots/list"})
            await talk.shown("roots/list")
            talk.server({"method": "notifications/cancelled", "params": {"requestId": 6}})
            talk.server({"method": "notifications/cancelled", "params": {"requestId": 5}})
            shown = await talk.shown("notifications/cancelled")
            assert shown["params"]["requestId"] == 5
            talk.client({"id": 5, "result": {"roots": []}})
            await talk.settle()
            assert not talk.up

    go(play())


# --- notifications ------------------------------------------------------------------------------


def test_notifications_of_the_server(tmp_path):
    async def play():
        async with Talk(tmp_path) as talk:
            await talk.open()
            params = {"name": "put", "arguments": {"key": "x"}, "_meta": {"progressToken": "t"}}
            talk.ask(1, "tools/call", params)
            await talk.arrives("tools/call")
            for method, params in (
                ("notifications/progress", {"progressToken": "t", "progress": 1}),
                ("notifications/progress", {"progressToken": "other", "progress": 1}),
                ("notifications/progress", {"progress": 1}),
                ("notifications/message", {"level": "info", "data": "x"}),
                ("notifications/resources/updated", {"uri": "x"}),
                ("notifications/tools/list_changed", {}),
                ("notifications/unheard", {}),
                ("notifications/initialized", {}),
                ("notifications/subscriptions/acknowledged", {}),
                ("tools/call", {"name": "put"}),
                ("notifications/Message", {"level": "info"}),
            ):
                talk.server({"method": method, "params": params})
            await talk.settle()
            assert [(m["method"], m["params"].get("progressToken")) for m in
                    [{"params": {}, **m} for m in talk.down]] == [
                ("notifications/progress", "t"),
                ("notifications/message", None),
                ("notifications/resources/updated", None),
                ("notifications/tools/list_changed", None),
            ]  # fmt: skip
            assert not talk.up

    go(play())


def test_notifications_that_policy_denies_do_not_pass(tmp_path):
    policies = POLICIES.replace('Remit::Action::"mcp.log", ', "")

    async def play():
        async with Talk(tmp_path, policies) as talk:
            await talk.open()
            for _ in range(5):
                talk.server({"method": "notifications/message", "params": {"level": "info"}})
            await talk.settle()
            assert not talk.down
            logs = [r for r in talk.records() if r.get("action", {}).get("name") == "mcp.log"]
            assert len(logs) == 1

    go(play())


@pytest.mark.parametrize(
    "method", ["tools/call", "tools/list", "initialize", "resources/read", "ping"]
)
@ERAS
def test_a_call_without_an_id_does_not_arrive(tmp_path, modern, method):
    async def play():
        async with Talk(tmp_path) as talk:
            await talk.open(modern=modern)
            params = {"name": "put", "arguments": {}, "_meta": meta() if modern else {}}
            talk.client({"method": method, "params": params})
            await talk.settle()
            assert not talk.up
            assert "mcp.no_id" in talk.codes()

    go(play())


def test_notifications_of_the_client(tmp_path):
    async def play():
        async with Talk(tmp_path) as talk:
            await talk.open(capabilities={"roots": {}})
            for message in (
                {"method": "notifications/initialized"},
                {"method": "notifications/roots/list_changed"},
                {"method": "notifications/message", "params": {"level": "info"}},
                {"method": "notifications/unheard"},
                {"method": "notifications/initialized", "params": {"name": "x"}},
                {"method": "Notifications/initialized"},
            ):
                talk.client(message)
            await talk.settle()
            assert [m["method"] for m in talk.up] == [
                "notifications/initialized",
                "notifications/roots/list_changed",
            ]

    go(play())


# --- lists --------------------------------------------------------------------------------------


@ERAS
def test_the_list_shows_what_this_caller_could_be_allowed(tmp_path, modern):
    async def play():
        async with Talk(tmp_path) as talk:
            await talk.open(modern=modern)
            talk.ask(1, "tools/list", modern=modern)
            result = (await talk.answer(1))["result"]
            assert {t["name"] for t in result["tools"]} == {"get", "put", "pay", "few"}
            assert result["tools"][0] in TOOLS
            assert result.get("cacheScope") == ("private" if modern else None)
            assert not talk.up

    go(play())


def test_a_tool_that_changed_after_it_was_pinned_is_gone(tmp_path):
    async def play():
        async with Talk(tmp_path, pinned=TOOLS) as talk:
            await talk.open()
            talk.tools = [{**TOOLS[1], "description": "Now with telemetry"}, TOOLS[0], tool("new")]
            talk.ask(1, "tools/list")
            assert [t["name"] for t in (await talk.answer(1))["result"]["tools"]] == ["get"]
            talk.call(2, "put", key="x")
            talk.call(3, "new")
            assert denied(await talk.answer(2))
            assert denied(await talk.answer(3))
            talk.call(4, "get", key="x")
            await talk.arrives("tools/call")
            kinds = [r["kind"] for r in talk.records()]
            assert kinds.count("tools.changed") == 1

    go(play())


def test_a_list_that_changes_while_it_runs_is_listed_again(tmp_path):
    async def play():
        async with Talk(tmp_path, pinned=TOOLS) as talk:
            await talk.open()
            talk.call(1, "put", key="x")
            await talk.arrives("tools/call")
            talk.tools = [{**TOOLS[1], "description": "Now with telemetry"}]
            talk.server({"method": "notifications/tools/list_changed"})
            talk.call(2, "put", key="x")
            assert denied(await talk.answer(2))
            talk.call(3, "get", key="x")
            assert denied(await talk.answer(3))

    go(play())


# --- lines that are wrong -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "number"),
    [
        (b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":1}}', 7),
        (b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{}}', 7),
        (
            b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"put","Arguments":{}}}',
            7,
        ),
        (b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"put","x":{}}}', 7),
        (b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"put","_meta":1}}', 7),
        (b'{"jsonrpc":"2.0","id":7,"method":"resources/delete","params":{}}', 7),
        (b'{"jsonrpc":"2.0","id":7,"method":"ping","params":{"name":"put","name":"put"}}', 7),
        (b'{"jsonrpc":"2.0","id":7,"method":"ping","params":{"a":"\\ud800"}}', 7),
        (b'{"jsonrpc":"2.0","id":"x","method":5}', "x"),
        (b'{"jsonrpc":"1.0","id":7,"method":"ping"}', 7),
        (b'{"id":7,"method":"ping"}', 7),
        (b'[{"jsonrpc":"2.0","id":7,"method":"ping"}]', None),
        (b'{"jsonrpc":"2.0","id":7.0,"method":"ping"}', None),
        (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', None),
        (b'{"jsonrpc":"2.0","id":true,"method":"ping"}', None),
        (b"hello", None),
        (b'{"jsonrpc":"2.0","id":7,"method":"ping"} {}', None),
    ],
)
def test_wrong_lines_are_answered_and_recorded(tmp_path, line, number):
    async def play():
        async with Talk(tmp_path) as talk:
            await talk.open()
            talk.client(line)
            await talk.settle()
            assert [m["id"] for m in talk.down] == [number]
            assert "error" in talk.down[0]
            assert not talk.up
            assert len(talk.codes()) == 1

    go(play())


@pytest.mark.parametrize(
    "line",
    [
        b"not json",
        b"\xff\xfe",
        b'{"jsonrpc":"2.0","id":1,"result":{},"error":{}}',
        b'{"jsonrpc":"2.0","id":1,"result":[]}',
        b'{"jsonrpc":"2.0","id":1,"error":{"code":"1"}}',
        b'{"jsonrpc":"2.0","id":1,"Result":{}}',
        b'{"jsonrpc":"2.0","id":1,"result":{"content":[],"content":[]}}',
        b'{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"\xff"}]}}',
        b'{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"\\ud800"}]}}',
        b'{"jsonrpc":"2.0","id":1,"result":{"x":NaN}}',
        b'{"jsonrpc":"2.0","id":1,"result":' + b'{"a":' * 100 + b"1" + b"}" * 101,
    ],
)
def test_wrong_answers_end_the_call_with_an_error(tmp_path, line):
    async def play():
        async with Talk(tmp_path) as talk:
            await talk.open()
            talk.call(1, "put", key="x")
            await talk.arrives("tools/call")
            talk.mcp.from_server(Line(line))
            await talk.settle()
            if b'"id":1' in line:
                (answer,) = talk.answers(1)
                assert "error" in answer
            else:
                assert not talk.down
            assert len(talk.codes()) == 1

    go(play())


def test_lines_that_are_too_long(tmp_path):
    async def play():
        async with Talk(tmp_path) as talk:
            await talk.open()
            talk.mcp.from_client(
                Overlong(size=10**7, head=b'{"jsonrpc":"2.0","id":3,"method"', tail=b"}")
            )
            talk.mcp.from_client(Overlong(size=10**7, head=b"x", tail=b"y"))
            assert [m["id"] for m in talk.down] == [3, None]
            talk.call(1, "put", key="x")
            await talk.arrives("tools/call")
            talk.mcp.from_server(Overlong(size=10**8, head=b'{"result":', tail=b'},"id":1}'))
            assert denied(await talk.answer(1))

    go(play())


def test_noise_of_the_server_is_counted_and_not_written(tmp_path):
    async def play():
        async with Talk(tmp_path) as talk:
            await talk.open()
            for _ in range(MAX_NOISE * 3):
                talk.mcp.from_server(Line(b"x"))
            await talk.mcp.close(0)
            assert len(talk.codes()) == MAX_NOISE
            (noise,) = [r for r in talk.records() if r["kind"] == "mcp.noise"]
            assert noise["count"] == MAX_NOISE * 2

    go(play())


# --- endings ------------------------------------------------------------------------------------


@ERAS
def test_when_the_server_is_gone_everybody_is_told(tmp_path, modern):
    async def play():
        async with Talk(tmp_path) as talk:
            await talk.open(modern=modern)
            talk.call(1, "put", modern=modern, key="x")
            talk.call(2, "put", modern=modern, key="y")
            await talk.arrives("tools/call")
            await talk.arrives("tools/call")
            talk.mcp.server_gone("died of signal 9")
            talk.mcp.server_gone("died of signal 9")
            for number in (1, 2):
                assert "died of signal 9" in said(await talk.answer(number))
            talk.call(3, "put", modern=modern, key="z")
            assert denied(await talk.answer(3))
            statuses = [r["outcome"]["status"] for r in talk.records() if "outcome" in r]
            assert statuses == ["server_gone", "server_gone"]
            assert not talk.mcp.calls

    go(play())


def test_when_the_server_is_gone_its_list_is_not_waited_for(tmp_path):
    async def play():
        async with Talk(tmp_path, manual=True) as talk:
            await talk.open()
            talk.call(1, "put", key="x")
            await talk.arrives("tools/list")
            talk.mcp.server_gone("exited with status 0")
            assert denied(await talk.answer(1, timeout_s=1))

    go(play())


def test_closing_drops_what_is_in_flight_and_records_it(tmp_path):
    async def play():
        talk = Talk(tmp_path)
        await talk.open(capabilities=ELICIT)
        talk.call(1, "put", key="x")
        await talk.arrives("tools/call")
        talk.call(2, "pay", amount=50)
        await talk.shown("elicitation/create")
        await talk.mcp.close(0.05)
        await talk.settle()
        ends = [r["outcome"]["status"] for r in talk.records() if r["kind"] == "tool.result"]
        assert ends == ["cancelled"]
        talk.close()
        assert not talk.answers(1)
        assert len(talk.up) == 0

    go(play())


def test_closing_waits_for_an_answer_that_comes_in_time(tmp_path):
    async def play():
        talk = Talk(tmp_path)
        await talk.open()
        talk.call(1, "put", key="x")
        await talk.arrives("tools/call")
        asyncio.get_running_loop().call_later(
            0.03, talk.server, {"id": 1, "result": text_result("in time")}
        )
        await talk.mcp.close(3)
        assert said(talk.answers(1)[0]) == "in time"
        talk.close()

    go(play())


def test_a_poisoned_log_stops_the_calls_and_the_session_lives(tmp_path):
    async def play():
        async with Talk(tmp_path) as talk:
            await talk.open()
            talk.call(1, "put", key="x")
            await talk.arrives("tools/call")

            def fail(*_args):
                raise OSError(28, os.strerror(28))

            talk.log._committer._store.commit = fail
            talk.call(2, "put", key="y")
            assert "audit log" in said(await talk.answer(2))
            talk.call(3, "get", key="y")
            assert denied(await talk.answer(3))
            talk.server({"id": 1, "result": text_result("SECRET")})
            assert denied(await talk.answer(1))
            assert "SECRET" not in str(talk.down)
            assert not talk.up
            talk.ask(4, "ping")
            await talk.arrives("ping")

    go(play())


def listen(*uris, **more):
    return {"notifications": {"resourceSubscriptions": list(uris), **more}}


def test_each_resource_of_a_listener_is_judged(tmp_path):
    policies = POLICIES.replace('Remit::Action::"mcp.subscribe",', "") + (
        '@id("some") permit (principal, action == Remit::Action::"mcp.subscribe", resource)'
        ' when { ["", "memo://one"].contains(context.input.uri) };\n'
    )

    async def play():
        async with Talk(tmp_path, policies) as talk:
            await talk.open(modern=True)
            talk.ask(1, "subscriptions/listen", listen("memo://one", "memo://two"), modern=True)
            assert (await talk.answer(1))["error"]["code"] == -31001
            talk.ask(2, "subscriptions/listen", listen("memo://one"), modern=True)
            up = await talk.arrives("subscriptions/listen")
            assert up["id"] == 2
            for number, odd in enumerate(
                [
                    {"notifications": {"resourceSubscriptions": "memo://one"}},
                    {"notifications": {"resourceSubscriptions": [1]}},
                    {"notifications": {"everything": True}},
                    {"notifications": {"toolsListChanged": "yes"}},
                    listen(*map(str, range(300))),
                ],
                10,
            ):
                talk.ask(number, "subscriptions/listen", odd, modern=True)
                assert (await talk.answer(number))["error"]["code"] == -32602
            decided = [r for r in talk.records() if r["kind"] == "mcp.decision"]
            assert [r["decision"]["effect"] for r in decided][:2] == ["allow", "deny"]

    go(play())
