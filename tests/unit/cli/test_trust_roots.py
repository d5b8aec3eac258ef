"""The serial of a trust root is remembered, and never goes back."""

import pytest

from remit.attest.trust import TrustError
from remit.attest.trust_signature import SUFFIX, sign_trust
from remit.cli.trust_roots import load
from remit.core.errors import RemitError
from tests.unit.artifacts.vouching import DAY, NOW, SIGN, STRANGER, toml


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("REMIT_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def put(tmp_path):
    def write(text, name="trust.toml"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def refused(code, *arguments):
    with pytest.raises(RemitError) as error:
        load(*arguments)
    assert error.value.code == code


def test_serials(put, state):
    assert load(put(toml(serial=2)), None, NOW).serial == 2
    assert load(put(toml(serial=2)), None, NOW).serial == 2
    refused("trust.rollback", put(toml(serial=1)), None, NOW)
    refused("trust.serial", put(toml(serial=2, top="# changed")), None, NOW)
    assert load(put(toml(serial=3)), None, NOW).serial == 3
    # Of another name it is another one.
    assert load(put(toml(serial=1).replace('"acme"', '"other"')), None, NOW).serial == 1
    refused("trust.rollback", put(toml(serial=2)), None, NOW)
    assert (state / "trust-roots.json").stat().st_mode & 0o777 == 0o600


def test_one_that_is_refused_is_not_remembered(put):
    load(put(toml(serial=1)), None, NOW)
    over = put(toml(serial=9, top="expires = 2026-06-01T00:00:00Z"))
    refused("trust.expired", over, None, NOW)
    assert load(put(toml(serial=1)), None, NOW + DAY).serial == 1


def test_a_memory_that_cannot_be_read_is_no_beginning(put, state):
    load(put(toml(serial=2)), None, NOW)
    (state / "trust-roots.json").write_text("{")
    refused("trust.memory", put(toml(serial=1)), None, NOW)


def test_the_signature(put, tmp_path):
    file, public = put(toml()), put(STRANGER.public.pem, "root.pub")
    refused("cli.file", file, public, NOW)
    signature = tmp_path / f"trust.toml{SUFFIX}"
    signature.write_bytes(sign_trust(file.read_bytes(), SIGN))
    refused("trust.signature", file, public, NOW)
    signature.write_bytes(sign_trust(file.read_bytes(), STRANGER))
    assert load(file, public, NOW).name == "acme"
    put(toml(serial=2))
    refused("trust.signature", file, public, NOW)


def test_files_that_are_none(put, tmp_path):
    refused("cli.file", tmp_path / "nothing.toml", None, NOW)
    refused("cli.file", put("#" * (1 << 20) + "#"), None, NOW)
    with pytest.raises(TrustError):
        load(put("x"), None, NOW)
