"""Finding what is not behind the gate: nothing keeps the rest from being found."""

import asyncio
import json

from remit.artifacts.oci.digests import digest_of
from remit.artifacts.oci.manifest import EMPTY
from remit.core.errors import RemitError
from remit.hub.admission.sweep import Sweep
from remit.hub.registry.ports import Stored

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DSSE = "application/vnd.dsse.envelope.v1+json"


def stored(name, body=None):
    config = {"mediaType": EMPTY, "digest": digest_of(b"{}"), "size": 2}
    layer = {"mediaType": DSSE, "digest": digest_of(name.encode()), "size": 9}
    document = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]}
    data = json.dumps(document).encode() if body is None else body
    return Stored(digest=digest_of(data), media_type=MANIFEST, body=data)


class Unknown:
    def __init__(self, found):
        self.found = {each.digest: each for each in found}
        self.entered, self.refused = [], []

    async def without_row(self, last, count):
        names = sorted(each for each in self.found if each > last[1])[:count]
        return [(1, "a/b", each) for each in names]

    async def stored(self, repository, digest):
        return self.found[digest], ()

    async def enter(self, placed):
        self.entered.append(placed.digest)

    async def refuse(self, repository, digest, why):
        self.refused.append(digest)


def test_one_that_cannot_be_looked_at_does_not_hide_the_others():
    every = [stored(str(each)) for each in range(5)]
    bad = min(each.digest for each in every)
    broken = digest_of(next(each for each in "01234" if stored(each).digest == bad).encode())

    async def small(repository, layer, limit):
        if layer.digest == broken:
            raise RemitError("the upstream gives something else", code="x")

    unknown = Unknown([*every, stored("", b"[]")])
    assert asyncio.run(Sweep(unknown, small).once()) == 5
    assert bad not in unknown.entered
    assert len(unknown.entered) == 4
    assert unknown.refused == [digest_of(b"[]")]
