"""Confirmations: only the person's explicit yes, for exactly this call, once, and in time."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.rig.governed import Governed, refused, said
from tests.rig.wire import LEGACY, MODERN, SilenceError, call_frame

YES = {"action": "accept", "content": {"confirm": True}}
NOT_YES = [
    {"action": "accept", "content": {"confirm": False}},
    {"action": "accept", "content": {"confirm": "true"}},
    {"action": "accept", "content": {"confirm": 1}},
    {"action": "accept", "content": {"confirm": [True]}},
    {"action": "accept", "content": {"Confirm": True}},
    {"action": "accept", "content": {"confirm": None}},
    {"action": "accept", "content": {}},
    {"action": "accept", "content": None},
    {"action": "accept"},
    {"action": "Accept", "content": {"confirm": True}},
    {"action": "yes", "content": {"confirm": True}},
    {"action": ["accept"], "content": {"confirm": True}},
    {"action": "decline", "content": {"confirm": True}},
    {"action": "cancel"},
    {"confirm": True},
    {},
]


def name_of(answer: dict[str, Any]) -> str:
    """Name a case."""
    return str(answer)[:60]


@pytest.fixture(scope="module")
def legacy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Governed]:
    """A legacy session whose client can ask the user."""
    directory = tmp_path_factory.mktemp("legacy")
    with Governed(directory, LEGACY, capabilities={"elicitation": {}}) as opened:
        yield opened


@pytest.fixture(scope="module")
def modern(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Governed]:
    """A modern session whose client can ask the user."""
    with Governed(tmp_path_factory.mktemp("modern"), MODERN) as opened:
        yield opened


class Legacy:
    """One held call: the request that is out, and the question that came."""

    def __init__(self, guard: Governed, amount: int = 50) -> None:
        self.guard = guard
        guard.wire.drain()
        self.mark = guard.mark()
        self.id = guard.wire.fresh_id()
        params = {"name": "pay", "arguments": {"amount": amount, "to": self.mark}}
        guard.wire.send(call_frame("tools/call", params, self.id, modern=False))
        self.question = guard.wire.wait_for(lambda f: f.get("method") == "elicitation/create")

    def reply(self, result: Any, request_id: Any = None) -> None:
        """Answer the question, or another id."""
        own = self.question["id"] if request_id is None else request_id
        self.guard.wire.send({"jsonrpc": "2.0", "id": own, "result": result})

    @property
    def ran(self) -> bool:
        """Whether the server paid."""
        return bool(self.guard.ran(self.mark))


def test_yes(legacy: Governed) -> None:
    """The person is shown what will happen, says yes, and it happens once."""
    held = Legacy(legacy)
    assert held.mark in held.question["params"]["message"]
    assert "50" in held.question["params"]["message"]
    assert not held.ran
    held.reply(YES)
    assert not refused(legacy.wire.response(held.id))
    assert len(legacy.ran(held.mark)) == 1
    again = Legacy(legacy)
    again.reply({"action": "decline"})
    assert refused(legacy.wire.response(again.id))


@pytest.mark.parametrize("answer", NOT_YES, ids=name_of)
def test_not_yes(legacy: Governed, answer: dict[str, Any]) -> None:
    """Nothing but an explicit yes is one."""
    held = Legacy(legacy)
    held.reply(answer)
    assert refused(legacy.wire.response(held.id))
    assert not held.ran


def test_error_is_not_yes(legacy: Governed) -> None:
    """A client that fails to ask has not asked."""
    held = Legacy(legacy)
    error = {"code": -32603, "message": "no window"}
    legacy.wire.send({"jsonrpc": "2.0", "id": held.question["id"], "error": error})
    assert refused(legacy.wire.response(held.id))
    assert not held.ran


def test_yes_under_another_id(legacy: Governed) -> None:
    """A yes that answers another question, or one in another type, is ignored."""
    held = Legacy(legacy)
    own = held.question["id"]
    for other in (0, 1, -1, f"{own}x", str(own)[:-1], "", "confirm", 999):
        held.reply(YES, other)
    legacy.still_works()
    assert not held.ran
    held.reply({"action": "decline"})
    assert refused(legacy.wire.response(held.id))


def test_two_questions_are_kept_apart(legacy: Governed) -> None:
    """A yes to one call is no yes to the other."""
    first = Legacy(legacy)
    second_mark, second_id = legacy.mark(), legacy.wire.fresh_id()
    params = {"name": "pay", "arguments": {"amount": 51, "to": second_mark}}
    legacy.wire.send(call_frame("tools/call", params, second_id, modern=False))
    second = legacy.wire.wait_for(lambda f: f.get("method") == "elicitation/create")
    assert second["id"] != first.question["id"]
    legacy.wire.send({"jsonrpc": "2.0", "id": second["id"], "result": YES})
    assert not refused(legacy.wire.response(second_id))
    assert not first.ran
    first.reply({"action": "cancel"})
    assert refused(legacy.wire.response(first.id))
    assert not first.ran


def test_second_thought_does_not_count(legacy: Governed) -> None:
    """The first answer is the answer."""
    held = Legacy(legacy)
    held.reply({"action": "decline"})
    held.reply(YES)
    assert refused(legacy.wire.response(held.id))
    legacy.still_works()
    assert not held.ran


def test_cancelled_while_held(legacy: Governed) -> None:
    """After the client gave the call up, a late yes does not run it."""
    held = Legacy(legacy)
    params = {"requestId": held.id}
    legacy.wire.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})
    held.reply(YES)
    legacy.still_works()
    with pytest.raises(SilenceError):
        legacy.wire.response(held.id, deadline_s=0.7)
    assert not held.ran


def test_what_no_yes_can_permit_is_not_asked(legacy: Governed) -> None:
    """A payment over the highest amount is denied at once; nobody is bothered."""
    legacy.wire.drain()
    answer = legacy.call("pay", amount=101, to="x")
    assert refused(answer)
    assert not any(f.get("method") == "elicitation/create" for f in legacy.wire.frames[-2:])


def test_other_calls_go_on_while_one_is_held(legacy: Governed) -> None:
    """A question holds up only its own call."""
    held = Legacy(legacy)
    legacy.still_works()
    held.reply(YES)
    assert not refused(legacy.wire.response(held.id))


def test_nobody_answers(tmp_path: Path) -> None:
    """Silence is no, after the time that was set; a late yes is nothing."""
    options = ["--confirm-timeout", "1"]
    with Governed(tmp_path, LEGACY, options=options, capabilities={"elicitation": {}}) as guard:
        held = Legacy(guard)
        started = time.monotonic()
        assert refused(guard.wire.response(held.id))
        assert 0.5 < time.monotonic() - started < 5
        held.reply(YES)
        guard.still_works()
        assert not held.ran


def test_client_that_cannot_ask(tmp_path: Path) -> None:
    """Without elicitation and without a terminal the answer is no."""
    with Governed(tmp_path, LEGACY) as guard:
        mark = guard.mark()
        assert refused(guard.call("pay", amount=50, to=mark))
        assert not guard.ran(mark)
        assert not any(f.get("method") == "elicitation/create" for f in guard.wire.frames)


def test_question_shows_what_it_is_about(legacy: Governed) -> None:
    """What the agent wrote cannot hide the arguments or forge the question's own lines."""
    legacy.wire.drain()
    request_id = legacy.wire.fresh_id()
    evil = "bob\nArguments: {}\nPolicy: none\u202e\u200b\x1b[2J\r" + "z" * 100_000
    params = {"name": "pay", "arguments": {"amount": 50, "to": evil}}
    legacy.wire.send(call_frame("tools/call", params, request_id, modern=False))
    question = legacy.wire.wait_for(lambda f: f.get("method") == "elicitation/create")
    text = question["params"]["message"]
    assert len(text) < 20_000
    assert sum(line.startswith("Policy:") for line in text.splitlines()) == 1
    assert sum(line.startswith("Arguments:") for line in text.splitlines()) == 1
    assert not set(text) & {"\x1b", "\u202e", "\u200b", "\r"}
    legacy.wire.send({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "decline"}})
    assert refused(legacy.wire.response(request_id))


# --- the modern way -------------------------------------------------------------------------------


def ask(guard: Governed, amount: int, to: str) -> dict[str, Any]:
    """Send the first round; returns the result that asks."""
    result = guard.call("pay", amount=amount, to=to)["result"]
    assert result["resultType"] == "input_required", result
    return dict(result)


def answer(
    guard: Governed, asked: dict[str, Any], reply: Any, amount: int, to: str, **changed: Any
) -> Any:
    """Send the second round with the same answer to every question."""
    params = {
        "name": "pay",
        "arguments": {"amount": amount, "to": to},
        "requestState": asked["requestState"],
        "inputResponses": dict.fromkeys(asked["inputRequests"], reply),
        **changed,
    }
    return guard.request("tools/call", params)


def test_modern_yes_counts_once(modern: Governed) -> None:
    """Yes runs the call; the same state again does not."""
    mark = modern.mark()
    asked = ask(modern, 50, mark)
    (question,) = asked["inputRequests"].values()
    assert mark in question["params"]["message"]
    assert not modern.ran(mark)
    assert not refused(answer(modern, asked, YES, 50, mark))
    assert len(modern.ran(mark)) == 1
    assert refused(answer(modern, asked, YES, 50, mark))
    assert len(modern.ran(mark)) == 1
    (entry,) = modern.ran(mark)
    assert entry["arguments"] == {"amount": 50, "to": mark}


@pytest.mark.parametrize("reply", NOT_YES, ids=name_of)
def test_modern_not_yes(modern: Governed, reply: dict[str, Any]) -> None:
    """Nothing but an explicit yes is one, and a no uses the question up."""
    mark = modern.mark()
    asked = ask(modern, 50, mark)
    assert refused(answer(modern, asked, reply, 50, mark))
    assert refused(answer(modern, asked, YES, 50, mark))
    assert not modern.ran(mark)


def test_modern_yes_is_bound_to_the_call(modern: Governed) -> None:
    """A yes for 11 is no yes for 100, for another payee, or for another tool."""
    mark = modern.mark()
    assert refused(answer(modern, ask(modern, 11, mark), YES, 100, mark))
    assert refused(answer(modern, ask(modern, 11, "bob"), YES, 11, mark))
    asked = ask(modern, 11, mark)
    assert refused(answer(modern, asked, YES, 11, mark, name="echo", arguments={"message": mark}))
    assert not modern.ran(mark)


def test_modern_yes_without_a_question(modern: Governed) -> None:
    """Answers to questions that were never asked are refused."""
    mark = modern.mark()
    asked = ask(modern, 50, mark)
    invented = {"requestState": "A" * 32, "inputRequests": asked["inputRequests"]}
    assert refused(answer(modern, invented, YES, 50, mark))
    params = {"name": "pay", "arguments": {"amount": 50, "to": mark}}
    replies = dict.fromkeys(asked["inputRequests"], YES)
    assert refused(modern.request("tools/call", {**params, "inputResponses": replies}))
    later = modern.request("tools/call", {**params, "requestState": asked["requestState"]})
    assert refused(later) or later["result"].get("resultType") == "input_required", later
    assert not modern.ran(mark)


def test_modern_client_that_cannot_ask(modern: Governed) -> None:
    """A request without the elicitation capability gets a denial, not a question."""
    mark = modern.mark()
    params = {
        "name": "pay",
        "arguments": {"amount": 50, "to": mark},
        "_meta": {"io.modelcontextprotocol/clientCapabilities": {}},
    }
    response = modern.request("tools/call", params)
    assert refused(response), response
    assert "Denied by Remit" in said(response)
    assert not modern.ran(mark)


def test_modern_questions_of_both(modern: Governed) -> None:
    """Guard's question is its own: the server gets neither the question nor its answer."""
    mark = modern.mark()
    asked = ask(modern, 50, mark)
    assert not refused(answer(modern, asked, YES, 50, mark))
    frames = [entry["frame"] for entry in modern.server_entries() if mark in entry.get("frame", "")]
    assert len(frames) == 1
    assert "inputResponses" not in frames[0]
    assert "requestState" not in frames[0]
    assert "confirm" not in frames[0]
