"""Hubs in front of other registries, and requests to them of which every byte is seen."""

import base64
import contextlib
import hashlib
import http.client
import json
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.rig.governed import REMIT
from tests.rig.programs import clean_environment
from tests.rig.registries import Registry, hub

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


@contextlib.contextmanager
def front(
    directory: Path,
    upstream: Registry,
    *,
    auth: str = "basic",
    options: Sequence[str] = (),
    prefix: str = "",
    port: int = 0,
    gate: bool = False,
) -> Iterator[Registry]:
    """A Hub that keeps its bytes in `upstream`; it looks it through when it is told to only."""
    directory.mkdir(parents=True, exist_ok=True)
    found = [*upstream_options(directory, upstream, prefix), "--upstream-poll", "0", *options]
    with hub(directory, auth=auth, options=found, port=port, gate=gate) as running:
        yield running


def upstream_options(directory: Path, upstream: Registry, prefix: str = "") -> list[str]:
    """Options that name an upstream and the Hub's account there."""
    found = ["--upstream", f"{upstream.url}{prefix}"]
    if upstream.user:
        secret = directory / "upstream-password"
        secret.write_text(f"{upstream.password}\n")
        found += ["--upstream-user", upstream.user, "--upstream-password-file", str(secret)]
    return found


def hub_command(running: Registry, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`remit hub …` beside a running Hub."""
    return subprocess.run(
        [REMIT, "hub", *arguments, "--state", str(running.state)],
        env=clean_environment(running.state.parent / "home"),
        capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip


def synced(running: Registry, upstream: Registry, *options: str) -> dict[str, Any]:
    """What `remit hub sync` finds."""
    done = hub_command(
        running, "sync", *upstream_options(running.state.parent, upstream), "-o", "json", *options
    )
    assert done.returncode in {0, 1}, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@dataclass(frozen=True)
class Answer:
    """A response; `cut` if its body ended before it should."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    cut: bool = False

    @property
    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The first error code; empty without one."""
        return str(self.json["errors"][0]["code"]) if self.body else ""

    @property
    def reason(self) -> str:
        """The first error message."""
        return str(self.json["errors"][0]["message"])

    @property
    def location(self) -> str:
        """A path, also where it was a URL."""
        found = self.headers["location"]
        return found if found.startswith("/") else "/" + found.split("/", 3)[3]


@dataclass(frozen=True)
class Wire:
    """Speaks to a registry as one account."""

    host: str
    user: str = ""
    password: str = ""

    @classmethod
    def to(cls, registry: Registry, user: str = "", password: str = "") -> "Wire":
        """As the registry's own account, or another."""
        return cls(registry.host, user or registry.user, password or registry.password)

    def __call__(
        self, method: str, path: str, body: bytes | Iterable[bytes] | None = None, **headers: str
    ) -> Answer:
        """Send a request; a body that is not bytes goes in chunks, without a length."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.user:
            pair = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
            sent.setdefault("Authorization", f"Basic {pair}")
        connection = http.client.HTTPConnection(self.host, timeout=60)
        try:
            chunked = body is not None and not isinstance(body, bytes)
            connection.request(method, path, body, sent, encode_chunked=chunked)
            answer = connection.getresponse()
            fields = {name.lower(): value for name, value in answer.getheaders()}
            try:
                return Answer(answer.status, fields, answer.read())
            except http.client.IncompleteRead as error:
                return Answer(answer.status, fields, error.partial, cut=True)
        finally:
            connection.close()

    def blob(self, repository: str, data: bytes, algorithm: str = "sha256") -> str:
        """Push a blob as most clients do: its digest."""
        name = digest(data, algorithm)
        place = self("POST", f"/v2/{repository}/blobs/uploads/", b"")
        assert place.status == 202, place
        joint = "&" if "?" in place.location else "?"
        done = self("PUT", f"{place.location}{joint}digest={name}", data)
        assert done.status == 201, done
        return name

    def artifact(self, repository: str, tag: str, *layers: bytes, **more: Any) -> str:
        """Push layers and their manifest; its digest."""
        body = manifest(self.blob(repository, b"{}"), *(
            (self.blob(repository, each), each) for each in layers
        ), **more)  # fmt: skip
        answer = self("PUT", f"/v2/{repository}/manifests/{tag}", body, content_type=MANIFEST)
        assert answer.status == 201, answer
        return digest(body)


def digest(data: bytes, algorithm: str = "sha256") -> str:
    """Of `data`."""
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


def manifest(config: str, *layers: tuple[str, bytes], **more: Any) -> bytes:
    """An image manifest over an empty config."""
    octets = "application/octet-stream"
    found = [{"mediaType": octets, "digest": name, "size": len(data)} for name, data in layers]
    empty = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": config, "size": 2}
    document = {"schemaVersion": 2, "mediaType": MANIFEST, "config": empty, "layers": found, **more}
    return json.dumps(document).encode()


def stored(upstream: Registry, name: str) -> Path:
    """Where Debian's docker-registry keeps a blob."""
    kind, _, text = name.partition(":")
    return upstream.state / f"data/docker/registry/v2/blobs/{kind}/{text[:2]}/{text}/data"
