"""Peers of Guard's socket: slow, silent, rude, with too much; none of them keeps anything."""

import asyncio
import contextlib
import os
import socket
import stat
import tempfile
from pathlib import Path

import pytest

from remit.guard.daemon import unix
from remit.guard.daemon.protocol import MAX_HELLO
from remit.guard.daemon.unix import Listener
from remit.guard.errors import GuardError
from remit.guard.identity import current_user
from tests.unit.guard.helpers import go


@pytest.fixture
def path():
    """A socket's name is short."""
    with tempfile.TemporaryDirectory(prefix="remit-", dir="/tmp") as name:
        yield Path(name) / "run" / "guard.sock"


class Served:
    """A listener whose handler keeps what came, and answers."""

    def __init__(self, path):
        self.answers = {}
        self.callers = []
        self.came = []
        self.listener = Listener(path, self._handle)

    async def _handle(self, caller):
        self.callers.append(caller)
        self.came.append((caller.line, len(caller.descriptors)))
        await caller.say(self.answers.get(caller.line, b"heard\n"))

    async def __aenter__(self):
        self.listener.open()
        return self

    async def __aexit__(self, *exception):
        await self.listener.close()

    async def quiet(self):
        """Every peer so far was handled to its end: they are taken in their order."""
        with contextlib.closing(await connected(self.listener.path)) as sock:
            sock.send(b"fence\n")
            assert await said(sock) == b"heard\n"
        await asyncio.gather(*self.listener._tasks)
        self.came.remove((b"fence", 0))


async def connected(path):
    sock = socket.socket(socket.AF_UNIX)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, str(path))
    return sock


async def said(sock):
    """What the listener answers before it hangs up; nothing if it hangs up on what it was told."""
    try:
        return await asyncio.get_running_loop().sock_recv(sock, 100)
    except ConnectionResetError:
        return b""


def open_files():
    return sorted(path.name for path in Path("/proc/self/fd").iterdir())


def test_a_peer_is_known_by_the_kernel(path):
    async def scenario():
        async with Served(path) as served:
            with contextlib.closing(await connected(path)) as sock:
                sock.send(b"who am I\n")
                assert await said(sock) == b"heard\n"
            (caller,) = served.callers
            assert caller.peer == unix.Peer(os.getpid(), os.getuid(), current_user())
            assert served.came == [(b"who am I", 0)]

    go(scenario())


def test_the_socket_is_its_users_alone_and_goes_with_the_listener(path):
    async def scenario():
        async with Served(path):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert not path.exists()

    go(scenario())


def test_a_line_in_pieces_with_descriptors_in_the_middle(path):
    async def scenario():
        async with Served(path) as served:
            with contextlib.closing(await connected(path)) as sock:
                for piece in (b"a", b"b", b"c"):
                    socket.send_fds(sock, [piece], [0])
                    await asyncio.sleep(0)
                sock.send(b"\n")
                assert await said(sock) == b"heard\n"
            assert served.came == [(b"abc", 3)]

    go(scenario())


@pytest.mark.parametrize("count", [1, 3])
def test_descriptors_that_nobody_takes_are_closed(path, count):
    async def scenario():
        async with Served(path) as served:
            before = open_files()
            for _ in range(20):
                with contextlib.closing(await connected(path)) as sock:
                    socket.send_fds(sock, [b"x\n"], [0] * count)
                    assert await said(sock) == b"heard\n"
            await served.quiet()
            assert open_files() == before

    go(scenario())


@pytest.mark.parametrize("count", [4, 5, 100, 253])
def test_too_many_descriptors_are_none(path, count):
    async def scenario():
        async with Served(path) as served:
            before = open_files()
            with contextlib.closing(await connected(path)) as sock:
                socket.send_fds(sock, [b"x\n"], [0] * count)
                assert await said(sock) == b""
            await served.quiet()
            assert open_files() == before
            assert served.came == []

    go(scenario())


def test_a_line_in_many_messages_does_not_bring_many_descriptors(path):
    """4,096 messages of a byte could carry more descriptors than Guard may have open."""

    async def scenario():
        async with Served(path) as served:
            before = open_files()
            with contextlib.closing(await connected(path)) as sock:
                with contextlib.suppress(OSError):
                    for _ in range(100):
                        socket.send_fds(sock, [b"x"], [0, 0, 0])
                        await asyncio.sleep(0)
                assert await said(sock) == b""
            await served.quiet()
            assert open_files() == before

    go(scenario())


@pytest.mark.parametrize(
    "sent", [b"", b"half a line", b"x" * (MAX_HELLO + 1) + b"\n", b"x" * 100_000]
)
def test_who_says_no_line_is_cut_off(path, sent, monkeypatch):
    """Silence, half a line, and too long a line end after the time for a hello at the latest."""
    monkeypatch.setattr(unix, "HELLO_S", 0.05)

    async def scenario():
        async with Served(path) as served:
            with contextlib.closing(await connected(path)) as sock:
                with contextlib.suppress(BlockingIOError):
                    sock.send(sent)
                assert await said(sock) == b""
            assert served.came == []

    go(scenario())


def test_who_is_silent_keeps_nobody_waiting(path):
    async def scenario():
        async with Served(path) as served:
            silent = [await connected(path) for _ in range(50)]
            with contextlib.closing(await connected(path)) as sock:
                sock.send(b"hello\n")
                assert await said(sock) == b"heard\n"
            for sock in silent:
                sock.close()
            await served.quiet()

    go(scenario())


@pytest.mark.parametrize("sent", [b"", b"half", b"whole\n"])
def test_who_closes_at_once_is_not_served(path, sent):
    """Also after a whole line: nobody hears the answer, and the streams have another reader."""

    async def scenario():
        async with Served(path) as served:
            before = open_files()
            for _ in range(20):
                with contextlib.closing(await connected(path)) as sock:
                    if sent:
                        socket.send_fds(sock, [sent], [0, 1, 2])
            await served.quiet()
            assert open_files() == before
            assert served.came == []

    go(scenario())


def test_who_only_stops_sending_is_answered(path):
    async def scenario():
        async with Served(path) as served:
            with contextlib.closing(await connected(path)) as sock:
                sock.send(b"hello\n")
                sock.shutdown(socket.SHUT_WR)
                assert await said(sock) == b"heard\n"
            assert len(served.came) == 1

    go(scenario())


def test_more_peers_than_are_served_are_cut_off(path, monkeypatch):
    monkeypatch.setattr(unix, "MAX_PEERS", 2)

    async def scenario():
        async with Served(path):
            first = [await connected(path) for _ in range(2)]
            with contextlib.closing(await connected(path)) as sock:
                assert await said(sock) == b""
            for sock in first:
                sock.close()

    go(scenario())


@pytest.mark.parametrize(
    ("limit", "room"),
    [(-1, 4096), (1_000_000, 4096), (1024, 122), (256, 26), (48, 1), (0, 1)],
)
def test_peers_leave_the_log_its_descriptors(limit, room, monkeypatch):
    monkeypatch.setattr(unix.resource, "getrlimit", lambda _: (limit, limit))
    assert unix._room() == room


def test_gone_is_told_when_the_peer_closes_or_speaks():
    async def scenario():
        for last in (b"", b"x"):
            ours, theirs = socket.socketpair()
            ours.setblocking(False)
            caller = unix.Caller(ours, unix.Peer(1, 1, "u"), b"", [])
            task = asyncio.create_task(caller.gone())
            await asyncio.sleep(0)
            assert not task.done()
            if last:
                theirs.send(last)
            theirs.close()
            await asyncio.wait_for(task, 5)
            caller.say_now(b"\n")
            ours.close()

    go(scenario())


def test_who_does_not_take_the_answer_is_not_waited_for(path, monkeypatch):
    """A peer that is stopped, or never reads, keeps no session and no descriptor."""
    monkeypatch.setattr(unix, "SAY_S", 0.05)

    async def scenario():
        async with Served(path) as served:
            served.answers[b"tell me"] = b"x" * 5_000_000
            with contextlib.closing(await connected(path)) as sock:
                sock.send(b"tell me\n")
                await served.quiet()
                assert served.came == [(b"tell me", 0)]

    go(scenario())


def test_a_sign_of_life_never_blocks():
    async def scenario():
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        caller = unix.Caller(ours, unix.Peer(1, 1, "u"), b"", [])
        for _ in range(10_000):
            caller.say_now(b"\n" * 100)
        ours.close()
        theirs.close()

    go(scenario())


# --- the place ----------------------------------------------------------------------------------


def refusal(path):
    async def scenario():
        with pytest.raises(GuardError) as error:
            Served(path).listener.open()
        return error.value

    return go(scenario())


def test_a_second_listener_is_refused(path):
    async def scenario():
        async with Served(path) as served:
            with pytest.raises(GuardError) as error:
                Served(path).listener.open()
            assert error.value.code == "guard.running"
            with contextlib.closing(await connected(path)) as sock:
                sock.send(b"x\n")
                assert await said(sock) == b"heard\n"
            assert len(served.came) == 1

    go(scenario())


@pytest.mark.parametrize("listens", [False, True])
def test_a_socket_that_nobody_serves_is_replaced(path, listens):
    path.parent.mkdir()
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(path))
    if listens:
        dead.listen()
    dead.close()

    async def scenario():
        async with Served(path):
            with contextlib.closing(await connected(path)) as sock:
                sock.send(b"x\n")
                assert await said(sock) == b"heard\n"

    go(scenario())


def test_a_guard_whose_queue_is_full_is_a_guard(path):
    """One that hangs is still there: nobody takes its place while it may come back."""
    path.parent.mkdir()
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as hung:
        hung.bind(str(path))
        hung.listen(0)
        waiting = []
        with contextlib.suppress(BlockingIOError):
            while True:
                sock = socket.socket(socket.AF_UNIX)
                waiting.append(sock)
                sock.setblocking(False)
                sock.connect(str(path))
        assert refusal(path).code == "guard.running"
        for sock in waiting:
            sock.close()


@pytest.mark.parametrize("kind", ["file", "directory", "link"])
def test_what_is_no_socket_is_left_alone(path, kind):
    path.parent.mkdir()
    other = path.parent / "precious"
    other.write_text("mine")
    if kind == "file":
        path.write_text("mine")
    elif kind == "directory":
        path.mkdir()
    else:
        path.symlink_to(other)
    error = refusal(path)
    assert error.code == "guard.no_socket"
    assert "is no socket" in error.message
    assert path.is_symlink() or path.exists()
    assert other.read_text() == "mine"


@pytest.mark.parametrize("name", ["x" * 200, "/dev/null/guard.sock", "/proc/guard.sock"])
def test_a_place_that_cannot_be_used_is_an_error(path, name):
    error = refusal(path.parent / name)
    assert error.code == "guard.no_socket"
    assert "--socket" in error.hint
