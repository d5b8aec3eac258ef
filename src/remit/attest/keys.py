"""Ed25519 log keys in files.

The file holds one line, ``PRIVATE+KEY+<name>+<hex key id>+<base64(0x01 ‖ seed)>`` (the form of
the Go checksum database's note signers). It must belong to the user who runs, be a regular file
of mode 0600, in a directory that nobody else may write or read (0700).
"""

import base64
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from remit.attest.errors import KeyFileError, NoteError
from remit.attest.notes import ED25519, VerifierKey, make_vkey

_PREFIX = "PRIVATE+KEY+"
_SEED = 32
_MAX_FILE = 4096


class LogKey:
    """The signing key of one log. ``name`` is the log's origin."""

    __slots__ = ("_key", "_seed", "verifier")

    def __init__(self, name: str, seed: bytes) -> None:
        """A key of a seed of 32 bytes.

        Raises:
            NoteError: a name that notes cannot carry.
            KeyFileError: a seed of another length.
        """
        if len(seed) != _SEED:
            raise KeyFileError("an Ed25519 seed has 32 bytes")
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self._seed = seed
        self.verifier: VerifierKey = make_vkey(name, self._key.public_key().public_bytes_raw())

    @property
    def name(self) -> str:
        """The name in signature lines; the origin of the log."""
        return self.verifier.name

    @property
    def vkey(self) -> str:
        """The verifier key that others need to check this key's notes."""
        return str(self.verifier)

    def sign(self, message: bytes) -> bytes:
        """The 64 bytes of the Ed25519 signature over ``message`` (deterministic, RFC 8032)."""
        return self._key.sign(message)

    def __repr__(self) -> str:
        return f"LogKey({self.vkey!r})"

    @classmethod
    def generate(
        cls, path: Path, name: str, *, entropy: Callable[[int], bytes] = os.urandom
    ) -> Self:
        """Create a key and its file; never overwrites one.

        Raises:
            KeyFileError: the file exists, or its directory is open to others.
        """
        key = cls(name, entropy(_SEED))
        blob = base64.b64encode(bytes([ED25519]) + key._seed).decode()
        line = f"{_PREFIX}{name}+{key.verifier.key_id.hex()}+{blob}\n"
        write_secret(path, line.encode())
        return key

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a key from its file.

        Raises:
            KeyFileError: missing, malformed, or open to others.
        """
        try:
            text = read_secret(path).decode("ascii")
        except UnicodeDecodeError as error:
            raise KeyFileError(f"`{path}` is not a key file") from error
        if not text.startswith(_PREFIX):
            raise KeyFileError(f"`{path}` is not a key file")
        parts = text.removeprefix(_PREFIX).removesuffix("\n").split("+", 2)
        try:
            name, hex_id, encoded = parts
            raw = base64.b64decode(encoded, validate=True)
            if raw[:1] != bytes([ED25519]):
                raise KeyFileError(f"`{path}` holds no Ed25519 key")
            key = cls(name, raw[1:])
        except (ValueError, NoteError) as error:
            raise KeyFileError(f"`{path}` is not a key file") from error
        if key.verifier.key_id.hex() != hex_id:
            raise KeyFileError(f"the id in `{path}` does not belong to its key")
        return key


def write_secret(path: Path, data: bytes) -> None:
    """Create ``path`` with mode 0600 and make it durable.

    The sequence is open(O_EXCL), write, fsync, close, fsync(directory): after a power cut the
    file is whole or absent or empty, and an empty file is refused by every reader.

    Raises:
        KeyFileError: it exists, cannot be written, or the directory is open to others.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    check_directory(path.parent)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        handle = os.open(path, flags, 0o600)
    except FileExistsError as error:
        raise KeyFileError(f"`{path}` exists", hint="A key is never overwritten.") from error
    except OSError as error:
        raise KeyFileError(f"`{path}` cannot be created: {error.strerror}") from error
    try:
        try:
            if os.write(handle, data) != len(data):
                raise OSError(0, "short write")
            os.fsync(handle)
        finally:
            os.close(handle)
        sync_directory(path.parent)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise KeyFileError(f"`{path}` cannot be written: {error.strerror}") from error


def read_secret(path: Path) -> bytes:
    """The bytes of a key file that only its owner can read.

    Raises:
        KeyFileError: missing, a link, too large, or open to others.
    """
    check_directory(path.parent)
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise KeyFileError(f"`{path}` cannot be read: {error.strerror}") from error
    try:
        info = os.fstat(handle)
        if not stat.S_ISREG(info.st_mode):
            raise KeyFileError(f"`{path}` is not a regular file")
        if stat.S_IMODE(info.st_mode) & 0o177 or info.st_uid != os.geteuid():
            raise KeyFileError(f"`{path}` is not private", hint=f"Own it and run: chmod 600 {path}")
        return os.read(handle, _MAX_FILE)
    finally:
        os.close(handle)


def check_directory(directory: Path) -> None:
    """Refuse a directory of keys that others than its owner may enter.

    Raises:
        KeyFileError: missing, not a directory, a link, or open to others.
    """
    try:
        info = directory.lstat()
    except OSError as error:
        raise KeyFileError(f"`{directory}` cannot be read: {error.strerror}") from error
    if not stat.S_ISDIR(info.st_mode):
        raise KeyFileError(f"`{directory}` is not a directory")
    if stat.S_IMODE(info.st_mode) & 0o077 or info.st_uid != os.geteuid():
        raise KeyFileError(
            f"`{directory}` is not private", hint=f"Own it and run: chmod 700 {directory}"
        )


def sync_directory(directory: Path) -> None:
    """``fsync`` a directory, which makes created, renamed and removed names durable."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
