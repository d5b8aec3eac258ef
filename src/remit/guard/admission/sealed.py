"""A small file of Guard's that nobody can change or take away unnoticed.

``<name>.json`` holds a value and its HMAC-SHA256 (RFC 2104) under a key of 32 random bytes in
``<name>.key``. Both are made together: one without the other is told.

LIMIT: who can read the key can write the value; it is for Guard's own user alone.
"""

import hmac
import os
from pathlib import Path
from typing import Any

from remit.core.canonical import canonical_bytes
from remit.core.files import write_atomically
from remit.core.strictjson import StrictJsonError, parse
from remit.guard.errors import GuardError

MAX_BYTES = 64 * 1024
_KEY_BYTES = 32


class SealedFile:
    """See the module's text. One process at a time writes it."""

    def __init__(
        self,
        directory: Path,
        name: str,
        max_bytes: int = MAX_BYTES,
        what: str = "what was in force",
    ) -> None:
        self._directory = directory
        self._max_bytes = max_bytes
        self._what = what
        self._value = directory / f"{name}.json"
        self._key = directory / f"{name}.key"

    def read(self) -> dict[str, Any] | None:
        """The value; None if there never was one.

        Raises:
            GuardError: it was changed or taken away, or cannot be read.
        """
        try:
            key = self._key.read_bytes() if self._key.exists() else b""
            data = self._value.read_bytes() if self._value.exists() else b""
        except OSError as error:
            raise self._told(f"cannot be read: {error.strerror}") from error
        if not key and not data:
            return None
        if len(key) != _KEY_BYTES or not data:
            raise self._told("is gone, or its key is")
        try:
            whole = parse(data, fold_keys=False, max_bytes=self._max_bytes)
        except StrictJsonError as error:
            raise self._told("is no JSON any more") from error
        value = whole.get("value") if isinstance(whole, dict) else None
        said = whole.get("mac") if isinstance(whole, dict) else None
        if not isinstance(value, dict) or not isinstance(said, str):
            raise self._told("has another form")
        if not hmac.compare_digest(_mac(key, value).encode(), said.encode()):
            raise self._told("was changed by somebody else")
        return value

    def write(self, value: dict[str, Any]) -> None:
        """Replace the value.

        Raises:
            OSError: the old one is still there.
        """
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._key.exists():
            key = self._key.read_bytes()
        else:
            key = os.urandom(_KEY_BYTES)
            # Value first: a crash between the two is told as a missing key, and denies.
            write_atomically(self._value, _sealed(key, value))
            write_atomically(self._key, key)
            return
        write_atomically(self._value, _sealed(key, value))

    def _told(self, what: str) -> GuardError:
        return GuardError(
            f"`{self._value}` {what}, which remembers {self._what}",
            hint="restore it, or remove it together with its `.key` if what is there now is known"
            " to be the current one",
            code="guard.memory",
        )


def _mac(key: bytes, value: dict[str, Any]) -> str:
    return hmac.new(key, canonical_bytes(value), "sha256").hexdigest()


def _sealed(key: bytes, value: dict[str, Any]) -> bytes:
    return canonical_bytes({"value": value, "mac": _mac(key, value)})
