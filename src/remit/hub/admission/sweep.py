"""Finding what is not behind the gate: pushed before there was one, or by a Hub without one.

Such a manifest has no row, which means ``quarantined``, so nothing is given out meanwhile; but it
has no job either, and so would stay. The sweep makes both, at the start and every now and then.
"""

import asyncio
import functools
import logging
from collections.abc import Sequence
from typing import Protocol

from remit.artifacts.errors import ManifestError
from remit.artifacts.oci.manifest import parse_manifest
from remit.core.digest import Digest
from remit.core.errors import RemitError
from remit.hub.admission.exempt import is_evidence
from remit.hub.registry.ports import About, Placed, Small, Stored

_log = logging.getLogger("remit.hub")
SWEEP_S = 60.0
PAGE = 200


class Unknown(Protocol):
    """Manifests that the gate does not know."""

    async def without_row(
        self, last: tuple[int, str], count: int
    ) -> Sequence[tuple[int, str, str]]:
        """Some after ``last``: id and name of the repository, digest."""
        ...

    async def stored(
        self, repository: str, digest: Digest
    ) -> tuple[Stored, tuple[str, ...]] | None:
        """A manifest and its tags."""
        ...

    async def enter(self, placed: Placed) -> None:
        """Put it behind the gate and ask for its scan."""
        ...

    async def refuse(self, repository: str, digest: Digest, why: str) -> None:
        """Put behind the gate what cannot be scanned."""
        ...


class Sweep:
    """Sweeps until it is cancelled.

    Args:
        unknown: what is not behind the gate.
        small: reads small blobs.
    """

    def __init__(self, unknown: Unknown, small: Small) -> None:
        self._unknown = unknown
        self._small = small

    async def run(self) -> None:
        """Sweep now and every :data:`SWEEP_S`."""
        while True:
            try:
                await self.once()
            except (RemitError, OSError) as error:
                _log.error("what is not behind the gate was not looked for: %s", error)
            await asyncio.sleep(SWEEP_S)

    async def once(self) -> int:
        """Put all that is not behind the gate behind it; how many that were.

        Raises:
            RemitError, OSError: the database or the store cannot be used.
        """
        count, last = 0, (0, "")
        while page := await self._unknown.without_row(last, PAGE):
            for _, repository, digest in page:
                count += await self._tried(repository, Digest(digest))
            last = page[-1][0], page[-1][2]
        return count

    async def _tried(self, repository: str, digest: Digest) -> bool:
        """One of them; what cannot be looked at now stays quarantined, and hides no other."""
        try:
            return await self._one(repository, digest)
        except (RemitError, OSError) as error:
            _log.error("`%s@%s` is not behind the gate yet: %s", repository, digest, error)
            return False

    async def _one(self, repository: str, digest: Digest) -> bool:
        found = await self._unknown.stored(repository, digest)
        if found is None:
            return False
        stored, tags = found
        try:
            manifest = parse_manifest(stored.body, stored.media_type)
        except ManifestError as error:
            await self._unknown.refuse(repository, digest, f"it cannot be read: {error.message}")
            return True
        evidence = await is_evidence(manifest, functools.partial(self._small, repository))
        await self._unknown.enter(
            Placed(
                repository=repository,
                digest=digest,
                body=stored.body,
                manifest=manifest,
                tags=tags,
                about=About(evidence=evidence),
            )
        )
        return True
