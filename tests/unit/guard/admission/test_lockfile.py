import pytest

from remit.artifacts.oci.names import Reference
from remit.core.digest import sha256
from remit.guard.admission.lockfile import LockError, Lockfile, lock_bytes, parse_lock

DIGEST = sha256(b"x")
TAGGED = Reference.parse("hub.example/team/x:1")


def test_there_and_back(tmp_path):
    path = tmp_path / "remit.lock"
    path.write_bytes(lock_bytes({"hub.example/team/x:1": DIGEST}))
    assert Lockfile(path).resolve(TAGGED).digest == DIGEST
    own = Reference.parse(f"hub.example/team/x:1@{sha256(b'y')}")
    assert Lockfile(path).resolve(own) == own


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{", b"[]", b"{}", b'{"lockVersion":1}', b'{"lockVersion":2,"artifacts":{}}',
        b'{"lockVersion":true,"artifacts":{}}', b'{"lockVersion":1,"artifacts":[]}',
        b'{"lockVersion":1,"artifacts":{"a":"sha256:x"}}', b'{"lockVersion":1,"artifacts":{"a":1}}',
        b'{"lockVersion":1,"artifacts":{"a":"sha256:%s","a":"sha256:%s"}}' % (b"a" * 64, b"b" * 64),
        b'{"lockVersion":1,"artifacts":{},"more":1}',
    ],
)  # fmt: skip
def test_malformed(data):
    with pytest.raises(LockError):
        parse_lock(data)


def test_not_there(tmp_path):
    with pytest.raises(LockError) as caught:
        Lockfile(tmp_path / "remit.lock").resolve(TAGGED)
    assert "remit lock" in caught.value.hint
