"""Frames that fooled some proxy or server, sent through Guard to the most careless server there is.

For every frame: the denied call is not in the server's own log, the client is answered, the audit
log has a record of it, and Guard still serves the next call.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.frames import ANY, ECHOED, NULL, OWN, QUIET, Frame, table
from tests.rig.governed import PYTHON, RECORDER, Governed, refused
from tests.rig.wire import LEGACY, MODERN, SilenceError, Wire, call_frame

ERAS = [LEGACY, MODERN]
FRAMES = [
    pytest.param(era, frame, id=f"{era}: {frame.name}") for era in ERAS for frame in table(era)
]


@pytest.fixture(scope="module", params=["exec", "shim", "http", "http-http"])
def guards(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[dict[str, Governed]]:
    """One Guard per era, shared by all frames: one frame that breaks it breaks the rest."""
    opened = {}
    try:
        for era in ERAS:
            directory = tmp_path_factory.mktemp(f"guard-{era}-{request.param}")
            opened[era] = Governed(directory, era, via=request.param)
        yield opened
    finally:
        for guard in opened.values():
            guard.close()


@pytest.mark.parametrize(("era", "frame"), FRAMES)
def test_frame_is_refused(guards: dict[str, Governed], era: str, frame: Frame) -> None:
    """The four assertions of this module's text."""
    guard = guards[era]
    wire = guard.wire
    mark, request_id = guard.mark(), wire.fresh_id() + 5_000_000
    wire.drain()
    before = len(guard.records())

    wire.write(frame.make(request_id, mark) + b"\n")

    if frame.answer != QUIET:

        def is_answer(received: dict[str, object]) -> bool:
            own = type(received.get("id")) is int and received["id"] == request_id
            nobody = "id" in received and received["id"] is None
            fits = {
                OWN: own,
                NULL: "id" in received,
                ANY: own or nobody,
                ECHOED: "id" in received,
            }
            return "method" not in received and fits[frame.answer]

        answer = wire.wait_for(is_answer)
        if frame.answer == NULL:
            assert answer["id"] is None, answer
        if not frame.forwardable:
            assert refused(answer), answer
        assert mark not in str(answer) or frame.forwardable, "the answer repeats the arguments"
    guard.wait_records(before)
    guard.still_works()

    assert not [entry for entry in guard.ran(mark) if entry["ran"] == "forbidden"]
    if not frame.forwardable:
        assert not guard.reached(mark), "the server saw the frame"
    assert wire.alive
    assert not wire.garbage


@pytest.mark.parametrize("era", [pytest.param(era, id=f"era {era}") for era in ERAS])
def test_frames_bite_without_guard(tmp_path: Path, era: str) -> None:
    """Without Guard the server runs the call: the table above can fail."""
    log = tmp_path / "server.log"
    toothless = []
    with Wire([PYTHON, "-I", "-S", str(RECORDER), "--log", str(log), "--lenient"]) as wire:
        wire.open(era)
        for number, frame in enumerate(frame for frame in table(era) if frame.bites):
            mark = f"MARK-{number:05d}-x"
            wire.write(frame.make(wire.fresh_id() + 5_000_000, mark) + b"\n")
            until = time.monotonic() + 5
            while not _ran(log, mark) and time.monotonic() < until:
                time.sleep(0.002)
            if not _ran(log, mark):
                toothless.append(frame.name)
    assert not toothless


def _ran(log: Path, mark: str) -> bool:
    return any('"ran"' in line and mark in line for line in log.read_text().splitlines())


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    "request_id", [0, 1, -1, "", "1", "0", "text", "ü\u2028", 2**53 - 1, "x" * 200]
)
def test_usual_ids_work(guards: dict[str, Governed], era: str, request_id: int | str) -> None:
    """Every id that the protocol permits comes back as it was, type and value."""
    guard = guards[era]
    mark = guard.mark()
    params = {"name": "echo", "arguments": {"message": mark}}
    frame = _request(guard, "tools/call", params, request_id)
    guard.wire.send(frame)
    answer = guard.wire.response(request_id)
    assert mark in answer["result"]["content"][0]["text"]


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("ending", [b"\r\n", b" \t\n", b"\n\n \n\r\n"])
def test_white_space_around_a_message_is_fine(
    guards: dict[str, Governed], era: str, ending: bytes
) -> None:
    """CRLF and blank lines are no attack."""
    guard = guards[era]
    mark, request_id = guard.mark(), guard.wire.fresh_id()
    frame = _request(
        guard, "tools/call", {"name": "echo", "arguments": {"message": mark}}, request_id
    )
    guard.wire.write(b" " + json.dumps(frame).encode() + ending)
    assert mark in str(guard.wire.response(request_id)["result"])
    guard.still_works()


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    "text",
    [
        "\u2028 \u2029 \u0085",
        '"}\n{"method":"tools/call"}',
        "\x00\x01\x1f\x7f",
        "😀 é \u202e",
        "\\ud800",
        "</script>",
        "x" * 100_000,
    ],
)
def test_text_passes_unchanged(guards: dict[str, Governed], era: str, text: str) -> None:
    """A permitted argument reaches the server as it was, whatever its characters."""
    guard = guards[era]
    mark = guard.mark()
    answer = guard.call("echo", message=mark + text)
    assert not refused(answer), answer
    (entry,) = guard.ran(mark)
    assert entry["arguments"] == {"message": mark + text}


def one_stream(guard: Governed) -> None:
    """Skip what is about the order on one stream: over HTTP each message has a response of its own."""
    if guard.via.startswith("http"):
        pytest.skip("each HTTP request has a response of its own; see test_mcp_http.py")


@pytest.mark.parametrize("era", ERAS)
def test_id_in_flight_is_not_used_twice(guards: dict[str, Governed], era: str) -> None:
    """A second request under the id of one in flight does not run and does not end the first."""
    guard = guards[era]
    one_stream(guard)
    mark, request_id = guard.mark(), guard.wire.fresh_id()
    slow = {"name": "slow", "arguments": {"ms": 600}}
    guard.wire.send(_request(guard, "tools/call", slow, request_id))
    for name in ("forbidden", "echo"):
        params = {"name": name, "arguments": {"message": mark}}
        guard.wire.send(_request(guard, "tools/call", params, request_id))
    answer = guard.wire.response(request_id)
    assert answer["result"]["content"][0]["text"] == "slow ran"
    guard.still_works()
    assert not guard.ran(mark)


@pytest.mark.parametrize("era", ERAS)
def test_refusal_is_not_taken_for_the_answer_in_flight(
    guards: dict[str, Governed], era: str
) -> None:
    """A broken frame that names the id of a call in flight does not end that call."""
    guard = guards[era]
    one_stream(guard)
    wire = guard.wire
    request_id = wire.fresh_id()
    slow = {"name": "slow", "arguments": {"ms": 800}}
    wire.send(_request(guard, "tools/call", slow, request_id))
    mark = guard.mark()
    for frame in table(era):
        if frame.name in {"duplicate name", "key 'Method'", "larger than the limit", "number NaN"}:
            wire.write(frame.make(request_id, mark) + b"\n")
    for literal in ("1e0", ".5", "000", "E400"):
        wire.write(f'{{"jsonrpc":"2.0","id":{request_id}{literal},"method":"ping"}}\n'.encode())
    answer = wire.response(request_id)
    assert "result" in answer, answer
    assert answer["result"]["content"][0]["text"] == "slow ran"
    guard.still_works()
    assert not guard.ran(mark)


@pytest.mark.parametrize("era", ERAS)
def test_answers_to_ids_of_both_types_are_kept_apart(guards: dict[str, Governed], era: str) -> None:
    """`7` and `"7"` are two requests."""
    guard = guards[era]
    number = guard.wire.fresh_id()
    for request_id, ms in ((number, 300), (str(number), 10)):
        params = {"name": "slow", "arguments": {"ms": ms}}
        guard.wire.send(_request(guard, "tools/call", params, request_id))
    assert guard.wire.response(str(number))["id"] == str(number)
    assert guard.wire.response(number)["id"] == number


@pytest.mark.parametrize("era", ERAS)
def test_calls_are_pipelined(guards: dict[str, Governed], era: str) -> None:
    """Two hundred calls written at once are answered once each, and run once each."""
    guard = guards[era]
    marks = {guard.wire.fresh_id(): guard.mark() for _ in range(200)}
    guard.wire.write(
        b"".join(
            json.dumps(
                _request(guard, "tools/call", {"name": "echo", "arguments": {"message": mark}}, key)
            ).encode()
            + b"\n"
            for key, mark in marks.items()
        )
    )
    for key, mark in marks.items():
        assert mark in str(guard.wire.response(key)["result"])
    ran = [
        entry["arguments"]["message"]
        for entry in guard.server_entries()
        if entry.get("ran") == "echo"
    ]
    assert all(ran.count(mark) == 1 for mark in marks.values())


@pytest.mark.parametrize("era", ERAS)
def test_cancelled_call_gets_no_second_life(guards: dict[str, Governed], era: str) -> None:
    """A cancel reaches the server, and its late answer does not reach the client."""
    guard = guards[era]
    one_stream(guard)
    request_id = guard.wire.fresh_id()
    guard.wire.send(
        _request(guard, "tools/call", {"name": "slow", "arguments": {"ms": 400}}, request_id)
    )
    guard.wire.send(
        {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": request_id}}
    )
    with pytest.raises(SilenceError):
        guard.wire.response(request_id, deadline_s=1.0)
    guard.still_works()


def _request(guard: Governed, method: str, params: dict[str, object], request_id: object) -> object:
    return call_frame(method, params, request_id, modern=guard.modern)


def test_table_covers_what_is_known() -> None:
    """The table holds every kind of answer, and enough frames that bite."""
    frames = table(LEGACY)
    assert {frame.answer for frame in frames} >= {OWN, ANY, QUIET}
    assert sum(frame.bites for frame in frames) > 60
