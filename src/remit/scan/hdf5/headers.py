"""Object headers: what an object is, as a list of messages."""

import msgspec

from remit.scan.hdf5.source import BrokenHdf5Error, Fields, Source

MAX_MESSAGES = 100_000
_CONTINUATION = 0x10
_SHARED = 2
_NEW_VERSION = 2
"""The only version that has a signature."""
_LAST = 0x17
_SHARED_ELSEWHERE = frozenset({0, 2})


class Message(msgspec.Struct, frozen=True):
    """A message.

    Attributes:
        kind: its number.
        data: its bytes.
        shared: whether ``data`` says only where it is.
    """

    kind: int
    data: bytes
    shared: bool


def messages(source: Source, address: int) -> list[Message]:
    """All messages of the object header at ``address``.

    Raises:
        BrokenHdf5Error: it is none, or has a message that is not known.
    """
    new = source.read(address, 4) == b"OHDR"
    found: list[Message] = []
    blocks = [_new(source, address) if new else _old(source, address)]
    met = {address}
    while blocks:
        fields, ordered = blocks.pop()
        # What is less than the head of a message is a gap.
        while fields.left >= ((6 if ordered else 4) if new else 8):
            message = _message(fields, new=new, ordered=ordered)
            if message.kind == _CONTINUATION:
                where = Fields(message.data, source)
                start, size = where.address(), where.length()
                if start in met:
                    raise BrokenHdf5Error("an object header goes round in a circle")
                met.add(start)
                blocks.append((_continued(source, start, size, new=new), ordered))
            elif message.kind > _LAST:
                raise BrokenHdf5Error(f"an object has the unknown message {message.kind}")
            elif message.kind:
                found.append(message)
            if len(found) > MAX_MESSAGES or len(met) > MAX_MESSAGES:
                raise BrokenHdf5Error("an object has too many messages")
    return found


def _old(source: Source, address: int) -> tuple[Fields, bool]:
    head = Fields(source.read(address, 16), source)
    if head.number(1) != 1:
        raise BrokenHdf5Error("there is no object header where one should be")
    head.take(7)
    return Fields(source.read(address + 16, head.number(4)), source), False


def _new(source: Source, address: int) -> tuple[Fields, bool]:
    head = Fields(source.read(address, 6), source, 4)
    if head.number(1) != _NEW_VERSION:
        raise BrokenHdf5Error("an object header has an unknown version")
    flags = head.number(1)
    before = 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
    width = 1 << (flags & 3)
    size = int.from_bytes(source.read(address + before, width), "little")
    source.reach(address, before + width + size + 4)
    return Fields(source.read(address + before + width, size), source), bool(flags & 4)


def _continued(source: Source, start: int, size: int, *, new: bool) -> Fields:
    if not new:
        return Fields(source.read(start, size), source)
    fields = source.signed(start, b"OCHK", size)
    return Fields(fields.data[: len(fields.data) - 4], source, fields.at)


def _message(fields: Fields, *, new: bool, ordered: bool) -> Message:
    kind, size = fields.number(1 if new else 2), fields.number(2)
    flags = fields.number(1)
    fields.take((2 if ordered else 0) if new else 3)
    return Message(kind, fields.take(size), bool(flags & _SHARED))


def resolved(source: Source, message: Message) -> bytes:
    """The bytes of a message, wherever they are.

    Raises:
        BrokenHdf5Error: they are in a table of shared messages, or not there.
    """
    if not message.shared:
        return message.data
    fields = Fields(message.data, source)
    version, kind = fields.number(1), fields.number(1)
    if version == 1:
        fields.take(6)
        kind = 0
    if kind not in _SHARED_ELSEWHERE:
        raise BrokenHdf5Error("a message is in a table of shared messages")
    for each in messages(source, fields.address()):
        if each.kind == message.kind and not each.shared:
            return each.data
    raise BrokenHdf5Error("a shared message is not there")
