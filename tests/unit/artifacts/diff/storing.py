"""Artifacts in a layout, made with its own writer."""

import gzip
import io
import json
import tarfile

from remit.artifacts.diff.compare import compare
from remit.artifacts.diff.stored import open_stored, share
from remit.artifacts.layout import Layout
from remit.artifacts.oci.manifest import MANIFEST, Descriptor

CONFIG = "application/vnd.kitops.modelkit.config.v1+json"
KIT = "application/vnd.kitops.modelkit.manifest.v1+json"


def tar(members, gz=False) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in members.items():
            raw = data.encode() if isinstance(data, str) else data
            info = tarfile.TarInfo(name)
            info.size = len(raw)
            archive.addfile(info, io.BytesIO(raw))
    return gzip.compress(out.getvalue(), mtime=0) if gz else out.getvalue()


class Store:
    def __init__(self, root):
        self.root = root
        self.layout = Layout.open(root, create=True)

    def blob(self, data, media_type, **annotations):
        digest = self.layout.put(data)
        found = {"mediaType": media_type, "digest": digest, "size": len(data)}
        return {**found, "annotations": annotations} if annotations else found

    def manifest(self, document, name=""):
        data = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, **document}).encode()
        digest = self.layout.put(data)
        described = Descriptor(media_type=MANIFEST, digest=digest, size=len(data))
        if name:
            self.layout.name(name, described)
        else:
            self.layout.record(described)
        return described

    def kit(self, name, files, kitfile=None, annotations=None, gz=False):
        """A ModelKit with a layer for each name of ``files``."""
        layers, code = [], []
        for path, members in files.items():
            kind = f"application/vnd.kitops.modelkit.code.v1.tar{'+gzip' if gz else ''}"
            layer = self.blob(tar(members, gz), kind)
            layers.append(layer)
            code.append({"path": path, "digest": layer["digest"]})
        config = {
            "manifestVersion": "1.0.0",
            "package": {"name": "x"},
            "code": code,
            **(kitfile or {}),
        }
        return self.manifest(
            {
                "artifactType": KIT,
                "config": self.blob(json.dumps(config).encode(), CONFIG),
                "layers": layers,
                "annotations": annotations or {},
            },
            name,
        )

    def refer(self, subject, artifact_type, media_type, payload, **annotations):
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        return self.manifest(
            {
                "artifactType": artifact_type,
                "config": self.blob(b"{}", "application/vnd.oci.empty.v1+json"),
                "layers": [self.blob(data, media_type, **annotations)],
                "subject": {
                    "mediaType": MANIFEST,
                    "digest": subject.digest,
                    "size": subject.size,
                },
            }
        )

    def difference(self, a, b, more=()):
        left, right = share(open_stored(self.root, a), open_stored(self.root, b))
        try:
            return compare(left, right, more=more)
        finally:
            left.close()
            right.close()
