"""Attributes: their names, and the texts and bytes in them."""

from collections.abc import Callable, Iterator
from math import prod

import msgspec

from remit.scan.hdf5.headers import Message, resolved
from remit.scan.hdf5.source import BrokenHdf5Error, Fields, Source

MAX_VALUES = 1_000_000
_NULL = 2
_STRING, _COMPOUND, _VARIABLE, _ARRAY = 3, 6, 9, 10
_SHARED_TYPE, _SHARED_SPACE = 1, 2
_DATASPACE, _DATATYPE = 1, 3
_WITH_CHARSET = 3
Collections = Callable[[int], dict[int, bytes]]


class Attribute(msgspec.Struct, frozen=True):
    """An attribute.

    Attributes:
        name: as it is written.
        values: texts, or what else is in it, as bytes.
    """

    name: bytes
    values: tuple[bytes, ...]


class Datatype(msgspec.Struct, frozen=True):
    """What a value is.

    Attributes:
        kind: class of the type.
        size: of a value, in bytes.
    """

    kind: int
    size: int


def datatype(data: bytes, source: Source) -> Datatype:
    """The type that a message says."""
    fields = Fields(data, source)
    first = fields.number(1)
    fields.take(3)
    return Datatype(first & 15, fields.number(4))


def count(data: bytes, source: Source) -> int:
    """How many values a dataspace has."""
    fields = Fields(data, source)
    version, rank, _ = (fields.number(1) for _ in range(3))
    if version == 1:
        fields.take(5)
    elif fields.number(1) == _NULL:
        return 0
    return prod(fields.length() for _ in range(rank))


def attribute(message: Message, source: Source, heap: Collections) -> Attribute:
    """Read an attribute message.

    Raises:
        BrokenHdf5Error: it is none.
    """
    fields = Fields(resolved(source, message), source)
    version, flags = fields.number(1), fields.number(1)
    if version not in {1, 2, 3}:
        raise BrokenHdf5Error("an attribute has an unknown version")
    sizes = [fields.number(2) for _ in range(3)]
    fields.take(1 if version == _WITH_CHARSET else 0)
    parts = []
    for size in sizes:
        parts.append(fields.take(size))
        fields.take(min(-size % 8, fields.left) if version == 1 else 0)
    name = parts[0].partition(b"\0")[0]
    flags = flags if version > 1 else 0
    kind = datatype(_given(parts[1], _DATATYPE, flags & _SHARED_TYPE, source), source)
    number = count(_given(parts[2], _DATASPACE, flags & _SHARED_SPACE, source), source)
    if number > MAX_VALUES:
        raise BrokenHdf5Error("an attribute has too many values")
    return Attribute(name, tuple(_values(kind, fields.take(number * kind.size), source, heap)))


def _given(data: bytes, kind: int, shared: int, source: Source) -> bytes:
    return resolved(source, Message(kind, data, shared=True)) if shared else data


def _values(kind: Datatype, data: bytes, source: Source, heap: Collections) -> Iterator[bytes]:
    if kind.kind == _STRING and kind.size:
        for at in range(0, len(data), kind.size):
            yield data[at : at + kind.size].rstrip(b"\0")
    elif kind.kind == _VARIABLE:
        fields = Fields(data, source)
        while fields.left >= 8 + source.offsets:
            fields.take(4)
            address, number = fields.address(), fields.number(4)
            if number and address not in {0, -1}:
                found = heap(address)
                if number not in found:
                    raise BrokenHdf5Error("a text of an attribute is not there")
                yield found[number]
    elif kind.kind in {_COMPOUND, _ARRAY}:
        # May hold texts of variable length, which are somewhere else.
        raise BrokenHdf5Error("an attribute is a structure, which is not read")
    elif data:
        yield data
