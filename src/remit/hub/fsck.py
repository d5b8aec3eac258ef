"""``remit hub fsck``: whether everything that is known is there, and as it was pushed.

Rules: every manifest has its bytes, with its digest; all that it refers to is in its repository;
every tag names a manifest; every blob that somebody may see has bytes of its size, and in a deep
check of its digest; the gate knows every manifest, and every scan that is open is of one. It may
run beside a Hub: what looks wrong is looked at twice.
"""

from collections.abc import Callable
from functools import partial

import msgspec

from remit.artifacts.oci.digests import algorithm_of, hasher
from remit.core.digest import Digest
from remit.hub.registry.ports import BlobStore
from remit.hub.store import check, collect, gatecheck
from remit.hub.store.check import Problem
from remit.hub.store.database import Database

PAGE = 200
_ELSEWHERE = frozenset(("blob.unlinked", "manifest.child", "quota.sum"))
"""What is no problem where another registry keeps the bytes."""
Progress = Callable[[str, int], None]


class Checked(msgspec.Struct, kw_only=True):
    """What was looked at and what is wrong with it."""

    manifests: int = 0
    blobs: int = 0
    bytes: int = 0
    strays: int = 0
    problems: list[Problem] = []

    @property
    def clean(self) -> bool:
        """Whether nothing is lost or false."""
        return all(problem.harmless for problem in self.problems)


async def fsck(
    database: Database,
    store: BlobStore,
    *,
    deep: bool,
    progress: Progress | None = None,
    front: bool = False,
) -> Checked:
    """Look at everything.

    Args:
        database: of the Hub.
        store: of the Hub.
        deep: read all bytes and compare their digests.
        progress: told what is looked at, and how many so far.
        front: an upstream has the bytes, and may have what the catalogue does not know.
    """
    done = Checked()
    tell = progress or (lambda _what, _count: None)
    last: tuple[int, str] | None = (0, "")
    while last is not None:
        work = partial(check.manifest_page, last=last, count=PAGE)
        problems, last, count = await database.look(work)
        if problems:
            # A manifest may have been dropped between two statements of the look.
            again, _, _ = await database.look(work)
            problems = [each for each in problems if each in again]
        done.manifests += count
        done.problems += problems
        tell("manifests", done.manifests)
    done.problems += await database.look(check.dangling_tags)
    done.problems += await database.look(check.wrong_sums)
    gate = await database.look(gatecheck.problems)
    if gate:
        # Something may have been pushed or dropped between two statements of the look.
        again = await database.look(gatecheck.problems)
        done.problems += [each for each in gate if each in again]
    await _blobs(database, store, done, deep=deep, tell=tell)
    await _strays(database, store, done)
    if front:
        done.problems = [each for each in done.problems if each.code not in _ELSEWHERE]
    return done


async def _blobs(
    database: Database, store: BlobStore, done: Checked, *, deep: bool, tell: Progress
) -> None:
    last = ""
    while page := await database.look(partial(check.blob_page, last=last, count=PAGE)):
        for digest, size in page:
            problem = await _blob(store, digest, size, deep=deep)
            if problem is not None:
                # It may have been collected between the two looks.
                again = await database.look(partial(check.blob_page, last=last, count=PAGE))
                if (digest, size) in again:
                    done.problems.append(problem)
            done.blobs += 1
            done.bytes += size
        tell("blobs", done.blobs)
        last = page[-1][0]


async def _blob(store: BlobStore, digest: Digest, size: int, *, deep: bool) -> Problem | None:
    found = await store.size(digest)
    if found is None:
        return Problem(code="blob.missing", where=digest, text="its bytes are not there")
    if found != size:
        text = f"it has {found} bytes and not {size}"
        return Problem(code="blob.size", where=digest, text=text)
    if deep:
        taken = hasher(algorithm_of(digest))
        async for piece in store.read(digest, 0, size):
            taken.update(piece)
        if f"{algorithm_of(digest)}:{taken.hexdigest()}" != digest:
            return Problem(code="blob.changed", where=digest, text="its bytes have another digest")
    return None


async def _strays(database: Database, store: BlobStore, done: Checked) -> None:
    batch: list[Digest] = []

    async def count() -> None:
        known = await database.look(partial(collect.known_blobs, digests=batch))
        done.strays += len(set(batch) - known)

    async for digest, _, _ in store.digests():
        batch.append(digest)
        if len(batch) >= PAGE:
            await count()
            batch = []
    if batch:
        await count()
