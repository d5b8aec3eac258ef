"""What `kit` sends, request by request, and what it insists on in the answers.

Recorded from the real program (1.7.0) with a proxy before the Hub. No registry of packages has
`kit`, so this stands in for it where nobody installed it; tests/integration/registry_clients
drives the program itself where somebody did.
"""

import base64
import hashlib
import http.client
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.rig.registries import Registry, hub

AGENT = {"User-Agent": "kitops-cli/1.7.0", "Accept-Encoding": "gzip"}
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
ACCEPT = (
    "application/vnd.docker.distribution.manifest.v2+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, "
    f"{MANIFEST}, application/vnd.oci.image.index.v1+json, "
    "application/vnd.oci.artifact.manifest.v1+json"
)
PIECE = 1_048_576
"""Bytes of a piece; `kit` sends 100 MiB."""


class Kit:
    """The requests of `kit`, one connection each, as its pool opens them when several go at once."""

    def __init__(self, registry: Registry, password: str = "") -> None:
        self.host = registry.host
        self.basic = base64.b64encode(
            f"{registry.user}:{password or registry.password}".encode()
        ).decode()
        self.token = ""

    def ask(
        self, method: str, path: str, body: bytes = b"", **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self.host, timeout=60)
        sent = {**AGENT, **{name.replace("_", "-"): value for name, value in headers.items()}}
        if self.token and "Authorization" not in sent:
            sent["Authorization"] = f"Bearer {self.token}"
        if method in {"POST", "PUT", "PATCH"}:
            sent["Content-Length"] = str(len(body))
        connection.request(method, path, body or None, sent)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, data

    def challenge(self, method: str, path: str, **headers: str) -> str:
        """Ask without credentials, as `kit` does for each new scope: the scope that it is told."""
        self.token = ""
        status, told, _ = self.ask(method, path, **headers)
        assert status == 401
        scheme, _, rest = told["www-authenticate"].partition(" ")
        assert scheme == "Bearer"
        fields = dict(
            part.split("=", 1) for part in rest.replace('",', '"\n').replace('"', "").splitlines()
        )
        assert fields["realm"] == f"http://{self.host}/token"
        assert fields["service"] == self.host
        return fields.get("scope", "")

    def authorize(self, scope: str) -> int:
        """Get a token for a scope: the status."""
        wanted = f"scope={quote(scope, safe='')}&" if scope else ""
        self.token = ""
        status, _, data = self.ask(
            "GET",
            f"/token?{wanted}service={quote(self.host, safe='')}",
            Authorization=f"Basic {self.basic}",
        )
        if status == 200:
            self.token = json.loads(data)["access_token"]
        return status

    def login(self) -> int:
        """`kit login`: the status of what decides."""
        assert self.challenge("GET", "/v2/") == ""
        if (status := self.authorize("")) != 200:
            return status
        return self.ask("GET", "/v2/")[0]

    def push(self, name: str, blobs: list[bytes], manifest: bytes, tag: str) -> None:
        """`kit push`: five blobs at a time, the manifest by tag only."""
        where = f"/v2/{name}"
        by_digest = f"{where}/manifests/{digest(manifest)}"
        assert self.challenge("HEAD", by_digest, Accept=ACCEPT) == f"repository:{name}:pull"
        self.authorize(f"repository:{name}:pull")
        assert self.ask("HEAD", by_digest, Accept=ACCEPT)[0] == 404
        for blob in blobs:
            assert self.ask("HEAD", f"{where}/blobs/{digest(blob)}")[0] == 404
        scope = self.challenge("POST", f"{where}/blobs/uploads/")
        assert scope == f"repository:{name}:pull,push"
        self.authorize(scope)
        with ThreadPoolExecutor(5) as pool:
            list(pool.map(lambda blob: self.upload(where, blob), blobs))
        status, headers, _ = self.ask(
            "PUT", f"{where}/manifests/{tag}", manifest, Content_Type=MANIFEST
        )
        assert status == 201
        assert headers["docker-content-digest"] == digest(manifest)

    def upload(self, where: str, blob: bytes) -> None:
        """One blob, in pieces if it is larger than one."""
        status, headers, _ = self.ask("POST", f"{where}/blobs/uploads/")
        assert status == 202
        location = headers["location"]
        last = blob
        if len(blob) > PIECE:
            last = b""
            for start in range(0, len(blob), PIECE):
                piece = blob[start : start + PIECE]
                end = start + len(piece) - 1
                status, headers, _ = self.ask(
                    "PATCH", location, piece, Content_Range=f"{start}-{end}",
                    Content_Type="application/octet-stream",
                )  # fmt: skip
                assert status == 202
                # It refuses `bytes=0-…`.
                assert headers["range"] == f"0-{end}"
                location = headers["location"]
        status, headers, _ = self.ask(
            "PUT", f"{location}?digest={quote(digest(blob), safe='')}", last,
            Content_Type="application/octet-stream",
        )  # fmt: skip
        assert status == 201
        # Without it, it crashes.
        assert headers["location"]

    def pull(self, name: str, tag: str) -> list[bytes]:
        """`kit pull`: the blobs."""
        where = f"/v2/{name}"
        by_tag = f"{where}/manifests/{tag}"
        assert self.challenge("GET", by_tag, Accept=ACCEPT) == f"repository:{name}:pull"
        self.authorize(f"repository:{name}:pull")
        status, first, _ = self.ask("GET", by_tag, Accept=ACCEPT)
        assert status == 200
        assert (
            self.ask("HEAD", by_tag, Accept=ACCEPT)[1]["content-length"] == first["content-length"]
        )
        pinned = f"{where}/manifests/{first['docker-content-digest']}"
        _, headers, manifest = self.ask("GET", pinned, Accept=MANIFEST)
        assert headers["content-type"] == MANIFEST
        read = json.loads(manifest)
        found = []
        for each in (read["config"], *read["layers"]):
            status, _, data = self.ask("GET", f"{where}/blobs/{each['digest']}")
            assert status == 200
            assert digest(data) == each["digest"]
            found.append(data)
        return found


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def modelkit(blobs: list[bytes]) -> bytes:
    """The manifest as that version of `kit` writes it: without `mediaType` and `artifactType`."""
    kinds = ["config.v1+json", "model.v1.tar", "code.v1.tar", "dataset.v1.tar", "docs.v1.tar"]
    found = [
        {
            "mediaType": f"application/vnd.kitops.modelkit.{kind}",
            "digest": digest(blob),
            "size": len(blob),
        }
        for kind, blob in zip(kinds, blobs, strict=True)
    ]
    document = {
        "schemaVersion": 2,
        "config": found[0],
        "layers": found[1:],
        "annotations": {"ml.kitops.modelkit.cli-version": "1.7.0"},
    }
    return json.dumps(document).encode()


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory):
    with hub(tmp_path_factory.mktemp("hub")) as started:
        yield started


def test_login(registry: Registry) -> None:
    assert Kit(registry).login() == 200
    assert Kit(registry, "wrong").login() == 401


def test_push_pull_remove(registry: Registry, tmp_path: Path) -> None:
    kit = Kit(registry)
    blobs = [b"{}", bytes(range(256)) * 12_000, b"code" * 640, b"data" * 640, b"docs" * 512]
    manifest = modelkit(blobs)
    kit.push("team/a", blobs, manifest, "v1")
    assert kit.pull("team/a", "v1") == blobs
    # `kit remove --remote` asks for the scopes in this order.
    kit.authorize("repository:team/a:delete,pull")
    assert kit.ask("DELETE", f"/v2/team/a/manifests/{digest(manifest)}")[0] == 202
    kit.authorize("repository:team/a:pull")
    assert kit.ask("HEAD", "/v2/team/a/manifests/v1", Accept=ACCEPT)[0] == 404


def test_a_piece_that_is_sent_again(registry: Registry) -> None:
    """Newer ones send a piece again when its connection broke, and give up when that is refused."""
    kit = Kit(registry)
    kit.authorize("repository:team/b:pull,push")
    location = kit.ask("POST", "/v2/team/b/blobs/uploads/")[1]["location"]
    connection = http.client.HTTPConnection(registry.host, timeout=60)
    connection.putrequest("PATCH", location)
    for name, value in {
        **AGENT, "Authorization": f"Bearer {kit.token}", "Content-Range": "0-999999",
        "Content-Length": "1000000", "Content-Type": "application/octet-stream",
    }.items():  # fmt: skip
        connection.putheader(name, value)
    connection.endheaders(b"x" * 400_000)
    connection.close()
    piece = b"y" * 1_000_000
    status, headers, data = kit.ask("PATCH", location, piece, Content_Range="0-999999")
    assert status == 202, data
    assert headers["range"] == "0-999999"
    end = f"{headers['location']}?digest={digest(piece)}"
    assert kit.ask("PUT", end)[0] == 201


def test_a_refusal_that_it_shows(registry: Registry) -> None:
    """It shows the reason only if the type is exactly this one, without parameters."""
    kit = Kit(registry)
    kit.authorize("repository:team/c:pull")
    status, headers, data = kit.ask("POST", "/v2/team/c/blobs/uploads/")
    assert status == 403
    assert headers["content-type"] == "application/json"
    (error,) = json.loads(data)["errors"]
    assert error["code"] == "DENIED"
    assert error["message"]
