"""Uploads in pieces as the distribution-spec has them, and what happens when they break off."""

import os
import secrets
import socket
import subprocess
import threading
import time

import pytest

from tests.rig.hubs import BLOB, Client, digest, fresh

PIECE = 64 * 1024


def piece(client, location, data, first=None, **headers):
    """Send one piece; `first` makes it one with ``Content-Range``."""
    if first is not None:
        headers["content_range"] = f"{first}-{first + len(data) - 1}"
    return client("PATCH", location, data, content_type=BLOB, **headers)


def finish(client, location, name, data=b"", **headers):
    return client("PUT", f"{location}?digest={name}", data, content_type=BLOB, **headers)


def pieces(data, size=PIECE):
    return [data[at : at + size] for at in range(0, len(data), size)]


def test_a_new_upload(admin, repo):
    made = admin("POST", f"/v2/{repo}/blobs/uploads/", b"")
    assert (made.status, made.body) == (202, b"")
    assert made.range == "0-0"
    id_ = made.location.rpartition("/")[2]
    assert len(id_) >= 32
    got = admin("GET", made.location)
    assert (got.status, got.body, got.range) == (204, b"", "0-0")
    assert got.location == made.location


@pytest.mark.parametrize("slash", ["", "/"])
def test_the_slash_at_the_end_may_be_left_out(admin, repo, slash):
    assert admin("POST", f"/v2/{repo}/blobs/uploads{slash}", b"").status == 202


@pytest.mark.parametrize("prefix", ["", "bytes ", "bytes="])
@pytest.mark.parametrize("last", ["in the PUT", "by itself"])
def test_in_pieces(admin, repo, last, prefix):
    data = secrets.token_bytes(3 * PIECE + 17)
    location, at = admin.start(repo), 0
    parts = pieces(data)
    tail = parts.pop() if last == "in the PUT" else b""
    for part in parts:
        got = piece(admin, location, part, content_range=f"{prefix}{at}-{at + len(part) - 1}")
        at += len(part)
        assert (got.status, got.range, got.body) == (202, f"0-{at - 1}", b"")
        location = got.location
        assert admin("GET", location).range == f"0-{at - 1}"
    name = digest(data)
    ranged = {"content_range": f"{at}-{at + len(tail) - 1}"} if tail else {}
    done = finish(admin, location, name, tail, **ranged)
    assert (done.status, done.headers["docker-content-digest"]) == (201, name)
    assert admin("GET", done.location).body == data
    assert admin("GET", location).status == 404


def test_streamed_without_length_or_range(admin, repo):
    data = secrets.token_bytes(5 * PIECE + 3)
    location = admin.start(repo)
    first = admin("PATCH", location, iter(pieces(data[:PIECE], 1000)), content_type=BLOB)
    assert (first.status, first.range) == (202, f"0-{PIECE - 1}")
    second = admin("PATCH", location, iter(pieces(data[PIECE:])), content_type=BLOB)
    assert (second.status, second.range) == (202, f"0-{len(data) - 1}")
    assert finish(admin, location, digest(data)).status == 201
    assert admin("GET", f"/v2/{repo}/blobs/{digest(data)}").body == data


def test_streamed_over_http_2(stage, admin, repo, tmp_path):
    """Go's clients speak it over TLS; there a body of unknown length has no header that says so."""
    data = secrets.token_bytes(300_000)
    (tmp_path / "data").write_bytes(data)
    location = admin.start(repo)
    done = subprocess.run(
        [
            "curl", "--silent", "--http2-prior-knowledge", "--request", "PATCH", "--upload-file", "-",
            "--header", f"Authorization: {admin.authorization}", "--header", "Content-Type: " + BLOB,
            "--write-out", "%{http_version} %{http_code}", stage.registry.url + location,
        ],
        input=data, capture_output=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout == b"2 202"
    assert admin("GET", location).range == f"0-{len(data) - 1}"
    assert finish(admin, location, digest(data)).status == 201


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_the_algorithm_may_be_said_early(admin, repo, algorithm):
    data = secrets.token_bytes(1000)
    made = admin("POST", f"/v2/{repo}/blobs/uploads/?digest-algorithm={algorithm}", b"")
    assert made.status == 202
    assert piece(admin, made.location, data).status == 202
    assert finish(admin, made.location, digest(data, algorithm)).status == 201


def test_an_algorithm_that_is_not_verified(admin, repo):
    got = admin("POST", f"/v2/{repo}/blobs/uploads/?digest-algorithm=md5", b"")
    assert (got.status, got.code) == (400, "DIGEST_INVALID")


@pytest.mark.parametrize("first", [0, PIECE - 1, PIECE + 1, 10 * PIECE])
def test_out_of_order_is_416_and_one_can_go_on(admin, repo, first):
    data = secrets.token_bytes(2 * PIECE)
    location = admin.start(repo)
    assert piece(admin, location, data[:PIECE], 0).status == 202
    wrong = piece(admin, location, data[PIECE:], first)
    assert wrong.status == 416
    assert wrong.range == f"0-{PIECE - 1}"
    assert wrong.location == location
    assert admin("GET", location).range == f"0-{PIECE - 1}"
    wrong = finish(admin, location, digest(data), data[PIECE:], content_range=f"{first}-{first + PIECE - 1}")  # fmt: skip
    assert wrong.status == 416
    assert piece(admin, location, data[PIECE:], PIECE).status == 202
    assert finish(admin, location, digest(data)).status == 201


@pytest.mark.parametrize("header", ["nonsense", "0-", "-5", "a-b", "0-99999999999999999999", "0_5"])
def test_a_range_that_cannot_be_read(admin, repo, header):
    location = admin.start(repo)
    got = piece(admin, location, b"12345", content_range=header)
    assert (got.status, got.code) == (400, "BLOB_UPLOAD_INVALID")
    assert admin("GET", location).range == "0-0"


@pytest.mark.parametrize("header", ["0-5", "0-3", "0-0"])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_range_that_is_not_as_long_as_the_body(admin, repo, header, streamed):
    location = admin.start(repo)
    body = iter([b"12", b"345"]) if streamed else b"12345"
    got = piece(admin, location, body, content_range=header)
    assert (got.status, got.code) == (400, "BLOB_UPLOAD_INVALID")
    assert admin("GET", location).range == "0-0"
    assert piece(admin, location, b"abc", 0).status == 202
    assert finish(admin, location, digest(b"abc")).status == 201


def test_another_digest_ends_the_upload(admin, repo):
    location = admin.start(repo)
    piece(admin, location, b"12345", 0)
    got = finish(admin, location, digest(b"other"))
    assert (got.status, got.code) == (400, "DIGEST_INVALID")
    assert admin("GET", f"/v2/{repo}/blobs/{digest(b'other')}").status == 404
    assert admin("GET", location).status == 404


def test_the_end_needs_a_digest(admin, repo):
    location = admin.start(repo)
    piece(admin, location, b"12345", 0)
    for bad in ("", "?digest=", "?digest=sha256:abc", "?other=1"):
        got = admin("PUT", f"{location}{bad}", b"")
        assert (got.status, got.code) == (400, "DIGEST_INVALID")
    assert finish(admin, location, digest(b"12345")).status == 201


def test_cancel(admin, repo):
    location = admin.start(repo)
    piece(admin, location, b"12345", 0)
    assert admin("DELETE", location).status == 204
    for method in ("GET", "DELETE", "PATCH"):
        got = admin(method, location, None if method == "GET" else b"")
        assert (got.status, got.code) == (404, "BLOB_UPLOAD_UNKNOWN")
    assert finish(admin, location, digest(b"12345")).code == "BLOB_UPLOAD_UNKNOWN"


@pytest.mark.parametrize("id_", ["x", "..", "0" * 64, "0" * 63 + "Z", "0" * 65, "%2e%2e"])
def test_an_upload_that_is_none(admin, repo, id_):
    for method in ("GET", "PATCH", "PUT", "DELETE"):
        got = admin(method, f"/v2/{repo}/blobs/uploads/{id_}?digest={digest(b'')}")
        assert got.status == 404
        assert got.code in {"BLOB_UPLOAD_UNKNOWN", "NAME_UNKNOWN"}


def test_an_upload_belongs_to_its_repository(admin, repo):
    location = admin.start(repo)
    other = location.replace(repo, fresh())
    for method in ("GET", "PATCH", "DELETE"):
        assert admin(method, other, b"").status == 404
    assert admin("GET", location).status == 204


def test_a_cut_put_can_be_sent_again(stage, admin, repo):
    """The last piece in the PUT breaks off; what was there before is still there."""
    data = secrets.token_bytes(4 * PIECE)
    location = admin.start(repo)
    assert piece(admin, location, data[:PIECE], 0).status == 202
    cut(stage.registry.host, admin, "PUT", f"{location}?digest={digest(data)}", data[PIECE:], PIECE)
    settled(admin, location, PIECE)
    assert admin("GET", f"/v2/{repo}/blobs/{digest(data)}").status == 404
    assert finish(admin, location, digest(data), data[PIECE:]).status == 201
    assert admin("GET", f"/v2/{repo}/blobs/{digest(data)}").body == data


def cut(host, client, method, path, data, after, *headers):
    """Announce all of `data`, send `after` bytes of it, and hang up."""
    address, _, port = host.partition(":")
    with socket.create_connection((address, int(port)), 30) as connection:
        lines = [
            f"{method} {path} HTTP/1.1", f"Host: {host}", f"Authorization: {client.authorization}",
            f"Content-Type: {BLOB}", f"Content-Length: {len(data)}", *headers,
        ]  # fmt: skip
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode() + data[:after])
        time.sleep(0.3)


def settled(client, location, size):
    """Wait until the upload is free again, at `size`."""
    until = time.monotonic() + 15
    while True:
        got = client("GET", location)
        assert (got.status, got.range) == (204, f"0-{size - 1}")
        # An empty piece is taken by who may write, and changes nothing.
        if client("PATCH", location, b"").status == 202:
            return
        assert time.monotonic() < until, "the upload stays held"
        time.sleep(0.05)


@pytest.mark.parametrize("ranged", [True, False])
def test_a_piece_that_breaks_off_is_rolled_back(stage, admin, repo, ranged):
    """Newer clients send the same range again and give up on 416."""
    data = secrets.token_bytes(3_000_000)
    location = admin.start(repo)
    assert piece(admin, location, data[:PIECE], 0).status == 202
    header = f"Content-Range: {PIECE}-{len(data) - 1}"
    cut(
        stage.registry.host, admin, "PATCH", location, data[PIECE:], 2_000_000,
        *([header] if ranged else []),
    )  # fmt: skip
    settled(admin, location, PIECE)
    # Less than what had come before it broke off: nothing of that may be left behind it.
    assert piece(admin, location, data[PIECE : 2 * PIECE], PIECE).status == 202
    assert piece(admin, location, data[2 * PIECE :], 2 * PIECE).status == 202
    assert finish(admin, location, digest(data)).status == 201
    assert admin("GET", f"/v2/{repo}/blobs/{digest(data)}").body == data


def test_one_writer_at_a_time(stage, admin, repo):
    data = secrets.token_bytes(PIECE)
    location = admin.start(repo)
    begun, go_on = threading.Event(), threading.Event()
    answers = []

    def slowly():
        yield data[:100]
        begun.set()
        go_on.wait(30)
        yield data[100:]

    writer = threading.Thread(
        target=lambda: answers.append(admin("PATCH", location, slowly(), content_type=BLOB))
    )
    writer.start()
    try:
        assert begun.wait(30)
        time.sleep(0.5)
        second = piece(admin, location, data, 0)
        assert second.status == 416
        assert second.location == location
        ended = finish(admin, location, digest(data), data)
        assert ended.status == 416
    finally:
        go_on.set()
        writer.join(30)
    assert answers[0].status == 202
    assert finish(admin, location, digest(data)).status == 201


def test_many_at_once_on_one_upload(admin, repo):
    """Pieces of several requests never mix: what is there at the end is one of them after another."""
    location = admin.start(repo)
    letters = [bytes([65 + n]) * 5000 for n in range(8)]
    answers = []
    threads = [
        threading.Thread(target=lambda d=d: answers.append(piece(admin, location, d).status))
        for d in letters
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert set(answers) <= {202, 416}
    size = 5000 * answers.count(202)
    assert size
    assert admin("GET", location).range == f"0-{size - 1}"


def test_the_same_blob_many_times_at_once(admin, repo):
    data = secrets.token_bytes(100_000)
    answers = []
    threads = [
        threading.Thread(
            target=lambda: answers.append(
                admin("POST", f"/v2/{repo}/blobs/uploads/?digest={digest(data)}", data).status
            )
        )
        for _ in range(8)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert answers == [201] * 8
    assert admin("GET", f"/v2/{repo}/blobs/{digest(data)}").body == data


def test_a_length_that_is_no_number(stage, admin, repo):
    location = admin.start(repo)
    for bad in ("-1", "abc", "1e3"):
        address, _, port = stage.registry.host.partition(":")
        with socket.create_connection((address, int(port)), 30) as connection:
            connection.sendall(
                f"PATCH {location} HTTP/1.1\r\nHost: h\r\nContent-Length: {bad}\r\n"
                f"Authorization: {admin.authorization}\r\n\r\nabc".encode()
            )
            assert b" 400 " in connection.recv(4096).split(b"\r\n")[0]
    assert admin("GET", location).range == "0-0"


def test_a_large_blob_in_one_stream(stage, admin, repo):
    """Larger than what is written, hashed and sent to an object store in one go."""
    data = os.urandom(1024 * 1024) * 40
    location = admin.start(repo)
    got = Client(stage.registry.host, admin.authorization, timeout=120)(
        "PATCH", location, iter(pieces(data, 256 * 1024)), content_type=BLOB
    )
    assert (got.status, got.range) == (202, f"0-{len(data) - 1}")
    assert finish(admin, location, digest(data)).status == 201
    got = admin("GET", f"/v2/{repo}/blobs/{digest(data)}")
    assert digest(got.body) == digest(data)
