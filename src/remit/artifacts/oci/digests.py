"""Digests of content: ``sha256:<hex>`` and ``sha512:<hex>`` (OCI image-spec, descriptor).

Others that the grammar allows are refused: what cannot be computed cannot be verified.
"""

import hashlib
import re
from typing import Protocol

from remit.artifacts.errors import DigestError
from remit.core.digest import Digest

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
EMPTY_SIZE = 2
EMPTY_DIGEST = Digest("sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a")
"""Of ``{}``, the empty configuration (OCI image-spec 1.1)."""


class Hasher(Protocol):
    """What :mod:`hashlib` gives."""

    def update(self, data: bytes | bytearray | memoryview, /) -> None:
        """Take more bytes."""
        ...

    def hexdigest(self) -> str:
        """Digest of what was taken, in lower-case hex."""
        ...


def parse_digest(text: str) -> Digest:
    """A digest in text form.

    Raises:
        DigestError: malformed, or of an algorithm other than SHA-256 and SHA-512.
    """
    if _DIGEST.fullmatch(text) is None:
        raise DigestError(
            f"`{text[:140]}` is not a digest",
            hint="a digest is sha256: and 64, or sha512: and 128 lower-case hexadecimal digits",
        )
    return Digest(text)


def is_digest(text: str) -> bool:
    """Whether ``text`` is a digest that can be verified."""
    return _DIGEST.fullmatch(text) is not None


def algorithm_of(digest: Digest) -> str:
    """``sha256`` or ``sha512``."""
    return digest.partition(":")[0]


def hex_of(digest: Digest) -> str:
    """The hexadecimal part."""
    return digest.partition(":")[2]


def hasher(algorithm: str) -> Hasher:
    """A new hasher.

    Raises:
        DigestError: an algorithm other than SHA-256 and SHA-512.
    """
    if algorithm not in {"sha256", "sha512"}:
        raise DigestError(f"`{algorithm[:40]}` is not a digest algorithm of this registry")
    return hashlib.new(algorithm, usedforsecurity=True)


def digest_of(data: bytes | memoryview, algorithm: str = "sha256") -> Digest:
    """The digest of ``data``."""
    taken = hasher(algorithm)
    taken.update(data)
    return Digest(f"{algorithm}:{taken.hexdigest()}")
