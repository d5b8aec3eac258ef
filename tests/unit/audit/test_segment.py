import struct
import zlib

import pytest

from remit.audit import segment
from remit.audit.record import MAX_RECORD_BYTES

ONE, TWO = b'{"a":1}', b'{"b":22}'
DATA = segment.frame(ONE) + segment.frame(TWO)


def test_a_frame_is_length_checksum_bytes():
    length = struct.pack(">I", 7)
    assert segment.frame(ONE) == length + struct.pack(">I", zlib.crc32(length + ONE)) + ONE


def test_entries_and_their_ends():
    assert list(segment.entries(DATA)) == [(15, ONE), (31, TWO)]
    assert list(segment.entries(DATA, 15)) == [(31, TWO)]


@pytest.mark.parametrize("cut", range(len(DATA)))
def test_every_truncation_loses_only_the_incomplete_frame(cut):
    expected = [ONE] if cut >= 15 else []
    assert [leaf for _, leaf in segment.entries(DATA[:cut])] == expected


@pytest.mark.parametrize("bit", range(15 * 8))
def test_every_bit_flip_ends_the_reading(bit):
    changed = bytearray(DATA)
    changed[bit // 8] ^= 1 << bit % 8
    assert list(segment.entries(bytes(changed))) == []
    assert segment.next_valid(bytes(changed), 0) == 15


def test_huge_and_empty_lengths_are_refused():
    for length in (0, MAX_RECORD_BYTES + 1, 0x7FFFFFFF, 0xFFFFFFFF):
        head = struct.pack(">I", length)
        assert segment.entry_at(head + struct.pack(">I", zlib.crc32(head)) + bytes(100), 0) is None


def test_names():
    assert segment.name(65536) == "000000065536.seg"
    assert segment.first_of("000000065536.seg") == 65536
    for name in (
        "000000065536.tmp",
        "65536.seg",
        "00000006553x.seg",
        "000000065536.seg.bak",
        "",
        "0" * 12,
    ):
        assert segment.first_of(name) == -1


def test_a_lost_sector_is_all_zero_as_far_as_it_lies_in_the_range():
    data = b"x" * 500 + bytes(600) + b"x" * 100
    assert segment.lost_sector(data, 500, 1100)
    assert segment.lost_sector(data, 508, 512)
    assert not segment.lost_sector(data, 509, 512)
    assert not segment.lost_sector(b"x" * 1200, 500, 1100)
    assert not segment.lost_sector(b"x" * 600 + bytes(100) + b"x" * 500, 500, 1100)
