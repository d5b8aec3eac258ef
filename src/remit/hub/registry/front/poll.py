"""Learning what was pushed to the upstream past the Hub, and what was deleted there.

1. Which repositories there are: those that were named, else those that the upstream lists
   (``_catalog``); and all that the catalogue knows.
2. What each tag of them is now. One that is new or has moved is noted with its manifest, the
   children of an index, and what refers to them.
3. Tags that are gone are forgotten. In a deep run so are manifests without a tag that are gone.

What cannot be asked for is left as it was known: a failure never makes anything be forgotten.
"""

from collections.abc import AsyncIterator, Sequence
from functools import partial

import msgspec

from remit.artifacts.errors import ArtifactError
from remit.artifacts.oci.client import Fetched
from remit.artifacts.oci.errors import NotFoundError, UnreachableError
from remit.artifacts.oci.listing import repositories
from remit.core.digest import Digest
from remit.hub.registry.front.noting import FALLBACK, Noting
from remit.hub.registry.front.ports import Notes
from remit.hub.registry.front.upstream import Upstream
from remit.hub.registry.ports import Record
from remit.hub.registry.pushes import Settle

AT_ONCE = 4
"""Requests to the upstream at a time."""
MAX_DEPTH = 4
MAX_FAILURES = 20
_PAGE = 500


class Synced(msgspec.Struct, kw_only=True):
    """What a run found.

    Attributes:
        repositories: how many were looked at.
        tags: how many there are.
        found: manifests and tags that were not known.
        lost: tags and manifests that are no more.
        failed: what could not be asked for, and why.
    """

    repositories: int = 0
    tags: int = 0
    found: int = 0
    lost: int = 0
    failed: list[str] = []


class Poller:
    """Compares the catalogue with the upstream. One run at a time.

    Args:
        upstream: the registry.
        notes: the catalogue.
        noting: notes what is new.
        settle: makes a record durable.
        names: repositories to look at, as the Hub calls them; empty to ask the upstream.
    """

    def __init__(
        self,
        upstream: Upstream,
        notes: Notes,
        noting: Noting,
        settle: Settle,
        names: Sequence[str] = (),
    ) -> None:
        self._upstream = upstream
        self._notes = notes
        self._noting = noting
        self._settle = settle
        self._names = tuple(names)
        self._indexes: dict[tuple[str, str], Digest] = {}
        self._done = Synced()

    async def run(self, *, deep: bool = False) -> Synced:
        """Look once.

        Args:
            deep: ask also for every manifest that has no tag.

        Raises:
            UnreachableError: the upstream does not answer.
            HubError: the catalogue cannot be written.
        """
        self._done = Synced()
        for name in sorted({each async for each in self._repositories()}):
            try:
                await self._repository(name, deep=deep)
            except UnreachableError as error:
                if not error.status:
                    raise
                self._failed(name, error)
            except ArtifactError as error:
                self._failed(name, error)
        return self._done

    def _failed(self, name: str, error: ArtifactError) -> None:
        if len(self._done.failed) < MAX_FAILURES:
            self._done.failed.append(f"{name}: {error.message}")

    async def _repositories(self) -> AsyncIterator[str]:
        for name in self._names:
            yield name
        last = ""
        while page := await self._notes.repositories(last, _PAGE):
            for name in page:
                yield name
            last = page[-1]
        if self._names:
            return
        prefix = self._upstream.prefix
        try:
            async for name in repositories(self._upstream.session):
                if name.startswith(prefix):
                    yield name.removeprefix(prefix)
        except ArtifactError as error:
            if isinstance(error, UnreachableError) and not error.status:
                raise
            self._failed("the upstream does not list its repositories", error)

    async def _repository(self, name: str, *, deep: bool) -> None:
        repository = self._upstream.repository(name)
        known = await self._notes.tagged(name)
        try:
            listed = await repository.tags()
        except NotFoundError as error:
            if "NAME_UNKNOWN" not in error.reasons:
                raise
            listed = []
        self._done.repositories += 1
        indexes = [each for each in listed if FALLBACK.fullmatch(each)]
        tags = sorted(set(listed) - set(indexes))
        if indexes and await self._upstream.has_referrers(name):
            indexes = []
        there: dict[str, Digest] = {}
        each = self._upstream.session.transport.each
        await each((partial(self._tag, name, tag, known, there) for tag in tags), AT_ONCE)
        await each((partial(self._index, name, tag) for tag in indexes), AT_ONCE)
        if not indexes:
            subjects = sorted(set(there.values()))
            await each((partial(self._referrers, name, one) for one in subjects), AT_ONCE)
        self._done.tags += len(there)
        for tag in sorted(set(known) - set(there)):
            await self._lose(name, tag)
        if deep:
            left = await self._notes.untagged(name)
            await each((partial(self._look, name, digest) for digest in left), AT_ONCE)

    async def _tag(
        self, name: str, tag: str, known: dict[str, Digest], there: dict[str, Digest]
    ) -> None:
        digest = await self._upstream.digest(name, tag)
        if digest is None:
            return
        there[tag] = digest
        if known.get(tag) == digest:
            return
        try:
            fetched = await self._upstream.repository(name).manifest(tag)
        except ArtifactError as error:
            if isinstance(error, UnreachableError):
                raise
            self._failed(f"{name}:{tag}", error)
            return
        there[tag] = fetched.descriptor.digest
        await self._note(name, tag, fetched)

    async def _note(self, name: str, value: str, fetched: Fetched, depth: int = 0) -> None:
        if not await self._noting.see(name, value, fetched):
            return
        self._done.found += 1
        for child in fetched.manifest.manifests:
            if not child.foreign:
                await self._fetch(name, child.digest, depth + 1)

    async def _fetch(self, name: str, digest: Digest, depth: int) -> None:
        """Note a manifest that something names; not being there is no failure."""
        if depth > MAX_DEPTH or await self._notes.manifest(name, digest) is not None:
            return
        try:
            fetched = await self._upstream.repository(name).manifest(digest)
        except NotFoundError:
            return
        except ArtifactError as error:
            if isinstance(error, UnreachableError):
                raise
            self._failed(f"{name}@{digest}", error)
            return
        await self._note(name, digest, fetched, depth)

    async def _index(self, name: str, tag: str) -> None:
        """What a tag of the referrers tag schema lists."""
        digest = await self._upstream.digest(name, tag)
        if digest is None or self._indexes.get((name, tag)) == digest:
            return
        fetched = await self._upstream.repository(name).manifest(tag)
        for each in fetched.manifest.manifests:
            await self._fetch(name, each.digest, 1)
        self._indexes[name, tag] = digest

    async def _referrers(self, name: str, subject: Digest) -> None:
        for each in await self._upstream.repository(name).referrers(subject):
            await self._fetch(name, each.digest, 1)

    async def _look(self, name: str, digest: Digest) -> None:
        """Forget a manifest that is no more."""
        if await self._upstream.digest(name, digest) is None:
            await self._lose(name, digest)

    async def _lose(self, name: str, value: str) -> None:
        key = "digest" if ":" in value else "tag"
        record = Record(kind="registry.lost", body={"artifact": {"repository": name, key: value}})
        event = await self._notes.gone(name, value, record, always=False)
        if event is not None:
            await self._settle(event, record)
            self._done.lost += 1
