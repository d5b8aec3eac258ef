"""Digests of uploads so far, kept in this process between two requests."""

from collections import OrderedDict
from typing import Any

from remit.artifacts.oci.digests import hasher
from remit.core.digest import Digest
from remit.hub.registry.ports import Upload

MAX_RUNNING = 256


class Running:
    """The SHA-256 (or what else the caller made) of the first ``size`` bytes of an upload."""

    def __init__(self, digest: Any, size: int) -> None:
        self._digest = digest
        self.size = size

    def update(self, piece: bytes) -> None:
        """Take more."""
        self._digest.update(piece)
        self.size += len(piece)

    def copy(self) -> "Running":
        """As far as it is now."""
        return Running(self._digest.copy(), self.size)

    @property
    def hexdigest(self) -> str:
        """Of what was taken, in lower-case hex."""
        return str(self._digest.hexdigest())

    @property
    def digest(self) -> Digest:
        """Of what was taken."""
        return Digest(f"sha256:{self._digest.hexdigest()}")


class Runs:
    """The running digests of this process, the latest :data:`MAX_RUNNING`.

    An upload that another process went on with has none that fits, and is read again at its end.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Running] = OrderedDict()

    def take(self, upload: Upload) -> Running | None:
        """The digest of all of the upload, which the caller now keeps; a new one at its start."""
        found = self._kept.pop(upload.id, None)
        if found is not None and found.size == upload.size:
            return found
        return Running(hasher("sha256"), 0) if upload.size == 0 else None

    def keep(self, upload: str, running: Running | None) -> None:
        """Keep it for the next request."""
        if running is None:
            return
        while len(self._kept) >= MAX_RUNNING:
            self._kept.popitem(last=False)
        self._kept[upload] = running

    def forget(self, upload: str) -> None:
        """The upload is over."""
        self._kept.pop(upload, None)
