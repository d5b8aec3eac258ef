"""Images that no build made: enough of one for a client to carry."""

import gzip
import json
import random
import shutil
from pathlib import Path

import pytest

from remit.artifacts.oci.digests import digest_of
from remit.artifacts.oci.manifest import MANIFEST

CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
HAVE_SKOPEO = pytest.mark.skipif(not shutil.which("skopeo"), reason="skopeo is not installed")


def layout(directory: Path, *, size: int = 300_000, seed: bytes = b"") -> str:
    """An OCI layout with one image of one layer: the digest of its manifest."""
    blobs = directory / "blobs/sha256"
    blobs.mkdir(parents=True)

    def put(data: bytes) -> dict[str, object]:
        digest = digest_of(data)
        (blobs / digest.partition(":")[2]).write_bytes(data)
        return {"digest": digest, "size": len(data)}

    bytes_ = random.Random(seed + size.to_bytes(8, "big")).randbytes(size)
    layer = put(gzip.compress(bytes_, mtime=0))
    config = put(
        json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "rootfs": {"type": "layers", "diff_ids": [digest_of(bytes_)]},
            }
        ).encode()
    )
    manifest = put(
        json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": {"mediaType": CONFIG, **config},
                "layers": [{"mediaType": LAYER, **layer}],
            }
        ).encode()
    )
    named = {"annotations": {"org.opencontainers.image.ref.name": "v1"}}
    index = {"schemaVersion": 2, "manifests": [{"mediaType": MANIFEST, **manifest, **named}]}
    (directory / "index.json").write_text(json.dumps(index))
    (directory / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    return str(manifest["digest"])
