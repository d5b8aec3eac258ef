"""C2SP signed notes and verifier keys (``c2sp.org/signed-note``), Ed25519 (type ``0x01``).

A note is text that ends in a new line, an empty line, and signature lines
``— name base64(keyid[4] ‖ signature)``. A verifier key (vkey) is
``name+hex(keyid)+base64(0x01 ‖ public key)``.
"""

import base64
import binascii
import hashlib
import unicodedata
from typing import NewType, Protocol

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from remit.attest.errors import NoteError

ED25519 = 0x01
MAX_NOTE_BYTES = 64 * 1024
MAX_SIGNATURES = 64
_KEY_ID = 4
_PUBLIC = 32
_SIGNATURE = 64

VerifiedText = NewType("VerifiedText", str)
"""Text of a note whose signature by a trusted key was checked."""


class Signing(Protocol):
    """What signs notes: a name, its verifier key, and raw Ed25519 signatures."""

    @property
    def name(self) -> str:
        """Name of the key."""
        ...

    @property
    def vkey(self) -> str:
        """Verifier key of the same name."""
        ...

    def sign(self, message: bytes) -> bytes:
        """The 64 signature bytes over ``message``."""
        ...


class VerifierKey(msgspec.Struct, frozen=True):
    """A parsed vkey: name of the key, its id of four bytes, the Ed25519 public key."""

    name: str
    key_id: bytes
    public: bytes

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether ``signature`` is this key's over ``message``."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except InvalidSignature:
            return False
        return True

    def __str__(self) -> str:
        """The vkey text."""
        key = base64.b64encode(bytes([ED25519]) + self.public).decode()
        return f"{self.name}+{self.key_id.hex()}+{key}"


class Signature(msgspec.Struct, frozen=True):
    """One signature line: name, key id, and what follows the key id."""

    name: str
    key_id: bytes
    signature: bytes


class Note(msgspec.Struct, frozen=True):
    """A parsed note; nothing in it is verified."""

    text: str
    signatures: tuple[Signature, ...]


def valid_name(name: str) -> bool:
    """Whether ``name`` may name a key: not empty, no white space, ``+`` or control character."""
    return bool(name) and not any(
        c == "+" or c.isspace() or unicodedata.category(c) in {"Cc", "Cs"} for c in name
    )


def key_id(name: str, public: bytes, kind: int = ED25519) -> bytes:
    r"""The four bytes ``SHA-256(name ‖ "\n" ‖ type ‖ public key)[:4]``."""
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:_KEY_ID]


def make_vkey(name: str, public: bytes) -> VerifierKey:
    """The verifier key of an Ed25519 public key of 32 bytes.

    Raises:
        NoteError: a name that notes cannot carry, or a key of another length.
    """
    if not valid_name(name):
        raise NoteError(f"`{name!r}` cannot name a key", hint="No spaces and no `+` in the name.")
    if len(public) != _PUBLIC:
        raise NoteError("an Ed25519 public key has 32 bytes")
    return VerifierKey(name, key_id(name, public), public)


def parse_vkey(text: str) -> VerifierKey:
    """Parse a vkey; its key id must belong to its name and key.

    Raises:
        NoteError: not a vkey, or not of type Ed25519.
    """
    # Base64 contains `+`: only the first two separate.
    parts = text.strip("\n").split("+", 2)
    if len(parts) != 3:  # noqa: PLR2004 - name, id, key
        raise NoteError("a verifier key has the form `name+id+key`")
    name, hex_id, encoded = parts
    key = _base64(encoded)
    if not key or key[0] != ED25519:
        raise NoteError("the verifier key is not of type Ed25519")
    verifier = make_vkey(name, key[1:])
    if hex_id != verifier.key_id.hex():
        raise NoteError("the id in the verifier key does not belong to its name and key")
    return verifier


def sign(text: str, signer: Signing) -> bytes:
    """A note of ``text`` with one signature of ``signer``.

    Raises:
        NoteError: text that does not end in a new line or holds control characters.
    """
    _check_text(text)
    verifier = parse_vkey(signer.vkey)
    blob = base64.b64encode(verifier.key_id + signer.sign(text.encode())).decode()
    return f"{text}\n\u2014 {verifier.name} {blob}\n".encode()


def parse(note: bytes) -> Note:
    """Parse a note without verifying it.

    Raises:
        NoteError: too large, not UTF-8, control characters, no or malformed signature lines.
    """
    if len(note) > MAX_NOTE_BYTES:
        raise NoteError("the note is too large")
    try:
        whole = note.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NoteError("the note is not UTF-8") from error
    end = whole.rfind("\n\n")
    if end < 0 or not whole.endswith("\n"):
        raise NoteError("the note has no signature block")
    text, block = whole[: end + 1], whole[end + 2 : -1]
    _check_text(text)
    lines = block.split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise NoteError("the note has too many signatures")
    return Note(text, tuple(_signature(line) for line in lines))


def _signature(line: str) -> Signature:
    parts = line.split(" ")
    if len(parts) != 3 or parts[0] != "\u2014" or not valid_name(parts[1]):  # noqa: PLR2004
        raise NoteError("a signature line has the form `— name base64`")
    blob = _base64(parts[2])
    if len(blob) <= _KEY_ID:
        raise NoteError("a signature line holds no signature")
    return Signature(parts[1], blob[:_KEY_ID], blob[_KEY_ID:])


def verify(note: bytes, trusted: VerifierKey) -> VerifiedText:
    """The text of ``note``, signed by ``trusted``.

    Lines of other keys are ignored, as the specification says; a bad signature of the trusted
    key refuses the note, and so does a note without its signature.

    Raises:
        NoteError: as :func:`parse`, or not verified.
    """
    parsed = parse(note)
    mine = [s for s in parsed.signatures if (s.name, s.key_id) == (trusted.name, trusted.key_id)]
    if not mine:
        raise NoteError(f"the note is not signed by `{trusted.name}`")
    message = parsed.text.encode()
    for line in mine:
        if len(line.signature) != _SIGNATURE or not trusted.verify(message, line.signature):
            raise NoteError(f"the signature of `{trusted.name}` is wrong")
    return VerifiedText(parsed.text)


def _check_text(text: str) -> None:
    if not text.endswith("\n"):
        raise NoteError("the text of a note ends in a new line")
    if any((c < " " and c != "\n") or c == "\x7f" for c in text):
        raise NoteError("the text of a note holds no control characters")


def _base64(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteError("not base64") from error
    if base64.b64encode(data).decode() != text:
        # Unused bits in the last character would give one signature two spellings.
        raise NoteError("not canonical base64")
    return data
