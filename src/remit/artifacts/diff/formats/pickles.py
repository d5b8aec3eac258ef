"""What a pickle would do, from its opcodes alone (:mod:`pickletools`); nothing of it is loaded.

The stack is followed far enough to know the names that ``STACK_GLOBAL`` imports: strings, the
memo, duplicates and marks. A name that is not a constant is reported as computed.
"""

import hashlib
import pickletools
from collections import Counter
from collections.abc import Iterator
from typing import Any, BinaryIO

import msgspec

from remit.artifacts.diff.base import NotLookedIntoError

MAX_OPCODES = 3_000_000
MAX_STREAMS = 1000
MAX_ARGUMENT_BYTES = 64 * 1024 * 1024
MAX_LINE_BYTES = 1024 * 1024
MAX_STACK = 200_000
MAX_MEMO = 1_000_000
MAX_TEXTS = 2000
MAX_NAME = 4096
MAX_GLOBALS = 50_000
_KEPT_TEXT = 200
COMPUTED = "(computed)"


class Pickle(msgspec.Struct, frozen=True, kw_only=True):
    """A profile of the pickles in a file.

    Attributes:
        streams: how many come one after the other.
        protocols: of each.
        globals: ``module.name`` → how often it is imported.
        opcodes: name → how often.
        texts: the texts that are constants, and how often; long ones by their beginning and digest.
        arguments: digest over all opcodes with their arguments.
        trailing: bytes after the last stream, and their digest, if there are any.
        trailing_digest: empty if there are none.
    """

    streams: int
    protocols: tuple[int, ...]
    globals: dict[str, int]
    opcodes: dict[str, int]
    texts: dict[str, int]
    arguments: str
    trailing: int = 0
    trailing_digest: str = ""


class _Bounded:
    """The file as pickletools reads it: lengths that lie ask for nothing."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._left = size

    @property
    def left(self) -> int:
        return self._left

    def read(self, count: int) -> bytes:
        if count > self._left:
            raise ValueError("a length is larger than the file")
        if count > MAX_ARGUMENT_BYTES:
            raise NotLookedIntoError(f"it holds a value of more than {MAX_ARGUMENT_BYTES} bytes")
        data = self._file.read(count)
        self._left -= len(data)
        return data

    def readline(self) -> bytes:
        data = self._file.readline(MAX_LINE_BYTES)
        if len(data) == MAX_LINE_BYTES:
            raise NotLookedIntoError(f"it holds a line of more than {MAX_LINE_BYTES} bytes")
        self._left -= len(data)
        return data


_MARK = object()
_UNKNOWN = object()
_TEXTS = frozenset({
    "STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE",
    "BINUNICODE8",
})  # fmt: skip
_PUTS = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})
_GETS = frozenset({"GET", "BINGET", "LONG_BINGET"})


class _Machine:
    """The stack of one stream, with what is known of its items."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def step(self, opcode: pickletools.OpcodeInfo, argument: Any) -> str | None:
        """The effect of an opcode; what it imports, if it does."""
        name = opcode.name
        if name in _TEXTS:
            # Longer than any name; kept, such texts would fill the memory.
            self.push(argument if len(argument) <= MAX_NAME else _UNKNOWN)
        elif name == "MARK":
            self.push(_MARK)
        elif name in _PUTS or name == "MEMOIZE":
            key = len(self.memo) if name == "MEMOIZE" else int(argument)
            if len(self.memo) >= MAX_MEMO:
                raise NotLookedIntoError(f"it remembers more than {MAX_MEMO} values")
            self.memo[key] = self.stack[-1] if self.stack else _UNKNOWN
        elif name in _GETS:
            self.push(self.memo.get(int(argument), _UNKNOWN))
        elif name == "DUP":
            self.push(self.stack[-1] if self.stack else _UNKNOWN)
        elif name == "GLOBAL":
            self.push(_UNKNOWN)
            return _named(*argument.split(" ", 1)) if " " in argument else COMPUTED
        elif name == "STACK_GLOBAL":
            attribute, module = self.pop(), self.pop()
            self.push(_UNKNOWN)
            if isinstance(module, str) and isinstance(attribute, str):
                return _named(module, attribute)
            return COMPUTED
        elif name == "INST":
            self.to_mark()
            self.push(_UNKNOWN)
            return _named(*argument.split(" ", 1)) if " " in argument else COMPUTED
        elif name in {"EXT1", "EXT2", "EXT4"}:
            self.push(_UNKNOWN)
            return f"(extension {int(argument)})"
        else:
            self.other(opcode)
        return None

    def other(self, opcode: pickletools.OpcodeInfo) -> None:
        """By what :mod:`pickletools` says that it takes and gives."""
        before = opcode.stack_before
        if pickletools.markobject in before:
            self.to_mark()
            below = before.index(pickletools.markobject)
        else:
            below = len(before)
        for _ in range(below):
            self.pop()
        for _ in opcode.stack_after:
            self.push(_UNKNOWN)

    def push(self, value: Any) -> None:
        if len(self.stack) >= MAX_STACK:
            raise NotLookedIntoError(f"its stack grows beyond {MAX_STACK} values")
        self.stack.append(value)

    def pop(self) -> Any:
        return self.stack.pop() if self.stack else _UNKNOWN

    def to_mark(self) -> None:
        while self.stack and self.stack.pop() is not _MARK:
            pass


def profile(file: BinaryIO, size: int) -> Pickle:
    """Look at every stream of a file, and at what follows.

    Raises:
        NotLookedIntoError: it is none, breaks off, or goes beyond the bounds.
    """
    source = _Bounded(file, size)
    imported: Counter[str] = Counter()
    opcodes: Counter[str] = Counter()
    texts: Counter[str] = Counter()
    protocols: list[int] = []
    taken = hashlib.sha256()
    count = streams = 0
    start = file.tell()
    while source.left and streams < MAX_STREAMS:
        if streams and not _starts(file):
            break
        machine = _Machine()
        protocol = 0
        try:
            for opcode, argument in _opcodes(source):
                count += 1
                if count > MAX_OPCODES:
                    raise NotLookedIntoError(f"it has more than {MAX_OPCODES} opcodes")
                opcodes[opcode.name] += 1
                taken.update(opcode.code.encode("latin-1"))
                if argument is not None:
                    taken.update(_bytes(argument))
                if opcode.name == "PROTO":
                    protocol = int(argument)
                elif isinstance(argument, str) and opcode.name in _TEXTS:
                    _keep(texts, argument)
                found = machine.step(opcode, argument)
                if found is not None:
                    imported[found] += 1
                    if len(imported) > MAX_GLOBALS:
                        raise NotLookedIntoError(f"it imports more than {MAX_GLOBALS} names")
        except (ValueError, OverflowError, UnicodeError) as error:
            if streams:
                break  # what follows the last stream is no pickle
            raise NotLookedIntoError(f"it is no complete pickle: {str(error)[:100]}") from error
        streams += 1
        protocols.append(protocol)
        start = file.tell()
    file.seek(start)
    trailing, digest = _rest(file)
    return Pickle(
        streams=streams,
        protocols=tuple(protocols),
        globals=dict(imported),
        opcodes=dict(opcodes),
        texts=dict(texts),
        arguments=taken.hexdigest(),
        trailing=trailing,
        trailing_digest=digest,
    )


def _opcodes(source: _Bounded) -> Iterator[tuple[pickletools.OpcodeInfo, Any]]:
    genops: Any = pickletools.genops  # asks for `read` and `readline` of a file only
    for opcode, argument, _ in genops(source):
        yield opcode, argument


def _starts(file: BinaryIO) -> bool:
    """Whether another pickle of protocol 2 or later begins here."""
    place = file.tell()
    head = file.read(2)
    file.seek(place)
    return head[:1] == b"\x80" and head[1:] in {b"\x02", b"\x03", b"\x04", b"\x05"}


def _rest(file: BinaryIO) -> tuple[int, str]:
    taken, count = hashlib.sha256(), 0
    while chunk := file.read(1 << 20):
        taken.update(chunk)
        count += len(chunk)
    return count, f"sha256:{taken.hexdigest()}" if count else ""


def _named(module: str, attribute: str) -> str:
    name = f"{module}.{attribute}"
    if len(name) <= MAX_NAME:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{name[:100]}… ({len(name)} characters, sha256 {digest[:16]})"


def _keep(texts: "Counter[str]", text: str) -> None:
    if len(text) > _KEPT_TEXT:
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        text = f"{text[:_KEPT_TEXT]}… ({len(text)} characters, sha256 {digest[:16]})"
    if text in texts or len(texts) < MAX_TEXTS:
        texts[text] += 1


def _bytes(argument: Any) -> bytes:
    if isinstance(argument, (bytes, bytearray)):
        return bytes(argument)
    if isinstance(argument, str):
        return argument.encode("utf-8", "surrogatepass")
    return hex(argument).encode() if isinstance(argument, int) else repr(argument).encode()
