"""Beginnings, ends, floods, and that what passes is what was sent."""

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.rig.governed import Governed, refused, said
from tests.rig.wire import LEGACY, MODERN, EndedError, call_frame

ERAS = [LEGACY, MODERN]


@pytest.fixture(scope="module")
def guards(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Governed]]:
    """One Guard per era."""
    opened = {}
    try:
        for era in ERAS:
            opened[era] = Governed(tmp_path_factory.mktemp(f"guard-{era}"), era)
        yield opened
    finally:
        for guard in opened.values():
            guard.close()


@pytest.fixture(params=ERAS)
def guard(request: pytest.FixtureRequest, guards: dict[str, Governed]) -> Governed:
    """The shared Guard of each era."""
    shared = guards[request.param]
    shared.wire.drain()
    return shared


def frame(guard: Governed, name: str, request_id: int, **arguments: Any) -> bytes:
    """Return the line of a call."""
    params = {"name": name, "arguments": arguments}
    value = call_frame("tools/call", params, request_id, modern=guard.modern)
    return json.dumps(value).encode() + b"\n"


def server_pid(guard: Governed) -> int:
    """Return the process id of the server behind Guard."""
    return next(int(entry["pid"]) for entry in guard.server_entries() if "pid" in entry)


def gone(pid: int, within_s: float) -> bool:
    """Whether a process ends in time."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


class TestFidelity:
    """What passes is what was sent."""

    @pytest.mark.parametrize(
        "text",
        [
            '{"a":1,"b":[true,false,null],"c":{"d":""}}',
            '{"one":1.0,"exp":1e2,"neg":-0.0,"tiny":1e-300,"third":0.1}',
            '{"big":123456789012345678901234567890,"max":9007199254740993}',
            '{"price":19.990,"long":0.1000000000000000055511151231257827}',
            '{"z":1,"a":2,"m":3}',
            '{"\\u00e9":"\\ud83d\\ude00","\\u2028":"\\/","n":"\\n\\t\\u0000"}',
            '{"a":1,"A":2}',
        ],
    )
    def test_results_keep_their_values(self, guard: Governed, text: str) -> None:
        """Numbers keep their digits' meaning, keys their order, texts their characters."""
        response = guard.call("raw", json=text)
        assert "result" in response, response
        exact = {"parse_float": str, "parse_int": str}
        received = json.loads(guard.wire.last_line, **exact)["result"]["structuredContent"]
        sent = json.loads(text, **exact)
        assert same(received, sent), (received, sent)
        if isinstance(sent, dict):
            assert list(received) == list(sent)

    @pytest.mark.parametrize(
        "text",
        [
            '{"a":1,"a":2}',
            '{"a":NaN}',
            '{"a":1e999}',
            '{"a":"\\ud800"}',
            '{"a":01}',
            "{'a':1}",
            '{"a":1,}',
        ],
    )
    def test_results_with_two_readings_do_not_pass(self, guard: Governed, text: str) -> None:
        """What two parsers may read differently is refused."""
        assert refused(guard.call("raw", json=text))
        guard.still_works()

    @pytest.mark.parametrize("text", ["[]", "[[[[[[]]]]]]", "7", '"text"', "true"])
    def test_structured_content_of_any_kind(self, guard: Governed, text: str) -> None:
        """The modern era permits any JSON value, the legacy one objects only."""
        response = guard.call("raw", json=text)
        if guard.modern:
            assert response["result"]["structuredContent"] == json.loads(text)
        else:
            assert refused(response)

    @pytest.mark.parametrize("count", [1, 5_000])
    def test_notifications_come_in_order(self, guard: Governed, count: int) -> None:
        """A flood of log messages arrives whole, and before the answer."""
        assert said(guard.call("noise", deadline_s=60, count=count)) == "noise ran"
        seen = [
            f["params"]["data"]
            for f in guard.wire.frames
            if f.get("method") == "notifications/message"
        ]
        assert seen[-count:] == list(range(count))


def same(received: Any, sent: Any) -> bool:
    """Whether two values, parsed with numbers as texts, are equal as numbers and texts."""
    if isinstance(sent, dict):
        return received.keys() == sent.keys() and all(same(received[k], sent[k]) for k in sent)
    if isinstance(sent, list):
        return len(received) == len(sent) and all(map(same, received, sent))
    if isinstance(sent, str) and isinstance(received, str) and sent != received:
        try:
            return float(sent) == float(received) and ("." in sent or "e" in sent)
        except ValueError:
            return False
    return bool(received == sent) and type(received) is type(sent)


@pytest.mark.parametrize("era", ERAS)
class TestEnds:
    """How it ends."""

    def test_goodbye_right_after_the_question(self, tmp_path: Path, era: str) -> None:
        """Who writes calls and closes its output, as scripts do, still gets the answers."""
        guard = Governed(tmp_path, era)
        ids = [guard.wire.fresh_id() for _ in range(20)]
        guard.wire.write(b"".join(frame(guard, "slow", key, ms=150) for key in ids))
        guard.wire.close_stdin()
        for key in ids:
            assert said(guard.wire.response(key)) == "slow ran"
        with pytest.raises(EndedError):
            guard.wire.next_frame(10)
        assert guard.close() == 0
        assert gone(server_pid(guard), 5)

    def test_end_without_any_message(self, tmp_path: Path, era: str) -> None:
        """A client that only looks in ends Guard and the server without an error."""
        guard = Governed(tmp_path, era, opened=False)
        guard.wire.close_stdin()
        with pytest.raises(EndedError):
            guard.wire.next_frame(10)
        assert guard.close() == 0

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
    def test_signal(self, tmp_path: Path, era: str, number: int) -> None:
        """A signal ends Guard in order: the log is closed, the server ends."""
        guard = Governed(tmp_path, era)
        guard.still_works()
        os.kill(guard.wire.process.pid, number)
        guard.wire.process.wait(10)
        assert gone(server_pid(guard), 5)
        guard.close()
        assert guard.records()[-1]["kind"] == "guard.stop"

    def test_kill(self, tmp_path: Path, era: str) -> None:
        """Without Guard there is no server: it ends when Guard is killed."""
        guard = Governed(tmp_path, era)
        guard.still_works()
        guard.wire.process.kill()
        assert gone(server_pid(guard), 5)
        guard.close()

    def test_server_that_does_not_end(self, tmp_path: Path, era: str) -> None:
        """A server that ignores the end of its input and SIGTERM is killed in the end."""
        guard = Governed(tmp_path, era, server_options=["--lenient", "--stubborn"])
        guard.still_works()
        guard.wire.close_stdin()
        assert gone(server_pid(guard), 20)
        guard.close(20)
        assert guard.records()[-1]["kind"] == "guard.stop"


@pytest.mark.parametrize("era", ERAS)
class TestFloods:
    """A client that sends without reading."""

    def test_nobody_reads(self, tmp_path: Path, era: str) -> None:
        """Guard waits with reading instead of piling up, and answers all of it later."""
        guard = Governed(tmp_path, era)
        wire = guard.wire
        count, size = 2_000, 20_000
        first = wire.fresh_id() + 1_000_000
        sent = 0

        def write() -> None:
            nonlocal sent
            for number in range(count):
                wire.write(frame(guard, "echo", first + number, message="m" * size))
                sent = number + 1

        with wire.paused():
            writer = threading.Thread(target=write, daemon=True)
            writer.start()
            time.sleep(3)
            stuck = sent
            memory = psutil.Process(wire.process.pid).memory_info().rss
        assert stuck < count, "40 MB were taken in though nobody read the answers"
        assert memory < 300e6, f"{memory / 1e6:.0f} MB"
        for number in range(count):
            assert len(said(wire.response(first + number, 60))) > size
        writer.join(10)
        guard.still_works()
        guard.close()
