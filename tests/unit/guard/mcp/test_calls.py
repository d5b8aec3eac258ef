"""Continuations: used once, for one action, for a while."""

import pytest

from remit.guard.mcp.calls import (
    MAX_CONTINUATIONS,
    Call,
    Continuation,
    Continuations,
    State,
    action_digest,
)
from remit.guard.mcp.messages import Refused, Request
from remit.guard.mcp.methods import CLIENT_REQUESTS

CALL = {"name": "pay", "arguments": {"amount": 5}}


def held(params=None, **more):
    digest = action_digest("tools/call", params or CALL)
    values = {"upstream": None, "fulfilled": frozenset(), "question": None, "expires_us": 100}
    return Continuation(action=digest, **{**values, **more})


def test_used_once():
    store = Continuations()
    token = store.put(held(upstream="theirs"))
    assert store.take(token, action_digest("tools/call", CALL), 100, 1).upstream == "theirs"
    with pytest.raises(Refused) as refused:
        store.take(token, action_digest("tools/call", CALL), 100, 1)
    assert refused.value.id == 1


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("tools/call", {**CALL, "arguments": {"amount": 6}}),
        ("tools/call", {**CALL, "arguments": {"amount": 5.0}}),
        ("tools/call", {**CALL, "arguments": {"amount": "5"}}),
        ("tools/call", {**CALL, "name": "Pay"}),
        ("tools/call", {**CALL, "task": {}}),
        ("tools/call", {"name": "pay"}),
        ("prompts/get", CALL),
    ],
)
def test_of_another_action(method, params):
    store = Continuations()
    token = store.put(held())
    with pytest.raises(Refused):
        store.take(token, action_digest(method, params), 0, 1)
    with pytest.raises(Refused):
        store.take(token, action_digest("tools/call", CALL), 0, 1)


def test_the_retry_members_and_meta_are_no_part_of_the_action():
    more = {**CALL, "inputResponses": {"a": 1}, "requestState": "x", "_meta": {"b": 2}}
    assert action_digest("tools/call", more) == action_digest("tools/call", CALL)
    swapped = {"arguments": {"amount": 5}, "name": "pay"}
    assert action_digest("tools/call", swapped) == action_digest("tools/call", CALL)


def test_it_expires():
    store = Continuations()
    token = store.put(held())
    with pytest.raises(Refused):
        store.take(token, action_digest("tools/call", CALL), 101, 1)


def test_tokens_are_long_and_the_oldest_fall_out():
    store = Continuations()
    tokens = [store.put(held()) for _ in range(MAX_CONTINUATIONS + 3)]
    assert len(set(tokens)) == len(tokens)
    assert min(map(len, tokens)) >= 32
    assert len(store._held) == MAX_CONTINUATIONS
    with pytest.raises(Refused):
        store.take(tokens[2], action_digest("tools/call", CALL), 0, 1)
    store.take(tokens[3], action_digest("tools/call", CALL), 0, 1)


@pytest.mark.parametrize(
    ("meta", "token"),
    [
        ({"progressToken": "t"}, "t"),
        ({"progressToken": 0}, 0),
        ({"progressToken": True}, None),
        ({"progressToken": 1.5}, None),
        ({"progressToken": [1]}, None),
        ({}, None),
        (None, None),
    ],
)
def test_progress_token(meta, token):
    params = {"name": "t"} if meta is None else {"name": "t", "_meta": meta}
    request = Request(id=1, method="tools/call", params=params)
    call = Call(request, CLIENT_REQUESTS["tools/call"], modern=False)
    assert call.token == token
    assert call.state is State.HELD
