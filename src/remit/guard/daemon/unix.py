"""Guard's Unix socket: who connects is known by the kernel, not by what it says."""

import array
import asyncio
import contextlib
import fcntl
import os
import resource
import select
import socket
import stat
import struct
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import msgspec

from remit.guard.daemon.protocol import MAX_HELLO
from remit.guard.errors import GuardError
from remit.guard.identity import user_name

HELLO_S = 5.0
SAY_S = 5.0
MAX_DESCRIPTORS = 3
MAX_PEERS = 4096
BACKLOG = 512
PER_PEER = 8
"""Descriptors that a session may need: its connection, three streams, the server's ends."""
RESERVED = 48
"""Descriptors that no peer gets: the log must be able to open its next file, whoever connects."""
_CREDENTIALS = struct.Struct("iII")
_ONE = struct.Struct("i")


class Peer(msgspec.Struct, frozen=True):
    """The process at the other end when it connected (SO_PEERCRED, unix(7)).

    Attributes:
        pid, uid: its process and its user's number.
        user: its user's name.
    """

    pid: int
    uid: int
    user: str


class Caller:
    """One accepted connection with its first line and the descriptors that came with it.

    Descriptors belong to the handler: what it does not take is closed when it returns.
    """

    def __init__(
        self, sock: socket.socket, peer: Peer, line: bytes, descriptors: list[int]
    ) -> None:
        self.sock = sock
        self.peer = peer
        self.line = line
        self.descriptors = descriptors

    async def say(self, data: bytes) -> None:
        """Send a line; raises ``OSError`` if the peer is gone, or does not take it in time."""
        async with asyncio.timeout(SAY_S):
            await asyncio.get_running_loop().sock_sendall(self.sock, data)

    def say_now(self, data: bytes) -> None:
        """Send a short line if it fits into the socket's buffer, else let it be."""
        with contextlib.suppress(OSError):
            self.sock.send(data, socket.MSG_DONTWAIT)

    async def gone(self) -> None:
        """Wait until the peer closes its end or says anything, which it may not."""
        with contextlib.suppress(OSError):
            await asyncio.get_running_loop().sock_recv(self.sock, 1)


Handler = Callable[[Caller], Awaitable[None]]


class Listener:
    """Accepts peers and gives each to the handler, in a task of its own."""

    def __init__(self, path: Path, handler: Handler) -> None:
        self.path = path
        self._handler = handler
        self._tasks: set[asyncio.Task[None]] = set()
        self._accepting: asyncio.Task[None] | None = None
        self._socket: socket.socket | None = None

    def open(self) -> None:
        """Bind and listen; a socket that nobody serves is replaced.

        Raises:
            GuardError: another Guard listens there, or the place cannot be used.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with _alone(self.path.parent):
                _make_way(self.path)
                listening = _bound(self.path)
        except OSError as error:
            raise GuardError(
                f"Guard cannot listen on `{self.path}`: {error.strerror or error}",
                code="guard.no_socket",
                hint="choose another place with --socket (at most about 100 characters)",
            ) from error
        self._socket = listening
        self._accepting = asyncio.get_running_loop().create_task(self._accept())

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        assert self._socket is not None
        while True:
            try:
                sock, _ = await loop.sock_accept(self._socket)
            except OSError:
                # No descriptors left, perhaps; those who wait are taken when there are.
                await asyncio.sleep(0.1)
                continue
            if len(self._tasks) >= _room():
                sock.close()
                continue
            task = loop.create_task(self._serve(sock))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, sock: socket.socket) -> None:
        descriptors: list[int] = []
        try:
            sock.setblocking(False)
            peer = _peer(sock)
            async with asyncio.timeout(HELLO_S):
                line = await _hello(sock, descriptors)
            if _hung_up(sock):
                # Its streams are somebody else's by now, and nobody hears the answer.
                return
            await self._handler(Caller(sock, peer, line, descriptors))
        except (OSError, TimeoutError, EOFError):
            return
        finally:
            for descriptor in descriptors:
                with contextlib.suppress(OSError):
                    os.close(descriptor)
            sock.close()

    async def close(self) -> None:
        """Stop listening, end what is being handled, remove the socket."""
        tasks = [*self._tasks]
        if self._accepting is not None:
            tasks.append(self._accepting)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._socket is not None:
            # Unlinked first: what is there now is ours, for nobody replaces a socket that answers.
            with contextlib.suppress(OSError):
                self.path.unlink()
            self._socket.close()


def _room() -> int:
    """How many peers may be there at once, by the descriptors that this process may have."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return MAX_PEERS
    return min(MAX_PEERS, max(1, (limit - RESERVED) // PER_PEER))


def _peer(sock: socket.socket) -> Peer:
    raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(raw)
    return Peer(pid, uid, user_name(uid))


async def _hello(sock: socket.socket, descriptors: list[int]) -> bytes:
    """The first line; descriptors that come with it are added to ``descriptors``.

    Raises:
        EOFError: no line, too long a line, or too many descriptors.
    """
    loop = asyncio.get_running_loop()
    data = b""
    while not data.endswith(b"\n"):
        await _readable(loop, sock)
        try:
            piece, ancillary, flags, _ = sock.recvmsg(
                MAX_HELLO, socket.CMSG_SPACE(MAX_DESCRIPTORS * _ONE.size), socket.MSG_CMSG_CLOEXEC
            )
        except BlockingIOError:
            continue
        for level, kind, value in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                found = array.array("i")
                found.frombytes(value[: len(value) - len(value) % found.itemsize])
                descriptors.extend(found)
        data += piece
        if not piece or len(data) > MAX_HELLO or flags & socket.MSG_CTRUNC:
            raise EOFError
        if len(descriptors) > MAX_DESCRIPTORS:
            # Each message may bring some, and a line may come in thousands of messages.
            raise EOFError
    return data[:-1]


async def _readable(loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
    ready = loop.create_future()

    def tell() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(sock, tell)
    try:
        await ready
    finally:
        loop.remove_reader(sock)


def _hung_up(sock: socket.socket) -> bool:
    """Whether the peer closed its end, by now, altogether."""
    poll = select.poll()
    poll.register(sock, 0)
    return bool(poll.poll(0))


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Hold a directory: of two Guards that find one dead socket, the second finds the first.

    Raises:
        OSError: it cannot be opened.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _make_way(path: Path) -> None:
    """Remove the socket of a Guard that is no more.

    Raises:
        GuardError: a Guard serves it, or it is no socket.
        OSError: it cannot be reached or removed.
    """
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise GuardError(
            f"`{path}` is there and is no socket",
            code="guard.no_socket",
            hint="choose another place with --socket, or move the file away",
        )
    if _answers(path):
        raise GuardError(
            f"another Guard listens on `{path}`",
            code="guard.running",
            hint="`remit guard status` shows it, `remit guard stop` ends it",
        )
    path.unlink()


def _bound(path: Path) -> socket.socket:
    """A socket that listens at ``path``, for this user alone."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.setblocking(False)
    mask = os.umask(0o177)
    try:
        listening.bind(str(path))
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    finally:
        os.umask(mask)
    return listening


def _answers(path: Path) -> bool:
    """Whether somebody serves the socket at ``path``; a queue that is full has an owner, too."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except (TimeoutError, BlockingIOError):
            return True
    return True
