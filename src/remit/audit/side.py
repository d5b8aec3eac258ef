"""The side store: private values beside the log, encrypted with one key per subject.

The record holds only ``HMAC-SHA256(salt, value)``. Salt and value lie here, in frames like those
of segments, in numbered files of about 64 MiB. An entry is

``u64 seq | u16 length, path | u16 length, subject | ciphertext of (salt[16] ‖ value)``

and the ciphertext is bound to origin, index and path by its associated data. Values are durable
*before* the records that commit to them are acknowledged. After a crash there may be values of
records that never were: a reader takes the one that matches the commitment.
"""

import errno
import functools
import hmac
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from remit.audit.disk import Filesystem, contents
from remit.audit.errors import Corrupt
from remit.audit.record import MAX_VALUE_BYTES, SALT_BYTES, Entry, commitment, field
from remit.audit.segment import HEADER, entries, first_of, frame, name
from remit.core.errors import RemitError

ROLL_BYTES = 64 * 1024 * 1024
MAX_ENTRY_BYTES = MAX_VALUE_BYTES + 16 * 1024
MAX_SUBJECT_BYTES = 1024
MAX_PATH_BYTES = 256
_SEQ = struct.Struct(">Q")
_TEXT = struct.Struct(">H")


class Cipher(Protocol):
    """Authenticated encryption with one key per subject; ``attest.cipher`` provides it."""

    def sealer(self, subject: str) -> Callable[[bytes, bytes], bytes]:
        """Encrypt (plaintext, associated data) with the key of ``subject``, for one batch.

        The key is created, durably, when it is missing.
        """
        ...

    def decrypt(self, subject: str, ciphertext: bytes, aad: bytes) -> bytes:
        """Decrypt; raises ``RemitError`` when the key was destroyed or the bytes were changed."""
        ...


class Secret(msgspec.Struct, frozen=True):
    """A private value of one record: where it belongs, whose it is, its salt, itself."""

    path: str
    subject: str
    salt: bytes
    value: bytes


def aad(origin: str, seq: int, path: str) -> bytes:
    """Associated data that binds a ciphertext to its place."""
    return f"remit.audit.side/v1\n{origin}\n{seq}\n{path}".encode()


def seal(origin: str, seq: int, secret: Secret, sealer: Callable[[bytes, bytes], bytes]) -> bytes:
    """The entry of one private value."""
    path, subject = secret.path.encode(), secret.subject.encode()
    plain = secret.salt + secret.value
    blob = sealer(plain, aad(origin, seq, secret.path))
    head = (_SEQ.pack(seq), _TEXT.pack(len(path)), path, _TEXT.pack(len(subject)), subject)
    return b"".join((*head, blob))


class Sealed(msgspec.Struct, frozen=True):
    """An entry of the side store as it lies on disk."""

    seq: int
    path: str
    subject: str
    ciphertext: bytes


def parse(entry: bytes) -> Sealed:
    """Parse an entry.

    Raises:
        Corrupt: malformed.
    """
    try:
        (seq,) = _SEQ.unpack_from(entry, 0)
        path, at = _text(entry, _SEQ.size)
        subject, at = _text(entry, at)
    except (ValueError, IndexError, struct.error) as error:
        raise Corrupt("an entry of the side store is malformed") from error
    return Sealed(seq, path, subject, entry[at:])


def _text(entry: bytes, at: int) -> tuple[str, int]:
    if len(entry) < at + _TEXT.size:
        raise IndexError(at)
    (length,) = _TEXT.unpack_from(entry, at)
    end = at + _TEXT.size + length
    if len(entry) < end:
        raise IndexError(end)
    return entry[at + _TEXT.size : end].decode(), end


def open_value(sealed: Sealed, origin: str, cipher: Cipher, expected: str) -> bytes | None:
    """The value, if salt and value match the commitment ``expected``; else ``None``.

    Raises:
        RemitError: the key was destroyed, or the ciphertext was changed.
    """
    plain = cipher.decrypt(sealed.subject, sealed.ciphertext, aad(origin, sealed.seq, sealed.path))
    salt, value = plain[:SALT_BYTES], plain[SALT_BYTES:]
    return value if hmac.compare_digest(commitment(salt, value), expected) else None


class SideWriter:
    """Appends to the side store. Belongs to the committer's thread."""

    def __init__(self, directory: Path, fs: Filesystem, origin: str, cipher: Cipher | None) -> None:
        self._directory = directory
        self._fs = fs
        self._origin = origin
        self._cipher = cipher
        self._handle = -1
        self._number = -1
        self._size = 0

    def recover(self) -> None:
        """Go on in the last file if it is whole, else in a new one; nothing is ever cut here."""
        numbers = [
            n for n in (first_of(f, "side") for f in self._fs.names(self._directory)) if n >= 0
        ]
        if not numbers:
            return
        self._number = numbers[-1]
        path = self._directory / name(self._number, "side")
        data = self._fs.read(path) or b""
        end = 0
        for end, _ in entries(data, 0, MAX_ENTRY_BYTES):  # noqa: B007 - the last offset counts
            pass
        if end == len(data) < ROLL_BYTES:
            self._handle = self._fs.open(path)
            self._fs.fsync(self._handle)
            self._size = end

    def write(self, first: int, batch: Iterable[Sequence[Secret]]) -> None:
        """Encrypt and sync the values of a batch whose first record is ``first``.

        Raises:
            OSError: nothing of the batch may be acknowledged.
            RemitError: the cipher failed.
        """
        if self._cipher is None:
            return
        sealer = functools.cache(self._cipher.sealer)
        data = b"".join(
            frame(seal(self._origin, seq, secret, sealer(secret.subject)))
            for seq, secrets in enumerate(batch, first)
            for secret in secrets
        )
        if not data:
            return
        if self._handle < 0 or self._size >= ROLL_BYTES:
            self._roll()
        if self._fs.write(self._handle, data) != len(data):
            raise OSError(errno.ENOSPC, "short write")
        self._fs.fdatasync(self._handle)
        self._size += len(data)

    def _roll(self) -> None:
        self.close()
        self._number += 1
        self._handle = self._fs.open(self._directory / name(self._number, "side"))
        self._fs.sync_directory(self._directory)
        self._size = 0

    def close(self) -> None:
        """Close the file; everything is synced already."""
        if self._handle >= 0:
            self._fs.close(self._handle)
            self._handle = -1


def sealed_of(directory: Path, seq: int) -> Iterator[Sealed]:
    """Entries that belong to record ``seq``, in the order they were written. Takes no lock."""
    if not directory.is_dir():
        return
    names = sorted(p.name for p in directory.iterdir() if first_of(p.name, "side") >= 0)
    firsts = [_first_seq(directory / file) for file in names]
    for position, file in enumerate(names):
        later = [f for f in firsts[position + 1 :] if f is not None]
        # Records come in order, but a batch that a crash undid may be repeated by the next file.
        if (firsts[position] or 0) > seq or (later and min(later) < seq):
            continue
        data = contents(directory / file)
        for _, entry in entries(data, 0, MAX_ENTRY_BYTES):
            sealed = parse(entry)
            if sealed.seq == seq:
                yield sealed


def _first_seq(path: Path) -> int | None:
    head = contents(path, HEADER.size + _SEQ.size)
    if len(head) < HEADER.size + _SEQ.size:
        return None
    (seq,) = _SEQ.unpack_from(head, HEADER.size)
    return int(seq)


def reveal(
    directory: Path, origin: str, entry: Entry, cipher: Cipher
) -> dict[str, bytes | RemitError]:
    """Private values of a record by their path, or why one cannot be read.

    A value counts only if it matches the commitment in the record.
    """
    values: dict[str, bytes | RemitError] = {}
    for sealed in sealed_of(directory / "side", entry.seq):
        expected = field(entry.record, sealed.path)
        if not isinstance(expected, str) or isinstance(values.get(sealed.path), bytes):
            continue
        try:
            value = open_value(sealed, origin, cipher, expected)
        except RemitError as error:
            values[sealed.path] = error
            continue
        if value is not None:
            values[sealed.path] = value
    return values
