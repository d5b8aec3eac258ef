import os
import stat
from pathlib import Path

import pytest

from remit.artifacts.layout import Layout
from remit.artifacts.oci.names import Reference
from remit.artifacts.pack import pack, plan
from remit.core.errors import RemitError
from remit.guard.admission import copies as module
from remit.guard.admission.copies import Copies, memory_of
from remit.guard.admission.shelf import look
from remit.guard.admission.stage import check_private, stage


@pytest.fixture
def held(tmp_path):
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    (source / "sub" / "run.sh").write_text("#!/bin/sh\n")
    (source / "sub" / "run.sh").chmod(0o755)
    (source / "a.txt").write_text("a")
    layout = Layout.open(tmp_path / "store", create=True)
    pack(layout, plan(source), name="x:1")
    return look(tmp_path / "store", Reference.parse("x:1"))


def test_a_copy_is_private_and_not_writable(held, tmp_path):
    made = stage(held, tmp_path / "run")
    assert (made.root / "a.txt").read_text() == "a"
    assert stat.S_IMODE((made.root / "a.txt").stat().st_mode) == 0o444
    assert stat.S_IMODE((made.root / "sub" / "run.sh").stat().st_mode) == 0o555
    assert stat.S_IMODE(made.root.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "run").stat().st_mode) == 0o700
    made.close()
    made.close()
    assert not list((tmp_path / "run").iterdir())


def test_nothing_is_left_of_a_changed_layer(held, tmp_path):
    layer = held.layout.path(held.artifact.layers[0].descriptor.digest)
    layer.write_bytes(layer.read_bytes().replace(b"#!/bin/sh", b"#!/bin/hs"))
    with pytest.raises(RemitError) as caught:
        stage(held, tmp_path / "run")
    assert caught.value.code == "artifact.digest"
    assert not list((tmp_path / "run").iterdir())


def test_where_others_may_write(tmp_path):
    place = tmp_path / "open" / "run"
    place.mkdir(parents=True)
    check_private(place)
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(RemitError) as caught:
        check_private(place)
    assert caught.value.code == "artifact.place"
    # Where only owners may rename, as in /tmp, what is ours stays ours.
    (tmp_path / "open").chmod(0o1777)
    check_private(place)
    place.chmod(0o1777)
    with pytest.raises(RemitError):
        check_private(place)


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a directory to somebody else")
def test_where_somebody_else_owns_it(tmp_path):
    place = tmp_path / "theirs" / "run"
    place.mkdir(parents=True)
    os.chown(tmp_path / "theirs", 65534, 65534)
    with pytest.raises(RemitError):
        check_private(place)


def test_a_link_is_looked_through(tmp_path):
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "link").symlink_to(tmp_path / "open")
    with pytest.raises(RemitError):
        check_private(tmp_path / "link")


@pytest.fixture
def memory(tmp_path):
    return tmp_path / "memory"


def test_small_ones_are_in_memory(held, tmp_path, memory, monkeypatch):
    copies = Copies(tmp_path / "disk", [memory])
    made = copies.make(held)
    assert made.root.is_relative_to(memory)
    monkeypatch.setattr(module, "SMALL_BYTES", 1)
    large = copies.make(held)
    assert large.root.is_relative_to(tmp_path / "disk")
    made.close()
    large.close()
    copies.close()
    assert not list(memory.iterdir())


def test_full_memory(held, tmp_path, memory, monkeypatch):
    copies = Copies(tmp_path / "disk", [memory])
    monkeypatch.setattr(module, "_free", lambda _: 0)
    assert copies.make(held).root.is_relative_to(tmp_path / "disk")
    copies.close()


def test_memory_that_is_somebody_elses(held, tmp_path, memory):
    memory.mkdir()
    memory.chmod(0o777)
    copies = Copies(tmp_path / "disk", [memory])
    assert copies.make(held).root.is_relative_to(tmp_path / "disk")


def test_what_a_killed_guard_left_is_removed_and_what_a_living_one_has_is_not(
    held, tmp_path, memory
):
    living = Copies(tmp_path / "disk", [memory])
    made = living.make(held)
    left = memory / "left"
    left.mkdir()
    old = tmp_path / "other" / "old"
    old.mkdir(parents=True)
    Copies(tmp_path / "other", [memory]).sweep()
    assert made.root.exists()
    assert not left.exists()
    assert not old.exists()
    living.close()


def test_places_in_memory():
    assert all(each.is_absolute() for each in memory_of({}))
    assert memory_of({"XDG_RUNTIME_DIR": "relative"}) == memory_of({})
    assert Path("/proc/remit-run") not in memory_of({"XDG_RUNTIME_DIR": "/proc"})
