import os
import stat

import pytest

from remit.audit.disk import Disk, contents, regular_file
from remit.audit.errors import Corrupt, Locked


def test_one_lock_for_one_writer(tmp_path):
    disk = Disk()
    handle = disk.lock(tmp_path / "lock")
    with pytest.raises(Locked):
        Disk().lock(tmp_path / "lock")
    disk.close(handle)
    disk.close(Disk().lock(tmp_path / "lock"))


def test_directories_are_private_and_no_links(tmp_path):
    disk = Disk()
    disk.make_directory(tmp_path / "a" / "b")
    for path in (tmp_path / "a", tmp_path / "a" / "b"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    disk.make_directory(tmp_path / "a" / "b")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    with pytest.raises(Corrupt):
        disk.make_directory(tmp_path / "link")
    disk.sync_directory(tmp_path / "a")


def test_files(tmp_path):
    disk = Disk()
    path = tmp_path / "file"
    assert disk.read(path) is None
    assert disk.size(path) == -1
    handle = disk.open(path)
    assert disk.write(handle, b"hello") == 5
    disk.fdatasync(handle)
    disk.fsync(handle)
    disk.truncate(handle, 4)
    assert disk.write(handle, b"!") == 1
    assert disk.read(path) == b"hell!"
    disk.seal(handle)
    disk.close(handle)
    assert stat.S_IMODE(path.stat().st_mode) == 0o400
    disk.rename(path, tmp_path / "other")
    assert disk.names(tmp_path) == ["other"]
    assert disk.names(tmp_path / "none") == []
    disk.unlink(tmp_path / "other")
    disk.unlink(tmp_path / "other")
    handle = disk.open(path)
    disk.allocate(handle, 8192)
    disk.close(handle)
    assert disk.size(path) == 8192


def test_links_pipes_and_directories_are_not_read(tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "directory", "pipe"):
        with pytest.raises(Corrupt):
            contents(tmp_path / name)
    with pytest.raises(OSError, match="symbolic"):
        Disk().open(tmp_path / "link")
    with pytest.raises(FileNotFoundError), regular_file(tmp_path / "none"):
        pass
    assert contents(tmp_path / "file") == b"x"
