import stat

import pytest

from remit.attest.errors import KeyFileError, NoteError
from remit.attest.keys import LogKey, check_directory, read_secret, write_secret


@pytest.fixture
def home(tmp_path):
    directory = tmp_path / "keys"
    directory.mkdir(mode=0o700)
    return directory


def test_generate_and_load(home):
    key = LogKey.generate(home / "log.key", "remit.example/guard/1")
    again = LogKey.load(home / "log.key")
    assert again.vkey == key.vkey
    assert again.sign(b"x") == key.sign(b"x")
    assert stat.S_IMODE((home / "log.key").stat().st_mode) == 0o600


def test_entropy_is_passed_in_and_the_seed_is_never_shown(home):
    key = LogKey.generate(home / "log.key", "guard", entropy=lambda n: b"\x07" * n)
    assert key.vkey == LogKey("guard", b"\x07" * 32).vkey
    assert "0707" not in repr(key)
    assert "BwcH" not in repr(key)


def test_a_key_is_never_overwritten(home):
    LogKey.generate(home / "log.key", "guard")
    with pytest.raises(KeyFileError, match="exists"):
        LogKey.generate(home / "log.key", "guard")


def test_the_directory_is_created_private(tmp_path):
    LogKey.generate(tmp_path / "new" / "log.key", "guard")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o700, 0o620])
def test_a_key_file_open_to_others_is_refused(home, mode):
    LogKey.generate(home / "log.key", "guard")
    (home / "log.key").chmod(mode)
    with pytest.raises(KeyFileError, match="not private"):
        LogKey.load(home / "log.key")


@pytest.mark.parametrize("mode", [0o750, 0o701, 0o777])
def test_a_directory_open_to_others_is_refused(home, mode):
    LogKey.generate(home / "log.key", "guard")
    home.chmod(mode)
    for action in (
        lambda: LogKey.load(home / "log.key"),
        lambda: LogKey.generate(home / "two.key", "guard"),
    ):
        with pytest.raises(KeyFileError, match="not private"):
            action()


def test_links_and_other_files_are_refused(home):
    LogKey.generate(home / "log.key", "guard")
    (home / "link.key").symlink_to(home / "log.key")
    (home / "directory.key").mkdir()
    for name in ("link.key", "directory.key", "missing.key"):
        with pytest.raises(KeyFileError):
            LogKey.load(home / name)
    (home.parent / "link").symlink_to(home)
    with pytest.raises(KeyFileError, match="not a directory"):
        LogKey.load(home.parent / "link" / "log.key")


GOOD = LogKey("guard", b"\x07" * 32)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"PRIVATE+KEY+guard",
        b"PRIVATE+KEY+guard+00000000+AQ==\n",
        b"PRIVATE+KEY+guard+00000000+AQcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH\n",
        b"PRIVATE+KEY+guard+"
        + GOOD.verifier.key_id.hex().encode()
        + b"+AgcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH\n",
        b"PRIVATE+KEY+gu ard+00000000+AQcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH\n",
        b"public+00000000+AA==\n",
    ],
)
def test_malformed_key_files_are_refused(home, content):
    write_secret(home / "log.key", content)
    with pytest.raises(KeyFileError):
        LogKey.load(home / "log.key")


def test_names_and_seeds_are_checked():
    with pytest.raises(NoteError):
        LogKey("two words", b"\x07" * 32)
    with pytest.raises(KeyFileError):
        LogKey("guard", b"\x07" * 31)


def test_secrets_round_trip(home):
    write_secret(home / "a", b"secret")
    assert read_secret(home / "a") == b"secret"
    with pytest.raises(KeyFileError):
        check_directory(home / "missing")
