"""A directory that appears whole or not at all, whatever happens around it."""

import fcntl
import os

import pytest

from remit.artifacts.errors import UnpackError
from remit.artifacts.folder import fresh


def left(path):
    return sorted(each.name for each in path.iterdir())


def run(target, act):
    with fresh(target) as folder:
        act(folder)


def test_it_appears_when_it_is_published(tmp_path):
    target = tmp_path / "out"
    with fresh(target) as folder:
        folder.directory("empty", 0o700)
        folder.file("a/b/c.txt", [b"con", b"tent"], 0o755)
        folder.file("top", [])
        assert not target.exists()
        folder.publish()
    assert left(tmp_path) == ["out"]
    assert (target / "a/b/c.txt").read_bytes() == b"content"
    assert (target / "a/b/c.txt").stat().st_mode & 0o777 == 0o755
    assert (target / "empty").stat().st_mode & 0o777 == 0o700
    assert target.stat().st_mode & 0o777 == 0o755


def test_nothing_stays_of_what_was_not_published(tmp_path):
    def fail(folder):
        folder.file("a/b", [b"x"])
        raise RuntimeError

    with pytest.raises(RuntimeError):
        run(tmp_path / "out", fail)
    with fresh(tmp_path / "out") as folder:
        folder.file("a/b", [b"x"])
    assert left(tmp_path) == []


@pytest.mark.parametrize("mode", [0o7777, 0o6755, 0o002, 0o000])
def test_modes_of_others_are_tamed(tmp_path, mode):
    with fresh(tmp_path / "out") as folder:
        folder.directory("d", mode)
        folder.file("d/f", [b"x"], mode)
        folder.publish()
    for each, needed in ((tmp_path / "out/d", 0o700), (tmp_path / "out/d/f", 0o400)):
        found = each.stat().st_mode & 0o7777
        assert found & needed == needed
        assert found & 0o7022 == 0


def test_an_empty_directory_may_be_there(tmp_path):
    (tmp_path / "out").mkdir()
    with fresh(tmp_path / "out") as folder:
        folder.file("f", [b"x"])
        folder.publish()
    assert left(tmp_path / "out") == ["f"]


@pytest.mark.parametrize("what", ["file", "full", "link", "dangling"])
def test_what_is_there_is_kept(tmp_path, what):
    target = tmp_path / "out"
    if what == "file":
        target.write_text("mine")
    elif what == "full":
        target.mkdir()
        (target / "mine").write_text("mine")
    else:
        (tmp_path / "real").mkdir(exist_ok=True)
        target.symlink_to(tmp_path / ("real" if what == "link" else "nowhere"))
    before = left(tmp_path)
    with pytest.raises(UnpackError, match="there already"), fresh(target):
        pass
    assert left(tmp_path) == before


def test_something_that_comes_meanwhile_is_kept(tmp_path):
    target = tmp_path / "out"

    def act(folder):
        folder.file("f", [b"x"])
        target.mkdir()
        (target / "mine").write_text("mine")
        folder.publish()

    with pytest.raises(UnpackError, match="cannot be put"):
        run(target, act)
    assert (target / "mine").read_text() == "mine"
    assert left(tmp_path) == ["out"]


def test_a_link_that_is_planted_meanwhile_is_not_followed(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    with fresh(tmp_path / "out") as folder:
        folder.file("a/one", [b"x"])
        (partial,) = tmp_path.glob(".out.*")
        folder.file("b", [b"x"])
        (partial / "link").symlink_to(outside)
        (partial / "file").symlink_to(outside / "file")
        with pytest.raises(UnpackError, match="not a directory"):
            folder.file("link/evil", [b"x"])
        with pytest.raises(UnpackError, match="not a directory"):
            folder.directory("link")
        with pytest.raises(UnpackError, match="there already"):
            folder.file("file", [b"x"])
    assert left(outside) == []
    assert left(tmp_path) == ["outside"]


def test_a_directory_that_is_swapped_for_a_link(tmp_path):
    """The descriptor stays with the directory that was opened, wherever its name leads now."""
    outside = tmp_path / "outside"
    outside.mkdir()
    with fresh(tmp_path / "out") as folder:
        folder.file("a/one", [b"x"])
        (partial,) = tmp_path.glob(".out.*")
        (partial / "a").rename(partial / "moved")
        (partial / "a").symlink_to(outside)
        folder.file("a/two", [b"x"])
        assert left(outside) == []
        folder.file("a/deeper/three", [b"x"])
        folder.directory("b")
        with pytest.raises(UnpackError, match="not a directory"):
            folder.file("a/four", [b"x"])
    assert left(outside) == []


def test_a_whole_directory_that_is_swapped(tmp_path):
    def act(folder):
        folder.file("f", [b"x"])
        (partial,) = tmp_path.glob(".out.*")
        partial.rename(tmp_path / "moved")
        partial.mkdir()
        folder.publish()

    with pytest.raises(UnpackError, match="replaced"):
        run(tmp_path / "out", act)
    assert not (tmp_path / "out").exists()


def test_what_a_killed_process_left_is_removed_and_what_lives_is_not(tmp_path):
    dead = tmp_path / ".out.0123456789abcdef.partial"
    alive = tmp_path / ".out.fedcba9876543210.partial"
    other = tmp_path / ".out.mine.partial"
    for each in (dead, alive, other):
        each.mkdir()
        (each / "f").write_text("x")
    held = os.open(alive, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    try:
        with fresh(tmp_path / "out") as folder:
            folder.publish()
    finally:
        os.close(held)
    assert left(tmp_path) == [".out.fedcba9876543210.partial", ".out.mine.partial", "out"]


def test_a_parent_that_is_missing(tmp_path):
    with pytest.raises(UnpackError, match="no directory"), fresh(tmp_path / "no" / "out"):
        pass
    with pytest.raises(UnpackError, match="root"), fresh(tmp_path.parents[-1]):
        pass


def test_a_full_disk_leaves_nothing(tmp_path):
    def chunks():
        yield b"x"
        raise OSError(28, "No space left on device")

    def act(folder):
        folder.file("f", chunks())
        folder.publish()

    with pytest.raises(OSError, match="No space"):
        run(tmp_path / "out", act)
    assert left(tmp_path) == []
