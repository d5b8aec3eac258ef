"""How keys are named, and keyrings that do not behave; real ones are in tests/integration."""

import base64
import sys
from pathlib import Path

import keyring
import keyring.backend
import keyring.backends.fail
import keyring.errors
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from remit.attest.errors import KeyPlaceError
from remit.attest.places import FilePlace, place_of
from remit.attest.token import TokenPlace

MODULE = "/usr/lib/x.so"


class Memory(keyring.backend.KeyringBackend):
    """A keyring that keeps what it is given until the test ends."""

    priority = 5

    def __init__(self):
        super().__init__()
        self.kept = {}

    def get_password(self, service, username):
        return self.kept.get((service, username))

    def set_password(self, service, username, password):
        self.kept[service, username] = password

    def delete_password(self, service, username):
        del self.kept[service, username]


class Forgetful(Memory):
    def set_password(self, service, username, password):
        pass


class Locked(Memory):
    def get_password(self, service, username):
        raise keyring.errors.KeyringLocked("it is locked, and nobody is there")


class Plain(Memory):
    priority = 0.5


@pytest.fixture
def use():
    before = keyring.get_keyring()

    def choose(backend):
        keyring.set_keyring(backend)
        return backend

    yield choose
    keyring.set_keyring(before)


def test_paths_are_files():
    for text in ("/a/b.key", "b.key", "./keyring:x", "pkcs11/x"):
        place = place_of(text)
        assert isinstance(place, FilePlace)
        assert (str(place), place.asks_for) == (str(Path(text)), "Passphrase")
    assert str(place_of("~/k")) == str(Path.home() / "k")


def test_a_key_in_a_keyring(use):
    kept = use(Memory()).kept
    place = place_of("keyring:ann@example.com")
    public = place.create(b"")
    assert place.asks_for == ""
    assert str(place) == "keyring:ann@example.com"
    assert list(kept) == [("remit", "ann@example.com")]
    assert place.public().fingerprint == public.fingerprint
    assert public.verifies(place.open(b"").sign(b"x"), b"x")
    with pytest.raises(KeyPlaceError, match="exists"):
        place.create(b"")
    assert place.public().fingerprint == public.fingerprint


@pytest.mark.parametrize("text", ["keyring:", "keyring:a b", "keyring:-x", "keyring:" + "x" * 101])
def test_names_in_keyrings(text):
    with pytest.raises(KeyPlaceError, match="keyring:NAME"):
        place_of(text)


@pytest.mark.parametrize(
    ("backend", "why"),
    [
        (Plain, "does not protect what it keeps"),
        (Locked, "nobody is there"),
        (Forgetful, "is not in the keyring"),
        (keyring.backends.fail.Keyring, "no keyring that could be used here"),
    ],
)
def test_keyrings_that_are_none(use, backend, why):
    use(backend())
    with pytest.raises(KeyPlaceError, match=why):
        place_of("keyring:ann").create(b"")
    with pytest.raises(KeyPlaceError):
        place_of("keyring:ann").public()


def entry(private):
    der = private.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return "p256:" + base64.b64encode(der).decode()


@pytest.mark.parametrize(
    "kept",
    ["", "x", "p256:", "p256:YQ==", "p256:ä", entry(ec.generate_private_key(ec.SECP384R1()))],
)
def test_entries_that_are_no_keys(use, kept):
    use(Memory()).kept["remit", "ann"] = kept
    with pytest.raises(KeyPlaceError, match="holds no"):
        place_of("keyring:ann").open(b"")


@pytest.mark.parametrize(("name", "text"), [
    ("keyring", "keyring:ann"), ("pkcs11", f"pkcs11:token=t;object=o?module-path={MODULE}"),
])  # fmt: skip
def test_without_the_library(monkeypatch, name, text):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(KeyPlaceError, match="not installed") as error:
        place_of(text).public()
    assert f"remit[{name}]" in str(error.value.hint)


def test_tokens():
    place = place_of(
        f"pkcs11:token=my%20token;object=a%3Bb;serial=01;id=%00%ff;type=private?module-path={MODULE}"
    )
    assert isinstance(place, TokenPlace)
    found = (place.module, place.token, place.serial, place.label, place.key_id, place.asks_for)
    assert found == (MODULE, "my token", "01", "a;b", b"\x00\xff", "PIN")
    assert vars(place_of(str(place))) == vars(place)
    early = place_of(f"pkcs11:module-path={MODULE};token=my%20token;object=o")
    assert str(early) == f"pkcs11:token=my%20token;object=o?module-path={MODULE}"


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("pkcs11:", "no library"),
        ("pkcs11:token=t;object=o", "no library"),
        (f"pkcs11:object=o?module-path={MODULE}", "no token"),
        (f"pkcs11:token=t?module-path={MODULE}", "no key"),
        (f"pkcs11:token=;object=o?module-path={MODULE}", "no token"),
        (f"pkcs11:token=t;object=o;type=public?module-path={MODULE}", "no private key"),
        (f"pkcs11:token=t;object=o;model=m?module-path={MODULE}", "`model` in the PKCS #11 URI"),
        (f"pkcs11:token=t;token=u;object=o?module-path={MODULE}", "`token` in the PKCS #11 URI"),
        (f"pkcs11:token=t;object=o?module-path={MODULE}&pin-value=1234", "a PIN does not belong"),
        (f"pkcs11:token=t;object=o?module-path={MODULE}&pin-source=x", "`pin-source` in the"),
        ("pkcs11:x", "`x` in the PKCS #11 URI"),
    ],
)
def test_uris_that_name_no_key(uri, why):
    with pytest.raises(KeyPlaceError, match=why):
        place_of(uri)
