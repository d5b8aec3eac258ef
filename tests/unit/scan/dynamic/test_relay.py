"""The way out: bytes pass both ways, to one server, and nothing is left when it is over."""

import contextlib
import socket
import threading
import time

import pytest

from remit.scan.dynamic import relay
from remit.scan.dynamic.relay import Relay


@pytest.fixture
def server():
    """One that sends back what it gets, reversed, once the other side is done."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        with contextlib.suppress(OSError):
            while True:
                one, _ = listener.accept()
                threading.Thread(target=answer, args=(one,), daemon=True).start()

    def answer(one):
        with one, contextlib.suppress(OSError):
            got = b"".join(iter(lambda: one.recv(65536), b""))
            one.sendall(got[::-1])

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    with contextlib.suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


def reach(place):
    one = socket.socket(socket.AF_UNIX)
    one.settimeout(10)
    try:
        one.connect(str(place))
    except OSError:
        one.close()
        raise
    return one


def ask(place, data):
    with reach(place) as one:
        with contextlib.suppress(OSError):  # whoever is refused may notice while sending
            one.sendall(data)
            one.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            return b"".join(iter(lambda: one.recv(65536), b""))
        return b""


def test_bytes_pass_both_ways(tmp_path, server):
    with Relay(tmp_path / "way", "127.0.0.1", server) as way:
        assert not way.reached
        assert ask(tmp_path / "way", b"abc") == b"cba"
        large = bytes(range(256)) * 8000
        assert ask(tmp_path / "way", large) == large[::-1]
        assert way.reached


def test_many_at_a_time(tmp_path, server):
    found = []
    with Relay(tmp_path / "way", "127.0.0.1", server):
        threads = [
            threading.Thread(target=lambda n=n: found.append(ask(tmp_path / "way", b"%d" % n)))
            for n in range(10, 40)
        ]
        for each in threads:
            each.start()
        for each in threads:
            each.join(20)
    assert sorted(each[::-1] for each in found) == [b"%d" % n for n in range(10, 40)]


def test_nobody_listens_there(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with Relay(tmp_path / "way", "127.0.0.1", port) as way:
        assert ask(tmp_path / "way", b"abc") == b""
        assert not way.reached


def test_more_than_there_is_room_for_are_turned_away(tmp_path, server, monkeypatch):
    monkeypatch.setattr(relay, "MAX_AT_A_TIME", 2)
    with Relay(tmp_path / "way", "127.0.0.1", server):
        held = [reach(tmp_path / "way") for _ in range(2)]
        for each in held:
            each.sendall(b"x")
        time.sleep(0.2)
        assert ask(tmp_path / "way", b"abc") == b""
        for each in held:
            each.close()
        until = time.monotonic() + 10
        while ask(tmp_path / "way", b"abc") != b"cba":
            assert time.monotonic() < until


def test_it_ends_what_is_open(tmp_path, server):
    with Relay(tmp_path / "way", "127.0.0.1", server):
        one = reach(tmp_path / "way")
        one.sendall(b"x")
        time.sleep(0.2)
    assert one.recv(10) == b""
    one.close()
    with pytest.raises(ConnectionRefusedError):
        reach(tmp_path / "way")
