"""Whatever is pushed as evidence: it is read without a crash, and only JSON gets out as such."""

import asyncio
import json

from hypothesis import given
from hypothesis import strategies as st

from remit.artifacts.oci.digests import digest_of
from remit.artifacts.oci.manifest import EMPTY, MANIFEST, parse_manifest
from remit.hub.admission.exempt import TYPES, is_evidence

KINDS = st.sampled_from(
    [*TYPES, "application/vnd.dev.sigstore.bundle.v0.3+json", "application/octet-stream"]
)
MEMBERS = st.sampled_from(
    ["payload", "payloadType", "signatures", "critical", "_type", "subject", "mediaType",
     "verificationMaterial", "x"]
)  # fmt: skip
VALUES = st.dictionaries(MEMBERS, st.one_of(st.none(), st.text(max_size=8)), max_size=9)
DATA = st.one_of(
    st.binary(max_size=60),
    VALUES.map(lambda value: json.dumps(value).encode()),
    st.tuples(VALUES, st.binary(max_size=6)).map(lambda x: json.dumps(x[0]).encode() + x[1]),
)


@given(st.lists(st.tuples(KINDS, DATA), max_size=4), st.one_of(st.just(b"{}"), DATA))
def test_evidence_is_json(layers, config):
    blobs = {digest_of(data): data for data in (config, *(data for _, data in layers))}

    def described(kind, data):
        return {"mediaType": kind, "digest": digest_of(data), "size": len(data)}

    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": described(EMPTY, config),
        "layers": [described(*each) for each in layers],
    }

    async def reads(descriptor, limit):
        return blobs[descriptor.digest]

    manifest = parse_manifest(json.dumps(document).encode())
    if asyncio.run(is_evidence(manifest, reads)):
        assert config == b"{}"
        assert layers
        for kind, data in layers:
            assert kind != "application/octet-stream"
            assert isinstance(json.loads(data), dict)
