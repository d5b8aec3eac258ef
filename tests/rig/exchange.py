"""What moves to and from registries: artifacts, commands, and a proxy that cuts connections."""

import contextlib
import hashlib
import json
import os
import random
import select
import socket
import subprocess
import threading
from pathlib import Path
from typing import Any, Self

from remit.artifacts.layout import Layout
from remit.artifacts.oci.digests import digest_of
from remit.artifacts.oci.manifest import INDEX, MANIFEST, Descriptor
from tests.rig.governed import REMIT
from tests.rig.registries import Registry


def port_of(registry: Registry) -> int:
    """The port on which a registry answers."""
    return int(registry.host.rpartition(":")[2])


def log_in(registry: Registry, state: Path, host: str = "") -> None:
    """Log in as who may do everything, if anybody is asked; by another way than its own, `host`."""
    if registry.auth:
        arguments = ["login", host or registry.host, "-u", registry.user, "--password-stdin"]
        done = remit(*arguments, state=state, stdin=registry.password)
        assert not done.returncode, done.stderr


class Cutter:
    """A TCP proxy before a registry that drops its connections after some bytes, some times.

    `cuts` are numbers of bytes in one direction; each is used once, in the order in which
    connections reach it.
    """

    def __init__(self, port: int, *, up: list[int] | None = None, down: list[int] | None = None):
        self.up, self.down = list(up or []), list(down or [])
        self.passed_up = self.passed_down = self.cut = 0
        self._to = port
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.host = f"127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            server = socket.create_connection(("127.0.0.1", self._to))
            up = down = 0
            with server:
                while True:
                    ready, _, _ = select.select([client, server], [], [], 60)
                    if not ready:
                        return
                    for side in ready:
                        data = side.recv(1 << 16)
                        if not data:
                            return
                        with self._lock:
                            if side is client:
                                up += len(data)
                                self.passed_up += len(data)
                            else:
                                down += len(data)
                                self.passed_down += len(data)
                            done = (side is client and self.up and up >= self.up[0]) or (
                                side is server and self.down and down >= self.down[0]
                            )
                            if done:
                                (self.up if side is client else self.down).pop(0)
                                self.cut += 1
                        if done:
                            if side is client:
                                server.sendall(data)
                            return
                        (server if side is client else client).sendall(data)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()


def remit(
    *arguments: str | Path, state: Path, stdin: str = "", timeout: float = 110, **env: str
) -> subprocess.CompletedProcess[str]:
    """`remit …` with a state directory of its own and nobody's credentials."""
    return subprocess.run(
        [REMIT, *map(str, arguments)],
        env=environment(state, **env),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def environment(state: Path, **env: str) -> dict[str, str]:
    """The environment of a user without credentials of docker and podman."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("XDG_")}
    for name in ("DOCKER_CONFIG", "REGISTRY_AUTH_FILE"):
        kept.pop(name, None)
    return {**kept, "REMIT_STATE": str(state), "HOME": str(state), **env}


def random_file(path: Path, size: int, seed: int = 1) -> str:
    """A file of random bytes; its hex digest. Fast enough for gigabytes."""
    generator, taken = random.Random(seed), hashlib.sha256()
    with path.open("wb") as file:
        while size:
            data = generator.randbytes(min(size, 1 << 20))
            taken.update(data)
            file.write(data)
            size -= len(data)
    return taken.hexdigest()


def put_artifact(layout: Layout, name: str, *blobs: bytes | Path, **more: Any) -> Descriptor:
    """Store a manifest over blobs (bytes or files), under a name unless it is empty."""
    layers = []
    for blob in blobs:
        if isinstance(blob, Path):
            with layout.ingest() as ingest, blob.open("rb") as file:
                while data := file.read(1 << 20):
                    ingest.write(data)
                size, digest = ingest.size, layout.commit(ingest)
        else:
            size, digest = len(blob), layout.put(blob)
        layers.append({"mediaType": "application/octet-stream", "digest": digest, "size": size})
    config = b"{}"
    layout.put(config)
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": "application/vnd.example.thing",
        "config": {
            "mediaType": "application/vnd.oci.empty.v1+json",
            "digest": digest_of(config),
            "size": len(config),
        },
        "layers": layers,
        **more,
    }
    return put_document(layout, name, document)


def put_index(layout: Layout, name: str, *children: dict[str, Any]) -> Descriptor:
    """Store an index."""
    return put_document(
        layout, name, {"schemaVersion": 2, "mediaType": INDEX, "manifests": list(children)}
    )


def put_document(layout: Layout, name: str, document: dict[str, Any]) -> Descriptor:
    """Store a manifest or index."""
    data = json.dumps(document).encode()
    layout.put(data)
    described = Descriptor(media_type=document["mediaType"], digest=digest_of(data), size=len(data))
    if name:
        layout.name(name, described)
    elif "subject" in document:
        layout.record(described)
    return described


def plain(descriptor: Descriptor, **more: Any) -> dict[str, Any]:
    """A descriptor as JSON."""
    return {
        "mediaType": descriptor.media_type,
        "digest": descriptor.digest,
        "size": descriptor.size,
        **more,
    }
