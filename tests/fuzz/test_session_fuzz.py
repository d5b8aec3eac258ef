"""Any conversation: nothing raises, nothing unjudged arrives, every request is answered once."""

import asyncio
import collections
import json
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from remit.guard.mcp.framing import Line, Overlong
from tests.unit.guard.helpers import LEGACY, Talk, meta, text_result

PLUMBING = {
    "ping", "notifications/cancelled", "notifications/initialized", "notifications/progress",
}  # fmt: skip
ALLOWED_TOOLS = {"get", "put", "few", "pay"}
IDS = st.sampled_from([0, 1, 2, "1", "a", None, True, 1.0, -1, 10**20])
METHODS = st.sampled_from(
    ["initialize", "server/discover", "ping", "tools/list", "tools/call", "resources/read",
     "prompts/get", "resources/subscribe", "completion/complete", "logging/setLevel", "tasks/get",
     "subscriptions/listen", "notifications/initialized", "notifications/cancelled",
     "notifications/progress", "notifications/roots/list_changed", "notifications/message",
     "notifications/tools/list_changed", "notifications/resources/updated", "roots/list",
     "elicitation/create", "sampling/createMessage", "unheard", "Tools/call"]
)  # fmt: skip
PARAMS = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["get", "put", "few", "pay", "never", "absent", "PUT", 5]),
        "arguments": st.sampled_from(
            [{}, {"key": "x"}, {"key": 1}, {"amount": 50}, {"amount": 5}, {"x": 1}, [], None]
        ),
        "uri": st.sampled_from(["file:///x", 5]),
        "requestId": IDS,
        "progressToken": IDS,
        "progress": st.just(1),
        "level": st.just("info"),
        "ref": st.sampled_from([{"type": "ref/prompt", "name": "p"}, {"name": "p", "uri": "u"}]),
        "argument": st.just({}),
        "taskId": st.just("t"),
        "protocolVersion": st.just(LEGACY),
        "capabilities": st.sampled_from([{}, {"elicitation": {}, "roots": {}}]),
        "requestState": st.just("x"),
        "inputResponses": st.just({"remit.confirm": {"action": "accept"}}),
        "_meta": st.sampled_from([{}, meta(), meta({"elicitation": {}}), {"progressToken": 1}, 5]),
    },
)
RESULT = st.sampled_from(
    [text_result(), {}, {"resultType": "complete"}, {"tools": []}, {"content": 5},
     {"protocolVersion": LEGACY, "capabilities": {}}, {"resultType": "input_required"},
     {"resultType": "input_required", "requestState": "s"}, {"resultType": "?"},
     {"task": {"taskId": "t"}}, {"action": "accept", "content": {"confirm": True}}]
)  # fmt: skip
CALLS = st.fixed_dictionaries(
    {"jsonrpc": st.just("2.0"), "method": METHODS}, optional={"id": IDS, "params": PARAMS}
)
ANSWERS = st.fixed_dictionaries({"jsonrpc": st.just("2.0"), "id": IDS, "result": RESULT})
ERRORS = st.fixed_dictionaries(
    {"jsonrpc": st.just("2.0"), "id": IDS, "error": st.just({"code": 1, "message": "x"})}
)
MESSAGE = (CALLS | ANSWERS | ERRORS).map(lambda value: Line(json.dumps(value).encode()))
WEIRD = st.one_of(
    st.binary(max_size=40).map(Line),
    st.just(Line(b'{"jsonrpc":"2.0","id":77,"id":78,"method":"ping"}')),
    st.just(Overlong(size=10**7, head=b'{"id":79,', tail=b"}")),
    st.lists(CALLS, min_size=1, max_size=2).map(lambda v: Line(json.dumps(v).encode())),
)
STEP = st.one_of(
    st.tuples(st.just("client"), MESSAGE | WEIRD),
    st.tuples(st.just("server"), MESSAGE | WEIRD),
    # A server that answers what it was asked last, and a client that does.
    st.tuples(st.just("reply"), RESULT),
    st.tuples(st.just("human"), RESULT),
    st.tuples(st.just("turn"), st.just(None)),
    st.tuples(st.sampled_from(["gone"]), st.just(None)),
)
OPENING = st.sampled_from([None, "legacy", "modern"])


def usable(line):
    """The request that a line is, if it certainly is one with an id."""
    if not isinstance(line, Line):
        return None
    try:
        value = json.loads(line.data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or value.get("jsonrpc") != "2.0":
        return None
    if type(value.get("id")) not in (int, str) or not isinstance(value.get("method"), str):
        return None
    if "result" in value or "error" in value or line.data.count(b'"id"') != 1:
        return None
    return value


async def play(directory, opening, steps):
    talk = Talk(directory)
    asked, cancelled = collections.Counter(), set()
    async with talk:
        if opening:
            await talk.open(modern=opening == "modern", capabilities={"elicitation": {}})
        arrived = len(talk.up)
        sent_by_server = set()
        for kind, value in steps:
            if kind == "client":
                request = usable(value)
                if request is not None:
                    asked[json.dumps(request["id"])] += 1
                if isinstance(value, Line) and b"notifications/cancelled" in value.data:
                    cancelled.add("some")
                talk.mcp.from_client(value)
            elif kind == "server":
                talk.mcp.from_server(value)
                if isinstance(value, Line):
                    sent_by_server.add(value.data)
            elif kind == "reply":
                for message in [m for m in talk.up if "method" in m and "id" in m][-1:]:
                    talk.server({"id": message["id"], "result": value})
            elif kind == "human":
                for message in [m for m in talk.down if "method" in m and "id" in m][-1:]:
                    talk.client({"id": message["id"], "result": value})
            elif kind == "gone":
                talk.mcp.server_gone("died")
            else:
                await asyncio.sleep(0.001)
        await asyncio.sleep(0.004)
        talk.mcp.server_gone("is stopped")
        await asyncio.sleep(0.004)
        await talk.mcp.close(0)
        await asyncio.sleep(0.002)
        records = talk.records()

    # Every request with a usable id had its answer, and none had two.
    for key, count in asked.items():
        number = json.loads(key)
        answers = len(talk.answers(number))
        refused_anonymously = len([m for m in talk.down if "error" in m and m.get("id") is None])
        assert answers <= count, (key, talk.down)
        if not cancelled:
            assert answers + refused_anonymously >= count, (key, count, talk.down)
    assert not talk.mcp.calls

    # What arrived at the server was judged and allowed, or is plumbing, or answers the server.
    judged = collections.Counter()
    for record in records:
        if record["kind"] == "tool.result" or "decision" not in record:
            continue
        if record["decision"]["effect"] == "allow":
            judged[record["action"].get("tool") or record["action"]["method"]] += 1
    for message in talk.up[arrived:]:
        method = message.get("method")
        if method is None:
            assert any(str(message["id"]).encode() in data for data in sent_by_server) or any(
                json.dumps(message["id"]).encode() in data for data in sent_by_server
            )
        elif method == "tools/call":
            assert message["params"]["name"] in ALLOWED_TOOLS
            judged[message["params"]["name"]] -= 1
            assert judged[message["params"]["name"]] >= 0, (message, records)
        elif method not in PLUMBING:
            judged[method] -= 1
            assert judged[method] >= 0, (message, records)

    # Memory of the session is bounded by what is in flight: nothing is.
    assert not talk.mcp.own_up._waiting
    assert not talk.mcp.own_down._waiting


@settings(max_examples=settings().max_examples)
@given(OPENING, st.lists(STEP, max_size=14))
def test_any_conversation(opening, steps):
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(asyncio.wait_for(play(Path(directory), opening, steps), 20))
