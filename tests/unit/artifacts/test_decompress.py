"""Compressed streams: whole, bounded, nothing behind them."""

import gzip
import io
import random
import tracemalloc

import pytest
from backports import zstd

from remit.artifacts.decompress import Decompressed
from remit.artifacts.errors import ArchiveError
from remit.artifacts.members import LIMITS, Limits

TEXT = random.Random(1).randbytes(1_300_000)


def pack_zstd(data: bytes) -> bytes:
    return zstd.compress(data, options={zstd.CompressionParameter.checksum_flag: True})


PACK = {"gzip": gzip.compress, "zstd": pack_zstd}


def unpacked(data: bytes, compression: str, limits: Limits = LIMITS, step: int = 1 << 20) -> bytes:
    stream = Decompressed(io.BytesIO(data).read, compression, limits)
    return b"".join(iter(lambda: stream.read(step), b""))


@pytest.mark.parametrize("compression", PACK)
@pytest.mark.parametrize("step", [1000, 1 << 20])
def test_what_was_packed_comes_out(compression, step):
    assert unpacked(PACK[compression](TEXT), compression, step=step) == TEXT
    assert unpacked(PACK[compression](b""), compression) == b""


@pytest.mark.parametrize("compression", PACK)
def test_several_streams_are_one(compression):
    pack = PACK[compression]
    assert unpacked(pack(b"one ") + pack(b"two"), compression) == b"one two"


@pytest.mark.parametrize("compression", PACK)
@pytest.mark.parametrize("cut", [1, 4, 8, 100, 2000])
def test_a_stream_that_is_cut_off(compression, cut):
    with pytest.raises(ArchiveError, match=r"cut off|broken"):
        unpacked(PACK[compression](TEXT)[:-cut], compression)
    with pytest.raises(ArchiveError):
        unpacked(b"", compression)


@pytest.mark.parametrize("compression", PACK)
@pytest.mark.parametrize("behind", [b"x", bytes(100), b"PK\3\4", b"\x1f\x8b\x08"])
def test_something_behind_the_end(compression, behind):
    with pytest.raises(ArchiveError, match=r"broken|cut off"):
        unpacked(PACK[compression](TEXT) + behind, compression)


@pytest.mark.parametrize("compression", PACK)
def test_a_broken_stream(compression):
    data = bytearray(PACK[compression](TEXT))
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(ArchiveError, match=r"broken|cut off"):
        unpacked(bytes(data), compression)
    with pytest.raises(ArchiveError, match="broken"):
        unpacked(b"no stream at all, only a text", compression)


@pytest.mark.parametrize("compression", PACK)
def test_a_bomb_is_refused_before_it_fills_anything(compression):
    bomb = PACK[compression](bytes(256 << 20))
    tracemalloc.start()
    stream = Decompressed(io.BytesIO(bomb).read, compression, Limits(free=4 << 20, ratio=10))
    given = []
    with pytest.raises(ArchiveError, match="times its size"):
        given.extend(len(chunk) for chunk in iter(lambda: stream.read(1 << 20), b""))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(given) <= 16 << 20
    assert peak < 16 << 20


def test_a_window_that_wants_too_much_memory():
    options = {zstd.CompressionParameter.window_log: 28}
    packer = zstd.ZstdCompressor(options=options)
    data = packer.compress(bytes(4 << 20)) + packer.flush()
    with pytest.raises(ArchiveError, match="broken"):
        unpacked(data, "zstd")


def test_without_compression_bytes_pass():
    assert unpacked(b"plain", "") == b"plain"
