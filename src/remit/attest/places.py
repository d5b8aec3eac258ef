"""Where a person's key lives: a file, the keyring of the operating system, or a PKCS #11 token.

Written as one text, as people give it to `--key`: a path, `keyring:NAME`, or a PKCS #11 URI
(RFC 7512). The libraries of the latter two are extras, and imported when they are used.
"""

from pathlib import Path
from typing import Protocol

from remit.attest.ecdsa import FileSigner, PublicKey, Signer, public_of


class Place(Protocol):
    """Where one key lives or is to live.

    Attributes:
        asks_for: what opens it, as a prompt calls it; empty if nothing is to be asked.
    """

    @property
    def asks_for(self) -> str:
        """What opens it."""
        ...

    def public(self) -> PublicKey:
        """The public key, without the secret.

        Raises:
            AttestError: there is none, or it cannot be reached.
        """
        ...

    def open(self, secret: bytes) -> Signer:
        """What signs with the key.

        Raises:
            AttestError: there is none, it cannot be reached, or another secret opens it.
        """
        ...

    def create(self, secret: bytes) -> PublicKey:
        """Make a key there; never replaces one.

        Raises:
            AttestError: there is one, or none can be made.
        """
        ...


class FilePlace:
    """A key in a file of one's own, protected by a passphrase."""

    asks_for = "Passphrase"

    def __init__(self, path: Path) -> None:
        self.path = path

    def public(self) -> PublicKey:
        """See :class:`Place`."""
        return public_of(self.path)

    def open(self, secret: bytes) -> Signer:
        """See :class:`Place`."""
        return FileSigner.load(self.path, secret)

    def create(self, secret: bytes) -> PublicKey:
        """See :class:`Place`."""
        return FileSigner.generate(self.path, secret).public

    def __str__(self) -> str:
        return str(self.path)


def place_of(text: str) -> Place:
    """The place that ``text`` names.

    Raises:
        KeyPlaceError: it names none.
    """
    if text.startswith("keyring:"):
        from remit.attest.os_keyring import KeyringPlace

        return KeyringPlace.parse(text)
    if text.startswith("pkcs11:"):
        from remit.attest.token import TokenPlace

        return TokenPlace.parse(text)
    return FilePlace(Path(text).expanduser())
