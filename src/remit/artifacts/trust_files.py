"""Trust roots in files, and the memory of the serials that were used (`spec/trust-root.md`).

The memory is a JSON file, ``name → {serial, digest}``, changed under a lock. If it cannot be read
no trust root is used: an older one would bring back a key that was revoked since.
"""

from pathlib import Path

import msgspec

from remit.attest.ecdsa import PublicKey
from remit.attest.trust import MAX_BYTES, Seen, TrustError, TrustRoot
from remit.attest.trust_signature import SUFFIX, signed_trust
from remit.core.errors import RemitError
from remit.core.files import write_atomically
from remit.core.locks import exclusive

MEMORY = "trust-roots.json"
_MAX_KEY_BYTES = 16 * 1024


def read_file(path: Path, limit: int) -> bytes:
    """The bytes of a file of at most ``limit``.

    Raises:
        RemitError: it cannot be read, or is larger.
    """
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise RemitError(f"`{path}` cannot be read: {error.strerror}", code="cli.file") from error
    if len(data) > limit:
        raise RemitError(f"`{path}` has more than {limit} bytes", code="cli.file")
    return data


def public_key(file: Path) -> PublicKey:
    """The P-256 key of a PEM file.

    Raises:
        RemitError: it holds none.
    """
    return PublicKey.from_pem(read_file(file, _MAX_KEY_BYTES).decode("ascii", "replace"))


def load_trust(file: Path, key: Path | None, now_us: int, state: Path) -> TrustRoot:
    """A trust root that may be used; its serial is remembered.

    Args:
        file: the trust root.
        key: public key (PEM) that must have signed it; None to take it as it lies there.
        now_us: the time.
        state: directory of the memory, made when missing.

    Raises:
        TrustError: malformed, expired, older than one that was used, or not signed by ``key``.
        RemitError: it or the memory cannot be read.
    """
    data = read_file(file, MAX_BYTES)
    if key is None:
        root = TrustRoot.parse(data)
    else:
        bundle = read_file(file.with_name(file.name + SUFFIX), MAX_BYTES)
        root = signed_trust(data, bundle, public_key(key))
    _remember(root, now_us, state)
    return root


def _remember(root: TrustRoot, now_us: int, state: Path) -> None:
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = state / MEMORY
    with exclusive(path.with_suffix(".lock")):
        known = _known(path)
        seen = root.usable(now_us, known.get(root.name))
        if seen != known.get(root.name):
            write_atomically(path, msgspec.json.encode({**known, root.name: seen}))


def _known(path: Path) -> dict[str, Seen]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Seen])
    except FileNotFoundError:
        return {}
    except msgspec.MsgspecError as error:
        raise TrustError(
            f"`{path}` cannot be read, which remembers the serials of trust roots",
            hint="restore it, or remove it if every trust root is known to be the current one",
            code="trust.memory",
        ) from error
