import stat

import pytest

from remit.attest.cipher import SubjectCipher
from remit.attest.errors import CipherError, KeyDestroyedError, KeyFileError


@pytest.fixture
def cipher(tmp_path):
    return SubjectCipher(tmp_path / "subjects")


def test_round_trip_and_files(cipher, tmp_path):
    data = cipher.encrypt("alice@example.org", b"secret", b"place")
    assert b"secret" not in data
    assert cipher.decrypt("alice@example.org", data, b"place") == b"secret"
    again = SubjectCipher(tmp_path / "subjects")
    assert again.decrypt("alice@example.org", data, b"place") == b"secret"
    [file] = (tmp_path / "subjects").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "alice" not in file.name


def test_two_encryptions_differ(cipher):
    assert cipher.encrypt("a", b"x", b"") != cipher.encrypt("a", b"x", b"")


def test_another_place_subject_or_byte_is_refused(cipher):
    data = cipher.encrypt("a", b"x", b"place")
    cipher.encrypt("b", b"x", b"place")
    with pytest.raises(CipherError):
        cipher.decrypt("a", data, b"elsewhere")
    with pytest.raises(KeyDestroyedError):
        cipher.decrypt("b", data, b"place")
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 1
        with pytest.raises(CipherError):
            cipher.decrypt("a", bytes(changed), b"place")
    for length in range(len(data)):
        with pytest.raises(CipherError):
            cipher.decrypt("a", data[:length], b"place")


def test_destroying_erases_even_in_a_process_that_knows_the_key(cipher, tmp_path):
    data = cipher.encrypt("a", b"x", b"")
    other = SubjectCipher(tmp_path / "subjects")
    assert other.destroy("a")
    assert not other.destroy("a")
    for reader in (cipher, other):
        with pytest.raises(KeyDestroyedError):
            reader.decrypt("a", data, b"")
    renewed = cipher.encrypt("a", b"y", b"")
    assert cipher.decrypt("a", renewed, b"") == b"y"
    with pytest.raises(KeyDestroyedError):
        cipher.decrypt("a", data, b"")
    # The process that only read must not go on with the key it remembers either.
    assert other.decrypt("a", renewed, b"") == b"y"


def test_a_key_that_another_process_replaced_is_read_anew(cipher, tmp_path):
    old = cipher.encrypt("a", b"x", b"")
    other = SubjectCipher(tmp_path / "subjects")
    other.destroy("a")
    other.encrypt("a", b"y", b"")
    with pytest.raises(KeyDestroyedError):
        cipher.decrypt("a", old, b"")
    assert (
        SubjectCipher(tmp_path / "subjects").decrypt("a", cipher.encrypt("a", b"z", b""), b"")
        == b"z"
    )


def test_open_directories_and_bad_keys_are_refused(tmp_path):
    cipher = SubjectCipher(tmp_path / "subjects")
    data = cipher.encrypt("a", b"x", b"")
    fresh = SubjectCipher(tmp_path / "subjects")
    fresh.path("a").write_bytes(b"short")
    with pytest.raises(CipherError):
        fresh.decrypt("a", data, b"")
    (tmp_path / "subjects").chmod(0o755)
    with pytest.raises(KeyFileError):
        SubjectCipher(tmp_path / "subjects")
