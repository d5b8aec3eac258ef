import pytest

from remit.audit import read as module
from remit.audit.errors import Corrupt
from remit.audit.read import leaves, read, segments, tail
from tests.unit.audit import support
from tests.unit.audit.support import copy, make_log


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    return make_log(tmp_path_factory.mktemp("read") / "log", 40)


def test_all_and_from_the_middle(log):
    assert [entry.seq for entry in read(log)] == list(range(40))
    assert [entry.seq for entry in read(log, 37)] == [37, 38, 39]
    assert list(read(log, 40)) == []
    assert [leaf for _, leaf in leaves(log)] == support.leaves_of(log)


def test_the_last_ones(log):
    entries, following = tail(log, 3)
    assert [entry.seq for entry in entries] == [37, 38, 39]
    assert following == 40
    assert tail(log, 0) == ([], 40)
    assert len(tail(log, 1000)[0]) == 40


def test_small_chunks_make_no_difference(log, monkeypatch):
    monkeypatch.setattr(module, "_CHUNK", 11)
    assert [entry.seq for entry in read(log)] == list(range(40))


def test_it_ends_before_an_unfinished_or_damaged_end(log, tmp_path):
    directory = copy(log, tmp_path / "log")
    path = directory / "seg" / "000000000000.seg"
    path.write_bytes(path.read_bytes()[:-1])
    assert len(list(read(directory))) == 39


def test_a_huge_damaged_end_is_not_read_through(log, tmp_path):
    directory = copy(log, tmp_path / "log")
    path = directory / "seg" / "000000000000.seg"
    with path.open("r+b") as file:
        file.truncate(64 << 30)
    assert len(list(read(directory))) == 40


def test_segments_over_a_boundary(log, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "RECORDS", 16)
    directory = copy(log, tmp_path / "log")
    seg = directory / "seg"
    frames = [support.frame(leaf) for leaf in support.leaves_of(log)]
    for first in (0, 16, 32):
        (seg / f"{first:012d}.seg").write_bytes(b"".join(frames[first : first + 16]))
    assert segments(directory) == [0, 16, 32]
    assert [entry.seq for entry in read(directory, 20)] == list(range(20, 40))
    assert [entry.seq for entry in tail(directory, 30)[0]] == list(range(10, 40))
    (seg / "000000000016.seg").write_bytes(b"".join(frames[16:31]))
    with pytest.raises(Corrupt) as caught:
        list(read(directory))
    assert caught.value.seq == 31
    (seg / "000000000016.seg").unlink()
    with pytest.raises(Corrupt):
        list(read(directory))


def test_what_is_no_log(tmp_path):
    with pytest.raises(Corrupt, match="not an audit log"):
        list(read(tmp_path))
