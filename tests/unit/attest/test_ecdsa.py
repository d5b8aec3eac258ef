import json
import stat

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from remit.attest.ecdsa import FileSigner, PublicKey, public_of
from remit.attest.errors import KeyFileError, StatementError
from tests.unit.attest.signing import SIGNER, key

DER = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
PEM = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A key file: deriving its key takes a third of a second."""
    path = tmp_path_factory.mktemp("keys") / "keys" / "a.key"
    return path, FileSigner.generate(path, b"secret")


@pytest.fixture
def other(made, tmp_path):
    """A place for a changed copy of it."""
    directory = tmp_path / "keys"
    directory.mkdir(mode=0o700)

    def write(change):
        path = directory / "b.key"
        value = json.loads(made[0].read_bytes())
        path.write_bytes(change(value) if callable(change) else change)
        path.chmod(0o600)
        return path

    return write


def test_round_trip(made):
    path, signer = made
    again = FileSigner.load(path, b"secret")
    assert again.public.fingerprint == signer.public.fingerprint == public_of(path).fingerprint
    assert signer.public.verifies(again.sign(b"x"), b"x")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert b"PRIVATE" not in path.read_bytes()


def test_a_key_is_never_overwritten(made):
    with pytest.raises(KeyFileError, match="exists"):
        FileSigner.generate(made[0], b"other")


@pytest.mark.parametrize("passphrase", [b"", b"Secret", b"secret\n"])
def test_another_passphrase(made, passphrase):
    with pytest.raises(KeyFileError, match="does not open") as error:
        FileSigner.load(made[0], passphrase)
    assert error.value.code == "attest.passphrase"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o700, 0o660])
def test_a_file_that_others_may_read(other, mode):
    path = other(lambda value: json.dumps(value).encode())
    path.chmod(mode)
    for read in (public_of, lambda p: FileSigner.load(p, b"secret")):
        with pytest.raises(KeyFileError, match="not private"):
            read(path)


def test_a_directory_that_others_may_read_links_and_nothing(other, made, tmp_path):
    path = other(lambda value: json.dumps(value).encode())
    path.parent.chmod(0o755)
    with pytest.raises(KeyFileError, match="not private"):
        public_of(path)
    path.parent.chmod(0o700)
    (path.parent / "link").symlink_to(made[0])
    for name in ("link", "missing"):
        with pytest.raises(KeyFileError):
            public_of(path.parent / name)


def sealed(**change):
    return lambda value: json.dumps({**value, **change}).encode()


FLIPPED = [
    "cipher", "format", "kdf", "n", "nonce", "p", "public", "r", "salt", "sealed",
]  # fmt: skip


def test_every_member_is_protected(made, other):
    value = json.loads(made[0].read_bytes())
    assert sorted(value) == FLIPPED
    for name in FLIPPED:
        if name in {"nonce", "salt", "sealed"}:
            change = ("0" if value[name][0] != "0" else "1") + value[name][1:]
        elif name == "public":
            change = key(8).public.pem
        else:
            change = 2 * value[name]
        with pytest.raises(KeyFileError):
            FileSigner.load(other(sealed(**{name: change})), b"secret")


@pytest.mark.parametrize(
    "change",
    [
        b"",
        b"\xff",
        b"{}",
        b"[]",
        b"-----BEGIN PRIVATE KEY-----",
        b"x" * 5000,
        lambda value: json.dumps(value).encode()[:-1],
        lambda value: json.dumps(value).encode()[:-1] + b',"n":1}',
        sealed(sealed="zz"),
        sealed(sealed=1),
        sealed(sealed=""),
        sealed(salt=None),
        sealed(nonce="00"),
        sealed(nonce=""),
        sealed(n=1 << 60),
        sealed(n="131072"),
        sealed(cipher=None),
        sealed(later=1),
        sealed(kdf={"\x80": None}),
    ],
)
def test_damaged_files(other, change):
    with pytest.raises(KeyFileError):
        FileSigner.load(other(change), b"secret")


@pytest.mark.parametrize("public", [None, 1, "", "x", "-----BEGIN PUBLIC KEY-----\n-----END"])
def test_a_file_without_a_public_key(other, public):
    with pytest.raises((KeyFileError, StatementError)):
        public_of(other(sealed(public=public)))


@pytest.mark.parametrize(
    "private",
    [
        ec.generate_private_key(ec.SECP384R1()),
        ec.generate_private_key(ec.SECP256K1()),
        ed25519.Ed25519PrivateKey.generate(),
        rsa.generate_private_key(65537, 2048),
    ],
    ids=["P-384", "secp256k1", "Ed25519", "RSA"],
)
def test_keys_of_another_kind(private):
    public = private.public_key()
    with pytest.raises(StatementError, match="only P-256"):
        PublicKey(public.public_bytes(*DER))
    with pytest.raises(StatementError, match="only P-256"):
        PublicKey.from_pem(public.public_bytes(*PEM).decode())


@pytest.mark.parametrize("der", [b"", b"\x30", b"x" * 91, SIGNER.public.der[:-1]])
def test_what_is_no_key(der):
    with pytest.raises(StatementError):
        PublicKey(der)


def test_one_key_has_one_fingerprint():
    """A compressed point is the same key, so it gets the same name."""
    loaded = serialization.load_der_public_key(SIGNER.public.der)
    point = loaded.public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint
    )
    head = bytes.fromhex("3039301306072a8648ce3d020106082a8648ce3d030107032200")
    assert PublicKey(head + point).fingerprint == SIGNER.public.fingerprint
    assert PublicKey.from_pem(SIGNER.public.pem).der == SIGNER.public.der
