"""The tables of both eras, compared with the protocol's own."""

import pytest

from remit.core.event import Kind
from remit.guard.mcp.messages import Refused
from remit.guard.mcp.methods import (
    CAPABILITY_OF,
    CLIENT_NOTIFICATIONS,
    CLIENT_REQUESTS,
    SERVER_NOTIFICATIONS,
    SERVER_REQUESTS,
    Era,
    check_params,
    is_modern,
)

BOTH_CLIENT = (
    "tools/list tools/call prompts/list prompts/get resources/list resources/read "
    "resources/templates/list completion/complete tasks/get tasks/cancel"
)
LEGACY_CLIENT = (
    "initialize ping logging/setLevel resources/subscribe resources/unsubscribe "
    "tasks/result tasks/list"
)
MODERN_CLIENT = "server/discover subscriptions/listen tasks/update"


def eras(table):
    found = {"both": set(), "legacy": set(), "modern": set()}
    for name, method in table.items():
        key = "both" if len(method.eras) == 2 else str(next(iter(method.eras)))
        found[key].add(name)
    return found


def test_requests_of_the_client():
    assert eras(CLIENT_REQUESTS) == {
        "both": set(BOTH_CLIENT.split()),
        "legacy": set(LEGACY_CLIENT.split()),
        "modern": set(MODERN_CLIENT.split()),
    }


def test_notifications_of_the_client():
    n = "notifications/"
    assert eras(CLIENT_NOTIFICATIONS) == {
        "both": {n + "cancelled"},
        "legacy": {n + "initialized", n + "progress", n + "roots/list_changed"},
        "modern": set(),
    }


def test_the_server_asks_in_the_legacy_era_only():
    assert eras(SERVER_REQUESTS) == {
        "both": set(),
        "legacy": {"ping", "roots/list", "sampling/createMessage", "elicitation/create"},
        "modern": set(),
    }
    assert set(CAPABILITY_OF) == set(SERVER_REQUESTS) - {"ping"}


def test_notifications_of_the_server():
    n = "notifications/"
    assert eras(SERVER_NOTIFICATIONS) == {
        "both": {
            n + name
            for name in [
                "cancelled",
                "message",
                "progress",
                "tools/list_changed",
                "prompts/list_changed",
                "resources/list_changed",
                "resources/updated",
            ]
        },
        "legacy": {n + "elicitation/complete", n + "tasks/status"},
        "modern": {n + "subscriptions/acknowledged", n + "tasks"},
    }


def test_only_plumbing_is_not_judged():
    plumbing = {name for name, m in CLIENT_REQUESTS.items() if m.kind is None}
    assert plumbing == {"ping"}
    assert {name for name, m in SERVER_REQUESTS.items() if m.kind is None} == {"ping"}
    assert CLIENT_REQUESTS["tools/call"].kind is Kind.TOOL_CALL
    assert CLIENT_REQUESTS["tools/list"].kind is Kind.MCP_LIST


@pytest.mark.parametrize(
    ("name", "params", "seen"),
    [
        ("tools/call", {"name": "t", "arguments": {"a": 1}}, {"a": 1}),
        ("tools/call", {"name": "t"}, {}),
        ("tools/list", {"cursor": ""}, {"what": "tools"}),
        ("resources/templates/list", {}, {"what": "templates"}),
        ("prompts/get", {"name": "p"}, {"name": "p"}),
        ("resources/read", {"uri": "file:///x"}, {"uri": "file:///x"}),
        ("completion/complete", {"ref": {"type": "ref/prompt", "name": "p"}}, {"ref": "p"}),
        ("completion/complete", {"ref": {"type": "ref/resource", "uri": "u"}}, {"ref": "u"}),
        ("logging/setLevel", {"level": "debug"}, {"level": "debug"}),
        ("tasks/cancel", {"taskId": "t"}, {"method": "tasks/cancel"}),
    ],
)
def test_what_policy_reads(name, params, seen):
    assert CLIENT_REQUESTS[name].input(params) == seen


@pytest.mark.parametrize(
    "ref",
    [
        {},
        {"type": "ref/resource", "name": "allowed", "uri": "secret"},
        {"type": "ref/prompt", "name": "allowed", "uri": "secret"},
        {"type": "ref/resource", "name": "allowed"},
        {"type": "ref/prompt", "name": 5},
        {"type": "ref/else", "name": "p"},
        {"name": "p"},
        {"type": ["ref/prompt"], "name": "p"},
    ],
)
def test_a_reference_with_two_meanings_is_refused(ref):
    with pytest.raises(Refused):
        CLIENT_REQUESTS["completion/complete"].input({"ref": ref})


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("tools/call", {"name": "t", "arguments": {}, "_meta": {}}),
        ("tools/call", {"name": "t", "task": {}}),
        ("tools/list", {}),
        ("tools/list", {"cursor": ""}),
    ],
)
def test_params_that_fit(name, params):
    check_params(CLIENT_REQUESTS[name], params, 1)


@pytest.mark.parametrize(
    ("name", "params", "code"),
    [
        ("tools/call", {}, "mcp.params"),
        ("tools/call", {"name": None}, "mcp.params"),
        ("tools/call", {"name": ["t"]}, "mcp.params"),
        ("tools/call", {"name": "t", "arguments": None}, "mcp.params"),
        ("tools/call", {"name": "t", "arguments": []}, "mcp.params"),
        ("tools/call", {"name": "t", "_meta": None}, "mcp.params"),
        ("tools/call", {"name": "t", "extra": 1}, "mcp.params"),
        ("tools/call", {"name": "t", "Arguments": {}}, "mcp.case_variant"),
        ("tools/call", {"name": "t", "arguments\u200b": {}}, "mcp.case_variant"),
        ("tools/call", {"name": "t", "_Meta": {}}, "mcp.case_variant"),
        ("tools/list", {"cursor": 5}, "mcp.params"),
        ("resources/read", {"uri": {}}, "mcp.params"),
        ("ping", {"x": 1}, "mcp.params"),
    ],
)
def test_params_that_do_not(name, params, code):
    with pytest.raises(Refused) as refused:
        check_params(CLIENT_REQUESTS[name], params, 9)
    assert refused.value.code == code
    assert refused.value.id == 9
    assert refused.value.rpc_code == -32602


@pytest.mark.parametrize("value", [True, 1.5, None])
def test_a_bool_is_no_number(value):
    with pytest.raises(Refused):
        check_params(CLIENT_NOTIFICATIONS["notifications/cancelled"], {"requestId": value}, None)


def test_is_modern():
    key = "io.modelcontextprotocol/protocolVersion"
    assert is_modern({"_meta": {key: "2026-07-28"}})
    assert is_modern({"_meta": {key: None}})
    assert not is_modern({"_meta": {}})
    assert not is_modern({"_meta": key})
    assert not is_modern({})
    assert set(Era) == {"unknown", "legacy", "modern"}
