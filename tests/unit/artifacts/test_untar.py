"""Archives of others: one meaning, or refused."""

import io
import tarfile

import pytest

from remit.artifacts.errors import ArchiveError
from remit.artifacts.members import LIMITS, Limits
from remit.artifacts.tarball import END
from remit.artifacts.untar import TarReader
from tests.unit.artifacts.archives import (
    named,
    patched,
    pax,
    special,
    tar,
    tar_directory,
    tar_file,
)

FILE = tar_file("x", b"content")


def entries(data: bytes, limits: Limits = LIMITS, step: int = 1 << 20):
    stream = io.BytesIO(data)
    reader = TarReader(lambda size: stream.read(min(size, step)), limits)
    return [(each, b"".join(reader.content())) for each in reader]


def names(data: bytes) -> list[str]:
    return [each.name for each, _ in entries(data)]


@pytest.mark.parametrize("step", [1, 7, 511, 512, 1 << 20])
def test_what_remit_writes_is_read(step):
    data = tar(tar_directory("d"), tar_file("d/x", b"content", 0o755), tar_file("ünï", b""))
    found = entries(data, step=step)
    assert [(e.name, e.directory, e.size, e.mode, c) for e, c in found] == [
        ("d", True, 0, 0o755, b""),
        ("d/x", False, 7, 0o755, b"content"),
        ("ünï", False, 0, 0o644, b""),
    ]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_what_the_standard_library_writes_is_read(form):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        directory = tarfile.TarInfo("d")
        directory.type = tarfile.DIRTYPE
        archive.addfile(directory)
        info = tarfile.TarInfo("./d/x")
        info.size, info.mtime, info.uname = 5, 1.5, "somebody"
        archive.addfile(info, io.BytesIO(b"12345"))
    assert names(out.getvalue()) == ["d", "d/x"]


def test_what_was_not_asked_for_is_skipped():
    stream = io.BytesIO(tar(tar_file("a", b"x" * 5000), tar_file("b", b"y")))
    assert [each.name for each in TarReader(stream.read)] == ["a", "b"]


@pytest.mark.parametrize("kind", list("123467DKLMNSVXA\0"[:-1]))
def test_only_files_and_directories(kind):
    with pytest.raises(ArchiveError, match=r"only|that is|kind|header"):
        entries(tar(special(kind, "evil", "../../etc/passwd"), FILE))


@pytest.mark.parametrize(
    "raw",
    [
        b"/etc/passwd", b"../x", b"a/../../x", b"a\\..\\x", b"C:\\x", b"C:x", b"a/./b", b"a//b", b"./../x", b"",
        b"a\xff", b"a\x01", b".", b"..", b"a/..",
    ],
)  # fmt: skip
def test_names_that_leave_the_folder(raw):
    with pytest.raises(ArchiveError):
        entries(tar(named(raw)))
    with pytest.raises(ArchiveError):
        entries(tar(pax(b"path=" + raw), FILE))


def test_a_name_with_more_behind_its_nul():
    with pytest.raises(ArchiveError, match="behind its end"):
        entries(tar(named(b"good\0/../evil")))
    with pytest.raises(ArchiveError):
        entries(tar(pax(b"path=good\0/../evil"), FILE))


def test_a_prefix_that_leaves_the_folder():
    with pytest.raises(ArchiveError, match="leaves"):
        entries(tar(patched(FILE[:512], 345, b"../..") + FILE[512:]))


def test_names_twice_in_any_spelling():
    for second in ("x", "X"):
        with pytest.raises(ArchiveError):
            entries(tar(FILE, tar_file(second)))
    with pytest.raises(ArchiveError):
        entries(tar(FILE, named(b"./x")))
    with pytest.raises(ArchiveError):
        entries(tar(FILE, pax(b"path=x"), tar_file("other")))
    with pytest.raises(ArchiveError):
        entries(tar(tar_directory("x"), FILE))
    with pytest.raises(ArchiveError):
        entries(tar(FILE, tar_file("x/y")))


@pytest.mark.parametrize(
    "records",
    [
        [b"path=a", b"path=b"],
        [b"size=7x"],
        [b"size=-7"],
        [b"size=+7"],
        [b"size=3"],  # and the block says 7
        [b"size=0"],
        [b"size=99999999999999999999999"],
        [b"linkpath=/etc/passwd"],
        [b"GNU.sparse.major=1", b"GNU.sparse.name=evil"],
        [b"GNU.sparse.realsize=99999999999"],
        [b"hdrcharset=BINARY"],
        [b"path=\xff\xfe"],
        [b"unknown.key=1"],
    ],
)
def test_headers_that_say_something_else(records):
    with pytest.raises(ArchiveError):
        entries(tar(pax(*records), FILE))


def test_headers_that_change_nothing_here_are_fine():
    found = entries(tar(pax(b"mtime=1.5", b"uname=x", b"SCHILY.xattr.user.a=b", b"size=7"), FILE))
    assert [each.name for each, _ in found] == ["x"]
    assert names(tar(pax(b"comment=from git", kind=b"g"), FILE)) == ["x"]


def test_a_header_for_all_files_changes_none():
    for record in (b"path=evil", b"size=1"):
        with pytest.raises(ArchiveError, match="every file"):
            entries(tar(pax(record, kind=b"g"), FILE))


def test_two_headers_for_one_file():
    with pytest.raises(ArchiveError, match="two headers"):
        entries(tar(pax(b"path=a"), pax(b"path=b"), FILE))


def test_a_header_for_no_file():
    with pytest.raises(ArchiveError, match="ends after"):
        entries(tar(pax(b"path=a")))


@pytest.mark.parametrize(
    "body", [b"9 path=x", b"x path=a\n", b"99 path=a\n", b"0 path=a\n", b"9 pathxa\n", b"9path=xa\n", b"-9 path=a\n", b"\n"]
)  # fmt: skip
def test_malformed_headers(body):
    block = patched(tar_file("x", body)[:512], 156, b"x")
    with pytest.raises(ArchiveError):
        entries(tar(block + body.ljust(512, b"\0"), FILE))


def test_huge_headers():
    block = patched(patched(FILE[:512], 156, b"x"), 124, b"%011o\0" % (1 << 20))
    with pytest.raises(ArchiveError, match="header of more than"):
        entries(tar(block + bytes(1 << 20), FILE))


@pytest.mark.parametrize(
    "size",
    [
        b"\x80" + bytes(10) + b"\x07",  # base 256
        b"\xff" * 12,  # base 256, negative
        b"-0000000007\0",
        b"0000000008\0\0",
        b"00000000 07\0",
        b"0x000000007\0",
        bytes(12),
        b" " * 12,
    ],
)
def test_sizes_that_are_no_octal_numbers(size):
    with pytest.raises(ArchiveError, match="octal"):
        entries(tar(patched(FILE[:512], 124, size) + FILE[512:]))


@pytest.mark.parametrize("at", [100, 108, 116, 136, 329, 337])
def test_fields_that_are_ignored_are_numbers(at):
    """Readers that use them stop there, and do not see what comes after."""
    for data in (b"x", b"0000\x010\0", b"\x80\0\0\0\0\0\0\1", b"-1"):
        with pytest.raises(ArchiveError, match="octal"):
            entries(tar(patched(FILE[:512], at, data) + FILE[512:]))
    assert names(tar(patched(FILE[:512], at, bytes(8)) + FILE[512:])) == ["x"]


def test_checksums():
    with pytest.raises(ArchiveError, match="checksum"):
        entries(tar(FILE[:148] + b"000000\0 " + FILE[156:]))
    with pytest.raises(ArchiveError, match="checksum"):
        entries(tar(FILE[:5] + b"x" + FILE[6:]))


def test_other_magic():
    for magic in (bytes(8), b"ustar\x0001", b"USTAR\x0000", b"ustar   "):
        with pytest.raises(ArchiveError, match="POSIX"):
            entries(tar(patched(FILE[:512], 257, magic) + FILE[512:]))
    hidden = patched(patched(FILE[:512], 257, b"ustar  \0"), 345 + 41, b"\1")
    with pytest.raises(ArchiveError, match="POSIX"):
        entries(tar(hidden + FILE[512:]))


def test_a_link_name_on_a_file():
    with pytest.raises(ArchiveError, match="link"):
        entries(tar(patched(FILE[:512], 157, b"/etc/passwd") + FILE[512:]))


def test_a_directory_with_content():
    block = patched(tar_directory("d"), 124, b"00000000007\0")
    with pytest.raises(ArchiveError, match="has a size"):
        entries(tar(block + b"content".ljust(512, b"\0")))


def test_a_file_that_looks_like_a_directory():
    with pytest.raises(ArchiveError, match="empty part"):
        entries(tar(named(b"d/", b"content")))


@pytest.mark.parametrize("cut", [1, 100, 511, 512, 513, 700, 1023])
def test_an_archive_that_is_cut_off(cut):
    data = tar(FILE)
    with pytest.raises(ArchiveError, match="cut off"):
        entries(data[: len(data) - 1024 - cut] if cut < 1024 else data[:cut])


def test_the_end():
    for end in (b"", bytes(512)):
        with pytest.raises(ArchiveError, match="cut off"):
            entries(FILE + end)
    with pytest.raises(ArchiveError, match="one block"):
        entries(FILE + bytes(512) + FILE + END)
    with pytest.raises(ArchiveError, match="behind its end"):
        entries(tar(FILE) + tar(tar_file("second")))
    with pytest.raises(ArchiveError, match="behind its end"):
        entries(tar(FILE) + bytes(2 << 20))
    assert names(tar(FILE) + bytes(8192)) == ["x"]
    assert names(END) == []


def test_limits():
    many = tar(*(tar_file(str(each)) for each in range(11)))
    with pytest.raises(ArchiveError, match="more than 10 entries"):
        entries(many, Limits(entries=10))
    with pytest.raises(ArchiveError, match="unpacks to more than 6"):
        entries(tar(FILE), Limits(total=6))
    claimed = patched(FILE[:512], 124, b"77777777777\0") + FILE[512:]
    with pytest.raises(ArchiveError, match="unpacks to more"):
        entries(tar(claimed), Limits(total=1 << 30))
    with pytest.raises(ArchiveError, match="cut off"):
        entries(tar(claimed))


def test_no_archive_at_all():
    for data in (b"", b"x", b"PK\3\4" * 400, b"\x1f\x8b" + bytes(1000)):
        with pytest.raises(ArchiveError):
            entries(data)
