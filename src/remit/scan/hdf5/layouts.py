"""How a dataset keeps its data: in the file, in other files, packed by filters."""

from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from remit.scan.hdf5 import trees
from remit.scan.hdf5.headers import Message, resolved
from remit.scan.hdf5.source import BrokenHdf5Error, Fields, Source

LAYOUT = 0x08
_DATASPACE, _EXTERNAL, _FILTERS = 0x01, 0x07, 0x0B
_KNOWN = {1: "deflate", 2: "shuffle", 3: "fletcher32", 4: "szip", 5: "nbit", 6: "scaleoffset",
          32000: "lzf"}  # fmt: skip
"""Filters of libhdf5 and h5py; every other one is a program that libhdf5 loads from a directory."""
_FIRST_NAMED = 256
_COMPACT, _CONTIGUOUS, _CHUNKED, _VIRTUAL = range(4)
_SINGLE, _IMPLICIT, _FIXED, _EXTENSIBLE, _TREE = range(1, 6)


class Storage(msgspec.Struct, frozen=True):
    """A way of keeping data that reaches out.

    Attributes:
        kind: ``external`` in other files, ``virtual`` in datasets of other files, ``filter`` by a
            program that is loaded.
        said: what is shown of it.
    """

    kind: Literal["external", "virtual", "filter"]
    said: str


def storages(found: Sequence[Message], source: Source) -> Iterator[Storage]:
    """What is said of a dataset; its data are accounted for.

    Raises:
        BrokenHdf5Error: its data are kept in a way that is not read.
    """
    packed = False
    for message in found:
        if message.kind == _EXTERNAL:
            yield Storage("external", "data in other files")
        elif message.kind == _FILTERS:
            packed = True
            for number in _filters(resolved(source, message), source):
                if number not in _KNOWN:
                    yield Storage("filter", f"filter {number}")
    outside = any(message.kind == _EXTERNAL for message in found)
    for message in found:
        if message.kind == LAYOUT and not outside:
            yield from _layout(resolved(source, message), source, packed=packed)


def _filters(data: bytes, source: Source) -> Iterator[int]:
    fields = Fields(data, source)
    version, many = fields.number(1), fields.number(1)
    if version not in {1, 2}:
        raise BrokenHdf5Error("filters have an unknown version")
    fields.take(6 if version == 1 else 0)
    for _ in range(many):
        number = fields.number(2)
        named = version == 1 or number >= _FIRST_NAMED
        size = fields.number(2) if named else 0
        fields.take(2)
        values = fields.number(2)
        fields.take(size + (-size % 8 if version == 1 else 0))
        fields.take(4 * values + (4 if version == 1 and values % 2 else 0))
        yield number


def _layout(data: bytes, source: Source, *, packed: bool) -> Iterator[Storage]:
    fields = Fields(data, source)
    version = fields.number(1)
    if version in {1, 2}:
        _old(fields, source)
        return
    if version not in {3, 4, 5}:
        raise BrokenHdf5Error("a layout has an unknown version")
    kind = fields.number(1)
    if kind == _CONTIGUOUS:
        _reach(source, fields.address(), fields.length())
    elif kind == _VIRTUAL:
        yield Storage("virtual", "data in datasets of other files")
    elif kind == _CHUNKED and version == 3:  # noqa: PLR2004 - version 3 has one kind of index
        rank = fields.number(1)
        _chunks(source, fields.address(), rank)
    elif kind == _CHUNKED:
        _indexed(fields, source, packed=packed)
    elif kind != _COMPACT:
        raise BrokenHdf5Error("a layout is of an unknown kind")


def _old(fields: Fields, source: Source) -> None:
    rank, kind = fields.number(1), fields.number(1)
    fields.take(5)
    address = fields.address() if kind != _COMPACT else -1
    sizes = [fields.number(4) for _ in range(rank)]
    if kind == _CONTIGUOUS:
        size = 1
        for each in sizes:
            size *= each
        _reach(source, address, size)
    elif kind == _CHUNKED:
        _chunks(source, address, rank)
    elif kind != _COMPACT:
        raise BrokenHdf5Error("a layout is of an unknown kind")


def _reach(source: Source, address: int, size: int) -> None:
    if address != -1:
        source.reach(address, size)


def _chunks(source: Source, address: int, rank: int) -> None:
    """Chunks of a tree of version 1; ``rank`` counts the size of a value, too."""
    if address == -1:
        return
    for key, child in trees.children(source, address, trees.CHUNKS, 8 + 8 * rank):
        source.reach(child, int.from_bytes(key[:4], "little"))


def _indexed(fields: Fields, source: Source, *, packed: bool) -> None:
    """Chunks of version 4: of the five kinds of index, the two that need no further reading."""
    flags, rank, width = fields.number(1), fields.number(1), fields.number(1)
    sizes = [fields.number(width) for _ in range(rank)]
    kind = fields.number(1)
    whole = 1
    for each in sizes:
        whole *= each
    if kind == _SINGLE:
        if packed and flags & 2:
            whole = fields.length()
            fields.take(4)
        _reach(source, fields.address(), whole)
    elif kind == _TREE:
        fields.take(6)
        _tree(source, fields.address(), whole, rank, packed=packed)
    elif kind not in {_IMPLICIT, _FIXED, _EXTENSIBLE}:
        raise BrokenHdf5Error("chunks have an unknown index")
    else:
        raise BrokenHdf5Error("chunks have an index that is not read")


def _tree(source: Source, address: int, whole: int, rank: int, *, packed: bool) -> None:
    if address == -1:
        return
    for record in trees.records(source, address):
        fields = Fields(record, source)
        start = fields.address()
        size = fields.number(fields.left - 4 - 8 * (rank - 1)) if packed else whole
        source.reach(start, size)
