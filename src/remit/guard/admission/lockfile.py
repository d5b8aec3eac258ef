"""``remit.lock`` beside ``remit.toml``: what its tags were when somebody locked them.

A canonical JSON object: ``lockVersion``, and ``artifacts``, from each reference, as the
configuration writes it, to the digest of its manifest. A tag that is not in it is not loaded: what
a tag is today nobody has looked at.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from remit.artifacts.oci.digests import is_digest
from remit.artifacts.oci.names import Reference
from remit.core.canonical import canonical_bytes
from remit.core.digest import Digest
from remit.core.strictjson import StrictJsonError, parse
from remit.guard.config import Config
from remit.guard.errors import GuardError

FILE = "remit.lock"
VERSION = 1
MAX_BYTES = 1024 * 1024


class LockError(GuardError):
    """A lock of a configuration that is malformed, or that lacks what is asked for."""

    code = "artifact.unlocked"


def references(config: Config) -> Iterator[Reference]:
    """Every reference of a configuration to something that runs."""
    for _, server in sorted(config.servers.items()):
        if server.artifact:
            yield Reference.parse(server.artifact)


def lock_bytes(digests: Mapping[str, Digest]) -> bytes:
    """A lock as a file."""
    return canonical_bytes({"lockVersion": VERSION, "artifacts": dict(digests)})


def parse_lock(data: bytes) -> dict[str, Digest]:
    """Read a lock.

    Raises:
        LockError: malformed, or of another version.
    """
    try:
        value = parse(data, fold_keys=False, max_bytes=MAX_BYTES)
    except StrictJsonError as error:
        raise LockError(f"`{FILE}` cannot be read: {error.message}") from error
    if not isinstance(value, dict) or set(value) != {"lockVersion", "artifacts"}:
        raise LockError(f"`{FILE}` is no lock of a configuration")
    found = value["artifacts"]
    if type(value["lockVersion"]) is not int or value["lockVersion"] != VERSION:
        raise LockError(f"`{FILE}` is of another version than {VERSION}")
    if not isinstance(found, dict) or not all(
        isinstance(each, str) and is_digest(each) for each in found.values()
    ):
        raise LockError(f"`{FILE}` holds something else than digests")
    return {name: Digest(each) for name, each in found.items()}


class Lockfile:
    """The lock of a configuration; it is read anew whenever it is asked.

    Args:
        path: where it is, or would be.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def resolve(self, reference: Reference) -> Reference:
        """The reference with its digest.

        Raises:
            LockError: it has none and the lock neither, or the lock cannot be read.
        """
        if reference.digest:
            return reference
        try:
            with self._path.open("rb") as file:
                known = parse_lock(file.read(MAX_BYTES + 1))
        except FileNotFoundError:
            known = {}
        except OSError as error:
            raise LockError(f"`{self._path}` cannot be read: {error.strerror}") from error
        found = known.get(str(reference))
        if found is None:
            raise LockError(
                f"`{reference}` has no digest, and `{self._path}` has none for it",
                hint="`remit lock remit.toml` asks the registry once what its tags are",
            )
        return msgspec.structs.replace(reference, digest=found)
