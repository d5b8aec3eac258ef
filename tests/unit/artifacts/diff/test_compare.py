import os

import pytest

from remit.artifacts.diff import compare as module
from remit.artifacts.diff.compare import aspects, compare, comparers
from remit.artifacts.diff.tree import DirectoryTree, FileTree, TreeError
from tests.unit.artifacts.diff.making import difference, files, only, refused, seen, zipped


def test_every_module_of_comparers_registers_one():
    names = [each.name for each in comparers()]
    assert len(set(names)) == len(names)
    assert {"tensors", "pickles", "tools", "datasets", "text", "structured", "archives"} <= {*names}
    assert names[-1] == "text"
    assert {each.name for each in aspects()} >= {"licences", "metadata", "referrers"}


def test_equal_trees_are_equal(tmp_path):
    same = {"a.txt": "a", "b/c.bin": b"\0", "link": "x"}
    found = difference(tmp_path, same, same)
    assert found.equal
    assert seen(found) == []
    assert (found.a.files, found.a.size) == (3, 3)


def test_files_that_came_went_and_moved(tmp_path):
    found = difference(
        tmp_path,
        {"a.txt": "gone", "old/name.txt": "the same", "run.sh": "x"},
        {"b.md": "new", "new/name.txt": "the same", "run.sh": "x", "evil.py": "1"},
    )
    assert seen(found) == [
        ("file.moved", "new/name.txt", ""),
        ("file.removed", "a.txt", ""),
        ("file.added", "b.md", ""),
        ("file.added", "evil.py", ""),
    ]
    assert [each.severity for each in found.changes] == ["info", "low", "low", "medium"]


def test_a_file_that_moved_and_changed_is_compared(tmp_path):
    found = difference(tmp_path, {"model-v1.txt": "a\nb\n"}, {"model-v2.txt": "a\nc\n"})
    assert seen(found) == [("file.moved", "model-v2.txt", ""), ("text.changed", "model-v2.txt", "")]


def test_single_files_are_compared_whatever_they_are_called(tmp_path):
    root = files(tmp_path / "x", {"a.txt": "1\n", "b.md": "2\n", "c.md": "1\n"})
    assert seen(compare(FileTree(root / "a.txt"), FileTree(root / "b.md"))) == [
        ("text.changed", "b.md", "")
    ]
    assert compare(FileTree(root / "a.txt"), FileTree(root / "c.md")).equal


def test_what_nobody_knows_is_not_looked_into_and_not_equal(tmp_path):
    found = difference(tmp_path, {"x.h5": b"\x08\x01\0"}, {"x.h5": b"\x08\x02\0"})
    assert refused(found) == "HDF5 files are not looked into"
    found = difference(tmp_path / "2", {"x.odd": b"\0"}, {"x.odd": b"\1"})
    assert refused(found) == "no comparer knows this kind of file"
    assert found.severity == "high"


def test_bytes_that_mean_the_same_are_told(tmp_path):
    change = only(difference(tmp_path, {"x.json": '{"a": 1}'}, {"x.json": '{ "a":1 }'}))
    assert (change.kind, change.severity) == ("bytes.changed", "info")


def test_permission_to_run_is_a_change(tmp_path):
    files(tmp_path / "a", {"x": "1"})
    files(tmp_path / "b", {"x": "1"})
    (tmp_path / "b" / "x").chmod(0o755)
    found = compare(DirectoryTree(tmp_path / "a"), DirectoryTree(tmp_path / "b"))
    assert only(found).kind == "file.mode"


def test_links_are_compared_and_not_followed(tmp_path):
    outside = files(tmp_path / "outside", {"secret": "x" * 100})
    for name, target in (("a", "x"), ("b", str(outside / "secret"))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "link").symlink_to(target)
        (tmp_path / name / "folder").symlink_to(outside)
    change = only(compare(DirectoryTree(tmp_path / "a"), DirectoryTree(tmp_path / "b")))
    assert (change.kind, change.before) == ("link.changed", "x")
    assert change.after == str(outside / "secret")


def test_what_is_no_file_is_told(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        os.mkfifo(tmp_path / name / "pipe")
    found = compare(DirectoryTree(tmp_path / "a"), DirectoryTree(tmp_path / "b"))
    assert not found.equal
    assert {each.side for each in found.unread} == {"a", "b"}


def test_a_directory_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(TreeError, match="cannot be listed"):
        compare(DirectoryTree(tmp_path / "no"), DirectoryTree(tmp_path))


def test_a_comparer_that_fails_leaves_a_file_not_looked_into(tmp_path, monkeypatch):
    class Broken:
        name, order = "broken", 0

        def takes(self, pair):
            return True

        def compare(self, pair, work):
            raise ZeroDivisionError

    monkeypatch.setattr(module, "comparers", lambda: (Broken(),))
    reason = refused(difference(tmp_path, {"x": "1"}, {"x": "2"}))
    assert reason == "the comparer failed (ZeroDivisionError)"


def test_an_aspect_that_fails_is_told(tmp_path):
    class Broken:
        name = "broken"

        def claims(self, a, b):
            return frozenset()

        def compare(self, a, b, work):
            raise ZeroDivisionError

    found = difference(tmp_path, {"x": "1"}, {"x": "1"}, more=(Broken(),))
    assert not found.equal
    assert found.unread[0].reason == "broken: the comparer failed (ZeroDivisionError)"


def test_too_many_files_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("remit.artifacts.diff.tree.MAX_ENTRIES", 2)
    with pytest.raises(TreeError, match="more than 2 files"):
        difference(tmp_path, {"1": "", "2": "", "3": ""}, {})


def test_archives_in_archives_end(tmp_path):
    def nested(text):
        data = text.encode()
        for level in range(8):
            data = zipped({f"{level}.zip": data})
        return data

    found = difference(tmp_path, {"x.zip": nested("a")}, {"x.zip": nested("b")})
    assert not found.equal
    assert "nested deeper" in found.unread[0].reason
    assert found.unread[0].path.startswith("x.zip!/7.zip!/")


def test_once_the_time_is_over_the_rest_is_told(tmp_path):
    left = files(tmp_path / "a", {f"{n}.txt": "1\n" for n in range(4)})
    right = files(tmp_path / "b", {f"{n}.txt": "2\n" for n in range(4)})
    asked = iter([False, False, True, True])
    found = compare(DirectoryTree(left), DirectoryTree(right), expired=lambda: next(asked))
    assert [each.kind for each in found.changes] == ["text.changed"] * 2 + ["bytes.changed"] * 2
    assert [each.path for each in found.unread] == ["2.txt", "3.txt"]


def test_after_too_many_changes_nothing_more_is_looked_into(tmp_path, monkeypatch):
    monkeypatch.setattr("remit.artifacts.diff.base.MAX_TOTAL_CHANGES", 2)
    monkeypatch.setattr(module, "MAX_UNREAD", 3)
    same = {f"{n}.txt": "1\n" for n in range(9)}
    found = difference(tmp_path, same, dict.fromkeys(same, "2\n"))
    assert len(found.changes) == 2
    assert "too many changes" in found.unread[0].reason
    assert found.unread[-1].reason == "4 more were not looked into"
