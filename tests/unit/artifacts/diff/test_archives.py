import io
import struct
import zipfile

import pytest

from remit.artifacts.diff import zipped as module
from tests.unit.artifacts.diff.making import difference, only, refused, seen, zipped
from tests.unit.artifacts.diff.storing import tar


def test_members_are_files(tmp_path):
    found = difference(
        tmp_path,
        {"x.mcpb": zipped({"server/a.py": "a = 1\n", "gone": "1", "same": "1"})},
        {"x.mcpb": zipped({"server/a.py": "a = 2\n", "come": "2", "same": "1"})},
    )
    assert seen(found) == [
        ("text.changed", "x.mcpb!/server/a.py", ""),
        ("file.removed", "x.mcpb!/gone", ""),
        ("file.added", "x.mcpb!/come", ""),
    ]


def test_packed_otherwise_is_the_same(tmp_path):
    members = {"a": "x" * 1000}
    found = difference(
        tmp_path,
        {"x.zip": zipped(members)},
        {"x.zip": zipped(members, method=0, date=(2024, 1, 1, 0, 0, 0))},
    )
    assert (only(found).kind, only(found).severity) == ("bytes.changed", "info")


def test_a_bomb_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "FREE_BYTES", 1 << 20)
    bomb = zipped({"a.txt": bytes(64 << 20)})
    assert len(bomb) < 1 << 17
    found = difference(tmp_path, {"x.zip": zipped({"a.txt": "a"})}, {"x.zip": bomb})
    assert not found.equal
    assert "times its size" in found.unread[0].reason


def crafted(count, directory, offset=0, comment=b""):
    return (
        b"PK\3\4"
        + bytes(60)
        + b"PK\5\6"
        + struct.pack("<HHHHIIH", 0, 0, count, count, directory, offset, len(comment))
        + comment
    )


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"PK\3\4", "too short"),
        (b"PK\3\4" + bytes(100), "no directory"),
        (crafted(65000, 46 * 65000), "members"),
        (crafted(1, 1 << 30), "too large"),
        (crafted(0xFFFF, 0xFFFFFFFF), "members"),
        (crafted(1, 50), "no complete ZIP"),
    ],
)
def test_an_archive_that_lies_is_not_looked_into(tmp_path, data, reason):
    good = zipped({"a": "1"})
    assert reason in refused(difference(tmp_path, {"x.zip": good}, {"x.zip": data}))


def test_two_members_of_one_name_are_refused(tmp_path):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a", "1")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a", "2")
    found = difference(tmp_path, {"x.zip": zipped({"a": "1"})}, {"x.zip": out.getvalue()})
    assert "two members of one name" in refused(found)


def test_a_size_that_lies_is_not_believed(tmp_path):
    good = zipped({"a.txt": "hello\n"}, method=0)
    broken = good.replace(b"hello\n", b"hellO\n")  # the checksum is of the old bytes
    found = difference(tmp_path, {"x.zip": good}, {"x.zip": broken})
    assert not found.equal
    assert any("cannot be unpacked" in each.reason for each in found.unread)


def test_an_encrypted_member_is_not_looked_into(tmp_path):
    good = zipped({"a.txt": "hello\n"}, method=0)
    flagged = bytearray(good)
    flagged[6] |= 1
    at = good.index(b"PK\1\2")
    flagged[at + 8] |= 1
    found = difference(tmp_path, {"x.zip": good}, {"x.zip": bytes(flagged)})
    assert any("encrypted" in each.reason for each in found.unread)


def test_names_that_lead_elsewhere_are_only_names(tmp_path):
    found = difference(
        tmp_path, {"x.zip": zipped({"../../a": "1"})}, {"x.zip": zipped({"../../a": "1\n"})}
    )
    assert only(found).path == "x.zip!/../../a"
    assert not (tmp_path.parent / "a").exists()


@pytest.mark.parametrize(("name", "gz"), [("x.tar", False), ("x.tar.gz", True), ("x.tgz", True)])
def test_tar_archives(tmp_path, name, gz):
    found = difference(
        tmp_path,
        {name: tar({"a/b.txt": "1\n", "same": "1"}, gz)},
        {name: tar({"a/b.txt": "2\n", "same": "1"}, gz)},
    )
    change = only(found)
    assert (change.kind, change.path) == ("text.changed", f"{name}!/a/b.txt")


def test_a_tar_archive_that_leaves_its_folder_is_not_looked_into(tmp_path):
    found = difference(tmp_path, {"x.tar": tar({"a": "1"})}, {"x.tar": tar({"../a": "1"})})
    assert "leaves the folder" in refused(found)


def test_a_member_that_is_looked_at_again_counts_once(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "FREE_BYTES", 3000)
    a, b = zipped({"a.txt": "a" * 2000}), zipped({"a.txt": "a" * 1999 + "b"})
    assert only(difference(tmp_path, {"x.zip": a}, {"x.zip": b})).kind == "text.changed"


def test_data_around_the_members_is_told(tmp_path):
    good = zipped({"a.txt": "1\n"})
    found = difference(tmp_path, {"x.zip": good}, {"x.zip": good + b"more"})
    assert "behind its end" in refused(found)
    # What reads an archive from its end takes this for one whose places are all shifted.
    found = difference(tmp_path / "2", {"x.zip": good}, {"x.zip": b"PK\3\4" + good})
    assert not found.equal
    assert [each.reason for each in found.unread] == ["it has data before its first member"]
