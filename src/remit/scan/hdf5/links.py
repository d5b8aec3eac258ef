"""Links of groups: to objects, to other names, and to other files."""

from collections.abc import Iterator
from typing import Literal

import msgspec

from remit.scan.hdf5 import trees
from remit.scan.hdf5.heaps import names
from remit.scan.hdf5.source import BrokenHdf5Error, Fields, Source

LINK, SYMBOLS = 0x06, 0x11
_HARD, _SOFT, _EXTERNAL = 0, 1, 64
_CACHED_LINK = 2


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """A link.

    Attributes:
        name: in its group.
        kind: ``hard`` to an object, ``soft`` to a name, ``external`` to another file, ``user`` is
            one of a program's own.
        address: of the object header, if it is ``hard``.
        target: what else it says.
    """

    name: bytes
    kind: Literal["hard", "soft", "external", "user"]
    address: int = -1
    target: bytes = b""


def link(data: bytes, source: Source) -> Link:
    """Read a link message.

    Raises:
        BrokenHdf5Error: it is none.
    """
    fields = Fields(data, source)
    if fields.number(1) != 1:
        raise BrokenHdf5Error("a link has an unknown version")
    flags = fields.number(1)
    kind = fields.number(1) if flags & 8 else _HARD
    fields.take((8 if flags & 4 else 0) + (1 if flags & 16 else 0))
    name = fields.take(fields.number(1 << (flags & 3)))
    if kind == _HARD:
        return Link(name=name, kind="hard", address=fields.address())
    target = fields.take(fields.number(2))
    if kind == _SOFT:
        return Link(name=name, kind="soft", target=target)
    if kind == _EXTERNAL:
        return Link(name=name, kind="external", target=target[1:])
    return Link(name=name, kind="user", target=target)


def symbols(data: bytes, source: Source) -> Iterator[Link]:
    """Links of a group of the old form: a tree of tables, with their names in a heap.

    Raises:
        BrokenHdf5Error: it is none.
    """
    fields = Fields(data, source)
    tree, heap = fields.address(), names(source, fields.address())
    for _, address in trees.children(source, tree, trees.GROUP, source.lengths):
        entry = 2 * source.offsets + 24
        number = source.signed(address, b"SNOD", 8)
        number.take(2)
        many = number.number(2)
        table = source.signed(address, b"SNOD", 8 + many * entry)
        table.take(4)
        for _ in range(many):
            name = Fields(heap, source, table.address()).text()
            place, cached = table.address(), table.number(4)
            table.take(4)
            scratch = table.take(16)
            if cached == _CACHED_LINK:
                at = int.from_bytes(scratch[:4], "little")
                yield Link(name=name, kind="soft", target=Fields(heap, source, at).text())
            else:
                yield Link(name=name, kind="hard", address=place)
