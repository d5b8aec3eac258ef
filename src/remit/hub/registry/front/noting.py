"""Putting what was seen upstream into the catalogue."""

import re

import msgspec

from remit.artifacts.oci.client import Fetched
from remit.artifacts.oci.names import is_tag
from remit.hub.registry.front.ports import SEEN, Notes
from remit.hub.registry.ports import Describe, Placed, Record
from remit.hub.registry.pushes import Settle

FALLBACK = re.compile(r"(?:sha256|sha512)-[0-9a-f]{64}")
"""Tags that stand in for the referrers API (distribution-spec, "Referrers Tag Schema")."""


class Noting:
    """Notes manifests that came from the upstream and were not pushed through the Hub.

    Args:
        notes: the catalogue.
        describe: says what an artifact is.
        settle: makes a record durable.
    """

    def __init__(self, notes: Notes, describe: Describe, settle: Settle) -> None:
        self._notes = notes
        self._describe = describe
        self._settle = settle

    async def see(self, repository: str, name: str, fetched: Fetched) -> bool:
        """Note what the upstream has under a tag or a digest; whether that was new."""
        placed = placed_of(repository, name, fetched)
        if await self._notes.noted(placed):
            return False
        about = await self._describe(repository, placed.digest, placed.manifest)
        record = found(placed)
        event = await self._notes.note(
            msgspec.structs.replace(placed, about=about), SEEN, record, always=False
        )
        if event is None:
            return False
        await self._settle(event, record)
        return True


def placed_of(repository: str, name: str, fetched: Fetched) -> Placed:
    """What was got from the upstream under a tag or a digest, as it is noted."""
    return Placed(
        repository=repository,
        digest=fetched.descriptor.digest,
        body=fetched.data,
        manifest=fetched.manifest,
        tags=(name,) if is_tag(name) else (),
    )


def found(placed: Placed) -> Record:
    """The record of something that is upstream, and was not known to be."""
    artifact: dict[str, object] = {
        "repository": placed.repository,
        "digest": placed.digest,
        "media_type": placed.manifest.media_type[:100],
        "size": len(placed.body),
    }
    if placed.tags:
        artifact["tags"] = list(placed.tags)
    if placed.manifest.kind:
        artifact["artifact_type"] = placed.manifest.kind[:200]
    if placed.manifest.subject:
        artifact["subject"] = placed.manifest.subject.digest
    return Record(kind="registry.found", body={"artifact": artifact})
