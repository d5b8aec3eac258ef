"""AES-256-GCM for the audit log's side store, with one key per subject.

A subject is whoever a private value is about: an agent, a user. Destroying the subject's key
erases all its values at once, and the log beside them stays whole. A ciphertext is
``key id[8] ‖ nonce[12] ‖ AES-256-GCM(plaintext)``; the key id tells erased from damaged.

LIMIT: a random nonce of 96 bits serves 2**32 values per key at most; the key is not rotated
before. LIMIT: unlinking a file does not scrub the disk below it; encrypt the disk as well.
"""

import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from remit.attest.errors import CipherError, KeyDestroyedError
from remit.attest.keys import check_directory, read_secret, sync_directory, write_secret

_KEY = 32
_KEY_ID = 8
_NONCE = 12
_TAG = 16


class SubjectCipher:
    """Keys of subjects in a directory of mode 0700, one file of mode 0600 each.

    Safe to use from two threads. Files are named by the digest of the subject, so that the
    directory listing names nobody.
    """

    def __init__(self, directory: Path, *, entropy: Callable[[int], bytes] = os.urandom) -> None:
        """Use ``directory``, which is created if needed.

        Raises:
            KeyFileError: it is open to others.
        """
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        check_directory(directory)
        self._directory = directory
        self._entropy = entropy
        self._lock = threading.Lock()
        self._keys: dict[str, tuple[tuple[int, int], bytes, AESGCM]] = {}

    def path(self, subject: str) -> Path:
        """Where the key of ``subject`` lies."""
        return self._directory / (hashlib.sha256(subject.encode()).hexdigest() + ".key")

    def encrypt(self, subject: str, plaintext: bytes, aad: bytes) -> bytes:
        """Encrypt with the key of ``subject``; its first use creates the key, durably.

        Raises:
            KeyFileError: the key cannot be created or read.
        """
        return self.sealer(subject)(plaintext, aad)

    def sealer(self, subject: str) -> Callable[[bytes, bytes], bytes]:
        """:meth:`encrypt` for one subject, for as long as one batch takes.

        Whether the key was destroyed meanwhile is looked up once, here.

        Raises:
            KeyFileError: the key cannot be created or read.
        """
        key_id, key = self._key(subject, create=True)

        def seal(plaintext: bytes, aad: bytes) -> bytes:
            nonce = self._entropy(_NONCE)
            return key_id + nonce + key.encrypt(nonce, plaintext, aad)

        return seal

    def decrypt(self, subject: str, ciphertext: bytes, aad: bytes) -> bytes:
        """Decrypt what :meth:`encrypt` gave for the same subject and ``aad``.

        Raises:
            KeyDestroyedError: the key is gone, or a newer one has taken its place.
            CipherError: the bytes were changed, or belong elsewhere.
        """
        if len(ciphertext) < _KEY_ID + _NONCE + _TAG:
            raise CipherError("the ciphertext is too short")
        key_id, key = self._key(subject, create=False)
        if ciphertext[:_KEY_ID] != key_id:
            raise KeyDestroyedError("the value was erased: its key was destroyed")
        nonce = ciphertext[_KEY_ID : _KEY_ID + _NONCE]
        try:
            return key.decrypt(nonce, ciphertext[_KEY_ID + _NONCE :], aad)
        except InvalidTag as error:
            raise CipherError("the ciphertext was changed, or belongs to another record") from error

    def destroy(self, subject: str) -> bool:
        """Destroy the key of ``subject``: nothing encrypted so far can be read again.

        Returns:
            Whether there was a key. The removal is durable when this returns.
        """
        with self._lock:
            self._keys.pop(subject, None)
            try:
                self.path(subject).unlink()
            except FileNotFoundError:
                return False
            sync_directory(self._directory)
            return True

    def _key(self, subject: str, *, create: bool) -> tuple[bytes, AESGCM]:
        with self._lock:
            path = self.path(subject)
            known = self._keys.get(subject)
            # Another process may have destroyed the key: the file decides, not the memory.
            present = _identity(path)
            if known is not None and known[0] == present:
                return known[1], known[2]
            if present is None:
                if not create:
                    raise KeyDestroyedError("the value was erased: its key was destroyed")
                write_secret(path, self._entropy(_KEY))
                present = _identity(path)
            raw = read_secret(path)
            if len(raw) != _KEY or present is None:
                raise CipherError(f"`{path}` is not a key")
            key_id = hashlib.sha256(b"remit.subject-key/v1\n" + raw).digest()[:_KEY_ID]
            self._keys[subject] = (present, key_id, AESGCM(raw))
            return key_id, self._keys[subject][2]


def _identity(path: Path) -> tuple[int, int] | None:
    """What tells this key file from one that took its place."""
    try:
        info = path.lstat()
    except FileNotFoundError:
        return None
    return info.st_ino, info.st_mtime_ns
