"""Bringing evidence into the registry, as a push brings things in: bytes first, records included.

Into the Hub's own store the bytes go now, and the manifests with the decision, in its transaction.
Before an upstream that cannot be: there the manifests are pushed before the decision, and a process
that dies in between leaves evidence of a decision that is made again, which the newer one replaces.
"""

import asyncio
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any
from urllib.parse import urlencode

from remit.artifacts.oci.digests import digest_of
from remit.attest.predicates import vsa
from remit.core.clock import Clock
from remit.hub.admission.evidence import Evidence, Naming, answers, bundles
from remit.hub.admission.keys import RoleKeys
from remit.hub.admission.values import Outcome, Scanned, Sealed
from remit.hub.registry.endpoints import Taking
from remit.hub.registry.http import Request
from remit.hub.registry.ports import About, Placed
from remit.hub.registry.routes import Route

EMPTY_BLOB = b"{}"
TOGETHER = 8


class Depositor:
    """Signs evidence and stores it.

    Args:
        taking: where pushes go.
        keys, naming: see :func:`~remit.hub.admission.evidence.bundles`.
        clock: the time.
        node: origin of the Hub's log, whose what it stores is.
        upstream: whether another registry keeps the manifests.
    """

    def __init__(
        self,
        taking: Taking,
        keys: RoleKeys,
        naming: Naming,
        clock: Clock,
        *,
        node: str,
        upstream: bool,
    ) -> None:
        self._node = node
        self._taking = taking
        self._keys = keys
        self._naming = naming
        self._clock = clock
        self._upstream = upstream

    async def __call__(self, scanned: Scanned, outcome: Outcome) -> Sealed:
        """What is to be placed with the decision; its bytes are stored.

        Raises:
            RemitError: a key or the store cannot be used, or the repository's quota is full.
        """
        now = self._clock.now_us()
        # Opening a key takes half a second of work, once.
        made = await asyncio.to_thread(bundles, scanned, outcome, self._keys, self._naming, now)
        return await self._store(scanned.repository, made)

    async def answers(self, probed: Scanned, target: str) -> Sealed:
        """The same of what a served model answered.

        Raises:
            RemitError: see above.
        """
        now = self._clock.now_us()
        made = await asyncio.to_thread(answers, probed, target, self._keys, self._naming, now)
        return await self._store(probed.repository, made)

    async def _store(self, repository: str, made: Sequence[Evidence]) -> Sealed:
        if made:
            # Side by side, so that they share the waiting for the disk.
            every = dict.fromkeys((EMPTY_BLOB, *(each.bundle for each in made)))
            together = asyncio.Semaphore(TOGETHER)
            await asyncio.gather(*(self._blob(repository, blob, together) for blob in every))
        summary = next(
            (e.stored.descriptor.digest for e in reversed(made) if e.predicate_type == vsa.TYPE), ""
        )
        others = (e.stored.descriptor.digest for e in made if e.predicate_type != vsa.TYPE)
        evidence = next(others, "")
        if not self._upstream:
            placed = tuple(_placed(repository, each) for each in made)
            return Sealed(placed=placed, summary=summary, evidence=evidence)
        for each in made:
            await self._manifest(repository, each)
        return Sealed(summary=summary, evidence=evidence)

    async def _blob(self, repository: str, data: bytes, together: asyncio.Semaphore) -> None:
        query = {"digest": digest_of(data)}
        request = _request("POST", f"/v2/{repository}/blobs/uploads/", query, {}, data)
        route = Route(kind="uploads", repository=repository, value="")
        async with together:
            await self._taking.start(request, route, self._node, lambda _: False)

    async def _manifest(self, repository: str, each: Evidence) -> None:
        digest = each.stored.descriptor.digest
        headers = {"content-type": each.stored.descriptor.media_type}
        path = f"/v2/{repository}/manifests/{digest}"
        request = _request("PUT", path, {}, headers, each.stored.data)
        route = Route(kind="manifest", repository=repository, value=digest)
        await self._taking.put_manifest(request, route, self._node)


def _placed(repository: str, each: Evidence) -> Placed:
    return Placed(
        repository=repository,
        digest=each.stored.descriptor.digest,
        body=each.stored.data,
        manifest=each.stored.manifest,
        about=About(evidence=True),
    )


def _request(
    method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes
) -> Request:
    """A request of the Hub to itself."""
    scope: MutableMapping[str, Any] = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": path,
        "query_string": urlencode(query).encode(),
        "headers": [
            (b"content-length", str(len(body)).encode()),
            *((name.encode(), value.encode()) for name, value in headers.items()),
        ],
        "client": None,
        "scheme": "http",
    }

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return Request(scope, receive)
