"""Credentials of servers, encrypted at rest: agents never see them and no record holds them.

``secrets/<name>`` in the state directory is the ciphertext; its key lies below ``keys/secrets``.
Whoever reads both directories reads the values: they are for Guard's own user alone.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from remit.attest.cipher import SubjectCipher
from remit.core.files import write_atomically
from remit.guard.config import Secret, Value
from remit.guard.errors import GuardError

MAX_BYTES = 16 * 1024
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Secrets:
    """The secrets of one state directory."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._directory = state / "secrets"
        self._keys = state / "keys" / "secrets"

    def put(self, name: str, value: str) -> None:
        """Keep a value under a name, in place of an earlier one.

        Raises:
            GuardError: the name or the value cannot be kept.
            RemitError: it cannot be encrypted.
        """
        raw = value.encode()
        if not raw or len(raw) > MAX_BYTES or not value.isprintable():
            raise GuardError(
                "a secret is one line of printable text",
                code="secret.bad_value",
                hint=f"at most {MAX_BYTES} bytes",
            )
        path = self._path(name)
        try:
            # One by one: `parents` would make those above with the mode of the umask.
            self._state.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._keys.parent.mkdir(mode=0o700, exist_ok=True)
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(path, self._cipher().encrypt(name, raw, _aad(name)))
        except OSError as error:
            raise GuardError(
                f"the secret cannot be written: {error.strerror}", code="secret.unwritable"
            ) from error

    def get(self, name: str) -> str:
        """The value of a name.

        Raises:
            GuardError: there is none.
            RemitError: it cannot be decrypted.
        """
        try:
            data = self._path(name).read_bytes()
        except OSError as error:
            raise GuardError(
                f"there is no secret `{name}`",
                code="secret.missing",
                hint=f"remit guard secret set {name}",
            ) from error
        return self._cipher().decrypt(name, data, _aad(name)).decode()

    def remove(self, name: str) -> bool:
        """Forget a value and destroy its key; whether there was one."""
        self._cipher().destroy(name)
        try:
            self._path(name).unlink()
        except FileNotFoundError:
            return False
        return True

    def names(self) -> list[str]:
        """Names of all secrets, sorted."""
        if not self._directory.is_dir():
            return []
        found = (path.name for path in self._directory.iterdir())
        return sorted(name for name in found if _NAME.fullmatch(name))

    def resolve(self, values: Mapping[str, Value]) -> dict[str, str]:
        """Values of a configuration with the secrets put in.

        Raises:
            RemitError: one is missing or cannot be read.
        """
        return {
            key: value.prefix + self.get(value.secret) if isinstance(value, Secret) else value
            for key, value in values.items()
        }

    def _cipher(self) -> SubjectCipher:
        return SubjectCipher(self._keys)

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise GuardError(
                "a secret's name has letters, digits, `.`, `_` and `-`", code="secret.bad_name"
            )
        return self._directory / name


def _aad(name: str) -> bytes:
    return f"remit.secret/v1\n{name}".encode()
