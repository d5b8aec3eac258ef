"""Servers that lie, crash, hang, flood and change their mind: what the client still gets."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.rig.governed import Governed, refused, said
from tests.rig.wire import LEGACY, MODERN, EndedError, SilenceError, call_frame

ERAS = [LEGACY, MODERN]
CAPABILITIES = {"roots": {"listChanged": True}, "elicitation": {}, "sampling": {}}


@pytest.fixture(scope="module")
def guards(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Governed]]:
    """One Guard per era for tricks that a session must survive."""
    opened = {}
    try:
        for era in ERAS:
            directory = tmp_path_factory.mktemp(f"guard-{era}")
            opened[era] = Governed(directory, era, capabilities=CAPABILITIES)
        yield opened
    finally:
        for guard in opened.values():
            guard.close()


@pytest.fixture(params=ERAS)
def guard(request: pytest.FixtureRequest, guards: dict[str, Governed]) -> Governed:
    """The shared Guard of each era, with nothing left over."""
    shared = guards[request.param]
    shared.wire.drain()
    return shared


def send_call(guard: Governed, name: str, **arguments: Any) -> int:
    """Send a call and return its id."""
    request_id = guard.wire.fresh_id()
    params = {"name": name, "arguments": arguments}
    guard.wire.send(call_frame("tools/call", params, request_id, modern=guard.modern))
    return request_id


def nothing_more(guard: Governed) -> None:
    """Assert that everything that came was asked for, and that no line was garbage."""
    with pytest.raises(SilenceError):
        guard.wire.next_frame(0.3)
    assert not guard.wire.garbage


class TestNoise:
    """What a server writes beside its answers."""

    def test_stderr_flood(self, guard: Governed) -> None:
        """Megabytes on stderr neither block the call nor reach the client's stdin."""
        assert said(guard.call("flood", bytes=8 << 20)) == "flood ran"
        guard.still_works()

    @pytest.mark.parametrize("kind", ["text", "binary", "scalar", "nan", "deep", "long"])
    def test_stdout_garbage(self, guard: Governed, kind: str) -> None:
        """Lines that are not messages are dropped; the answer after them arrives."""
        seen = len(guard.wire.frames)
        assert said(guard.call("garbage", kind=kind)) == "garbage ran"
        guard.still_works()
        assert len(guard.wire.frames) == seen + 2
        assert not guard.wire.garbage

    @pytest.mark.parametrize(
        "method",
        [
            "notifications/unknown",
            "notifications/initialized",
            "tools/call",
            "notifications/roots/list_changed",
        ],
    )
    def test_notification_that_servers_do_not_send(self, guard: Governed, method: str) -> None:
        """Only the notifications of the protocol pass."""
        assert said(guard.call("notify", method=method)) == "notify ran"
        nothing_more(guard)

    def test_notification_that_policy_permits(self, guard: Governed) -> None:
        """A log message passes where policy permits it."""
        request_id = send_call(guard, "notify", method="notifications/message")
        note = guard.wire.wait_for(lambda frame: frame.get("method") == "notifications/message")
        assert note["params"]["data"] == "note"
        assert said(guard.wire.response(request_id)) == "notify ran"


class TestLies:
    """Answers that nobody asked for, or that can be read in two ways."""

    @pytest.mark.parametrize("kind", ["unknown", "string", "null", "float"])
    def test_answer_to_nobody(self, guard: Governed, kind: str) -> None:
        """Answers to unknown ids, to the id in another type, and to null are dropped."""
        assert said(guard.call("stray", kind=kind)) == "stray ran"
        nothing_more(guard)
        assert "a lie" not in str(guard.wire.frames[-5:])

    def test_result_and_error_at_once(self, guard: Governed) -> None:
        """The call ends with one answer, and it is not the lie."""
        request_id = send_call(guard, "stray", kind="both")
        answer = guard.wire.response(request_id)
        assert refused(answer) or said(answer) == "stray ran"
        nothing_more(guard)
        assert "a lie" not in str(guard.wire.frames[-5:])

    def test_two_answers(self, guard: Governed) -> None:
        """The first answer counts, the second is dropped."""
        assert said(guard.call("twice", message="x")) == "twice ran"
        nothing_more(guard)

    def test_answer_in_a_notification(self, guard: Governed) -> None:
        """A notification that carries an id and a result is neither."""
        answer = guard.call("smuggle", message="x")
        assert refused(answer) or said(answer) == "smuggle ran"
        nothing_more(guard)
        assert "a lie" not in str(guard.wire.frames[-5:])

    @pytest.mark.parametrize("kind", ["result", "id", "deep", "utf8", "surrogate", "nan"])
    def test_ambiguous_answer(self, guard: Governed, kind: str) -> None:
        """What has two readings is not delivered in either; the client gets an error, in time."""
        answer = guard.call("ambiguous", kind=kind)
        assert refused(answer), answer
        assert "first" not in str(answer)
        assert "second" not in str(answer)
        guard.still_works()

    @pytest.mark.parametrize("kind", ["list", "null", "nothing", "error_text", "version"])
    def test_answer_of_a_wrong_shape(self, guard: Governed, kind: str) -> None:
        """The client gets an error instead."""
        answer = guard.call("shape", kind=kind)
        assert "error" in answer, answer
        guard.still_works()

    def test_unknown_result_type(self, guards: dict[str, Governed]) -> None:
        """In the modern era an unknown `resultType` is invalid."""
        answer = guards[MODERN].call("shape", kind="result_type")
        assert "error" in answer, answer

    def test_tool_error_passes(self, guard: Governed) -> None:
        """What the tool says of its own failure is the model's to read."""
        answer = guard.call("fail", message="x")
        assert answer["result"]["isError"] is True
        assert said(answer) == "it failed"

    def test_protocol_error_passes(self, guard: Governed) -> None:
        """The server's error reaches the client."""
        answer = guard.call("refuse", message="x")
        assert answer["error"]["message"] == "refused by the server"


class TestSize:
    """Results of any size."""

    @pytest.mark.parametrize("size", [0, 1 << 16, 17 << 20])
    def test_large_result_arrives_whole(self, guard: Governed, size: int) -> None:
        """Nothing is cut off."""
        assert said(guard.call("big", deadline_s=60, bytes=size)) == "x" * size

    def test_result_over_the_limit(self, guard: Governed) -> None:
        """The client gets an error, not silence, and the session goes on."""
        answer = guard.call("big", deadline_s=60, bytes=48 << 20)
        assert "error" in answer, str(answer)[:300]
        guard.still_works()


class TestWaiting:
    """Calls that take long or for ever."""

    def test_hanging_call_holds_up_nobody(self, guard: Governed) -> None:
        """Other calls go on, and the hanging one can be cancelled."""
        mark = guard.mark()
        request_id = send_call(guard, "hang", message=mark)
        guard.still_works()
        until = time.monotonic() + 5
        while not guard.ran(mark):
            assert time.monotonic() < until
        params = {"requestId": request_id, "reason": "tired"}
        guard.wire.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})
        guard.still_works()
        frames = [entry["frame"] for entry in guard.server_entries() if "frame" in entry]
        assert any("notifications/cancelled" in frame for frame in frames[-4:])

    def test_slow_answers_come_in_any_order(self, guard: Governed) -> None:
        """The fast answer does not wait for the slow one."""
        slow = send_call(guard, "slow", ms=500)
        fast = send_call(guard, "slow", ms=10)
        order = []
        while len(order) < 2:
            frame = guard.wire.next_frame()
            if frame.get("id") in {slow, fast}:
                order.append(frame["id"])
        assert order == [fast, slow]


class TestServerRequests:
    """Requests from the server to the client (legacy era)."""

    @pytest.fixture
    def legacy(self, guards: dict[str, Governed]) -> Governed:
        """The shared legacy Guard."""
        guards[LEGACY].wire.drain()
        return guards[LEGACY]

    @pytest.mark.parametrize("method", ["roots/list", "elicitation/create"])
    def test_id_spaces_are_apart(self, legacy: Governed, method: str) -> None:
        """The server's request passes while the client's own id of the same value is in flight."""
        wire = legacy.wire
        params = {"name": "ask", "arguments": {"method": method}}
        for client_id in (0, 1, 2):
            wire.send(call_frame("tools/call", params, client_id, modern=False))
            asked = wire.wait_for(lambda frame: frame.get("method") == method)
            reply = {"roots": []} if method == "roots/list" else {"action": "decline"}
            wire.send({"jsonrpc": "2.0", "id": asked["id"], "result": reply})
            wire.send({"jsonrpc": "2.0", "id": asked["id"], "result": {"forged": "second answer"}})
            answer = wire.response(client_id)
            assert said(answer).startswith("client said "), answer
            assert "forged" not in said(answer)

    def test_denied_request_is_answered_for_the_client(self, legacy: Governed) -> None:
        """Sampling is not permitted: the server gets an error, the client sees nothing."""
        answer = legacy.call("ask", method="sampling/createMessage")
        assert '"code"' in said(answer)
        assert not any(
            isinstance(frame, dict) and frame.get("method") == "sampling/createMessage"
            for frame in legacy.wire.frames
        )

    @pytest.mark.parametrize("method", ["tools/call", "server/shutdown", "roots/list "])
    def test_unknown_request_is_answered_for_the_client(
        self, legacy: Governed, method: str
    ) -> None:
        """Only the requests of the protocol pass."""
        answer = legacy.call("ask", method=method)
        assert '"code"' in said(answer)

    def test_capability_that_the_client_lacks(self, tmp_path: Path) -> None:
        """A client that did not offer roots is not asked for them."""
        with Governed(tmp_path, LEGACY) as guard:
            assert '"code"' in said(guard.call("ask", method="roots/list"))
            assert not any(frame.get("method") == "roots/list" for frame in guard.wire.frames)

    def test_modern_servers_do_not_ask(self, guards: dict[str, Governed]) -> None:
        """In the modern era no request of the server reaches the client."""
        guard = guards[MODERN]
        answer = guard.call("ask", method="roots/list")
        assert '"code"' in said(answer)
        assert not any(frame.get("method") == "roots/list" for frame in guard.wire.frames)


class TestInputRequired:
    """The modern way to ask the user: a result that asks, and a retry that answers."""

    @pytest.fixture
    def modern(self, guards: dict[str, Governed]) -> Governed:
        """The shared modern Guard."""
        guards[MODERN].wire.drain()
        return guards[MODERN]

    @staticmethod
    def ask(guard: Governed, question: str) -> dict[str, Any]:
        """Start a call that asks; returns its first result."""
        result = guard.call("ask_late", question=question)["result"]
        assert result["resultType"] == "input_required", result
        assert list(result["inputRequests"]) == ["theirs"]
        return dict(result)

    @staticmethod
    def retry(guard: Governed, question: str, state: Any, **changed: Any) -> Any:
        """Send the second round."""
        params = {
            "name": "ask_late",
            "arguments": {"question": question},
            "requestState": state,
            "inputResponses": {"theirs": {"action": "accept", "content": {"ok": True}}},
            **changed,
        }
        return guard.request("tools/call", params)

    def test_round_trip(self, modern: Governed) -> None:
        """The server gets its own state and the answer."""
        result = self.ask(modern, "really?")
        answer = self.retry(modern, "really?", result["requestState"])
        assert '"state": "opaque-1"' in said(answer), answer
        assert '"action": "accept"' in said(answer)

    def test_state_is_bound_to_the_call(self, modern: Governed) -> None:
        """The state of one call does not continue another."""
        result = self.ask(modern, "really?")
        mark = modern.mark()
        assert refused(self.retry(modern, mark, result["requestState"]))
        assert not modern.reached(mark)

    def test_state_is_used_once(self, modern: Governed) -> None:
        """A second retry with the same state is refused."""
        result = self.ask(modern, "twice?")
        assert not refused(self.retry(modern, "twice?", result["requestState"]))
        assert refused(self.retry(modern, "twice?", result["requestState"]))

    @pytest.mark.parametrize("state", ["", "opaque-1", "A" * 40, "x" * 100_000])
    def test_invented_state(self, modern: Governed, state: str) -> None:
        """States that Guard did not give are refused and do not reach the server."""
        mark = modern.mark()
        assert refused(self.retry(modern, mark, state))
        assert not modern.reached(mark)

    @pytest.mark.parametrize("state", [None, 5, {"a": 1}])
    def test_state_of_a_wrong_type(self, modern: Governed, state: Any) -> None:
        """The protocol says text."""
        mark = modern.mark()
        assert refused(self.retry(modern, mark, state))
        assert not modern.reached(mark)


@pytest.mark.parametrize("era", ERAS)
class TestEnd:
    """Servers that end."""

    @pytest.mark.parametrize(
        ("tool", "arguments"), [("crash", {"code": 3}), ("partial", {"message": "x"})]
    )
    def test_crash_in_the_middle_of_a_call(
        self, tmp_path: Path, era: str, tool: str, arguments: dict[str, Any]
    ) -> None:
        """Everything in flight is answered with an error, and so is what comes after."""
        with Governed(tmp_path, era) as guard:
            waiting = send_call(guard, "hang", message="x")
            answer = guard.call(tool, **arguments)
            assert "error" in answer, answer
            assert "error" in guard.wire.response(waiting)
            try:
                assert refused(guard.call("echo", message="after"))
            except (EndedError, BrokenPipeError):
                assert guard.wire.process.wait(10) is not None
            assert not guard.wire.garbage
        kinds = [record["kind"] for record in guard.records()]
        assert "tool.decision" in kinds
        assert any(
            record["kind"] == "tool.result"
            and record.get("outcome", {}).get("status") == "server_gone"
            for record in guard.records()
        )

    def test_exit_between_calls(self, tmp_path: Path, era: str) -> None:
        """A call to a server that has gone is answered."""
        with Governed(tmp_path, era, server_options=["--lenient", "--die-after", "4"]) as guard:
            for _ in range(6):
                try:
                    answer = guard.call("echo", message="x")
                except (EndedError, BrokenPipeError):
                    break
                if refused(answer):
                    break
            else:
                pytest.fail("the server never ended")

    def test_client_goes_away(self, tmp_path: Path, era: str) -> None:
        """Guard ends with its client, and takes the server with it, within seconds."""
        guard = Governed(tmp_path, era)
        send_call(guard, "hang", message="x")
        guard.still_works()
        started = time.monotonic()
        assert guard.close() == 0
        assert time.monotonic() - started < 8
        kinds = [record["kind"] for record in guard.records()]
        assert kinds[-1] == "guard.stop"
        assert "server.gone" not in kinds


@pytest.mark.parametrize("era", ERAS)
class TestLists:
    """Lists of tools that are wrong from the start."""

    @staticmethod
    def start(tmp_path: Path, era: str, kind: str) -> Governed:
        """Open a Guard over such a server; it may refuse to open."""
        return Governed(tmp_path, era, server_options=["--lenient", "--list", kind], opened=False)

    @pytest.mark.parametrize("kind", ["endless", "huge"])
    def test_list_without_end(self, tmp_path: Path, era: str, kind: str) -> None:
        """The client is told; nothing of it can be called."""
        with self.start(tmp_path, era, kind) as guard:
            guard.wire.open(era)
            mark = guard.mark()
            assert refused(guard.request("tools/list", deadline_s=30))
            assert refused(guard.call("echo", deadline_s=30, message=mark))
            assert not guard.ran(mark)

    @pytest.mark.parametrize("kind", ["duplicate", "look_alike", "bad_name"])
    def test_list_with_doubtful_names(self, tmp_path: Path, era: str, kind: str) -> None:
        """No doubtful name is offered, and none can be called."""
        with self.start(tmp_path, era, kind) as guard:
            guard.wire.open(era)
            answer = guard.request("tools/list")
            if "result" in answer:
                names = [tool["name"] for tool in answer["result"]["tools"]]
                assert len(names) == len(set(names))
                assert all(isinstance(name, str) and name.isascii() for name in names)
            mark = guard.mark()
            assert refused(guard.call("ech\u043e", message=mark))
            assert not guard.ran(mark)

    def test_empty_cursor_is_a_cursor(self, tmp_path: Path, era: str) -> None:
        """Only a missing `nextCursor` ends a list."""
        with self.start(tmp_path, era, "empty_cursor") as guard:
            guard.wire.open(era)
            assert {"echo", "notify"} <= set(guard.tools())

    def test_call_before_any_list(self, tmp_path: Path, era: str) -> None:
        """Guard lists by itself before it judges a call."""
        with Governed(tmp_path, era) as guard:
            guard.still_works()
            mark = guard.mark()
            assert refused(guard.call("forbidden", message=mark))
            assert not guard.ran(mark)


@pytest.mark.parametrize("era", ERAS)
class TestRugPulls:
    """Lists that change after they were pinned."""

    @pytest.mark.parametrize("notify", [True, False])
    @pytest.mark.parametrize("kind", ["description", "schema", "removed"])
    def test_changed_tool(self, tmp_path: Path, era: str, kind: str, notify: bool) -> None:
        """A tool whose definition differs from its pin is hidden and cannot be called."""
        with Governed(tmp_path, era) as guard:
            before = guard.tools()
            assert "echo" in before
            assert said(guard.call("mutate", kind=kind, notify=notify)) == "mutate ran"
            after = guard.tools()
            assert "echo" not in after
            assert "id_rsa" not in str(guard.wire.frames)
            assert set(before) - set(after) == {"echo"}
            mark = guard.mark()
            assert refused(guard.call("echo", message=mark))
            assert not guard.reached(mark)
            assert not refused(guard.call("open_schema", a="x"))
            assert any("pin" in json_of(record) for record in guard.records())

    @pytest.mark.parametrize(
        ("kind", "name"), [("added", "extra"), ("look_alike", "ech\u043e"), ("case", "Echo")]
    )
    def test_new_tool(self, tmp_path: Path, era: str, kind: str, name: str) -> None:
        """A tool that was not there when the list was pinned is hidden and cannot be called."""
        with Governed(tmp_path, era) as guard:
            before = guard.tools()
            assert said(guard.call("mutate", kind=kind, notify=True)) == "mutate ran"
            answer = guard.request("tools/list")
            offered = {tool["name"] for tool in answer.get("result", {}).get("tools", [])}
            assert offered == set(before)
            mark = guard.mark()
            assert refused(guard.call(name, message=mark))
            assert not guard.reached(mark)

    def test_change_notice_makes_guard_look_again(self, tmp_path: Path, era: str) -> None:
        """After `list_changed` a call is judged by the new list, though the client never listed."""
        with Governed(tmp_path, era) as guard:
            guard.still_works()
            assert said(guard.call("mutate", kind="description", notify=True)) == "mutate ran"
            mark = guard.mark()
            assert refused(guard.call("echo", message=mark))
            assert not guard.reached(mark)

    def test_change_without_notice(self, tmp_path: Path, era: str) -> None:
        """A server that changes silently is found out by the next list."""
        with Governed(tmp_path, era, server_options=["--lenient", "--rug", "2"]) as guard:
            for _ in range(4):
                tools = guard.tools()
            assert "echo" not in tools


def json_of(value: Any) -> str:
    """Return a value as text."""
    return json.dumps(value)
