"""Artifacts for a Hub with a gate, and waiting for what comes of them."""

import json
import os
import pickle
import time
from collections.abc import Mapping
from typing import Any

from tests.rig.fronts import MANIFEST, Wire, digest

TITLE = "org.opencontainers.image.title"
OCTETS = "application/octet-stream"
EMPTY = "application/vnd.oci.empty.v1+json"
DSSE = "application/vnd.dsse.envelope.v1+json"
SIMPLE = "application/vnd.dev.cosign.simplesigning.v1+json"
CLEAN = {"README.md": b"# A calculator\n\nIt subtracts one number from another.\n"}
DEADLINE_S = 90.0


def bundle(minor: int) -> str:
    """The media type of Sigstore bundles of version 0.`minor`."""
    return f"application/vnd.dev.sigstore.bundle.v0.{minor}+json"


class Evil:
    """Runs a command when it is unpickled; nobody here does that."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, ("id",)


def poison() -> bytes:
    """A pickle that calls what it must not."""
    return pickle.dumps(Evil())


POISONED = {"weights.pkl": poison()}


def put(
    wire: Wire, repository: str, tag: str, files: Mapping[str, bytes], **more: Any
) -> tuple[str, list[str]]:
    """Push files as an artifact: digests of its manifest and its layers."""
    document = manifest_of(wire, repository, files, **more)
    found = put_manifest(wire, repository, tag, document)
    return found, [each["digest"] for each in document["layers"]]


def manifest_of(
    wire: Wire, repository: str, files: Mapping[str, bytes], **more: Any
) -> dict[str, Any]:
    """The manifest of files whose bytes are pushed."""
    config = wire.blob(repository, b"{}")
    layers = [
        {
            "mediaType": OCTETS,
            "digest": wire.blob(repository, data),
            "size": len(data),
            "annotations": {TITLE: name},
        }
        for name, data in files.items()
    ]
    return {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": "application/x.test",
        "config": {"mediaType": EMPTY, "digest": config, "size": 2},
        "layers": layers,
        **more,
    }


def put_manifest(wire: Wire, repository: str, tag: str, document: Mapping[str, Any]) -> str:
    """Push a manifest: its digest. With an empty tag it has none."""
    body = json.dumps(document).encode()
    name = digest(body)
    answer = wire(
        "PUT", f"/v2/{repository}/manifests/{tag or name}", body,
        content_type=str(document["mediaType"]),
    )  # fmt: skip
    assert answer.status == 201, answer
    return name


def state(wire: Wire, repository: str, name: str) -> str:
    """What somebody who pulls is told: ``admitted``, or the state of the refusal.

    Whoever pushes gets manifests in any state, so that the API has to say it.
    """
    answer = wire("GET", f"/v2/{repository}/manifests/{name}")
    if answer.status == 200:
        said = wire("GET", f"/api/v1/repositories/{repository}/artifacts/{name}")
        found = str(said.json["admission"]["state"]) if said.status == 200 else "admitted"
        return "admitted" if found == "exempt" else found
    assert (answer.status, answer.code) == (403, "DENIED"), answer
    detail = answer.json["errors"][0]["detail"]
    assert detail["state"]
    assert detail["reason"], answer
    assert answer.headers["content-type"] == "application/json"
    return str(detail["state"])


def settled(wire: Wire, repository: str, name: str, wanted: str = "") -> str:
    """Wait until it is no longer quarantined, or is `wanted`: what it is then."""
    until = time.monotonic() + DEADLINE_S
    while True:
        found = state(wire, repository, name)
        if found == wanted or (not wanted and found != "quarantined"):
            return found
        assert time.monotonic() < until, (repository, name, found)
        time.sleep(0.1)
