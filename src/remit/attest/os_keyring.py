"""Keys in the keyring of the operating system, by the library `keyring` (extra `keyring`).

The entry is a password of the service ``remit``: PKCS #8 in base64. Whoever may read this user's
keyring has the key, so a backend that keeps passwords without protecting them is refused.
"""

import base64
import contextlib
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from remit.attest.ecdsa import FileSigner, PublicKey, Signer
from remit.attest.errors import KeyPlaceError

SERVICE = "remit"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,99}")
_PREFIX = "p256:"
_PROTECTED = 1
"""Priority from which the library recommends a backend."""


class KeyringPlace:
    """`keyring:NAME`: the entry NAME of the service ``remit``."""

    asks_for = ""

    def __init__(self, name: str) -> None:
        self.name = name

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `keyring:NAME`.

        Raises:
            KeyPlaceError: it is none.
        """
        name = text.removeprefix("keyring:")
        if not _NAME.fullmatch(name):
            raise KeyPlaceError(
                "a key in the keyring is named `keyring:NAME`",
                hint="NAME is of letters, digits and . _ @ -",
            )
        return cls(name)

    def public(self) -> PublicKey:
        """See :class:`remit.attest.places.Place`."""
        return self._signer().public

    def open(self, secret: bytes) -> Signer:
        """See :class:`remit.attest.places.Place`; the keyring itself asks, if it does."""
        del secret
        return self._signer()

    def create(self, secret: bytes) -> PublicKey:
        """See :class:`remit.attest.places.Place`."""
        del secret
        key = ec.generate_private_key(ec.SECP256R1())
        der = key.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        with _told() as keyring:
            if keyring.get_password(SERVICE, self.name) is not None:
                raise KeyPlaceError(f"`{self}` exists", hint="A key is never overwritten.")
            keyring.set_password(SERVICE, self.name, _PREFIX + base64.b64encode(der).decode())
        # A backend may forget what it was given and say nothing.
        return self._signer().public

    def _signer(self) -> FileSigner:
        with _told() as keyring:
            entry = keyring.get_password(SERVICE, self.name)
        if entry is None:
            raise KeyPlaceError(
                f"`{self}` is not in the keyring",
                hint=f"remit approvals key new --key {self}",
            )
        try:
            der = base64.b64decode(entry.removeprefix(_PREFIX), validate=True)
            key = serialization.load_der_private_key(der, None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise KeyPlaceError(f"`{self}` holds no key") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
            raise KeyPlaceError(f"`{self}` holds no P-256 key")
        return FileSigner(key)

    def __str__(self) -> str:
        return f"keyring:{self.name}"


@contextlib.contextmanager
def _told() -> Iterator[ModuleType]:
    """The library; what goes wrong in it is told in our words."""
    try:
        import keyring
        import keyring.errors
    except ImportError as error:
        raise KeyPlaceError(
            "the library for keyrings is not installed", hint="pip install 'remit[keyring]'"
        ) from error
    try:
        backend = keyring.get_keyring()
        if backend.priority < _PROTECTED and not isinstance(backend, _fail()):
            raise KeyPlaceError(
                f"the keyring `{backend.name}` does not protect what it keeps",
                hint="use the keyring of the desktop, or a key file, which has a passphrase",
            )
        yield keyring
    except keyring.errors.NoKeyringError as error:
        raise KeyPlaceError(
            "there is no keyring that could be used here",
            hint="log in to a desktop session, or use a key file or a token",
        ) from error
    except keyring.errors.KeyringError as error:
        raise KeyPlaceError(f"the keyring refuses: {str(error) or 'it is locked'}") from error


def _fail() -> type:
    from keyring.backends.fail import Keyring

    return Keyring
