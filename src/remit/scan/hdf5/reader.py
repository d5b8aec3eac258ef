"""Everything that is in an HDF5 file, object by object: attributes, links, and how data are kept.

LIMIT: checksums are not compared. libhdf5 refuses a file where they are wrong; here it is read.
"""

import functools
from collections.abc import Iterator
from typing import BinaryIO, Protocol

from remit.scan.hdf5 import layouts, links
from remit.scan.hdf5.attributes import Attribute, attribute
from remit.scan.hdf5.headers import Message, messages, resolved
from remit.scan.hdf5.heaps import FractalHeap, collection
from remit.scan.hdf5.source import BrokenHdf5Error, Fields, Source
from remit.scan.hdf5.superblock import superblock
from remit.scan.hdf5.trees import records

MAX_OBJECTS = 200_000
_LINK_INFO, _EXTERNAL, _FILTERS = 0x02, 0x07, 0x0B
_ATTRIBUTE, _SHARED_TABLE, _DRIVER, _ATTRIBUTES = 0x0C, 0x0F, 0x14, 0x15
_BEHIND_ID = 8


class Sees(Protocol):
    """Who is told what is in a file; ``path`` is of the object."""

    def attribute(self, path: str, found: Attribute) -> None:
        """An object has an attribute."""

    def link(self, path: str, found: links.Link) -> None:
        """A group has a link that is no object of its own."""

    def storage(self, path: str, found: layouts.Storage) -> None:
        """A dataset keeps its data in a way that reaches out."""


class Reader:
    """Reads one file.

    Args:
        file: seekable.
        size: in bytes.
        sees: who is told.

    Attributes:
        source: the bytes, and what of them nothing points to.
        objects: how many were read.
    """

    def __init__(self, file: BinaryIO, size: int, sees: Sees) -> None:
        self.source = Source(file, size)
        self.objects = 0
        self._size = size
        self._sees = sees
        # One collection has the texts of many attributes.
        self._collection = functools.lru_cache(64)(functools.partial(collection, self.source))

    def read(self) -> None:
        """Go through all that can be reached from the root.

        Raises:
            BrokenHdf5Error: it is none, is cut off, or has something that is not read.
        """
        first = superblock(self.source, self._size)
        if first.end != self._size:
            raise BrokenHdf5Error("it ends elsewhere than it says")
        if first.extension != -1:
            self._extension(first.extension)
        stack, met = [("", first.root)], {first.root}
        while stack:
            path, address = stack.pop()
            self.objects += 1
            if self.objects > MAX_OBJECTS:
                raise BrokenHdf5Error(f"it has more than {MAX_OBJECTS} objects")
            for link in self._object(path, address):
                below = f"{path}/{link.name.decode('utf-8', 'backslashreplace')}"[:1000]
                if link.kind != "hard":
                    self._sees.link(below, link)
                elif link.address not in met:
                    met.add(link.address)
                    stack.append((below, link.address))

    def _extension(self, address: int) -> None:
        for message in messages(self.source, address):
            if message.kind in {_SHARED_TABLE, _DRIVER}:
                raise BrokenHdf5Error("it shares messages, or is one of several files")

    def _object(self, path: str, address: int) -> Iterator[links.Link]:
        found = messages(self.source, address)
        kinds = {message.kind for message in found}
        for message in found:
            if message.kind == _ATTRIBUTE:
                self._sees.attribute(path, attribute(message, self.source, self._collection))
            elif message.kind == _ATTRIBUTES:
                self._dense_attributes(path, message)
            elif message.kind == _LINK_INFO:
                yield from self._dense_links(message)
            elif message.kind in {_SHARED_TABLE, _DRIVER}:
                raise BrokenHdf5Error("it shares messages, or is one of several files")
            elif message.kind == links.LINK:
                yield links.link(resolved(self.source, message), self.source)
            elif message.kind == links.SYMBOLS:
                yield from links.symbols(message.data, self.source)
        if kinds & {layouts.LAYOUT, _EXTERNAL, _FILTERS}:
            for storage in layouts.storages(found, self.source):
                self._sees.storage(path, storage)

    def _dense_attributes(self, path: str, message: Message) -> None:
        fields = Fields(message.data, self.source, 1)
        flags = fields.number(1)
        fields.take(2 if flags & 1 else 0)
        for data in self._dense(fields, ordered=bool(flags & 2), before=0):
            found = Message(_ATTRIBUTE, data, shared=False)
            self._sees.attribute(path, attribute(found, self.source, self._collection))

    def _dense_links(self, message: Message) -> Iterator[links.Link]:
        fields = Fields(message.data, self.source, 1)
        flags = fields.number(1)
        fields.take(8 if flags & 1 else 0)
        for data in self._dense(fields, ordered=bool(flags & 2), before=4):
            yield links.link(data, self.source)

    def _dense(self, fields: Fields, *, ordered: bool, before: int) -> Iterator[bytes]:
        """Messages in a heap, by both of the trees that may point to them."""
        heap, by_name = fields.address(), fields.address()
        by_order = fields.address() if ordered else -1
        if heap == -1:
            return
        held = FractalHeap(self.source, heap)
        met: set[bytes] = set()
        for tree, start in ((by_name, before), (by_order, 2 * before)):
            for record in records(self.source, tree) if tree != -1 else ():
                identity = record[start : start + (7 if before else _BEHIND_ID)]
                if not before and record[_BEHIND_ID : _BEHIND_ID + 1] not in {b"", b"\0", b"\4"}:
                    raise BrokenHdf5Error("an attribute is in a table of shared messages")
                if identity not in met:
                    met.add(identity)
                    yield held.object(identity)
