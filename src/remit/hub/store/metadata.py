"""The :class:`~remit.hub.registry.ports.Metadata` port over a database."""

import hashlib
from collections.abc import Awaitable, Callable, Sequence

from sqlalchemy import Connection

from remit.artifacts.oci.manifest import Descriptor
from remit.core.clock import Clock
from remit.core.digest import Digest
from remit.core.ids import ulid
from remit.hub.registry.ports import Placed, Record, Stored, Upload
from remit.hub.store import admissions, blobs, manifests, outbox, pressure, rows, uploads, words
from remit.hub.store.beside import concludes
from remit.hub.store.database import Database

MAX_WAITING = 10_000
"""Scans that may wait before no more is taken."""


class SqlMetadata:
    """What is known, in SQLite or PostgreSQL.

    Args:
        database: where it is kept.
        clock: times of rows.
        node: whose records go into the outbox, the origin of this Hub's log.
        entropy: randomness of ids.
        gated: whether what is stored is scanned before anybody may pull it.
        max_waiting: how many scans may wait before no more is taken.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        node: str,
        entropy: Callable[[int], bytes],
        *,
        gated: bool = False,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        self._database = database
        self._clock = clock
        self._node = node
        self._entropy = entropy
        self._gated = gated
        self._max_waiting = max_waiting
        self._mark = f"{hashlib.sha256(node.encode()).hexdigest()[:16]}."

    def _write(self, connection: Connection, record: Record) -> str:
        now = self._clock.now_us()
        id_ = ulid(now, self._entropy(10))
        return outbox.write(connection, record, id_=id_, node=self._node, now_us=now)

    async def _told(self, done: Callable[[Connection], bool], record: Record) -> str | None:
        def work(connection: Connection) -> str | None:
            return self._write(connection, record) if done(connection) else None

        return await self._database.change(work)

    async def start_upload(self, upload: Upload, owner: str) -> None:
        """Remember an upload."""
        now = self._clock.now_us()

        def work(connection: Connection) -> None:
            rows.hold(connection, upload.repository, create_us=now)
            uploads.start(connection, upload, owner, now)

        await self._database.change(work)

    async def upload(self, repository: str, upload: str) -> Upload | None:
        """An upload that has not expired."""
        now = self._clock.now_us()
        return await self._database.look(lambda c: uploads.find(c, repository, upload, now))

    async def hold_upload(self, repository: str, upload: str, holder: str) -> Upload | None:
        """Be the one who writes to it."""
        now = self._clock.now_us()
        return await self._database.change(
            lambda c: uploads.hold(c, repository, upload, self._mark + holder, now)
        )

    async def keep_upload(self, upload: str, holder: str) -> bool:
        """Stay its writer."""
        now = self._clock.now_us()
        return await self._database.change(
            lambda c: uploads.keep(c, upload, self._mark + holder, now)
        )

    async def release_upload(self, upload: Upload, holder: str) -> bool:
        """Let others write."""
        now = self._clock.now_us()
        return await self._database.change(
            lambda c: uploads.release(c, upload, self._mark + holder, now)
        )

    async def let_go(self) -> int:
        """Release the uploads that this Hub held when it ended; how many those were."""
        return await self._database.change(lambda c: uploads.let_go(c, self._mark))

    async def end_upload(self, upload: str) -> bool:
        """Forget it."""
        return await self._database.change(lambda c: uploads.end(c, upload))

    async def add_blob(
        self,
        upload: Upload,
        digest: Digest,
        publish: Callable[[], Awaitable[None]],
        record: Record,
        *,
        holder: str,
    ) -> str:
        """Publish an upload's bytes and link them."""
        now = self._clock.now_us()

        def before(connection: Connection) -> None:
            rows.hold(connection, upload.repository, create_us=now)
            uploads.still(connection, upload, self._mark + holder, now)
            blobs.hold(connection, digest)
            blobs.add(connection, upload.repository, digest, upload.size, now)

        def after(connection: Connection) -> str:
            uploads.end(connection, upload.id)
            return self._write(connection, record)

        async with self._database.changing() as change:
            await change.run(before)
            await publish()
            return await change.run(after)

    async def blob(self, repository: str, digest: Digest, *, lease: bool) -> int | None:
        """Size of a blob that the repository links."""
        found = await self._database.look(lambda c: blobs.size(c, repository, digest))
        if found is None:
            return None
        now = self._clock.now_us()
        if lease and found[1] < now + blobs.LEASE_US // 2:
            await self._database.change(lambda c: blobs.lease(c, repository, digest, now))
        return found[0]

    async def mount_blob(
        self, repository: str, digest: Digest, source: str, record: Record
    ) -> str | None:
        """Link a blob of another repository."""
        now = self._clock.now_us()
        return await self._told(lambda c: blobs.mount(c, repository, digest, source, now), record)

    async def unlink_blob(self, repository: str, digest: Digest, record: Record) -> str | None:
        """Drop a link."""
        return await self._told(lambda c: blobs.unlink(c, repository, digest), record)

    async def check_queue(self, placed: Placed) -> None:
        """See that a manifest that is new would be scanned some time."""
        if self._gated and admissions.first_state(placed)[0] == "quarantined":
            now = self._clock.now_us()
            await self._database.look(lambda c: pressure.check(c, placed, self._max_waiting, now))

    async def put_manifest(self, placed: Placed, by: str, record: Record) -> str:
        """Store a manifest with all that belongs to it."""
        now = self._clock.now_us()

        def work(connection: Connection) -> str:
            manifests.put(connection, placed, by, now)
            self._gate(connection, placed, now, by=by)
            return self._write(connection, record)

        return await self._database.change(work)

    def _gate(
        self,
        connection: Connection,
        placed: Placed,
        now: int,
        reason: str = "push",
        *,
        by: str = "",
    ) -> None:
        """Put what was stored behind the gate, in the transaction that stored it."""
        if not self._gated:
            return
        id_ = rows.repository_id(connection, placed.repository)
        assert id_ is not None
        job = ulid(now, self._entropy(10))
        admissions.enter(connection, id_, placed, job=job, reason=reason, now_us=now)
        subject = placed.manifest.subject
        mine = by.startswith(words.HUBS) or concludes(placed.manifest.annotations)
        if subject is not None and placed.about.evidence and not mine:
            # Somebody else's signature may be what was missing.
            words.reopen(connection, id_, subject.digest)

    async def manifest(self, repository: str, name: str) -> Stored | None:
        """The manifest with this tag or digest."""
        return await self._database.look(lambda c: manifests.find(c, repository, name))

    async def drop_manifest(self, repository: str, digest: Digest, record: Record) -> str | None:
        """Forget a manifest and its tags."""
        return await self._told(lambda c: manifests.drop(c, repository, digest), record)

    async def drop_tag(self, repository: str, tag: str, record: Record) -> str | None:
        """Forget a tag."""
        return await self._told(lambda c: manifests.drop_tag(c, repository, tag), record)

    async def tags(self, repository: str, last: str, count: int) -> list[str] | None:
        """Tags after ``last``."""
        return await self._database.look(lambda c: manifests.tag_names(c, repository, last, count))

    async def referrers(
        self, repository: str, subject: Digest, artifact_type: str, last: str, count: int
    ) -> list[Descriptor]:
        """Manifests about ``subject``."""
        return await self._database.look(
            lambda c: manifests.referrers(c, repository, subject, artifact_type, last, count)
        )

    async def repositories(self, last: str, count: int) -> Sequence[str]:
        """Names after ``last``."""
        return await self._database.look(lambda c: manifests.repository_names(c, last, count))
