"""The first block of an HDF5 file."""

import msgspec

from remit.scan.hdf5.source import BrokenHdf5Error, Fields, Source

SIGNATURE = b"\x89HDF\r\n\x1a\n"
_LEAST = 16
_SIZES = frozenset({2, 4, 8})
_OLD, _NEW = frozenset({0, 1}), frozenset({2, 3})
_ENTRY = 24


class Superblock(msgspec.Struct, frozen=True, kw_only=True):
    """Where a file begins and ends.

    Attributes:
        root: address of the object header of the root group.
        extension: address of the object header of the extension; -1 without one.
        end: where the file ends, as it says.
    """

    root: int
    extension: int
    end: int


def superblock(source: Source, size: int) -> Superblock:
    """Read it; sizes of ``source`` are set.

    Raises:
        BrokenHdf5Error: it is none, or of a kind that is not read.
    """
    head = source.read(0, min(size, 128))
    if not head.startswith(SIGNATURE) or len(head) < _LEAST:
        raise BrokenHdf5Error("it does not begin as an HDF5 file; a user block is not read")
    fields = Fields(head, source, len(SIGNATURE))
    version = fields.number(1)
    if version in _OLD:
        return _old(fields, source, version)
    if version in _NEW:
        return _new(fields, source)
    raise BrokenHdf5Error(f"its superblock has the unknown version {version}")


def _sizes(fields: Fields, source: Source) -> None:
    source.offsets, source.lengths = fields.number(1), fields.number(1)
    if source.offsets not in _SIZES or source.lengths not in _SIZES:
        raise BrokenHdf5Error("its addresses have an unknown size")


def _old(fields: Fields, source: Source, version: int) -> Superblock:
    fields.take(4)
    _sizes(fields, source)
    fields.take(1 + 4 + 4 + (4 if version else 0))
    base, _, end, driver = (fields.address() for _ in range(4))
    fields.take(source.offsets)
    root = fields.address()
    fields.take(_ENTRY)
    return _checked(base, driver, Superblock(root=root, extension=-1, end=end))


def _new(fields: Fields, source: Source) -> Superblock:
    _sizes(fields, source)
    fields.take(1)
    base, extension, end, root = (fields.address() for _ in range(4))
    fields.take(4)
    return _checked(base, -1, Superblock(root=root, extension=extension, end=end))


def _checked(base: int, driver: int, found: Superblock) -> Superblock:
    if base:
        raise BrokenHdf5Error("its addresses do not count from its beginning")
    if driver != -1:
        raise BrokenHdf5Error("it is one of several files")
    return found
