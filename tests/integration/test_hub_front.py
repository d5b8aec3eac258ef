"""A Hub in front of other registries: Debian's docker-registry, another Hub, and worse ones."""

import json
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rig.fronts import (
    INDEX,
    MANIFEST,
    Wire,
    digest,
    front,
    hub_command,
    manifest,
    stored,
    synced,
    upstream_options,
)
from tests.rig.governed import REMIT
from tests.rig.programs import clean_environment
from tests.rig.quirks import Quirks, quirky
from tests.rig.registries import Registry, docker_registry, free_port, hub

pytestmark = pytest.mark.timeout(180)
OCTETS = "application/octet-stream"


@pytest.fixture(scope="module")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with docker_registry(tmp_path_factory.mktemp("debian"), auth="basic") as running:
        yield running


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with hub(tmp_path_factory.mktemp("other")) as running:
        yield running


@pytest.fixture(scope="module")
def before_debian(debian: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with front(tmp_path_factory.mktemp("front"), debian) as running:
        yield running


@pytest.fixture(scope="module")
def before_other(other: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with front(tmp_path_factory.mktemp("front"), other) as running:
        yield running


@pytest.fixture(scope="module")
def proxied(debian: Registry) -> Iterator[tuple[Registry, Quirks]]:
    with quirky(debian) as found:
        yield found


@pytest.fixture(scope="module")
def before_proxied(
    proxied: tuple[Registry, Quirks], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Registry]:
    with front(tmp_path_factory.mktemp("front"), proxied[0]) as running:
        yield running


@pytest.fixture
def quirks(proxied: tuple[Registry, Quirks]) -> Iterator[Quirks]:
    """How the upstream of `before_proxied` behaves; well again afterwards."""
    found = proxied[1]
    found.seen.clear()
    yield found
    fresh = Quirks(seen=found.seen, host=found.host)
    found.__dict__.update(fresh.__dict__)


@pytest.fixture
def repo() -> str:
    return f"t{secrets.token_hex(5)}/model"


@pytest.fixture(params=["debian", pytest.param("other", marks=pytest.mark.slow)])
def pair(request: pytest.FixtureRequest) -> tuple[Registry, Registry]:
    """An upstream and a Hub in front of it."""
    found: Registry = request.getfixturevalue(request.param)
    return found, request.getfixturevalue(f"before_{request.param}")


# -- what must never be given out ----------------------------------------------------------------


def test_a_small_blob_whose_bytes_changed_upstream_is_refused(
    debian: Registry, before_debian: Registry, repo: str
) -> None:
    wire = Wire.to(before_debian)
    name = wire.blob(repo, b"a model")
    stored(debian, name).write_bytes(b"a modem")
    answer = wire("GET", f"/v2/{repo}/blobs/{name}")
    assert (answer.status, answer.code) == (502, "UNAVAILABLE")
    assert "does not have the digest" in answer.reason


def test_a_large_blob_whose_bytes_changed_upstream_is_cut_off(
    debian: Registry, before_debian: Registry, repo: str
) -> None:
    wire, data = Wire.to(before_debian), secrets.token_bytes(8 << 20)
    name = wire.blob(repo, data)
    assert wire("GET", f"/v2/{repo}/blobs/{name}").body == data
    stored(debian, name).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    answer = wire("GET", f"/v2/{repo}/blobs/{name}")
    assert answer.cut
    assert len(answer.body) < len(data)
    assert "was cut off" in before_debian.log.read_text()
    assert "Traceback" not in before_debian.log.read_text()


def test_a_wrong_blob_without_a_length_is_cut_off_too(
    before_proxied: Registry, quirks: Quirks, repo: str
) -> None:
    wire, data = Wire.to(before_proxied), secrets.token_bytes(2 << 20)
    name = wire.blob(repo, data)
    quirks.no_length = True
    answer = wire("GET", f"/v2/{repo}/blobs/{name}")
    assert answer.body == data
    quirks.wrong = b"!!"
    answer = wire("GET", f"/v2/{repo}/blobs/{name}")
    assert answer.cut
    assert len(answer.body) < len(data)


def test_a_manifest_whose_bytes_changed_upstream_is_refused(
    debian: Registry, before_debian: Registry, repo: str
) -> None:
    wire = Wire.to(before_debian)
    name = wire.artifact(repo, "v1", repo.encode())
    path = stored(debian, name)
    path.write_bytes(path.read_bytes().replace(b'"schemaVersion": 2', b'"schemaVersion":  2'))
    answer = wire("GET", f"/v2/{repo}/manifests/{name}")
    assert (answer.status, answer.code) == (502, "UNAVAILABLE")


def test_content_that_is_not_what_it_is_called_never_reaches_the_upstream(
    before_proxied: Registry, quirks: Quirks, repo: str
) -> None:
    wire, wrong = Wire.to(before_proxied), digest(b"something else")
    answer = wire("POST", f"/v2/{repo}/blobs/uploads/?digest={wrong}", b"something")
    assert (answer.status, answer.code) == (400, "DIGEST_INVALID")
    assert not any(each.method == "PUT" for each in quirks.seen)
    place = wire("POST", f"/v2/{repo}/blobs/uploads/", b"").location
    assert wire("PATCH", place, b"some", content_range="0-3").status == 202
    answer = wire("PUT", f"{place}?digest={wrong}", b"thing")
    assert (answer.status, answer.code) == (400, "DIGEST_INVALID")
    assert not any(each.method == "PUT" for each in quirks.seen)
    assert wire("GET", place).status == 404
    body = manifest(digest(b"{}"))
    answer = wire("PUT", f"/v2/{repo}/manifests/{wrong}", body, content_type=MANIFEST)
    assert (answer.status, answer.code) == (400, "DIGEST_INVALID")
    assert not any(each.method == "PUT" for each in quirks.seen)


def test_credentials_of_callers_end_at_the_hub(
    before_proxied: Registry, quirks: Quirks, repo: str
) -> None:
    wire = Wire.to(before_proxied)
    name = wire.artifact(repo, "v1", b"weights")
    wire("GET", f"/v2/{repo}/manifests/{name}")
    wire("GET", f"/v2/{repo}/tags/list")
    own = {each.headers.get("authorization") for each in quirks.seen}
    connection = Wire.to(before_proxied)
    assert connection.password not in str(own)
    import base64

    theirs = base64.b64encode(f"{connection.user}:{connection.password}".encode()).decode()
    assert not any(theirs in str(each.headers) for each in quirks.seen)
    assert not any("x-forwarded" in str(each.headers) for each in quirks.seen)


def _connections(port: int) -> int:
    """Connections to a port of this machine that are open, as the system knows them."""
    lines = [each.split() for each in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(each[2].endswith(f":{port:04X}") and each[3] == "01" for each in lines)


def test_nothing_is_fetched_for_a_client_that_went_away(
    before_debian: Registry, debian: Registry, repo: str
) -> None:
    wire = Wire.to(before_debian)
    name = wire.blob(repo, bytes(64 << 20))
    port = int(debian.host.rpartition(":")[2])
    before = _connections(port)
    command = ["curl", "-s", "--limit-rate", "100K", "-o", "/dev/null",
               "-u", f"{before_debian.user}:{before_debian.password}",
               f"{before_debian.url}/v2/{repo}/blobs/{name}"]  # fmt: skip
    clients = [subprocess.Popen(command) for _ in range(5)]
    try:
        deadline = time.monotonic() + 30
        while _connections(port) < before + 4:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    finally:
        for each in clients:
            each.kill()
            each.wait()
    deadline = time.monotonic() + 30
    while _connections(port) > max(before, 1):
        assert time.monotonic() < deadline, _connections(port)
        time.sleep(0.1)


# -- an upstream that fails ------------------------------------------------------------------------


PATHS = [
    ("GET", "blobs/sha256:" + "a" * 64),
    ("HEAD", "blobs/sha256:" + "a" * 64),
    ("GET", "manifests/v1"),
    ("HEAD", "manifests/v1"),
    ("GET", "manifests/sha256:" + "a" * 64),
    ("GET", "tags/list"),
    ("GET", "referrers/sha256:" + "a" * 64),
    ("POST", "blobs/uploads/"),
    ("DELETE", "manifests/v1"),
    ("DELETE", "manifests/sha256:" + "a" * 64),
    ("DELETE", "blobs/sha256:" + "a" * 64),
]


@pytest.mark.slow
def test_an_upstream_that_never_was_is_502_for_everything(tmp_path: Path, repo: str) -> None:
    nobody = Registry(host=f"127.0.0.1:{free_port()}", log=tmp_path, state=tmp_path)
    with front(tmp_path / "front", nobody) as running:
        wire = Wire.to(running)
        for method, path in PATHS:
            answer = wire(method, f"/v2/{repo}/{path}")
            assert answer.status == 502, (method, path, answer)
            if method != "HEAD":
                assert answer.code == "UNAVAILABLE"
                assert nobody.host in answer.reason
        assert wire("GET", "/v2/").status == 200
        assert wire("GET", "/healthz").status == 200
        assert wire("GET", "/v2/_catalog").status == 200


def test_something_that_is_no_registry_is_never_a_404(
    tmp_path: Path, debian: Registry, repo: str
) -> None:
    with quirky(debian) as (upstream, quirks), front(tmp_path / "front", upstream) as running:
        for kind, page in (
            ("text/html", b"<html>nothing here</html>"),
            ("application/json", b"{}"),
        ):
            quirks.answer = (404, kind, page)
            for method, path in PATHS:
                answer = Wire.to(running)(method, f"/v2/{repo}/{path}")
                assert answer.status == 502, (method, path, answer)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        pytest.param(500, 503, marks=pytest.mark.slow),
        (503, 503),
        pytest.param(429, 429, marks=pytest.mark.slow),
        (401, 502),
    ],
)
def test_what_the_upstream_cannot_do_now_is_said_so(
    status: int, said: int, before_proxied: Registry, quirks: Quirks, repo: str
) -> None:
    text = b'{"errors":[{"code":"UNKNOWN","message":"the disk of harbor is full"}]}'
    quirks.answer = (status, "application/json", text)
    for method, path in PATHS:
        answer = Wire.to(before_proxied)(method, f"/v2/{repo}/{path}")
        assert answer.status == said, (method, path, answer)
        if method != "HEAD" and status != 401:
            assert "the disk of harbor is full" in answer.reason


def test_a_refusal_of_the_upstream_reaches_the_client_with_its_reason(
    before_proxied: Registry, quirks: Quirks, repo: str
) -> None:
    wire = Wire.to(before_proxied)
    wire.artifact(repo, "v1", b"weights")
    text = b'{"errors":[{"code":"DENIED","message":"quota of the project is used up"}]}'
    quirks.answer = (403, "application/json", text)
    answer = wire("POST", f"/v2/{repo}/blobs/uploads/", b"")
    assert (answer.status, answer.code) == (403, "DENIED")
    assert "quota of the project is used up" in answer.reason
    text = b'{"errors":[{"code":"PRECONDITION","message":"the tag is immutable"}]}'
    quirks.answer = (412, "application/json", text)
    body = manifest(digest(b"{}"))
    answer = wire("PUT", f"/v2/{repo}/manifests/v1", body, content_type=MANIFEST)
    assert (answer.status, answer.code) == (412, "MANIFEST_INVALID")
    assert "the tag is immutable" in answer.reason


def test_an_upstream_that_hangs_holds_nobody_else_up(tmp_path: Path, repo: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = f"127.0.0.1:{silent.getsockname()[1]}"
        upstream = Registry(host=host, log=tmp_path, state=tmp_path)
        with front(tmp_path / "front", upstream) as running:
            waiting = [
                subprocess.Popen(
                    ["curl", "-s", "-u", f"{running.user}:{running.password}",
                     f"{running.url}/v2/{repo}/manifests/v{each}"],
                    stdout=subprocess.DEVNULL,
                )
                for each in range(40)
            ]  # fmt: skip
            try:
                time.sleep(1)
                started = time.monotonic()
                assert Wire.to(running)("GET", "/v2/_catalog").status == 200
                assert time.monotonic() - started < 5
                assert all(each.poll() is None for each in waiting)
            finally:
                for each in waiting:
                    each.kill()
                    each.wait()


# -- uploads ---------------------------------------------------------------------------------------


def test_pieces_whose_answer_is_201_are_pieces(
    before_proxied: Registry, quirks: Quirks, repo: str
) -> None:
    quirks.patch_status = 201
    _in_pieces(Wire.to(before_proxied), repo, secrets.token_bytes(300_000))


def _in_pieces(wire: Wire, repo: str, data: bytes, size: int = 100_000) -> None:
    place = wire("POST", f"/v2/{repo}/blobs/uploads/", b"").location
    for at in range(0, len(data), size):
        piece = data[at : at + size]
        answer = wire("PATCH", place, piece, content_range=f"{at}-{at + len(piece) - 1}")
        assert answer.status == 202, answer
        assert answer.headers["range"] == f"0-{at + len(piece) - 1}"
        place = answer.location
    name = digest(data)
    assert wire("PUT", f"{place}?digest={name}", b"").status == 201
    assert wire("GET", f"/v2/{repo}/blobs/{name}").body == data


@pytest.mark.parametrize("method", ["sized", "chunked"])
def test_an_upstream_that_takes_no_pieces_gets_the_whole(
    method: str, tmp_path: Path, debian: Registry, repo: str
) -> None:
    data = secrets.token_bytes(300_000)
    with quirky(debian) as (upstream, quirks), front(tmp_path / "front", upstream) as running:
        quirks.refuse = {"PATCH": 405}
        wire = Wire.to(running)
        if method == "sized":
            _in_pieces(wire, repo, data)
        else:
            # What went straight through is lost; the Hub has learned, and the next one is kept.
            place = wire("POST", f"/v2/{repo}/blobs/uploads/", b"").location
            answer = wire("PATCH", place, iter([data]))
            assert answer.status in {405, 503}
            place = wire("POST", f"/v2/{repo}/blobs/uploads/", b"").location
            assert wire("PATCH", place, iter([data])).status == 202
            assert wire("PUT", f"{place}?digest={digest(data)}", b"").status == 201
        sent = [each for each in quirks.seen if each.method == "PUT"]
        assert [each.length for each in sent] == [len(data)]
        assert sum(each.method == "PATCH" for each in quirks.seen) == 1
        wrong = digest(b"something else")
        place = wire("POST", f"/v2/{repo}/blobs/uploads/", b"").location
        assert wire("PATCH", place, data).status == 202
        answer = wire("PUT", f"{place}?digest={wrong}", b"")
        assert (answer.status, answer.code) == (400, "DIGEST_INVALID")
        assert not list((running.state / "spool/uploads").iterdir())


def test_a_blob_of_which_nothing_was_sent_is_the_empty_one(
    tmp_path: Path, debian: Registry, before_debian: Registry, repo: str
) -> None:
    empty = digest(b"")
    for running in (before_debian,):
        wire = Wire.to(running)
        place = wire("POST", f"/v2/{repo}/blobs/uploads/", b"").location
        assert wire("PUT", f"{place}?digest={empty}", b"").status == 201
        assert wire("HEAD", f"/v2/{repo}/blobs/{empty}").headers["content-length"] == "0"
        assert wire("GET", f"/v2/{repo}/blobs/{empty}").body == b""
    with front(tmp_path / "front", debian, options=["--upstream-whole"]) as running:
        wire = Wire.to(running)
        place = wire("POST", f"/v2/{repo}/blobs/uploads/", b"").location
        assert wire("PUT", f"{place}?digest={empty}", b"").status == 201


@pytest.mark.parametrize("when", ["drop_before", "drop_after"])
@pytest.mark.parametrize("method", ["PATCH", "PUT", "POST"])
def test_a_connection_to_the_upstream_that_breaks_is_mended(
    when: str, method: str, before_proxied: Registry, quirks: Quirks, repo: str
) -> None:
    setattr(quirks, when, {method: 1})
    wire, data = Wire.to(before_proxied), secrets.token_bytes(300_000)
    if (when, method) == ("drop_after", "PATCH"):
        # Debian's forgets an upload when it is asked with the place from before the last piece.
        place = wire("POST", f"/v2/{repo}/blobs/uploads/", b"").location
        answer = wire("PATCH", place, data[:100_000], content_range="0-99999")
        assert (answer.status, answer.code) == (404, "BLOB_UPLOAD_UNKNOWN")
    _in_pieces(wire, repo, data)


def test_a_piece_whose_answer_was_lost_is_there(tmp_path: Path, other: Registry, repo: str) -> None:
    with quirky(other) as (upstream, quirks), front(tmp_path / "front", upstream) as running:
        quirks.drop_after = {"PATCH": 2, "PUT": 1}
        _in_pieces(Wire.to(running), repo, secrets.token_bytes(300_000))


def test_a_piece_whose_client_goes_away_is_as_if_it_had_not_begun(
    pair: tuple[Registry, Registry], repo: str
) -> None:
    _, running = pair
    wire, data = Wire.to(running), secrets.token_bytes(300_000)
    place = wire("POST", f"/v2/{repo}/blobs/uploads/", b"").location
    assert wire("PATCH", place, data[:100_000], content_range="0-99999").status == 202
    _cut(running, place, data[100_000:], "100000-299999")
    deadline = time.monotonic() + 20
    while (answer := wire("PATCH", place, data[100_000:], content_range="100000-299999")).status:
        if answer.status == 202 or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    assert answer.status == 202, answer
    assert wire("PUT", f"{answer.location}?digest={digest(data)}", b"").status == 201


def _cut(running: Registry, place: str, data: bytes, content_range: str) -> None:
    """Begin to send a piece and go away in the middle of it."""
    import base64

    host, _, port = running.host.partition(":")
    pair = base64.b64encode(f"{running.user}:{running.password}".encode()).decode()
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(
            f"PATCH {place} HTTP/1.1\r\nHost: {running.host}\r\nAuthorization: Basic {pair}\r\n"
            f"Content-Length: {len(data)}\r\nContent-Range: {content_range}\r\n\r\n".encode()
            + data[: len(data) // 2]
        )
        time.sleep(0.3)


def test_an_upload_outlives_the_hub_that_began_it(
    tmp_path: Path, pair: tuple[Registry, Registry], repo: str
) -> None:
    upstream, _ = pair
    data = secrets.token_bytes(300_000)
    with front(tmp_path / "front", upstream) as running:
        wire = Wire.to(running)
        place = wire("POST", f"/v2/{repo}/blobs/uploads/", b"").location
        place = wire("PATCH", place, data[:100_000], content_range="0-99999").location
    with front(tmp_path / "front", upstream) as running:
        wire = Wire.to(running)
        assert wire("GET", place).headers["range"] == "0-99999"
        assert wire("PATCH", place, data[100_000:], content_range="100000-299999").status == 202
        # The digest of the first part is not known here: the upstream alone compares.
        assert wire("PUT", f"{place}?digest={digest(data)}", b"").status == 201
        assert wire("GET", f"/v2/{repo}/blobs/{digest(data)}").body == data


def test_pieces_of_unknown_length_and_large_ones_go_straight_through(
    pair: tuple[Registry, Registry], repo: str
) -> None:
    _, running = pair
    wire, data = Wire.to(running), secrets.token_bytes(5 << 20)
    place = wire("POST", f"/v2/{repo}/blobs/uploads/", b"").location
    answer = wire(
        "PATCH", place, iter([data[at : at + 70_000] for at in range(0, 5 << 20, 70_000)])
    )
    assert answer.status == 202, answer
    assert answer.headers["range"] == f"0-{len(data) - 1}"
    assert wire("PUT", f"{answer.location}?digest={digest(data)}", b"").status == 201
    assert wire("GET", f"/v2/{repo}/blobs/{digest(data)}").body == data
    large = bytes(140 << 20)
    assert wire("POST", f"/v2/{repo}/blobs/uploads/?digest={digest(large)}", large).status == 201
    wrong = digest(b"something else")
    answer = wire("POST", f"/v2/{repo}/blobs/uploads/?digest={wrong}", large)
    assert (answer.status, answer.code) == (400, "DIGEST_INVALID")
    assert wire("HEAD", f"/v2/{repo}/blobs/{wrong}").status == 404


def test_an_upload_that_the_upstream_lost_is_lost(
    before_proxied: Registry, quirks: Quirks, repo: str
) -> None:
    wire = Wire.to(before_proxied)
    place = wire("POST", f"/v2/{repo}/blobs/uploads/", b"").location
    quirks.answer = (
        404, "application/json", b'{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN","message":"gone"}]}'
    )  # fmt: skip
    answer = wire("PATCH", place, b"some", content_range="0-3")
    assert (answer.status, answer.code) == (404, "BLOB_UPLOAD_UNKNOWN")
    quirks.answer = None
    assert wire("GET", place).status == 404


def test_a_mount_needs_the_right_to_pull_from_its_source(
    pair: tuple[Registry, Registry], repo: str
) -> None:
    _, running = pair
    admin = Wire.to(running)
    source = f"{repo}/secret"
    name = admin.blob(source, secrets.token_bytes(100))
    user = f"u{secrets.token_hex(4)}"
    wire = _account(running, user, writer=f"{repo}/mine")
    path = f"/v2/{repo}/mine/blobs/uploads/?mount={name}&from={source}"
    assert wire("POST", path, b"").status == 202
    assert wire("HEAD", f"/v2/{repo}/mine/blobs/{name}").status == 404
    answer = admin("POST", path, b"")
    assert answer.status == 201
    assert admin("HEAD", f"/v2/{repo}/mine/blobs/{name}").status == 200


def _account(running: Registry, name: str, **roles: str) -> Wire:
    password = secrets.token_hex(10)
    done = subprocess.run(
        [REMIT, "hub", "account", "add", name, "--state", str(running.state)],
        input=f"{password}\n", text=True, capture_output=True, check=True,
        env=clean_environment(running.state.parent / "home"),
    )  # fmt: skip
    assert done.returncode == 0
    for role, pattern in roles.items():
        assert hub_command(running, "grant", name, role, pattern).returncode == 0
    return Wire(running.host, name, password)


# -- manifests, tags, referrers ----------------------------------------------------------------------


def test_referrers_are_listed_whatever_the_upstream_knows_of_them(
    pair: tuple[Registry, Registry], repo: str
) -> None:
    upstream, running = pair
    wire = Wire.to(running)
    subject = wire.artifact(repo, "v1", b"weights")
    about = {"mediaType": MANIFEST, "digest": subject, "size": 7}
    config = digest(b"{}")
    found = {}
    for kind in ("application/example.scan", "application/example.sbom"):
        body = manifest(config, artifactType=kind, subject=about, annotations={"of": kind})
        path = f"/v2/{repo}/manifests/{digest(body)}"
        answer = wire("PUT", path, body, content_type=MANIFEST)
        assert answer.status == 201
        assert answer.headers["oci-subject"] == subject
        found[kind] = digest(body)
    answer = wire("GET", f"/v2/{repo}/referrers/{subject}")
    assert answer.headers["content-type"] == INDEX
    listed = {each["artifactType"]: each for each in answer.json["manifests"]}
    assert {kind: each["digest"] for kind, each in listed.items()} == found
    assert listed["application/example.scan"]["annotations"] == {"of": "application/example.scan"}
    answer = wire("GET", f"/v2/{repo}/referrers/{subject}?artifactType=application/example.sbom")
    assert answer.headers["oci-filters-applied"] == "artifactType"
    assert [each["digest"] for each in answer.json["manifests"]] == [
        found["application/example.sbom"]
    ]
    # Paged, as the specification has it.
    first = wire("GET", f"/v2/{repo}/referrers/{subject}?n=1")
    assert len(first.json["manifests"]) == 1
    following = first.headers["link"].split(";")[0].strip("<>")
    assert len(wire("GET", following).json["manifests"]) == 1
    # The tag that stands in for the API upstream is not one of the repository's.
    assert wire("GET", f"/v2/{repo}/tags/list").json["tags"] == ["v1"]
    gone = found["application/example.scan"]
    assert wire("DELETE", f"/v2/{repo}/manifests/{gone}").status == 202
    answer = wire("GET", f"/v2/{repo}/referrers/{subject}")
    assert [each["digest"] for each in answer.json["manifests"]] == [
        found["application/example.sbom"]
    ]
    assert wire("GET", f"/v2/{repo}/referrers/{'sha256:' + '0' * 64}").json["manifests"] == []
    del upstream


def test_tags_are_in_the_order_of_bytes_and_paged(
    pair: tuple[Registry, Registry], repo: str
) -> None:
    _, running = pair
    wire = Wire.to(running)
    for tag in ("b", "A", "_x", "a10", "a9"):
        wire.artifact(repo, tag, b"weights")
    assert wire("GET", f"/v2/{repo}/tags/list").json["tags"] == ["A", "_x", "a10", "a9", "b"]
    page = wire("GET", f"/v2/{repo}/tags/list?n=2&last=A")
    assert page.json["tags"] == ["_x", "a10"]
    assert 'rel="next"' in page.headers["link"]
    nothing = wire("GET", f"/v2/{repo}/tags/list?n=0")
    assert nothing.json["tags"] == []
    assert "link" not in nothing.headers
    answer = wire("GET", f"/v2/{repo}x/tags/list")
    assert (answer.status, answer.code) == (404, "NAME_UNKNOWN")


def test_a_manifest_over_blobs_that_are_not_there_is_refused(
    pair: tuple[Registry, Registry], repo: str
) -> None:
    wire = Wire.to(pair[1])
    wire.blob(repo, b"{}")
    body = manifest(digest(b"{}"), (digest(b"nowhere"), b"nowhere"))
    answer = wire("PUT", f"/v2/{repo}/manifests/v1", body, content_type=MANIFEST)
    assert (answer.status, answer.code) == (404, "MANIFEST_BLOB_UNKNOWN")


def test_rules_hold_before_another_registry(pair: tuple[Registry, Registry], repo: str) -> None:
    upstream, running = pair
    wire = Wire.to(running)
    done = hub_command(running, "rule", "set", repo, "--immutable", "v*", "--quota", "10K")
    assert done.returncode == 0, done.stderr
    first = wire.artifact(repo, "v1", b"weights")
    assert wire.artifact(repo, "v1", b"weights") == first
    body = manifest(digest(b"{}"))
    answer = wire("PUT", f"/v2/{repo}/manifests/v1", body, content_type=MANIFEST)
    assert (answer.status, answer.code) == (403, "DENIED")
    assert "must not move" in answer.reason
    # Also a tag of which only the upstream knows.
    Wire.to(upstream).artifact(repo, "v2", b"past the Hub")
    answer = wire("PUT", f"/v2/{repo}/manifests/v2", body, content_type=MANIFEST)
    assert (answer.status, answer.code) == (403, "DENIED")
    for name in ("v1", first):
        assert wire("DELETE", f"/v2/{repo}/manifests/{name}").status == 403
    large = secrets.token_bytes(11_000)
    answer = wire("POST", f"/v2/{repo}/blobs/uploads/?digest={digest(large)}", large)
    assert (answer.status, answer.code) == (403, "DENIED")
    # Each would fit, and both do not.
    halves = [secrets.token_bytes(6_000) for _ in range(2)]
    body = manifest(digest(b"{}"), *((wire.blob(repo, each), each) for each in halves))
    answer = wire("PUT", f"/v2/{repo}/manifests/latest", body, content_type=MANIFEST)
    assert (answer.status, answer.code) == (403, "DENIED")
    assert "may hold 10000 bytes" in answer.reason
    assert wire("GET", f"/v2/{repo}/tags/list").json["tags"] == ["v1", "v2"]


def test_deleting_is_what_the_upstream_can(
    debian: Registry, before_debian: Registry, before_other: Registry, repo: str
) -> None:
    for running, status in ((before_debian, 405), (before_other, 202)):
        wire = Wire.to(running)
        name = wire.artifact(repo, "v1", b"weights")
        answer = wire("DELETE", f"/v2/{repo}/manifests/v1")
        assert answer.status == status, answer
        if status == 405:
            assert answer.code == "UNSUPPORTED"
        assert wire("DELETE", f"/v2/{repo}/blobs/{digest(b'weights')}").status == 403
        assert wire("DELETE", f"/v2/{repo}/manifests/{name}").status == 202
        assert wire("GET", f"/v2/{repo}/manifests/{name}").status == 404
        assert wire("DELETE", f"/v2/{repo}/manifests/{name}").status == 404
        assert wire("DELETE", f"/v2/{repo}/blobs/{digest(b'weights')}").status == 202
        assert wire("GET", f"/v2/{repo}/blobs/{digest(b'weights')}").status == 404


# -- what the Hub knows --------------------------------------------------------------------------------


def _log(running: Registry, kind: str, repo: str) -> list[dict[str, object]]:
    done = subprocess.run(
        [REMIT, "audit", "search", "--state", str(running.state), "-o", "json", f"kind={kind}"],
        capture_output=True, text=True, check=False, timeout=60,
        env=clean_environment(running.state.parent / "home"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines() if line.strip()]
    return [each for each in records if repo in json.dumps(each)]


def test_what_was_pushed_past_the_hub_is_found_and_what_was_deleted_is_lost(
    pair: tuple[Registry, Registry], repo: str
) -> None:
    upstream, running = pair
    past, wire = Wire.to(upstream), Wire.to(running)
    first = past.artifact(repo, "v1", b"weights")
    second = past.artifact(repo, "v2", b"other weights")
    about = {"mediaType": MANIFEST, "digest": first, "size": 7}
    body = manifest(digest(b"{}"), artifactType="application/example.scan", subject=about)
    scan = digest(body)
    past("PUT", f"/v2/{repo}/manifests/{scan}", body, content_type=MANIFEST)
    if upstream.auth == "basic":
        index = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": INDEX,
                "manifests": [{"mediaType": MANIFEST, "digest": scan, "size": len(body)}],
            }
        ).encode()
        tag = first.replace(":", "-")
        answer = past("PUT", f"/v2/{repo}/manifests/{tag}", index, content_type=INDEX)
        assert answer.status == 201
    assert repo not in wire("GET", "/v2/_catalog").json["repositories"]
    found = synced(running, upstream)
    assert found["failed"] == []
    assert found["found"] >= 3
    assert repo in wire("GET", "/v2/_catalog").json["repositories"]
    assert _known(running, repo) == {first: ["v1"], second: ["v2"], scan: []}
    assert synced(running, upstream)["found"] == 0
    assert past("DELETE", f"/v2/{repo}/manifests/{second}").status == 202
    assert synced(running, upstream)["lost"] == 1
    assert _known(running, repo) == {first: ["v1"], second: [], scan: []}
    assert synced(running, upstream, "--deep")["lost"] == 1
    assert _known(running, repo) == {first: ["v1"], scan: []}


def _known(running: Registry, repo: str) -> dict[str, list[str]]:
    """Manifests of the catalogue and their tags."""
    import sqlite3

    with sqlite3.connect(running.state / "hub.db") as database:
        id_ = database.execute("SELECT id FROM repositories WHERE name = ?", (repo,)).fetchone()
        found: dict[str, list[str]] = {
            digest: []
            for (digest,) in database.execute(
                "SELECT digest FROM manifests WHERE repository = ?", id_
            )
        }
        for name, of in database.execute("SELECT name, digest FROM tags WHERE repository = ?", id_):
            found[of].append(name)
    return found


def test_what_is_pulled_is_noted(pair: tuple[Registry, Registry], repo: str) -> None:
    upstream, running = pair
    name = Wire.to(upstream).artifact(repo, "v1", b"weights")
    wire = Wire.to(running)
    assert wire("HEAD", f"/v2/{repo}/manifests/v1").headers["docker-content-digest"] == name
    assert wire("GET", f"/v2/{repo}/manifests/v1").status == 200
    assert _known(running, repo) == {name: ["v1"]}


def test_a_catalogue_that_the_upstream_does_not_give_is_named(
    debian: Registry, tmp_path: Path, repo: str
) -> None:
    name = Wire.to(debian).artifact(repo, "v1", b"weights")
    with quirky(debian) as (upstream, quirks), front(tmp_path / "front", upstream) as running:
        quirks.refuse = {}
        found = synced(running, upstream, "--upstream-repository", repo)
        assert found["failed"] == []
        assert found["repositories"] == 1
        assert _known(running, repo) == {name: ["v1"]}
        assert not any("_catalog" in each.path for each in quirks.seen)
    del name


def test_a_hub_polls_by_itself(tmp_path: Path, debian: Registry, repo: str) -> None:
    with front(tmp_path / "front", debian, options=["--upstream-poll", "0.2"]) as running:
        Wire.to(debian).artifact(repo, "v1", b"weights")
        wire, deadline = Wire.to(running), time.monotonic() + 60
        while repo not in wire("GET", "/v2/_catalog?n=1000").json["repositories"]:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_a_prefix_stands_before_every_name(tmp_path: Path, debian: Registry, repo: str) -> None:
    project = f"p{secrets.token_hex(4)}"
    with front(tmp_path / "front", debian, prefix=f"/{project}") as running:
        wire = Wire.to(running)
        name = wire.artifact(repo, "v1", b"weights")
        past = Wire.to(debian)("GET", f"/v2/{project}/{repo}/manifests/{name}", accept=MANIFEST)
        assert past.status == 200
        mounted = wire(
            "POST", f"/v2/{repo}x/blobs/uploads/?mount={digest(b'weights')}&from={repo}", b""
        )
        assert mounted.status == 201
        options = upstream_options(tmp_path, debian, f"/{project}")
        assert hub_command(running, "sync", *options).returncode == 0
        assert wire("GET", "/v2/_catalog").json["repositories"] == [repo]


def test_the_collector_leaves_the_upstream_alone(
    pair: tuple[Registry, Registry], repo: str
) -> None:
    _, running = pair
    wire = Wire.to(running)
    rule = ("rule", "set", repo, "--untagged-days", "0.000001", "--keep-days", "0.000001")
    assert hub_command(running, *rule).returncode == 0
    name = wire.artifact(repo, "v1", b"weights")
    time.sleep(0.3)
    done = hub_command(running, "gc", "--grace", "0", "--stray-age", "0", "-o", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["manifests"] == json.loads(done.stdout)["tags"] == 0
    assert wire("GET", f"/v2/{repo}/manifests/v1").status == 200
    assert wire("GET", f"/v2/{repo}/blobs/{digest(b'weights')}").status == 200
    assert _known(running, repo) == {name: ["v1"]}
    done = hub_command(running, "fsck", "-o", "json")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_state_belongs_to_one_kind_of_hub(tmp_path: Path, debian: Registry) -> None:
    with front(tmp_path / "front", debian):
        pass
    done = _started(tmp_path / "front/hub")
    assert done.returncode == 2
    assert "stands before" in done.stderr
    with hub(_made(tmp_path / "own")) as running:
        Wire.to(running).blob("team/model", b"weights")
    done = _started(tmp_path / "own/hub", "--upstream", debian.url)
    assert done.returncode == 2
    assert "keeps its bytes itself" in done.stderr


def _made(directory: Path) -> Path:
    directory.mkdir()
    return directory


def _started(state: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [REMIT, "hub", "run", "--state", str(state), "--listen", f"127.0.0.1:{free_port()}",
         *options],
        capture_output=True, text=True, timeout=60, check=False,
        env=clean_environment(state.parent / "home"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--upstream", "ftp://host"], "not one of a registry"),
        (["--upstream", "https://a:b@host"], "not one of a registry"),
        (["--upstream", "https://host/UPPER"], "cannot begin the name"),
        (["--upstream", "http://registry.example", "--upstream-user", "u"], "in the clear"),
        (["--upstream", "https://registry.example", "--upstream-user", "u"], "no password"),
        (["--upstream-user", "u"], "belong to --upstream"),
    ],
)
def test_what_cannot_be_an_upstream_is_said_at_the_start(
    options: list[str], said: str, tmp_path: Path
) -> None:
    done = _started(tmp_path / "hub", *options)
    assert done.returncode == 2
    assert said in done.stderr
    assert "a:b" not in done.stderr
