import shutil

import pytest

from remit.audit.checkpoint import parse
from remit.audit.locate import first_difference
from tests.unit.audit import support
from tests.unit.audit.support import check, copy, leaves_of, make_log


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    return make_log(tmp_path_factory.mktemp("locate") / "log", 270)


def head(directory):
    return parse(check((directory / "checkpoint").read_bytes()))


def test_nothing_is_different(log):
    assert first_difference(log, head(log), -1) is None


@pytest.mark.parametrize("at", [0, 100, 255, 256, 269])
def test_tiles_name_it_even_if_the_chain_was_repaired(log, tmp_path, at):
    directory = copy(log, tmp_path / "log")
    leaves = leaves_of(log)
    leaves[at] = leaves[at].replace(b"alice", b"mallo")
    support.write_leaves(directory, support.rechain(leaves, at))
    assert first_difference(directory, head(log), -1) == at


def test_a_missing_partial_tile_leaves_the_whole_ones(log, tmp_path):
    directory = copy(log, tmp_path / "log")
    shutil.rmtree(directory / "tile" / "0" / "001.p")
    leaves = leaves_of(log)
    leaves[9] = leaves[9].replace(b"alice", b"mallo")
    support.write_leaves(directory, leaves)
    assert first_difference(directory, head(log), 10) == 9


def test_poisoned_tiles_are_not_believed(log, tmp_path):
    directory = copy(log, tmp_path / "log")
    (directory / "tile" / "0" / "000").write_bytes(bytes(8192))
    assert first_difference(directory, head(log), -1) is None


@pytest.mark.parametrize(("changed", "chain_break"), [(20, 21), (268, 269)])
def test_the_chain_decides_without_tiles(log, tmp_path, changed, chain_break):
    directory = copy(log, tmp_path / "log")
    shutil.rmtree(directory / "tile")
    leaves = leaves_of(log)
    leaves[changed] = leaves[changed].replace(b"alice", b"mallo")
    support.write_leaves(directory, leaves)
    assert first_difference(directory, head(log), chain_break) == changed


@pytest.mark.parametrize("at", [20, 269])
def test_a_record_with_another_prev_is_the_changed_one(log, tmp_path, at):
    directory = copy(log, tmp_path / "log")
    shutil.rmtree(directory / "tile")
    leaves = leaves_of(log)
    previous = support.leaf_hash(leaves[at - 1]).hex().encode()
    leaves[at] = leaves[at].replace(previous, previous[::-1])
    support.write_leaves(directory, leaves)
    assert first_difference(directory, head(log), at) == at


def test_a_shorter_log_differs_where_it_ends(log, tmp_path):
    directory = copy(log, tmp_path / "log")
    support.write_leaves(directory, leaves_of(log)[:260])
    assert first_difference(directory, head(log), -1) == 260
