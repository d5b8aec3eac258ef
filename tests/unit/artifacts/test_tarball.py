"""The writer: the bytes of kit, and what the standard library reads from them."""

import hashlib
import io
import os
import tarfile

import pytest

from remit.artifacts.errors import PackError
from remit.artifacts.tarball import END, Member, add, header, write_tar

HEAD = (
    b"a".ljust(100, b"\0") + b"0000644\x000001750\x000000000\x0000000000005\x0000000000000\x00"
    b"007360\x00 0" + bytes(100) + b"ustar\x0000" + bytes(64) + b"0000000\x000000000\x00" + bytes(167)
)  # fmt: skip


def test_a_header_byte_by_byte():
    assert header(Member(name="a", size=5)) == HEAD


def test_a_directory_has_no_slash_and_no_size():
    block = header(Member(name="d", directory=True, mode=0o755))
    assert block[:2] == b"d\0"
    assert block[100:108] == b"0000755\0"
    assert block[156:157] == b"5"


@pytest.mark.parametrize(
    ("name", "blocks"),
    [
        ("x" * 100, 1),
        ("d" * 60 + "/" + "x" * 80, 1),
        ("d" * 155 + "/" + "x" * 100, 1),
        ("x" * 101, 3),
        ("d/" + "x" * 120, 3),
        ("ünï", 3),
        ("é" * 90, 3),
        ("日本語/" + "x" * 200, 3),
    ],
)
def test_long_names_and_other_letters(name, blocks):
    data = header(Member(name=name, size=0))
    assert len(data) == blocks * 512
    with tarfile.open(fileobj=io.BytesIO(data + END)) as archive:
        assert archive.getnames() == [name]


@pytest.mark.parametrize("size", [8 * 1024**3 - 1, 8 * 1024**3, 10 * 1024**3, 10**13])
def test_sizes_beyond_eight_gibibytes(size):
    with tarfile.open(fileobj=io.BytesIO(header(Member(name="big", size=size)) + END)) as archive:
        assert archive.next().size == size


def test_set_id_bits_are_written_as_kit_does():
    assert header(Member(name="a", mode=0o104755))[100:108] == b"0004755\0"


def test_an_archive_has_two_blocks_of_zeros_at_its_end(tmp_path):
    (tmp_path / "f").write_bytes(b"content")
    out = io.BytesIO()
    with (tmp_path / "f").open("rb", buffering=0) as file:
        status = os.fstat(file.fileno())
        members = [(Member(name="d", directory=True), None), (Member.of("d/f", status), file)]
        write_tar(out.write, members)
    data = out.getvalue()
    assert len(data) == 512 * 5
    assert data.endswith(bytes(1024))
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert archive.extractfile("d/f").read() == b"content"
        assert {(i.uid, i.gid, i.mtime, i.uname) for i in archive.getmembers()} == {
            (1000, 0, 0, "")
        }


@pytest.mark.parametrize("size", [0, 3, 20])
def test_a_file_that_changed_meanwhile_is_refused(tmp_path, size):
    (tmp_path / "f").write_bytes(b"0123456789")
    with (
        (tmp_path / "f").open("rb", buffering=0) as file,
        pytest.raises(PackError, match="changed"),
    ):
        add(lambda data: None, Member(name="f", size=size), file)


def test_the_same_files_give_the_same_bytes(tmp_path):
    digests = set()
    for _ in range(2):
        (tmp_path / "f").write_bytes(b"x" * 2000)
        os.utime(tmp_path / "f", (len(digests), len(digests)))
        taken = hashlib.sha256()
        with (tmp_path / "f").open("rb", buffering=0) as file:
            write_tar(taken.update, [(Member.of("f", os.fstat(file.fileno())), file)])
        digests.add(taken.hexdigest())
    assert len(digests) == 1
