"""Proof files (``c2sp.org/tlog-proof@v1``): one record, its path to the root, the checkpoint.

::

    c2sp.org/tlog-proof@v1
    extra <base64 of the record's bytes>
    index 42
    <base64 hash>…

    <checkpoint>

``extra`` is not authenticated by the format. Remit puts the record there, and checking a proof
hashes it as the leaf, so a proof file of ours stands alone.
"""

import base64
import binascii
import re
from pathlib import Path

import msgspec

from remit.audit.checkpoint import Checkpoint, NoteVerifier
from remit.audit.disk import contents
from remit.audit.errors import AuditError, Corrupt
from remit.audit.merkle import inclusion_proof, leaf_hash, root_of, verify_inclusion
from remit.audit.read import leaves
from remit.audit.record import MAX_RECORD_BYTES
from remit.audit.tiles import TileTree
from remit.audit.verify import read_checkpoint

MAGIC = "c2sp.org/tlog-proof@v1"
MAX_BYTES = 128 * 1024
_MAX_PATH = 64
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,15})")


class ProofError(AuditError):
    """A proof that is malformed or does not prove its record."""

    code = "audit.proof"


class Proof(msgspec.Struct, frozen=True):
    """A parsed proof; nothing in it is verified.

    Attributes:
        index: index of the record.
        path: hashes from the leaf's sibling to the root's child.
        checkpoint: the signed note.
        extra: Remit: the record's bytes.
    """

    index: int
    path: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes = b""

    def dump(self) -> bytes:
        """The bytes of the proof file."""
        lines = [MAGIC]
        if self.extra:
            lines.append("extra " + base64.b64encode(self.extra).decode())
        lines.append(f"index {self.index}")
        lines += [base64.b64encode(item).decode() for item in self.path]
        return "\n".join([*lines, "", ""]).encode() + self.checkpoint


def parse(data: bytes) -> Proof:
    """Parse a proof file.

    Raises:
        ProofError: malformed.
    """
    if len(data) > MAX_BYTES:
        raise ProofError("the proof is too large")
    head, separator, note = data.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise ProofError("the proof is not ASCII before its checkpoint") from error
    if not separator or not note or lines.pop(0) != MAGIC:
        raise ProofError(f"a proof starts with the line `{MAGIC}` and ends with a checkpoint")
    extra = b""
    if lines and lines[0].startswith("extra "):
        extra = _base64(lines.pop(0).removeprefix("extra "))
    match = _INDEX.fullmatch(lines.pop(0)) if lines else None
    if match is None:
        raise ProofError("the proof names no index")
    if len(lines) > _MAX_PATH:
        raise ProofError("the proof is too long")
    path = tuple(_base64(line) for line in lines)
    if any(len(item) != 32 for item in path):  # noqa: PLR2004 - SHA-256
        raise ProofError("a line of the proof is not a hash")
    return Proof(int(match[1]), path, note, extra)


def _base64(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ProofError("a line of the proof is not base64") from error
    if base64.b64encode(data).decode() != text:
        raise ProofError("a line of the proof is not canonical base64")
    return data


def check(proof: Proof, origin: str, verifier: NoteVerifier, leaf: bytes | None = None) -> bytes:
    """The record that the proof proves to be in the log named ``origin``.

    Args:
        proof: the parsed file.
        origin: name of the trusted key.
        verifier: verifies a note with the trusted key.
        leaf: the record; without it ``extra`` must hold it.

    Raises:
        AuditError: not proved.
    """
    head = read_checkpoint(proof.checkpoint, origin, verifier)
    record = leaf if leaf is not None else proof.extra
    if not record or len(record) > MAX_RECORD_BYTES:
        raise ProofError("the proof does not come with its record")
    if not verify_inclusion(proof.index, head.size, leaf_hash(record), proof.path, head.root):
        raise ProofError(f"record {proof.index} is not in the tree of the checkpoint")
    return record


class Prover:
    """Makes proofs for records below one checkpoint. Reads tiles as they are needed."""

    def __init__(self, directory: Path, note: bytes, head: Checkpoint) -> None:
        """Prove in the tree of ``head``, which the caller has verified; ``note`` carries it."""
        self._directory = directory
        self._note = note
        self._head = head
        self._tiles = TileTree(head.size, self._read)
        self._hashes: list[bytes] = []

    def _read(self, path: str) -> bytes | None:
        try:
            return contents(self._directory / path)
        except FileNotFoundError:
            return None

    def prove(self, index: int, leaf: bytes) -> Proof:
        """The proof of the record ``leaf`` at ``index``, checked before it is given out.

        Raises:
            ProofError: not covered by the checkpoint yet, or not the record that was signed.
        """
        head = self._head
        if not 0 <= index < head.size:
            raise ProofError(
                f"record {index} is not covered by the checkpoint of {head.size} records",
                hint="A checkpoint follows within about a second of the last record.",
            )
        digest = leaf_hash(leaf)
        try:
            path = inclusion_proof(index, head.size, self._tiles.subtree)
        except Corrupt:
            path = []
        if not verify_inclusion(index, head.size, digest, path, head.root):
            # Tiles are disposable and never trusted: ask the records.
            path = inclusion_proof(index, head.size, self._from_records)
            if not verify_inclusion(index, head.size, digest, path, head.root):
                raise ProofError(
                    f"record {index} cannot be proved: the log was changed",
                    hint="Run `remit audit verify`: it names the record.",
                )
        return Proof(index, tuple(path), self._note, leaf)

    def _from_records(self, start: int, end: int) -> bytes:
        if not self._hashes:
            self._hashes = [
                leaf_hash(leaf) for seq, leaf in leaves(self._directory) if seq < self._head.size
            ]
        return root_of(self._hashes[start:end])
