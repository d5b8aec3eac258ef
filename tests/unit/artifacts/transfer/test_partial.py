"""Downloads that broke off."""

import os

import pytest

from remit.artifacts.errors import DigestError
from remit.artifacts.layout import Layout
from remit.artifacts.oci.digests import digest_of
from remit.artifacts.oci.manifest import Descriptor
from remit.artifacts.transfer.partial import MAX_AGE_S, sweep, take_up

CONTENT = b"0123456789" * 100
BLOB = Descriptor(media_type="x", digest=digest_of(CONTENT), size=len(CONTENT))


@pytest.fixture
def layout(tmp_path):
    return Layout.open(tmp_path / "store", create=True)


def left(layout):
    return sorted(path.name for path in (layout.root / "ingest").iterdir())


def broken(layout, data, error=RuntimeError):
    def work():
        with take_up(layout, BLOB) as partial:
            partial.checked_write(data)
            raise error

    with pytest.raises(error):
        work()


def test_it_goes_on_where_it_broke_off(layout):
    broken(layout, CONTENT[:300])
    with take_up(layout, BLOB) as partial:
        assert partial.size == 300
        partial.checked_write(CONTENT[300:])
        layout.commit(partial, BLOB.digest)
    assert layout.read(BLOB.digest, limit=10_000) == CONTENT
    assert left(layout) == []


def test_bytes_that_were_changed_meanwhile_never_become_a_blob(layout):
    broken(layout, CONTENT[:300])
    next((layout.root / "ingest").iterdir()).write_bytes(b"x" * 300)
    with take_up(layout, BLOB) as partial:
        partial.checked_write(CONTENT[300:])
        with pytest.raises(DigestError):
            layout.commit(partial, BLOB.digest)
    assert not layout.has(BLOB.digest)


def test_more_than_the_blob_has_is_thrown_away(layout):
    broken(layout, CONTENT[:300])
    next((layout.root / "ingest").iterdir()).write_bytes(b"x" * 3000)
    with take_up(layout, BLOB) as partial:
        assert partial.size == 0


def test_more_than_the_descriptor_says_is_refused(layout):
    with pytest.raises(DigestError, match="larger"), take_up(layout, BLOB) as partial:
        partial.checked_write(CONTENT + b"x")


def test_two_at_once_do_not_disturb_each_other(layout):
    with take_up(layout, BLOB) as one:
        one.checked_write(CONTENT[:500])
        with take_up(layout, BLOB) as two:
            assert two.size == 0
            assert two.path != one.path
            two.checked_write(CONTENT)
            layout.commit(two, BLOB.digest)
        one.checked_write(CONTENT[500:])
        layout.commit(one, BLOB.digest)
    assert layout.read(BLOB.digest, limit=10_000) == CONTENT
    assert left(layout) == []


def test_the_second_of_two_leaves_nothing(layout):
    with take_up(layout, BLOB) as one:
        one.checked_write(b"0")
        broken(layout, CONTENT[:300])
        assert len(left(layout)) == 1


def test_a_full_disk_keeps_nothing(layout):
    broken(layout, CONTENT[:300], OSError)
    assert left(layout) == []


def test_a_link_in_its_place_is_not_followed(layout, tmp_path):
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    name = f"partial-{BLOB.digest.replace(':', '-')}"
    (layout.root / "ingest" / name).symlink_to(victim)
    with pytest.raises(OSError), take_up(layout, BLOB):
        pass
    assert victim.read_bytes() == b"precious"


def test_old_ones_are_swept(layout):
    broken(layout, CONTENT[:300])
    path = next((layout.root / "ingest").iterdir())
    now = path.stat().st_mtime
    assert sweep(layout, now + MAX_AGE_S - 10) == 0
    with take_up(layout, BLOB):
        assert sweep(layout, now + MAX_AGE_S + 10) == 0
    broken(layout, b"")
    os.utime(path, (now, now))
    assert sweep(layout, now + MAX_AGE_S + 10) == 1
    assert left(layout) == []
