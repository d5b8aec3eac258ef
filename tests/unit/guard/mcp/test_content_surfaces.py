"""Every text that crosses the MCP surface is looked into, whichever message it comes in."""

import json

import pytest

from tests.unit.guard.helpers import LEGACY, Talk, denied, go, said, text_result, tool
from tests.unit.guard.test_content import (
    ATTACK,
    BASE,
    CARD,
    KEY,
    LABELS,
    MAIL,
    MASK,
    NO_SECRETS,
    TAINTED,
)

ALL = """
@id("all")
permit (principal, action in [
    Remit::Action::"tool.call", Remit::Action::"mcp", Remit::Action::"content"
  ], resource);
"""
NO_KEYS = """
@id("no-keys")
forbid (principal, action in [
    Remit::Action::"tool.call", Remit::Action::"mcp", Remit::Action::"content"
  ], resource)
when { context.content.findings.contains("secret") };
"""
NO_ORDERS = """
@id("no-orders")
forbid (principal, action == Remit::Action::"tool.result", resource)
when { context.content.findings.contains("injection") };
"""


def masks(*actions):
    return "".join(
        MASK.replace("FORM", "mask")
        .replace('"mask")\n@req', f'"{action}")\n@req')
        .replace('contains("mask")', f'contains("{action}")')
        .replace('Action::"tool.result"', f'Action::"{action}"')
        for action in actions
    )


INWARDS = ALL + masks("tool.result", "mcp.log", "mcp.subscribe")
MESSAGE = f"Card {CARD}"
ELICIT = {
    "message": "?",
    "requestedSchema": {"type": "object"},
    "_meta": {"progressToken": "p"},
}


# --- what the client says ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "params", "modern"),
    [
        ("prompts/list", {"cursor": KEY}, False),
        ("resources/list", {"_meta": {"x": KEY}}, False),
        ("tasks/get", {"taskId": KEY}, False),
        ("tasks/cancel", {"taskId": "t", "_meta": {"x": KEY}}, False),
        ("tasks/update", {"taskId": "t", "inputResponses": {"a": {"x": KEY}}}, True),
        ("resources/subscribe", {"uri": "a:b", "_meta": {"x": KEY}}, False),
        ("logging/setLevel", {"level": "info", "_meta": {"x": KEY}}, False),
        ("subscriptions/listen", {"notifications": {}, "_meta": {"x": KEY}}, True),
    ],
)
def test_a_secret_in_any_request_is_found(tmp_path, method, params, modern):
    async def story():
        async with Talk(tmp_path, ALL + NO_KEYS) as talk:
            await talk.open(modern=modern)
            talk.ask(1, method, params, modern=modern)
            assert "error" in await talk.answer(1)
            harmless = json.loads(json.dumps(params).replace(KEY, "harmless"))
            talk.ask(2, method, harmless, modern=modern)
            await talk.arrives(method)
            assert KEY not in json.dumps(talk.up)

    go(story())


@pytest.mark.parametrize(
    ("method", "params"), [("tools/call", {"name": "put", "arguments": {"key": "x"}}), ("ping", {})]
)
def test_an_id_that_is_a_text_goes_up_and_is_looked_into(tmp_path, method, params):
    async def story():
        async with Talk(tmp_path, ALL + NO_KEYS) as talk:
            await talk.open()
            talk.ask(KEY, method, params)
            assert denied(await talk.answer(KEY))
            talk.ask("f81d4fae-7dec-11d0-a765-00a0c91e6bf6", method, params)
            await talk.arrives(method)
            assert KEY not in json.dumps(talk.up)

    go(story())


def test_what_a_client_says_of_itself_is_looked_into(tmp_path):
    async def story():
        async with Talk(tmp_path, ALL + NO_KEYS) as talk:
            info = {"name": "c", "version": KEY}
            params = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": info}
            talk.ask("o", "initialize", params)
            assert "error" in await talk.answer("o")
            assert talk.up == []

    go(story())


@pytest.mark.parametrize("secret", [KEY, "harmless"])
def test_an_answer_of_the_client_is_judged_as_what_it_answers(tmp_path, secret):
    async def story():
        async with Talk(tmp_path, ALL + NO_KEYS) as talk:
            await talk.open(capabilities={"elicitation": {}})
            talk.server({"id": 7, "method": "elicitation/create", "params": ELICIT})
            await talk.shown("elicitation/create")
            progress = {"progressToken": "p", "progress": 1, "message": secret}
            talk.client({"method": "notifications/progress", "params": progress})
            answer = {"action": "accept", "content": {"a": secret}}
            talk.client({"id": 7, "result": answer})
            got = await talk.until(lambda: next((m for m in talk.up if m.get("id") == 7), None))
            told = await talk.arrives("notifications/progress")
            if secret == KEY:
                assert got["error"]["message"] == "denied by policy"
                assert told["params"] == {"progressToken": "p", "progress": 1}
            else:
                assert got["result"] == answer
                assert told["params"] == progress

    go(story())


def test_plumbing_between_server_and_client_carries_nothing(tmp_path):
    async def story():
        async with Talk(tmp_path, ALL) as talk:
            await talk.open()
            talk.server({"id": 7, "method": "ping", "params": {"x": ATTACK}})
            assert "params" not in await talk.shown("ping")
            talk.client({"id": 7, "result": {"x": KEY}})
            got = await talk.until(lambda: next((m for m in talk.up if m.get("id") == 7), None))
            assert got["result"] == {}

    go(story())


def test_a_notification_of_the_client_is_looked_into(tmp_path):
    async def story():
        async with Talk(tmp_path, ALL + NO_KEYS) as talk:
            await talk.open(capabilities={"roots": {}})
            name = "notifications/roots/list_changed"
            talk.client({"method": name, "params": {"_meta": {"x": KEY}}})
            talk.client({"method": name, "params": {"_meta": {"x": "y"}}})
            assert (await talk.arrives(name))["params"] == {"_meta": {"x": "y"}}
            assert talk.up == []

    go(story())


@pytest.mark.parametrize(
    ("method", "params", "action"),
    [
        ("resources/subscribe", {"uri": "mailto:" + MAIL}, "mcp.subscribe"),
        ("logging/setLevel", {"level": MAIL}, "mcp.log"),
    ],
)
def test_a_request_that_nothing_can_be_taken_out_of_is_refused(tmp_path, method, params, action):
    async def story():
        async with Talk(tmp_path, ALL + masks(action)) as talk:
            await talk.open()
            talk.ask(1, method, params)
            assert "error" in await talk.answer(1)
            assert talk.up == []
            assert talk.records()[-1]["decision"]["error"] == "redact_refused"

    go(story())


# --- what the server says ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "params", "body", "error"),
    [
        ("tasks/list", {}, {"tasks": [{"taskId": "t", "statusMessage": MESSAGE}]}, False),
        ("tasks/cancel", {"taskId": "t"}, {"taskId": "t", "statusMessage": MESSAGE}, False),
        ("ping", {}, {"x": MESSAGE}, False),
        ("ping", {}, {"resultType": MESSAGE}, False),
        ("logging/setLevel", {"level": "info"}, {"code": 1, "message": MESSAGE}, True),
        ("resources/subscribe", {"uri": "a:b"}, {"code": 1, "message": MESSAGE}, True),
    ],
)
def test_answers_that_say_more_than_that_it_was_done(tmp_path, method, params, body, error):
    async def story():
        async with Talk(tmp_path, INWARDS) as talk:
            await talk.open()
            talk.ask(1, method, params)
            await talk.arrives(method)
            talk.server({"id": 1, "error" if error else "result": body})
            answer = await talk.answer(1)
            assert ("error" in answer) is error
            assert CARD not in json.dumps(answer)
            assert "[PII:" in json.dumps(answer)

    go(story())


def test_an_empty_answer_is_no_result(tmp_path):
    async def story():
        async with Talk(tmp_path, INWARDS) as talk:
            await talk.open()
            before = len(talk.records())
            talk.ask(1, "ping")
            await talk.arrives("ping")
            talk.server({"id": 1, "result": {}})
            assert (await talk.answer(1))["result"] == {}
            assert len(talk.records()) == before

    go(story())


async def opened(talk, body):
    params = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "c"}}
    talk.ask("o", "initialize", params)
    await talk.arrives("initialize")
    info = {"name": "s", "version": "1"}
    body = {"protocolVersion": LEGACY, "capabilities": {}, "serverInfo": info, **body}
    talk.server({"id": "o", "result": body})
    return await talk.answer("o")


def test_what_a_server_says_of_itself_is_looked_into(tmp_path):
    async def story():
        async with Talk(tmp_path, INWARDS) as talk:
            answer = await opened(
                talk,
                {"capabilities": {"tools": {"x": MESSAGE}}, "x": MESSAGE, "resultType": MESSAGE},
            )
            assert CARD not in json.dumps(answer)
            assert answer["result"]["protocolVersion"] == LEGACY

    go(story())


def test_a_server_whose_name_gives_orders_is_not_opened(tmp_path):
    async def story():
        async with Talk(tmp_path, ALL + NO_ORDERS) as talk:
            answer = await opened(talk, {"serverInfo": {"name": "s", "description": ATTACK}})
            assert "error" in answer
            assert "ignore all previous" not in json.dumps(answer)
            talk.call(1, "get", key="k")
            assert "error" in await talk.answer(1)
            assert talk.up == []

    go(story())


def test_a_server_that_opens_is_no_stranger(tmp_path):
    """Its operator speaks; a session that begins tainted would ask for everything."""

    async def story():
        async with Talk(tmp_path, BASE + TAINTED, labels=LABELS) as talk:
            await opened(talk, {})
            assert talk.mcp.state.labels == set()
        (tmp_path / "2").mkdir()
        async with Talk(tmp_path / "2", BASE + TAINTED, labels=LABELS) as talk:
            await opened(talk, {"serverInfo": {"name": "s", "description": ATTACK}})
            assert {"injection", "untrusted"} <= talk.mcp.state.labels

    go(story())


@pytest.mark.parametrize(
    ("method", "params", "modern"),
    [
        ("notifications/tasks/status", {"taskId": "t", "status": MESSAGE}, False),
        ("notifications/tasks/status", {"taskId": MESSAGE, "status": "working"}, False),
        ("notifications/progress", {"progressToken": "t", "progress": MESSAGE}, False),
        ("notifications/progress", {"progressToken": "t", "progress": 1, "n": MESSAGE}, False),
        ("notifications/tools/list_changed", {"x": MESSAGE}, False),
        ("notifications/prompts/list_changed", {"_meta": {"x": MESSAGE}}, False),
        ("notifications/resources/updated", {"uri": "a:b", "x": MESSAGE}, False),
        ("notifications/elicitation/complete", {"elicitationId": MESSAGE}, False),
        ("notifications/subscriptions/acknowledged", {"x": MESSAGE}, True),
        ("notifications/subscriptions/acknowledged", {"notifications": {"x": MESSAGE}}, True),
        ("notifications/tasks", {"taskId": "t", "status": "working", "x": MESSAGE}, True),
    ],
)
def test_members_of_notifications(tmp_path, method, params, modern):
    async def story():
        async with Talk(tmp_path, INWARDS) as talk:
            await talk.open(modern=modern)
            talk.call(1, "get", key="k", modern=modern, more={"_meta": {"progressToken": "t"}})
            await talk.arrives("tools/call")
            talk.server({"method": method, "params": params})
            assert CARD not in json.dumps(await talk.shown(method))

    go(story())


@pytest.mark.parametrize(
    ("body", "clean"),
    [
        ({"status": "completed", "result": text_result(MESSAGE)}, True),
        ({"status": "failed", "error": {"code": 378282246310005, "message": "card"}}, False),
        ({"status": "failed", "error": {"code": 1, "message": MESSAGE}}, True),
        ({"status": "completed", "result": text_result(ATTACK)}, False),
    ],
)
def test_the_result_of_a_task_that_comes_unasked_is_judged_like_any_other(tmp_path, body, clean):
    async def story():
        async with Talk(tmp_path, INWARDS + NO_ORDERS) as talk:
            await talk.open(modern=True)
            talk.call(1, "get", key="k", modern=True)
            await talk.arrives("tools/call")
            begun = {"resultType": "task", "taskId": "t-1", "status": "working", "ttlMs": 1}
            talk.server({"id": 1, "result": begun})
            await talk.answer(1)
            talk.server({"method": "notifications/tasks", "params": {"taskId": "t-1", **body}})
            told = (await talk.shown("notifications/tasks"))["params"]
            assert told["taskId"] == "t-1"
            assert told["status"] == body["status"]
            assert CARD not in json.dumps(told)
            assert told.keys() == ({"taskId", *body} if clean else {"taskId", "status"})
            if "error" in told:
                assert told["error"]["code"] == 1
            record = talk.records()[-1]
            assert record["kind"] == "tool.result"
            assert record["decision"]["effect"] == ("allow" if clean else "deny")

    go(story())


def test_the_result_of_a_task_counts_as_that_of_its_call(tmp_path):
    """Without any policy on content too: what a policy says of a tool's results holds for it."""

    async def story():
        policies = (
            ALL
            + """
@id("nothing-of-get")
forbid (principal, action == Remit::Action::"tool.result", resource)
when { context.input.tool == "srv/get" && context.input.error };
"""
        )
        async with Talk(tmp_path, policies) as talk:
            await talk.open(modern=True)
            talk.call(1, "get", key="k", modern=True)
            await talk.arrives("tools/call")
            talk.server({"id": 1, "result": {"resultType": "task", "taskId": "t-1"}})
            await talk.answer(1)
            failed = {"taskId": "t-1", "status": "failed", "error": {"code": 1, "message": "no"}}
            talk.server({"method": "notifications/tasks", "params": failed})
            told = await talk.shown("notifications/tasks")
            assert told["params"] == {"taskId": "t-1", "status": "failed"}

    go(story())


def test_what_the_protocol_gives_a_meaning_passes_where_texts_are_denied(tmp_path):
    async def story():
        quiet = (ALL + NO_KEYS).replace('Action::"mcp"', 'Action::"mcp.connect"', 1)
        async with Talk(tmp_path, quiet + TAINTED) as talk:
            await talk.open(modern=True)
            talk.call(1, "get", key="k", modern=True)
            await talk.arrives("tools/call")
            talk.server({"id": 1, "result": {"resultType": "task", "taskId": "t-1"}})
            await talk.answer(1)
            known = {
                "taskId": "t-1",
                "status": "working",
                "createdAt": "2026-07-28T10:00:00.5Z",
                "ttlMs": None,
                "pollIntervalMs": 500,
            }
            name = "notifications/tasks"
            talk.server({"method": name, "params": {**known, "statusMessage": "hello"}})
            assert (await talk.shown(name))["params"] == known
            talk.down.clear()
            talk.server({"method": name, "params": {"taskId": "other", "status": "working"}})
            await talk.settle()
            assert talk.down == [], "an id that nobody knows is a text, and nothing without it"

    go(story())


def test_a_listener_is_told_by_the_id_of_its_request(tmp_path):
    async def story():
        async with Talk(tmp_path, ALL + NO_KEYS) as talk:
            await talk.open(modern=True)
            wanted = {"notifications": {"resourceSubscriptions": ["a:b"], "toolsListChanged": True}}
            talk.ask("sub", "subscriptions/listen", wanted, modern=True)
            await talk.arrives("subscriptions/listen")
            own = {"io.modelcontextprotocol/subscriptionId": "sub"}
            name = "notifications/subscriptions/acknowledged"
            before = len(talk.records())
            talk.server({"method": name, "params": {**wanted, "_meta": own}})
            assert (await talk.shown(name))["params"] == {**wanted, "_meta": own}
            assert len(talk.records()) == before, "there was no text to judge"
            talk.server({"method": name, "params": {**wanted, "_meta": {**own, "x": KEY}}})
            assert (await talk.shown(name))["params"] == {**wanted, "_meta": own}

    go(story())


def test_an_error_keeps_its_number_or_does_not_come(tmp_path):
    async def story():
        async with Talk(tmp_path, INWARDS) as talk:
            await talk.open()
            for number, code in ((1, 378282246310005), (2, -32000)):
                talk.call(number, "get", key="k")
                await talk.arrives("tools/call")
                body = {"code": code, "message": f"card {CARD}"}
                talk.server({"id": number, "error": body})
                answer = await talk.answer(number)
                assert str(378282246310005) not in json.dumps(answer)
                assert CARD not in json.dumps(answer)
            assert answer["error"]["code"] == -32000

    go(story())


# --- tokens -----------------------------------------------------------------------------------


@pytest.mark.parametrize("modern", [False, True])
def test_a_question_shows_no_value_behind_a_token(tmp_path, modern):
    async def story():
        tools = [tool("get", key="string"), tool("put", key="string", body="string")]
        policies = (
            ALL
            + MASK.replace("FORM", "token")
            + NO_SECRETS.replace(
                '@id("no-secrets")',
                '@id("no-secrets")\n@require("redact") @findings("secret") @with("mask")',
            ).replace("};", '}\nunless { context.fulfilled.contains("no-secrets") };')
            + """
@id("ask")
@require("confirmation")
forbid (principal, action == Remit::Action::"srv/put", resource)
unless { context.fulfilled.contains("ask") };
"""
        )
        offered = {"elicitation": {}}
        async with Talk(tmp_path, policies, labels=LABELS, tools=tools) as talk:
            await talk.open(modern=modern, capabilities=offered)
            talk.call(1, "get", modern=modern, capabilities=offered, key="k")
            await talk.arrives("tools/call")
            more = {"resultType": "complete"} if modern else {}
            talk.server({"id": 1, "result": text_result(f"write to {MAIL}", **more)})
            token = said(await talk.answer(1)).removeprefix("write to ")
            assert token.startswith("<remit:")
            given = {"key": token, "body": f"x {KEY}"}
            talk.call(2, "put", modern=modern, capabilities=offered, **given)
            await talk.until(lambda: len(talk.down) > 1)
            told = json.dumps(talk.down[1:])
            assert MAIL not in told
            assert KEY not in told
            assert token in told
            assert "[SECRET:" in told

    go(story())
