"""Zip archives that say one thing in one place and another in the other."""

import os
import struct
import zipfile
import zlib

import pytest

from remit.artifacts.errors import ArchiveError
from remit.artifacts.members import Limits
from remit.artifacts.zipped import ZipArchive
from tests.unit.artifacts.archives import zip_by_hand, zip_of

LIMITS = Limits()
DIRECTORY = {"name": b"d/", "central": {"attributes": 0o040755 << 16}}
ONE = {"name": b"a.txt", "data": b"content"}


@pytest.fixture
def read(tmp_path):
    def reader(data: bytes, limits: Limits = LIMITS) -> dict[str, bytes]:
        (tmp_path / "x.zip").write_bytes(data)
        file = os.open(tmp_path / "x.zip", os.O_RDONLY)
        try:
            archive = ZipArchive(file, limits)
            return {e.name: b"".join(archive.content(e)) for e in archive.entries}
        finally:
            os.close(file)

    return reader


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_what_the_standard_library_writes(read, method):
    files = {
        "manifest.json": b"{}",
        "server/index.js": os.urandom(3 << 20),
        "empty": b"",
        "ünï": b"x" * 99999,
    }
    assert read(zip_of(files, method)) == files


def test_directories_and_descriptors(read):
    crc = zlib.crc32(b"content")
    zeros = {"flags": 8, "crc": 0, "packed": 0, "size": 0}
    for tail in (struct.pack("<3L", crc, 7, 7), b"PK\7\10" + struct.pack("<3L", crc, 7, 7)):
        entry = ONE | {"local": zeros, "central": {"flags": 8}, "tail": tail}
        assert read(zip_by_hand(DIRECTORY, entry)) == {"d": b"", "a.txt": b"content"}
    lying = ONE | {"local": zeros, "central": {"flags": 8}, "tail": struct.pack("<3L", crc, 7, 8)}
    with pytest.raises(ArchiveError, match="two things"):
        read(zip_by_hand(lying))


def test_a_comment_at_the_end(read):
    assert read(zip_by_hand(ONE, comment=b"hello")) == {"a.txt": b"content"}


@pytest.mark.parametrize(
    "change",
    [
        {"before": b"#!/bin/sh\n"},
        {"before": b"x"},
        {"between": b"hidden"},
        {"after": b"\0"},
        {"after": b"PK\5\6" + bytes(18)},
        {"comment": zip_by_hand(ONE)},
        {"comment": b"PK\5\6" + bytes(18)},
        {"count": 0},
        {"count": 2},
        {"count": 0xFFFF},
    ],
)
def test_anything_around_the_files(read, change):
    with pytest.raises(ArchiveError):
        read(zip_by_hand(ONE, **change))


@pytest.mark.parametrize(
    "change",
    [
        {"local": {"name": b"b.txt"}},
        {"central": {"name": b"../a.txt"}},
        {"local": {"size": 8}},
        {"local": {"packed": 6}},
        {"local": {"crc": 1}},
        {"central": {"crc": 1}},
        {"local": {"method": 8}},
        {"local": {"flags": 8}},
        {"central": {"offset": 1}},
        {"central": {"size": 8}, "local": {"size": 8}},
        {"central": {"crc": 1}, "local": {"crc": 1}},
        {"central": {"flags": 1}, "local": {"flags": 1}},
        {"central": {"flags": 0x2000}, "local": {"flags": 0x2000}},
        {"central": {"method": 12}, "local": {"method": 12}},
        {"central": {"method": 8}, "local": {"method": 8}},
        {"central": {"attributes": 0o120777 << 16}},
        {"central": {"attributes": 0o020666 << 16}},
        {"central": {"attributes": 0o040755 << 16}},
        {"central": {"extra": struct.pack("<2H", 1, 16) + bytes(16)}},
        {"local": {"extra": struct.pack("<2H", 0x7075, 4) + b"evil"}},
        {"tail": b"gap"},
        {"tail": struct.pack("<3L", 0, 0, 0)},
    ],
)
def test_two_places_that_differ_and_what_is_not_understood(read, change):
    with pytest.raises(ArchiveError):
        read(zip_by_hand(ONE | change))


@pytest.mark.parametrize(
    "name",
    [
        b"../x",
        b"/etc/passwd",
        b"a\\b",
        b"C:x",
        b"a//b",
        b"",
        b"a\0b",
        b"\xff",
        "ü".encode(),
        b"./a",
        b"a/../b",
        b"/",
    ],
)
def test_names_that_leave_the_folder(read, name):
    with pytest.raises(ArchiveError):
        read(zip_by_hand({"name": name, "data": b"x"}))


def test_names_twice(read):
    for second in (b"a.txt", b"A.TXT", b"a.txt/b"):
        with pytest.raises(ArchiveError):
            read(zip_by_hand(ONE, {"name": second, "data": b"x"}))
    with pytest.raises(ArchiveError, match="twice"):
        read(zip_by_hand(ONE, DIRECTORY | {"name": b"a.txt/"}))


def test_files_that_overlap(read):
    inner = zip_by_hand(ONE)
    outer = {"name": b"outer", "data": inner}
    data = zip_by_hand(outer, {"name": b"a.txt", "data": b"content", "central": {"offset": 35}})
    with pytest.raises(ArchiveError, match="overlap"):
        read(data)


def test_bombs(read):
    bomb = zip_of({"zeros": bytes(64 << 20)})
    with pytest.raises(ArchiveError, match="times its size"):
        read(bomb, Limits(free=1 << 20, ratio=100))
    with pytest.raises(ArchiveError, match="more than 1000 bytes"):
        read(bomb, Limits(total=1000))
    with pytest.raises(ArchiveError, match="entries"):
        read(zip_of({str(n): b"" for n in range(20)}), Limits(entries=10))


def test_a_size_that_was_a_lie(read):
    """The directory and the header agree on a small size, and the data unpack to more."""
    packed = zlib.compress(bytes(1 << 20), 9)[2:-4]
    fields = {"method": 8, "packed": len(packed), "size": 10, "crc": zlib.crc32(bytes(10))}
    with pytest.raises(ArchiveError, match="not what was said"):
        read(zip_by_hand({"name": b"x", "data": packed, "local": fields, "central": fields}))


@pytest.mark.parametrize("cut", range(1, 130, 7))
def test_archives_that_are_cut_off(read, cut):
    data = zip_of({"a": b"x" * 50, "b": b"y"})
    with pytest.raises(ArchiveError):
        read(data[:-cut])


def test_deflated_data_with_more_behind_or_cut_off(read):
    packed = zlib.compress(b"content", 9)[2:-4]
    crc = zlib.crc32(b"content")
    for data in (packed + b"hidden", packed[:-1]):
        fields = {"method": 8, "packed": len(data), "size": 7, "crc": crc}
        with pytest.raises(ArchiveError):
            read(zip_by_hand({"name": b"x", "data": data, "local": fields, "central": fields}))


def test_no_zip_archive(read):
    for data in (b"", b"PK\3\4", bytes(100), b"PK\5\6"):
        with pytest.raises(ArchiveError):
            read(data)
