"""The Hub's keys for what it signs: one of its scanners, one of the gate (:mod:`attest.roles`).

They lie in ``keys/`` of the Hub's state, ECDSA P-256, private to its user, and are made when they
are first needed. They have no passphrase, because nobody is there to type one; a key in a PKCS #11
token or in the keyring of the operating system is named instead.
"""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from remit.attest.ecdsa import FileSigner, PublicKey, Signer, public_of
from remit.attest.errors import KeyFileError
from remit.attest.places import Place, place_of
from remit.hub.errors import HubError

Role = Literal["scan", "gate"]
ROLES: tuple[Role, ...] = ("scan", "gate")
_OPEN = b""

Secret = Callable[[Place], bytes]
"""What opens a key that was named: a passphrase or a PIN."""


class RoleKeys:
    """A signer for each role; opened when first used.

    Args:
        directory: ``keys/`` of the Hub's state.
        given: role → where its key is instead, as people name keys.
        secret: opens those.
    """

    def __init__(
        self,
        directory: Path,
        given: dict[Role, str] | None = None,
        secret: Secret = lambda _: b"",
    ) -> None:
        self._directory = directory
        self._given = given or {}
        self._secret = secret
        self._opened: dict[Role, Signer] = {}

    def check(self) -> None:
        """See that the keys that there are can be read; none is made or opened.

        Raises:
            AttestError: one cannot be.
            HubError: both roles have the same key.
        """
        there = [
            self.public(role)
            for role in ROLES
            if self._given.get(role) or (self._directory / f"{role}.key").exists()
        ]
        if len({each.fingerprint for each in there}) != len(there):
            raise _same()

    def signer(self, role: Role) -> Signer:
        """What signs for a role.

        Raises:
            AttestError: its key cannot be opened, or made.
            HubError: the other role has the same key (``hub.keys``).
        """
        if role not in self._opened:
            name = self._given.get(role, "")
            if name:
                place = place_of(name)
                self._opened[role] = place.open(self._secret(place))
            else:
                self._opened[role] = FileSigner.load(self._made(role), _OPEN)
            self._apart()
        return self._opened[role]

    def public(self, role: Role) -> PublicKey:
        """What verifies; the key is made if there is none.

        Raises:
            AttestError: it cannot be read, or made.
        """
        if role in self._opened:
            return self._opened[role].public
        name = self._given.get(role, "")
        return place_of(name).public() if name else public_of(self._made(role))

    def _made(self, role: Role) -> Path:
        path = self._directory / f"{role}.key"
        if not path.exists():
            # Another process may make it at the same time; the one that is there then is taken.
            with contextlib.suppress(KeyFileError):
                FileSigner.generate(path, _OPEN)
        return path

    def _apart(self) -> None:
        """A scan that failed, signed by the gate's key, would be a word of the gate."""
        prints = [each.public.fingerprint for each in self._opened.values()]
        if len(set(prints)) != len(prints):
            self._opened.clear()
            raise _same()


def _same() -> HubError:
    return HubError(
        "the scanners and the gate must have keys of their own",
        code="hub.keys",
        hint="give --scan-key and --gate-key different keys",
    )
