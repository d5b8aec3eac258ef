import bz2
import gzip
import io
import lzma
import os
import tarfile
import zipfile
import zlib

import numpy as np
import pytest

from remit.scan.base import Coverage, Finding
from remit.scan.walk import MAX_DEPTH, Walk


def zipped(**files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name.replace("__", "/")), data)
    return out.getvalue()


def tarred(name="a", data=b"x", form=tarfile.USTAR_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def content(member):
    with member.open() as file:
        return file.read()


def walk(tmp_path, **files):
    root, scratch = tmp_path / "root", tmp_path / "scratch"
    root.mkdir()
    scratch.mkdir()
    for name, data in files.items():
        (root / name).write_bytes(data)
    found = Walk(root, scratch)
    return {each.path: content(each) for each in found.members()}, found.results


def bad(results):
    return [each for each in results if isinstance(each, Coverage) and each.status != "complete"]


@pytest.mark.parametrize(
    "pack", [gzip.compress, bz2.compress, lzma.compress, zlib.compress,
             lambda d: lzma.compress(d, format=lzma.FORMAT_ALONE)]
)  # fmt: skip
def test_streams_are_unpacked(tmp_path, pack):
    members, results = walk(tmp_path, m=pack(b"hello" * 100))
    assert members["m!/content"] == b"hello" * 100
    assert not bad(results)


def test_archives_in_archives(tmp_path):
    members, results = walk(tmp_path, m=zipped(a__t=gzip.compress(tarred("b", b"deep"))))
    assert members["m!/a/t!/content!/b"] == b"deep"
    assert not bad(results)


def test_a_tar_that_readers_may_take_for_a_zip_is_ambiguous(tmp_path):
    _, results = walk(tmp_path, m=tarred("in.zip", zipped(a="x")))
    assert [each.format for each in bad(results)] == ["zip"]


def test_an_archive_counts_as_read_only_when_it_was_whole(tmp_path):
    _, results = walk(tmp_path, m=zipped(a="x"))
    assert [(each.member, each.status, each.format) for each in results] == [
        ("m", "complete", "zip")
    ]


def test_torch_and_numpy_write_zip64(tmp_path):
    out = io.BytesIO()
    np.savez(out, a=np.arange(3))
    members, results = walk(tmp_path, m=out.getvalue())
    assert "m!/a.npy" in members
    assert not bad(results)


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG" + zipped(a="x"),
        zipped(a="x") + b"more",
        zipped(first="x").replace(b"first", b"other", 1),
        zipped(**{"..__x": "slip"}),
        tarred("../x"),
        tarred("/x"),
        gzip.compress(b"x" * 1000)[:-9],
        zlib.compress(os.urandom(20_000))[:-9],
        zlib.compress(b"x" * 9000) + b"more",
        b"7z\xbc\xaf\x27\x1c" + bytes(100),
        b"Rar!\x1a\x07\x00" + bytes(100),
        b"\x04\x22\x4d\x18" + bytes(100),
    ],
    ids=["prefix", "suffix", "two-names", "zip-slip", "tar-slip", "absolute", "cut", "zlib-cut",
         "zlib-more", "7z", "rar", "lz4"],
)  # fmt: skip
def test_what_readers_may_understand_differently_is_never_read(tmp_path, data):
    members, results = walk(tmp_path, m=data)
    assert [(each.member, each.status, each.executes) for each in bad(results)] == [
        ("m", "error", True)
    ]
    assert "m" in members


def test_a_wrong_checksum_is_told_and_what_came_before_is_looked_at(tmp_path):
    data = zipped(a="first", b="second").replace(b"second", b"sEcond")
    members, results = walk(tmp_path, m=data)
    assert members["m!/a"] == b"first"
    assert any(isinstance(each, Finding) and each.severity == "high" for each in results)


def test_tar_without_magic_is_an_archive_too(tmp_path):
    data = bytearray(tarred())
    data[257:265] = bytes(8)
    total = sum(data[:148]) + 8 * 32 + sum(data[156:512])
    data[148:156] = b"%06o\0 " % total
    _, results = walk(tmp_path, m=bytes(data))
    assert [each.format for each in bad(results)] == ["tar"]


def test_bombs_end(tmp_path):
    _, results = walk(tmp_path, m=gzip.compress(bytes(200 << 20), 9))
    assert [each.status for each in bad(results)] == ["error"]


def test_depth_ends(tmp_path):
    data = b"x"
    for _ in range(MAX_DEPTH + 2):
        data = zipped(a=data)
    _, results = walk(tmp_path, m=data)
    assert "deeper" in bad(results)[0].reason


def test_too_many_entries_end(tmp_path):
    _, results = walk(tmp_path, m=zipped(**{f"f{n}": "" for n in range(10_001)}))
    assert bad(results)


def test_links_and_devices_are_not_followed_and_told(tmp_path):
    root, scratch = tmp_path / "root", tmp_path / "scratch"
    (root / "d").mkdir(parents=True)
    scratch.mkdir()
    (root / "link").symlink_to("/etc/passwd")
    (root / "folder").symlink_to("/etc")
    os.mkfifo(root / "d" / "pipe")
    found = Walk(root, scratch)
    assert list(found.members()) == []
    assert sorted(each.member for each in bad(found.results)) == ["d/pipe", "folder", "link"]


def test_names_that_are_no_text(tmp_path):
    root, scratch = tmp_path / "root", tmp_path / "scratch"
    root.mkdir()
    scratch.mkdir()
    (root / os.fsdecode(b"\xff")).write_bytes(b"x")
    assert [each.path for each in Walk(root, scratch).members()] == ["\\xff"]


def test_an_encrypted_member(tmp_path):
    data = bytearray(zipped(a="x"))
    data[6] |= 1
    data[data.index(b"PK\1\2") + 8] |= 1
    _, results = walk(tmp_path, m=bytes(data))
    assert bad(results)


def test_a_name_cannot_be_that_of_a_member_of_an_archive(tmp_path):
    root, scratch = tmp_path / "root", tmp_path / "scratch"
    (root / "m!").mkdir(parents=True)
    scratch.mkdir()
    (root / "m!" / "a").write_bytes(b"harmless")
    (root / "m").write_bytes(zipped(a="payload"))
    paths = [each.path for each in Walk(root, scratch).members()]
    assert len(paths) == len(set(paths)) == 3
