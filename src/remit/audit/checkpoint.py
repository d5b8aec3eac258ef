r"""Checkpoints: the signed head of a log (``c2sp.org/tlog-checkpoint``). Pure.

The text is ``origin\nsize\nbase64(root)\n``; Remit writes no extension lines. The note around
it is verified through the :data:`NoteVerifier` port, because ``cryptography`` lives in
``attest/`` only.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable
from typing import Protocol

import msgspec

from remit.audit.errors import AuditError

_SIZE = re.compile(r"0|[1-9][0-9]{0,15}")
_ROOT_BYTES = 32
_KEY_ID = re.compile(r"[0-9a-f]{8}")


class CheckpointError(AuditError):
    """A checkpoint that is malformed or not signed by the log's key."""

    code = "audit.checkpoint"


class Signer(Protocol):
    """The log's key; ``attest.keys.LogKey`` fits."""

    @property
    def name(self) -> str:
        """Name of the key: the origin of the log."""
        ...

    @property
    def vkey(self) -> str:
        """Verifier key, ``name+keyid+key``."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Deterministic Ed25519 signature of 64 bytes."""
        ...


NoteVerifier = Callable[[bytes], str]
"""Checks a note's signature by one key and gives its text; ``attest.notes`` provides it.

It raises ``RemitError`` when the note is not signed by that key.
"""


class Checkpoint(msgspec.Struct, frozen=True):
    """Head of a log: its name, the number of records, the root over them (32 bytes)."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def parse(text: str) -> Checkpoint:
    """Parse the text of a checkpoint; extension lines are allowed and ignored.

    Raises:
        CheckpointError: malformed.
    """
    lines = text.split("\n")
    if len(lines) < 4 or lines[-1] != "" or not lines[0] or not _SIZE.fullmatch(lines[1]):  # noqa: PLR2004
        raise CheckpointError("a checkpoint has the lines origin, size and root")
    try:
        root = base64.b64decode(lines[2], validate=True)
    except (binascii.Error, ValueError) as error:
        raise CheckpointError("the root of the checkpoint is not base64") from error
    if len(root) != _ROOT_BYTES or base64.b64encode(root).decode() != lines[2]:
        raise CheckpointError("the root of the checkpoint is not a hash")
    return Checkpoint(lines[0], int(lines[1]), root)


def seal(head: Checkpoint, signer: Signer) -> bytes:
    """The signed note of ``head``.

    Raises:
        CheckpointError: the signer belongs to another log.
    """
    name, _, rest = signer.vkey.partition("+")
    hex_id = rest.partition("+")[0]
    if name != head.origin or name != signer.name or not _KEY_ID.fullmatch(hex_id):
        raise CheckpointError("the signer is not the key of this log")
    text = head.text()
    blob = base64.b64encode(bytes.fromhex(hex_id) + signer.sign(text.encode())).decode()
    return f"{text}\n\u2014 {name} {blob}\n".encode()


def own(note: bytes, signer: Signer) -> Checkpoint:
    """Parse a checkpoint that ``signer`` itself wrote, and nothing else.

    The signature is checked by making it again: Ed25519 is deterministic (RFC 8032), and the
    writer's own file must be the writer's own bytes, so the whole note is compared.

    Raises:
        CheckpointError: malformed, or not these very bytes.
    """
    try:
        text = note.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CheckpointError("the checkpoint is not UTF-8") from error
    body, separator, _ = text.partition("\n\n")
    if not separator:
        raise CheckpointError("the checkpoint has no signature")
    head = parse(body + "\n")
    if seal(head, signer) != note:
        raise CheckpointError("the checkpoint is not signed by the key of this log")
    return head


def directory_name(origin: str) -> str:
    """Name of a log's directory: hex SHA-256 of its origin."""
    return hashlib.sha256(origin.encode()).hexdigest()
