"""The 64-bit form of zip archives: accepted where it is asked for, and when it says the same."""

import io
import struct
import tempfile
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.artifacts.errors import ArchiveError
from remit.artifacts.members import Limits
from remit.artifacts.zipped import ZipArchive


def made():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive, archive.open("a.npy", "w", force_zip64=True) as file:
        file.write(b"hello")
    return out.getvalue()


def with_record(data, **changed):
    """The same with a 64-bit end record, as miniz writes it always."""
    at = data.rindex(b"PK\5\6")
    _, _, _, _, count, length, start, _ = struct.unpack("<4s4H2LH", data[at : at + 22])
    said = {"count": count, "length": length, "start": start, "at": at, "size": 44} | changed
    record = struct.pack(
        "<4sQ2H2L4Q", b"PK\6\6", said["size"], 45, 45, 0, 0,
        said["count"], said["count"], said["length"], said["start"],
    )  # fmt: skip
    return data[:at] + record + struct.pack("<4sLQL", b"PK\6\7", 0, said["at"], 1) + data[at:]


def names(data, *, zip64=True):
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        archive = ZipArchive(file.fileno(), Limits(), zip64=zip64)
        return {each.name: b"".join(archive.content(each)) for each in archive.entries}


def test_both_forms():
    assert names(made()) == {"a.npy": b"hello"}
    assert names(with_record(made())) == {"a.npy": b"hello"}


def test_only_where_it_is_asked_for():
    for data in (made(), with_record(made())):
        with pytest.raises(ArchiveError):
            names(data, zip64=False)


@pytest.mark.parametrize(
    "changed", [{"count": 2}, {"length": 1}, {"start": 1}, {"at": 0}, {"size": 45}], ids=str
)
def test_two_records_that_differ(changed):
    with pytest.raises(ArchiveError):
        names(with_record(made(), **changed))


def test_a_gap_before_the_record():
    data = made()
    at = data.rindex(b"PK\5\6")
    with pytest.raises(ArchiveError):
        names(with_record(data[:at] + b"more" + data[at:]))


def test_a_64_bit_size_that_differs():
    data = made()
    at = data.index(struct.pack("<2H", 1, 16)) + 4
    with pytest.raises(ArchiveError):
        names(data[:at] + struct.pack("<2Q", 6, 6) + data[at + 16 :])


@given(st.integers(0), st.integers(0, 7))
def test_whatever_the_bytes(place, bit):
    data = bytearray(with_record(made()))
    data[place % len(data)] ^= 1 << bit
    try:
        found = names(bytes(data))
    except ArchiveError:
        return
    assert list(found.values()) == [b"hello"]
