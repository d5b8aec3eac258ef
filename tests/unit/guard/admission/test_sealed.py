import pytest

from remit.guard.admission.sealed import SealedFile
from remit.guard.errors import GuardError


def test_kept(tmp_path):
    file = SealedFile(tmp_path / "x", "memory")
    assert file.read() is None
    file.write({"serial": 1})
    file.write({"serial": 2})
    assert SealedFile(tmp_path / "x", "memory").read() == {"serial": 2}
    assert all(each.stat().st_mode & 0o077 == 0 for each in (tmp_path / "x").iterdir())


@pytest.mark.parametrize(
    "change",
    [
        lambda value, key: value.write_bytes(value.read_bytes().replace(b"2", b"1", 1)),
        lambda value, key: value.write_bytes(b"{"),
        lambda value, key: value.write_bytes(b"[]"),
        lambda value, key: value.write_bytes(b'{"value":{"serial":9},"mac":1}'),
        lambda value, key: value.write_bytes(b""),
        lambda value, key: value.unlink(),
        lambda value, key: key.unlink(),
        lambda value, key: key.write_bytes(b"x" * 32),
        lambda value, key: key.write_bytes(b""),
    ],
)
def test_told(tmp_path, change):
    file = SealedFile(tmp_path, "memory")
    file.write({"serial": 2})
    change(tmp_path / "memory.json", tmp_path / "memory.key")
    with pytest.raises(GuardError) as caught:
        file.read()
    assert caught.value.code == "guard.memory"
