"""Registries that lie, over real sockets: what they say is refused and nothing of it is kept."""

import contextlib
import gzip
import hashlib
import ipaddress
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cryptography import x509

from remit.artifacts.layout import Layout
from remit.artifacts.oci.manifest import MANIFEST
from tests.integration.test_http_tls import LOCAL, Authority
from tests.rig.exchange import put_artifact, remit

CONTENT = b"the content of the blob " * 4000


def digest(data):
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def manifest(content=CONTENT, size=None):
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": "x", "digest": digest(b"{}"), "size": 2},
        "layers": [
            {
                "mediaType": "x",
                "digest": digest(content),
                "size": len(content) if size is None else size,
            }
        ],
    }
    return json.dumps(document).encode()


class Liar:
    """An HTTP server; `paths` says what it does, by the end of the path."""

    def __init__(self, paths, certificate=None):
        self.seen = []
        liar = self

        # Its methods are named by those of HTTP.
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                length = int(self.headers.get("Content-Length") or 0)
                liar.seen.append(
                    (self.command, self.path, dict(self.headers), self.rfile.read(length))
                )
                for end, do in paths.items():
                    if self.path.partition("?")[0].endswith(end):
                        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                            do(self)
                        return
                self.say(404, b"")

            def say(self, status, body, **headers):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                if "Content_Length" not in headers:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def log_message(self, *_):
                pass

        for method in ("GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"):
            setattr(Handler, f"do_{method}", Handler.handle_any)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            # What fails in a handshake is what is tested; it need not be told.
            self._server.handle_error = lambda *_: None
        self.host = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


def say(body, status=200, **headers):
    return lambda self: self.say(status, body, **headers)


def paths(**more):
    return {
        "/manifests/v1": say(manifest(), Content_Type=MANIFEST),
        digest(b"{}"): say(b"{}"),
        digest(CONTENT): say(CONTENT),
        **more,
    }


def pull(liar, tmp_path, *options, tag="v1"):
    return remit("pull", f"{liar.host}/a/b:{tag}", *options, state=tmp_path / "me", timeout=60)


def nothing_left(tmp_path):
    store = Layout.open(tmp_path / "me" / "artifacts")
    assert store.names() == {}
    assert not store.has(digest(CONTENT))
    ingest = store.root / "ingest"
    assert [path.name for path in ingest.iterdir()] == []


def test_an_honest_one(tmp_path):
    with Liar(paths()) as liar:
        assert pull(liar, tmp_path).returncode == 0


def endless(self):
    self.send_response(200)
    self.send_header("Transfer-Encoding", "chunked")
    self.end_headers()
    piece = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    while True:
        self.wfile.write(piece)


BLOBS = {
    "another": (say(b"x" * len(CONTENT)), 3),
    "longer": (say(CONTENT + b"x"), 3),
    "shorter": (say(CONTENT[:-1]), 3),
    "endless": (endless, 3),
    "compressed": (say(gzip.compress(CONTENT), Content_Encoding="gzip"), 3),
    "a part of another": (say(CONTENT, 206, Content_Range=f"bytes 5-{len(CONTENT) + 4}/200000"), 1),
    "no part": (say(CONTENT, 206), 1),
    "missing": (say(b"", 404), 1),
    "to a file": (say(b"", 307, Location="file:///etc/passwd"), 1),
    "to plain HTTP elsewhere": (say(b"", 307, Location="http://storage.example/x"), 1),
    "to nowhere": (say(b"", 307), 1),
}


@pytest.mark.parametrize("way", BLOBS)
def test_blobs_that_are_lies(tmp_path, way):
    do, status = BLOBS[way]
    with Liar(paths(**{digest(CONTENT): do})) as liar:
        done = pull(liar, tmp_path)
    assert done.returncode == status, done.stderr
    assert done.stderr.startswith("remit: ")
    assert "Traceback" not in done.stderr
    nothing_left(tmp_path)


MANIFESTS = {
    "endless": (endless, 1),
    "no JSON": (say(b"<html>", Content_Type="text/html"), 3),
    "of another digest": (say(manifest(), Content_Type=MANIFEST, Docker_Content_Digest=digest(b"")), 3),
    "of another type": (say(manifest(), Content_Type="application/json"), 3),
    "twice a key": (say(b'{"schemaVersion":2,' + manifest()[1:], Content_Type=MANIFEST), 3),
    "a path as a digest": (
        say(manifest().replace(digest(CONTENT).encode(), b"sha256:../../../../etc/passwd")), 3,
    ),
    "a negative size": (say(manifest(size=-1), Content_Type=MANIFEST), 3),
    "redirected": (say(b"", 307, Location="/v2/a/b/manifests/v2"), 1),
    "denied": (
        say(b'{"errors":[{"code":"DENIED","message":"critical finding \\u001b[31m"}]}', 403), 1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("way", MANIFESTS)
def test_manifests_that_are_lies(tmp_path, way):
    do, status = MANIFESTS[way]
    with Liar(paths(**{"/manifests/v1": do})) as liar:
        done = pull(liar, tmp_path)
    assert done.returncode == status, done.stderr
    assert done.stderr.startswith("remit: ")
    assert "\x1b" not in done.stderr
    if way == "denied":
        assert "critical finding" in done.stderr
    nothing_left(tmp_path)


def test_what_was_asked_for_by_digest_is_that(tmp_path):
    other = manifest(b"other")
    with Liar({digest(manifest()): say(other, Content_Type=MANIFEST)}) as liar:
        place = f"{liar.host}/a/b@{digest(manifest())}"
        done = remit("pull", place, state=tmp_path / "me")
    assert done.returncode == 3
    nothing_left(tmp_path)


def asks(do):
    def answer(self):
        if "Authorization" not in self.headers:
            self.say(401, b"", WWW_Authenticate="Basic realm=x")
        else:
            do(self)

    return answer


def logged_in(tmp_path, host):
    state = tmp_path / "me"
    state.mkdir(exist_ok=True)
    file = state / "registries.json"
    known = {"user": "ann", "password": "s3cret"}
    file.write_text(json.dumps({"version": 1, "registries": {host: known}}))
    file.chmod(0o600)


def test_a_storage_sees_no_secret(tmp_path):
    with Liar({"/stored": say(CONTENT)}) as storage:
        redirect = say(b"", 307, Location=f"http://{storage.host}/stored?signature=1")
        ways = {end: asks(do) for end, do in paths(**{digest(CONTENT): redirect}).items()}
        with Liar(ways) as liar:
            logged_in(tmp_path, liar.host)
            done = pull(liar, tmp_path)
            assert done.returncode == 0, done.stderr
            assert any("Authorization" in headers for _, _, headers, _ in liar.seen)
        assert storage.seen
        for _, path, headers, _ in storage.seen:
            assert path == "/stored?signature=1"
            assert not {"authorization", "cookie"} & {name.lower() for name in headers}


def test_a_realm_elsewhere_over_http_sees_no_secret(tmp_path):
    challenge = 'Bearer realm="http://storage.example/token",service="x"'
    ways = {"/manifests/v1": say(b"", 401, WWW_Authenticate=challenge)}
    with Liar(ways) as liar:
        logged_in(tmp_path, liar.host)
        done = pull(liar, tmp_path)
    assert done.returncode == 1
    assert "plain HTTP" in done.stderr
    assert "s3cret" not in done.stderr


def test_a_cookie_is_not_kept(tmp_path):
    ways = paths(**{"/manifests/v1": say(manifest(), Content_Type=MANIFEST, Set_Cookie="a=b")})
    with Liar(ways) as liar:
        assert pull(liar, tmp_path).returncode == 0
        assert not any("Cookie" in headers for _, _, headers, _ in liar.seen)


def test_netrc_is_not_read(tmp_path):
    (tmp_path / "me").mkdir()
    (tmp_path / "me" / ".netrc").write_text("machine 127.0.0.1 login ann password s3cret\n")
    (tmp_path / "me" / ".netrc").chmod(0o600)
    with Liar(paths()) as liar:
        assert pull(liar, tmp_path).returncode == 0
        assert not any("Authorization" in headers for _, _, headers, _ in liar.seen)


def test_warnings_reach_the_user(tmp_path):
    warning = '299 - "v1 is \x1b[31mdeprecated"'
    ways = paths(**{"/manifests/v1": say(manifest(), Content_Type=MANIFEST, Warning=warning)})
    with Liar(ways) as liar:
        done = pull(liar, tmp_path, "-o", "json")
    assert done.returncode == 0
    assert f"warning of {liar.host}: v1 is" in done.stderr
    assert "\x1b" not in done.stderr
    json.loads(done.stdout)


def test_lies_do_not_pass_through_a_copy(tmp_path):
    """A blob that the source got wrong is not blamed on the target, and gets no name there."""
    with Liar(paths(**{digest(CONTENT): say(CONTENT + b"x")})) as liar:
        taken = {
            "/uploads/": say(b"", 202, Location="/v2/x/y/blobs/uploads/1"),
            "/1": say(b"", 201),
        }
        with Liar(taken) as target:
            place = f"{target.host}/x/y:v1"
            done = remit("copy", f"{liar.host}/a/b:v1", place, state=tmp_path / "me", timeout=60)
            assert not any(path.endswith("/manifests/v1") for _, path, _, _ in target.seen)
    assert done.returncode == 3, done.stderr
    assert "another size" in done.stderr


def test_a_target_that_stores_something_else(tmp_path):
    store = Layout.open(tmp_path / "me" / "artifacts", create=True)
    put_artifact(store, "thing:v1", b"thing")
    taken = {
        "/uploads/": say(b"", 202, Location="/v2/x/y/blobs/uploads/1"),
        "/1": say(b"", 201),
        "/manifests/v1": say(b"", 201, Docker_Content_Digest=digest(b"else")),
    }
    with Liar(taken) as target:
        done = remit("push", "thing:v1", f"{target.host}/x/y:v1", state=tmp_path / "me")
    assert done.returncode == 3
    assert "was not sent" in done.stderr


def test_lists_without_end(tmp_path):
    again = say(b'{"name":"a/b","tags":["v1"]}', Link='</v2/a/b/tags/list?last=v1>; rel="next"')
    with Liar({"/tags/list": again}) as liar:
        done = remit("tags", f"{liar.host}/a/b", state=tmp_path / "me", timeout=60)
    assert done.returncode == 1
    assert "no end" in done.stderr


def test_certificates(tmp_path):
    authority = Authority(tmp_path)
    with Liar(paths(), authority.issue("mine", LOCAL)) as liar:
        done = pull(liar, tmp_path, "--tls")
        assert done.returncode == 5
        assert "--ca-file" in done.stderr
        assert pull(liar, tmp_path, "--ca-file", str(authority.file)).returncode == 0
        assert pull(liar, tmp_path).returncode == 5  # plain HTTP to a server of TLS


def test_a_certificate_of_another_name(tmp_path):
    authority = Authority(tmp_path)
    other = [x509.IPAddress(ipaddress.ip_address("192.0.2.1")), x509.DNSName("other.example")]
    with Liar(paths(), authority.issue("other", other)) as liar:
        logged_in(tmp_path, liar.host)
        done = pull(liar, tmp_path, "--ca-file", str(authority.file))
        assert done.returncode == 5
        assert liar.seen == []


def test_tls_where_there_is_none(tmp_path):
    with Liar(paths()) as liar:
        done = pull(liar, tmp_path, "--tls")
    assert done.returncode == 5
    assert "--plain-http" in done.stderr


def test_https_is_not_left_for_a_blob(tmp_path):
    authority = Authority(tmp_path)
    with Liar({"/stored": say(CONTENT)}) as storage:
        redirect = say(b"", 307, Location=f"http://{storage.host}/stored")
        ways = paths(**{digest(CONTENT): redirect})
        with Liar(ways, authority.issue("mine", LOCAL)) as liar:
            done = pull(liar, tmp_path, "--ca-file", str(authority.file))
        assert done.returncode == 1
        assert "leads to plain HTTP" in done.stderr
        assert storage.seen == []


def test_a_file_of_certificates_that_holds_none(tmp_path):
    (tmp_path / "ca.pem").write_text("nothing")
    with Liar(paths()) as liar:
        done = pull(liar, tmp_path, "--ca-file", str(tmp_path / "ca.pem"))
    assert done.returncode != 0
    assert "PEM" in done.stderr
