"""SHA-256 digests, written as OCI does: ``sha256:<64 lower-case hex>``."""

import hashlib
from typing import NewType

Digest = NewType("Digest", str)
"""A digest in OCI text form."""


def sha256(data: bytes) -> Digest:
    """The SHA-256 digest of ``data``."""
    return Digest("sha256:" + hashlib.sha256(data).hexdigest())
