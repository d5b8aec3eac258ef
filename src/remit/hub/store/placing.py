"""Evidence that the Hub made itself: stored beside the artifact, with its record."""

from collections.abc import Callable

from sqlalchemy import Connection

from remit.core.ids import ulid
from remit.hub.registry.ports import Placed, Record
from remit.hub.store import admissions, manifests, outbox


class Placing:
    """Places manifests in the name of a Hub.

    Args:
        node: origin of its log.
        entropy: randomness of ids.
    """

    def __init__(self, node: str, entropy: Callable[[int], bytes]) -> None:
        self._node = node
        self._entropy = entropy

    def __call__(
        self, connection: Connection, id_: int, placed: Placed, now_us: int
    ) -> tuple[str, Record]:
        """Place one; its record, which is in the outbox.

        Args:
            connection: the transaction.
            id_: of its repository, of which the row is locked.
            placed: the manifest.
            now_us: wall time.

        Raises:
            Denied: the quota.
        """
        manifests.put(connection, placed, self._node, now_us)
        scan = self._id(now_us)
        admissions.enter(connection, id_, placed, job=scan, reason="push", now_us=now_us)
        return self.write(connection, _stored(placed), now_us)

    def write(self, connection: Connection, record: Record, now_us: int) -> tuple[str, Record]:
        """Put a record into the outbox."""
        id_ = self._id(now_us)
        outbox.write(connection, record, id_=id_, node=self._node, now_us=now_us)
        return id_, record

    def _id(self, now_us: int) -> str:
        return ulid(now_us, self._entropy(10))


def _stored(placed: Placed) -> Record:
    artifact: dict[str, object] = {
        "repository": placed.repository,
        "digest": placed.digest,
        "media_type": placed.manifest.media_type,
        "size": len(placed.body),
        "artifact_type": placed.manifest.kind,
    }
    if placed.manifest.subject is not None:
        artifact["subject"] = placed.manifest.subject.digest
    return Record(kind="registry.push", body={"actor": {"user": "hub"}, "artifact": artifact})
