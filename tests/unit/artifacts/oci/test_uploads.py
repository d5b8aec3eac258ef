"""One blob on its way, at registries with ways of their own."""

import asyncio
import re
from urllib.parse import parse_qs, urlsplit

import pytest

from remit.artifacts.errors import DigestError
from remit.artifacts.oci.client import Repository
from remit.artifacts.oci.digests import digest_of
from remit.artifacts.oci.errors import DeniedError, ProtocolError, RegistryError, UnreachableError
from remit.artifacts.oci.manifest import Descriptor
from remit.artifacts.oci.uploads import Upload
from tests.rig.scripted import Said, session

CONTENT = bytes(range(256)) * 10
BLOB = Descriptor(media_type="x", digest=digest_of(CONTENT), size=len(CONTENT))


class Server:
    """Uploads as the specification has them, and ways to differ from it."""

    def __init__(self, **ways):
        self.ways = ways
        self.blobs: dict[str, bytes] = {}
        self.uploads: dict[str, bytes] = {}
        self.mountable: set[str] = set()
        self.log: list[str] = []
        self.cuts = list(ways.get("cuts", []))
        self.transport = None

    def __call__(self, request):  # noqa: PLR0911
        parts = urlsplit(request.url)
        query = {key: value[0] for key, value in parse_qs(parts.query).items()}
        body = self.transport.bodies[-1]
        self.log.append(f"{request.method} {parts.path.rpartition('/')[2]}")
        if "/blobs/sha256:" in parts.path:
            found = self.blobs.get(parts.path.rpartition("/")[2])
            return Said(404) if found is None else Said(200, content_length=str(len(found)))
        if request.method == "POST":
            if query.get("from") in self.mountable:
                return Said(201, location="/x")
            name = f"u{len(self.uploads)}"
            self.uploads[name] = b""
            more = {"oci_chunk_min_length": "1000"} if self.ways.get("minimum") else {}
            return Said(202, location=f"/v2/a/blobs/uploads/{name}?state=0", **more)
        name = parts.path.rpartition("/")[2]
        if name not in self.uploads:
            return Said(404)
        there = self.uploads[name]
        if request.method == "GET":
            return self.place(name, 204)
        if request.method == "DELETE":
            del self.uploads[name]
            return Said(204)
        if request.method == "PATCH":
            return self.patch(name, request, there, body)
        if self.cuts and self.cuts[0] == "put":
            self.cuts.pop(0)
            self.blobs[query["digest"]] = there + body
            return UnreachableError("cut")
        if digest_of(there + body) != query["digest"]:
            return Said(400, b'{"errors":[{"code":"DIGEST_INVALID","message":"no"}]}')
        self.blobs[query["digest"]] = there + body
        del self.uploads[name]
        return Said(201, location="/x")

    def patch(self, name, request, there, body):
        if "refuse" in self.ways:
            return Said(self.ways["refuse"])
        begin = int(re.match(r"(\d+)-", dict(request.headers)["Content-Range"])[1])
        if begin != len(there):
            return Said(416)
        if self.cuts:
            keep = self.cuts.pop(0)
            if keep == "lose":
                self.uploads.clear()
            else:
                self.uploads[name] = there + body[:keep]
            return UnreachableError("cut")
        self.uploads[name] = there + body
        return self.place(name, self.ways.get("patched", 202))

    def place(self, name, status):
        there = len(self.uploads[name])
        said = self.ways.get("range", f"0-{max(there - 1, 0)}")
        location = f"/v2/a/blobs/uploads/{name}?state={there}"
        return Said(status, location=location, range=said)


class Memory:
    def __init__(self, location=""):
        self.location = location
        self.kept = []

    def keep(self, location):
        self.location = location
        self.kept.append(location)

    def forget(self):
        self.location = ""


def upload(server, *, chunk=1000, content=CONTENT, host="registry.example", **more):
    found, server.transport = session(server, f"https://{host}")

    async def reader(offset, length):
        for at in range(offset, offset + length, 300):
            yield content[at : min(at + 300, offset + length)]

    made = Upload(
        repository=Repository(found, "a"), descriptor=BLOB, reader=reader, chunk=chunk, **more
    )
    return asyncio.run(made.run())


def test_what_is_there_is_not_sent():
    server = Server()
    server.blobs[BLOB.digest] = CONTENT
    assert upload(server) == "exists"
    assert len(server.log) == 1


def test_a_blob_of_another_size_is_not_there():
    server = Server()
    server.blobs[BLOB.digest] = b"short"
    assert upload(server) == "sent"


def test_small_ones_are_one_request():
    server = Server()
    assert upload(server, chunk=10_000) == "sent"
    assert [each.split()[0] for each in server.log] == ["HEAD", "POST", "PUT"]


def test_large_ones_are_chunks():
    server = Server()
    moved = []
    assert upload(server, moved=moved.append) == "sent"
    assert [each.split()[0] for each in server.log] == ["HEAD", "POST"] + ["PATCH"] * 3 + ["PUT"]
    assert moved == sorted(moved)
    assert moved[-1] == BLOB.size


def test_chunks_are_as_large_as_the_registry_wants():
    server = Server(minimum=True)
    upload(server, chunk=10)
    assert [each.split()[0] for each in server.log].count("PATCH") == 3


@pytest.mark.parametrize("status", [201, 202, 204])
def test_statuses_that_stand_for_a_chunk(status):
    server = Server(patched=status)
    assert upload(server) == "sent"
    assert server.blobs[BLOB.digest] == CONTENT


@pytest.mark.parametrize("status", [400, 404, 405, 413, 415, 501])
def test_without_chunks_it_is_one_request(status):
    server = Server(refuse=status)
    assert upload(server) == "sent"
    assert server.blobs[BLOB.digest] == CONTENT
    assert server.log[-1].startswith("PUT")


@pytest.mark.parametrize("host", ["ghcr.io", "europe.pkg.dev", "1.dkr.ecr.eu.amazonaws.com"])
def test_hosts_that_take_no_chunks(host):
    server = Server()
    upload(server, host=host)
    assert not any(each.startswith("PATCH") for each in server.log)


def test_a_host_that_only_ends_like_one():
    server = Server()
    upload(server, host="notghcr.io")
    assert any(each.startswith("PATCH") for each in server.log)


@pytest.mark.parametrize("cuts", [[0], [500], [1000], [0, 0], [300, 300, 300], [500, 5, 999]])
def test_after_a_cut_it_goes_on_where_the_registry_is(cuts):
    server = Server(cuts=cuts)
    assert upload(server) in {"sent", "resumed"}
    assert server.blobs[BLOB.digest] == CONTENT
    assert [each.split()[0] for each in server.log].count("POST") == 1


def test_one_byte_and_none_look_alike():
    server = Server(cuts=[1, 999, 5])
    assert upload(server) in {"sent", "resumed"}
    assert server.blobs[BLOB.digest] == CONTENT


def test_an_upload_that_was_forgotten_begins_anew():
    server = Server(cuts=["lose"])
    assert upload(server) == "sent"
    assert server.blobs[BLOB.digest] == CONTENT


def test_a_cut_after_the_last_byte_is_no_loss():
    server = Server(cuts=["put"])
    assert upload(server, chunk=10_000) == "sent"
    assert [each.split()[0] for each in server.log] == ["HEAD", "POST", "PUT", "HEAD"]


def test_cuts_without_end_are_given_up():
    server = Server(cuts=[0] * 100)
    with pytest.raises(UnreachableError):
        upload(server)
    assert len(server.log) < 40


def test_progress_earns_more_attempts():
    server = Server(cuts=[100] * 20)
    assert upload(server) == "resumed"
    assert server.blobs[BLOB.digest] == CONTENT


def test_mounts():
    server = Server()
    server.mountable = {"b"}
    assert upload(server, mounts=["c", "b"]) == "mounted"
    assert not any(each.startswith(("PATCH", "PUT")) for each in server.log)


def test_a_mount_that_is_not_made_is_an_upload():
    server = Server()
    assert upload(server, mounts=["c", "b"]) == "sent"
    assert len(server.uploads) == 0


def test_memory_of_another_process():
    server = Server()
    server.uploads["u7"] = CONTENT[:1500]
    memory = Memory("https://registry.example/v2/a/blobs/uploads/u7?state=1500")
    assert upload(server, slot=memory) == "resumed"
    assert server.blobs[BLOB.digest] == CONTENT
    assert not any(each.startswith("POST") for each in server.log)
    assert memory.location == ""


@pytest.mark.parametrize("there", [b"", CONTENT + b"more"])
def test_memory_that_is_of_no_use(there):
    server = Server()
    server.uploads["u7"] = there
    memory = Memory("https://registry.example/v2/a/blobs/uploads/u7?state=1500")
    assert upload(server, slot=memory) == "sent"


def test_memory_leads_nowhere_else():
    server = Server()
    with pytest.raises(DeniedError):
        upload(server, slot=Memory("http://evil.example/x"))


def test_other_bytes_in_an_old_upload_are_found_out():
    server = Server()
    server.uploads["u7"] = b"x" * 1500
    memory = Memory("https://registry.example/v2/a/blobs/uploads/u7?state=1500")
    with pytest.raises(DigestError):
        upload(server, slot=memory)
    assert memory.location == ""
    assert upload(server, slot=memory) == "sent"


def test_a_file_that_was_changed_is_found_out():
    with pytest.raises(DigestError):
        upload(Server(), content=b"y" * len(CONTENT))


@pytest.mark.parametrize("said", ["0-99999", "5-9", "nonsense"])
def test_a_registry_that_has_what_was_not_sent(said):
    with pytest.raises(ProtocolError):
        upload(Server(range=said))


def test_a_refusal_is_not_repeated():
    server = Server(refuse=403)
    with pytest.raises(RegistryError):
        upload(server)
    assert [each.split()[0] for each in server.log] == ["HEAD", "POST", "PATCH"]
