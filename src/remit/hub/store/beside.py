"""What lies beside an artifact that a decision may rest on: signatures and scans of others.

What gates conclude, and bills of materials, are no reason to decide again, whoever made them: no
decision rests on them. Two Hubs that do not know each other, before one registry, would answer each
other's summaries with their own for ever; scans they attest once. What it is is only said by the
annotation of its manifest: whoever calls their signature a summary is not heard before the next
decision.
"""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, select

from remit.artifacts.attestations import PREDICATE_TYPE
from remit.artifacts.oci.manifest import Descriptor
from remit.attest.predicates import bom, vsa
from remit.core.digest import Digest
from remit.hub.store import words
from remit.hub.store.tables import manifests

CONCLUSIONS = frozenset({bom.TYPE, vsa.TYPE})
MAX_BESIDE = 1000
"""As many as clients look at, too."""
MAX_SEEN = 5000


class Beside(NamedTuple):
    """What others pushed about an artifact, and whether that is not all of it."""

    digests: frozenset[Digest]
    crowded: bool


def concludes(annotations: Mapping[str, str]) -> bool:
    """Whether a manifest is said to be what no decision rests on."""
    return annotations.get(PREDICATE_TYPE) in CONCLUSIONS


def annotations_of(descriptor: bytes) -> dict[str, str]:
    """The annotations of a manifest, by its row."""
    return dict(msgspec.json.decode(bytes(descriptor), type=Descriptor).annotations)


def beside(connection: Connection, id_: int, digest: str) -> Beside:
    """Manifests that others pushed about an artifact, the last ones: a signature may be there."""
    found = connection.execute(
        select(manifests.c.digest, manifests.c.descriptor)
        .where(manifests.c.repository == id_, manifests.c.subject == digest)
        .where(~manifests.c.pushed_by.startswith(words.HUBS, autoescape=True))
        .order_by(manifests.c.pushed_us.desc(), manifests.c.digest)
        .limit(MAX_SEEN + 1)
    ).all()
    others = [Digest(row.digest) for row in found if not concludes(annotations_of(row.descriptor))]
    crowded = len(found) > MAX_SEEN or len(others) > MAX_BESIDE
    return Beside(frozenset(others[:MAX_BESIDE]), crowded)
