"""ECDSA P-256 keys of people and services, and the port through which they sign.

A private key may live in a file, a keyring or a token: whoever signs is a :class:`Signer`. Files
are encrypted with a passphrase by scrypt (RFC 7914, N = 2**17, r = 8, p = 1) and AES-256-GCM,
because PKCS #8 as ``cryptography`` writes it derives the key with 2,048 rounds of PBKDF2 only.
"""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, Self

from cryptography.exceptions import InvalidSignature, InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from remit.attest.errors import KeyFileError, StatementError
from remit.attest.keys import read_secret, write_secret
from remit.core.canonical import CanonicalError, canonical_bytes
from remit.core.strictjson import StrictJsonError, parse

_N, _R, _P = 1 << 17, 8, 1
_SALT, _NONCE, _KEY = 16, 12, 32
_FORMAT = "remit.key/v1"
_MAX = 4096


class PublicKey:
    """A P-256 public key."""

    __slots__ = ("_key", "der")

    def __init__(self, der: bytes) -> None:
        """A key of its SubjectPublicKeyInfo in DER.

        Raises:
            StatementError: it is no P-256 key.
        """
        try:
            key = serialization.load_der_public_key(der)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise StatementError("this is no public key", code="attest.public_key") from error
        if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
            raise StatementError("only P-256 keys are taken", code="attest.public_key")
        self._key = key
        # As we write it: other encodings of the same point would be other fingerprints.
        self.der = key.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    @property
    def fingerprint(self) -> str:
        """``sha256:`` and the hex digest of the DER bytes."""
        return f"sha256:{hashlib.sha256(self.der).hexdigest()}"

    @property
    def pem(self) -> str:
        """The key for files and other programs."""
        return self._key.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ).decode()

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether this key made ``signature`` over SHA-256 of ``message``."""
        try:
            self._key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            return False
        return True

    @classmethod
    def from_pem(cls, text: str) -> Self:
        """The key of a PEM text.

        Raises:
            StatementError: it holds no P-256 public key.
        """
        try:
            key = serialization.load_pem_public_key(text.encode())
        except (ValueError, UnsupportedAlgorithm) as error:
            raise StatementError("this is no public key", code="attest.public_key") from error
        return cls(
            key.public_bytes(
                serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )


class Signer(Protocol):
    """Whoever can sign with a P-256 key, wherever that key lives."""

    @property
    def public(self) -> PublicKey:
        """The key that verifies."""
        ...

    def sign(self, message: bytes) -> bytes:
        """DER-encoded ECDSA over SHA-256 of ``message``.

        Raises:
            AttestError: the key cannot be used now.
        """
        ...


class FileSigner:
    """A key from a file that a passphrase protects."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        self.public = PublicKey(
            key.public_key().public_bytes(
                serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )

    def sign(self, message: bytes) -> bytes:
        """DER-encoded ECDSA over SHA-256 of ``message``."""
        return self._key.sign(message, ec.ECDSA(hashes.SHA256()))

    @classmethod
    def generate(
        cls, path: Path, passphrase: bytes, *, entropy: Callable[[int], bytes] = os.urandom
    ) -> Self:
        """Make a key and its file of mode 0600; never overwrites one.

        Raises:
            KeyFileError: the file exists, cannot be written, or its directory is open to others.
        """
        signer = cls(ec.generate_private_key(ec.SECP256R1()))
        secret = signer._key.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        salt, nonce = entropy(_SALT), entropy(_NONCE)
        head = {"format": _FORMAT, "kdf": "scrypt", "n": _N, "r": _R, "p": _P, "salt": salt.hex()}
        head |= {"cipher": "aes-256-gcm", "nonce": nonce.hex(), "public": signer.public.pem}
        sealed = AESGCM(_derived(passphrase, salt)).encrypt(nonce, secret, canonical_bytes(head))
        write_secret(path, canonical_bytes({**head, "sealed": sealed.hex()}) + b"\n")
        return signer

    @classmethod
    def load(cls, path: Path, passphrase: bytes) -> Self:
        """Read a key.

        Raises:
            KeyFileError: missing, damaged, open to others, or another passphrase.
        """
        head = _head(path)
        try:
            sealed = bytes.fromhex(head.pop("sealed"))
            salt, nonce = bytes.fromhex(head["salt"]), bytes.fromhex(head["nonce"])
            cost = [head["n"], head["r"], head["p"]]
            bound = canonical_bytes(head)
        except (KeyError, TypeError, ValueError, CanonicalError) as error:
            raise KeyFileError(f"`{path}` is not a key file") from error
        if cost != [_N, _R, _P] or head.get("cipher") != "aes-256-gcm":
            raise KeyFileError(f"`{path}` is protected in a way that this version does not know")
        try:
            secret = AESGCM(_derived(passphrase, salt)).decrypt(nonce, sealed, bound)
            key = serialization.load_der_private_key(secret, None)
        except (InvalidTag, ValueError) as error:
            raise KeyFileError(
                f"`{path}` does not open with this passphrase", code="attest.passphrase"
            ) from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise KeyFileError(f"`{path}` holds no P-256 key")
        return cls(key)


def public_of(path: Path) -> PublicKey:
    """The public key of a key file, without its passphrase.

    Raises:
        KeyFileError: it is none.
    """
    text = _head(path).get("public")
    if not isinstance(text, str):
        raise KeyFileError(f"`{path}` is not a key file")
    return PublicKey.from_pem(text)


def _head(path: Path) -> dict[str, Any]:
    try:
        value = parse(read_secret(path), max_bytes=_MAX)
    except StrictJsonError as error:
        raise KeyFileError(f"`{path}` is not a key file") from error
    if not isinstance(value, dict) or value.get("format") != _FORMAT:
        raise KeyFileError(f"`{path}` is not a key file")
    return value


def _derived(passphrase: bytes, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=_KEY, n=_N, r=_R, p=_P).derive(passphrase)
