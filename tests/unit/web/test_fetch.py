import asyncio
import contextlib
import datetime as dt
import ipaddress
import os
import socket
import ssl
import subprocess
import sys
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from remit.web import fetch as module
from remit.web.fetch import MAX_BYTES, FetchError, fetch


def serve(answer, url="http://127.0.0.1:{port}/x"):
    """What `fetch` makes of an HTTP answer; the requests that came."""
    requests = []
    stop = threading.Event()

    def client(listener):
        while not stop.is_set():
            with contextlib.suppress(OSError), listener.accept()[0] as connection:
                connection.settimeout(5)
                requests.append(connection.recv(1 << 16))
                if requests[-1].startswith(b"GET /elsewhere"):
                    connection.sendall(http(b"followed"))
                elif answer is None:
                    stop.wait(5)
                else:
                    connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        thread = threading.Thread(target=client, args=(listener,))
        thread.start()
        try:
            return asyncio.run(fetch(url.format(port=listener.getsockname()[1]))), requests
        except FetchError as error:
            return error, requests
        finally:
            stop.set()
            thread.join()


def http(body, status="200 OK", *headers):
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def test_the_body():
    body, requests = serve(http(b"{}"))
    assert body == b"{}"
    assert requests[0].startswith(b"GET /x HTTP/1.1\r\n")
    assert b"identity" in requests[0]
    assert b"uthorization" not in requests[0]


@pytest.mark.parametrize(
    ("status", "headers"),
    [("301 Moved", ["Location: http://127.0.0.1:1/"]), ("302 Found", ["Location: /elsewhere"]), ("307 T", ["Location: /elsewhere"]),
     ("404 No", []), ("500 No", []), ("204 None", []), ("201 Made", [])],
)  # fmt: skip
def test_only_200_and_no_redirects(status, headers):
    error, requests = serve(http(b"" if status.startswith("204") else b"{}", status, *headers))
    assert isinstance(error, FetchError)
    assert len(requests) == 1


def test_the_size_is_limited():
    assert serve(http(b"x" * MAX_BYTES))[0] == b"x" * MAX_BYTES
    assert "too much" in str(serve(http(b"x" * (MAX_BYTES + 1)))[0])


def test_compressed_answers_are_not_unpacked():
    import gzip

    packed = gzip.compress(b"0" * 10_000_000)
    assert serve(http(packed, "200 OK", "Content-Encoding: gzip"))[0] == packed


@pytest.mark.parametrize(
    "answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"]
)
def test_answers_that_are_broken(answer, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT_S", 0.5)
    assert isinstance(serve(answer)[0], FetchError)


def test_the_time_is_limited(monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT_S", 0.05)
    assert isinstance(serve(None)[0], FetchError)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/", "https://127.0.0.1:{port}/", "nonsense", "ftp://127.0.0.1/"]
)
def test_no_answer(url):
    """With https, this is a server that does not speak TLS."""
    assert isinstance(serve(http(b"{}"), url)[0], FetchError)


def test_a_process_without_tls_asks_nobody(monkeypatch):
    monkeypatch.setitem(sys.modules, "ssl", None)
    with pytest.raises(FetchError, match="without TLS"):
        asyncio.run(fetch("https://127.0.0.1:1/"))


TLS_CLIENT = """
import asyncio, sys
from remit.web.fetch import FetchError, fetch
try:
    print(asyncio.run(fetch(sys.argv[1])))
except FetchError as error:
    print(error)
"""


def test_tls_is_verified(tmp_path):
    """Against the authorities of the machine, which `SSL_CERT_FILE` can name."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 7)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    chain, private = tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.write_bytes(certificate.public_bytes(Encoding.PEM))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain, private)

    stop = threading.Event()

    def client(listener):
        while not stop.is_set():
            with (
                contextlib.suppress(OSError),
                context.wrap_socket(listener.accept()[0], server_side=True) as connection,
            ):
                connection.recv(1 << 16)
                connection.sendall(http(b"over tls"))

    def answer(host, **environment):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(0.1)
            thread = threading.Thread(target=client, args=(listener,))
            thread.start()
            try:
                return subprocess.run(
                    [
                        sys.executable,
                        "-c",
                        TLS_CLIENT,
                        f"https://{host}:{listener.getsockname()[1]}/",
                    ],
                    env={**os.environ, **environment},
                    capture_output=True,
                    text=True,
                    check=True,
                ).stdout
            finally:
                stop.set()
                thread.join()
                stop.clear()

    assert "CERTIFICATE_VERIFY_FAILED" in answer("127.0.0.1")
    assert "over tls" in answer("127.0.0.1", SSL_CERT_FILE=str(chain))
    assert "over tls" not in answer("localhost", SSL_CERT_FILE=str(chain))
