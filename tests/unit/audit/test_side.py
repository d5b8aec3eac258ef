import pytest

from remit.attest.cipher import SubjectCipher
from remit.attest.errors import KeyDestroyedError
from remit.audit import side
from remit.audit.disk import Disk
from remit.audit.errors import Corrupt
from remit.audit.log import read
from remit.audit.record import commitment
from remit.audit.verify import verify
from tests.unit.audit.support import ORIGIN, START_US, FakeClock, body, check, open_log


@pytest.fixture
def cipher(tmp_path):
    return SubjectCipher(tmp_path / "subjects")


@pytest.fixture
def log(tmp_path, cipher):
    with open_log(tmp_path / "log", cipher=cipher) as log:
        for number in range(5):
            private = {
                "action.args_c": ("alice", b"arguments %d" % number),
                "outcome.result_c": ("bob", b"result %d" % number),
            }
            log.append("tool.decision", body(number), private=private)
    return tmp_path / "log"


def values(log, cipher, seq):
    return side.reveal(log, ORIGIN, list(read(log))[seq], cipher)


def test_values_come_back_and_are_nowhere_in_the_clear(log, cipher):
    assert values(log, cipher, 3) == {
        "action.args_c": b"arguments 3",
        "outcome.result_c": b"result 3",
    }
    everything = b"".join(p.read_bytes() for p in log.rglob("*") if p.is_file())
    assert b"arguments" not in everything
    assert b"alice" in everything


def test_destroying_a_key_erases_its_values_and_the_log_still_verifies(log, cipher):
    cipher.destroy("alice")
    found = values(log, cipher, 3)
    assert isinstance(found["action.args_c"], KeyDestroyedError)
    assert found["outcome.result_c"] == b"result 3"
    assert verify(log, ORIGIN, check).ok


def test_without_the_side_store_the_log_still_verifies(log, cipher):
    for path in (log / "side").iterdir():
        path.unlink()
    assert values(log, cipher, 3) == {}
    (log / "side").rmdir()
    assert values(log, cipher, 3) == {}
    assert verify(log, ORIGIN, check).ok


def test_a_value_counts_only_if_it_matches_its_commitment(cipher):
    secret = side.Secret("c", "alice", b"s" * 16, b"value")
    sealed = side.parse(side.seal(ORIGIN, 7, secret, cipher.sealer(secret.subject)))
    assert (sealed.seq, sealed.path, sealed.subject) == (7, "c", "alice")
    assert side.open_value(sealed, ORIGIN, cipher, commitment(b"s" * 16, b"value")) == b"value"
    assert side.open_value(sealed, ORIGIN, cipher, commitment(b"s" * 16, b"other")) is None
    assert side.open_value(sealed, ORIGIN, cipher, "hmac-sha256:") is None


def test_a_value_moved_to_another_record_is_refused(log, cipher):
    sealed = next(side.sealed_of(log / "side", 1))
    moved = side.Sealed(2, sealed.path, sealed.subject, sealed.ciphertext)
    with pytest.raises(Exception, match="changed, or belongs"):
        side.open_value(moved, ORIGIN, cipher, "x")


@pytest.mark.parametrize(
    "entry",
    [
        b"",
        b"\0" * 7,
        b"\0" * 9,
        b"\0" * 8 + b"\0\5ab",
        b"\0" * 8 + b"\0\1a\0\xff",
        b"\0" * 8 + b"\0\1\xff\0\0",
    ],
)
def test_malformed_entries_are_refused(entry):
    with pytest.raises(Corrupt):
        side.parse(entry)


def test_a_damaged_end_starts_a_new_file_and_loses_nothing(log, cipher):
    [path] = (log / "side").iterdir()
    with path.open("ab") as file:
        file.write(b"\0\0\1\0torn")
    with open_log(log, cipher=cipher, clock=FakeClock(START_US * 2)) as again:
        seq = again.append("tool.decision", {}, private={"c": ("alice", b"after")})
    assert len(list((log / "side").iterdir())) == 2
    assert values(log, cipher, seq) == {"c": b"after"}
    assert values(log, cipher, 4)["action.args_c"] == b"arguments 4"


def test_files_roll(tmp_path, cipher, monkeypatch):
    monkeypatch.setattr(side, "ROLL_BYTES", 1000)
    with open_log(tmp_path / "log", cipher=cipher) as log:
        for number in range(40):
            log.append("tool.decision", {}, private={"c": ("alice", b"v%d" % number)})
            log.flush()
    assert len(list((tmp_path / "log" / "side").iterdir())) > 3
    for seq in (0, 7, 20, 39):
        assert values(tmp_path / "log", cipher, seq) == {"c": b"v%d" % seq}


def test_a_value_of_a_record_that_never_was_is_passed_over(tmp_path, cipher):
    directory = tmp_path / "log"
    with open_log(directory, cipher=cipher) as log:
        log.append("tool.decision", {}, private={"c": ("alice", b"first")})
    writer = side.SideWriter(directory / "side", Disk(), ORIGIN, cipher)
    writer.recover()
    writer.write(1, [[side.Secret("c", "alice", b"s" * 16, b"never acknowledged")]])
    writer.close()
    with open_log(directory, cipher=cipher, clock=FakeClock(START_US * 2)) as log:
        assert log.append("tool.decision", {}, private={"c": ("alice", b"real")}) == 1
        log.append("tool.decision", {}, private={"c": ("alice", b"next")})
    assert values(directory, cipher, 1) == {"c": b"real"}
    assert values(directory, cipher, 2) == {"c": b"next"}


def test_an_empty_batch_writes_nothing(tmp_path, cipher):
    writer = side.SideWriter(tmp_path, Disk(), ORIGIN, cipher)
    writer.write(0, [(), ()])
    assert list(tmp_path.glob("*.side")) == []
    side.SideWriter(tmp_path, Disk(), ORIGIN, None).write(0, [[side.Secret("c", "a", b"s", b"v")]])
    assert list(tmp_path.glob("*.side")) == []
