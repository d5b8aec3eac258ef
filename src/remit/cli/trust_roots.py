"""Trust roots on the command line: reading one, and remembering its serial."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from remit.core.errors import RemitError

if TYPE_CHECKING:
    from remit.attest.ecdsa import PublicKey
    from remit.attest.trust import Seen, TrustRoot

TRUST = click.option(
    "--trust",
    "trust_file",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="REMIT_TRUST",
    help="The trust root: which keys count, for what (trust.toml).",
)
TRUST_KEY = click.option(
    "--trust-key",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="REMIT_TRUST_KEY",
    help="Public key (PEM) that must have signed the trust root.",
)


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


def load(file: Path, key: Path | None, now_us: int) -> "TrustRoot":
    """A trust root that may be used; its serial is remembered in the user's state.

    Raises:
        TrustError: malformed, expired, older than one that was used, or not signed by ``key``.
        RemitError: it cannot be read.
    """
    from remit.attest.trust import MAX_BYTES, TrustRoot

    data = read_file(file, MAX_BYTES)
    if key is None:
        root = TrustRoot.parse(data)
    else:
        from remit.attest.trust_signature import SUFFIX, signed_trust

        bundle = read_file(file.with_name(file.name + SUFFIX), MAX_BYTES)
        root = signed_trust(data, bundle, public_key(key))
    _remember(root, now_us)
    return root


def public_key(file: Path) -> "PublicKey":
    """The P-256 key of a PEM file.

    Raises:
        RemitError: it holds none.
    """
    from remit.attest.ecdsa import PublicKey

    return PublicKey.from_pem(read_file(file, 16 * 1024).decode("ascii", "replace"))


def _remember(root: "TrustRoot", now_us: int) -> None:
    from remit.core.files import write_atomically
    from remit.core.locks import exclusive
    from remit.core.paths import user_state

    state = user_state(os.environ)
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = state / "trust-roots.json"
    with exclusive(state / "trust-roots.lock"):
        known = _known(path)
        seen = root.usable(now_us, known.get(root.name))
        if seen != known.get(root.name):
            write_atomically(path, msgspec.json.encode({**known, root.name: seen}))


def _known(path: Path) -> "dict[str, Seen]":
    from remit.attest.trust import Seen

    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Seen])
    except FileNotFoundError:
        return {}
    except msgspec.MsgspecError as error:
        raise RemitError(
            f"`{path}` cannot be read, which remembers the serials of trust roots",
            hint="restore it, or remove it if every trust root is known to be the current one",
            code="trust.memory",
        ) from error
