"""TLS in front of Guard and behind it, with an authority made for the test."""

import datetime as dt
import http.client
import ipaddress
import json
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.conformance.http_stage import wait_until
from tests.rig.daemon import Daemon, recorder_daemon
from tests.rig.governed import REMIT, ROOT, copy_bundle
from tests.rig.web import ACCEPT, HttpClient, HttpServer, free_port
from tests.rig.wire import LEGACY, MODERN, modern_meta

SPIFFE = "spiffe://example.com/agent/builder"
HOSTILE = ROOT / "tests" / "conformance" / "servers" / "hostile_http.py"
Names = list[x509.GeneralName]
LOCAL: Names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]


class Authority:
    """An authority in files: `NAME.pem` is its certificate, others are issued next to it."""

    def __init__(self, directory: Path, name: str = "ca") -> None:
        self.directory = directory
        self.file = directory / f"{name}.pem"
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"test {name}")])
        certificate = self._sign(self._name, self._key, [], ca=True)
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def _sign(
        self, subject: x509.Name, key: Any, names: Names, *, ca: bool = False, days: int = 1
    ) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=2))
            .not_valid_after(now + dt.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if names:
            usages = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        return builder.sign(self._key, hashes.SHA256())

    def issue(self, name: str, names: Names, **more: Any) -> tuple[Path, Path]:
        """Write `name.pem` and `name.key`."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        paths = self.directory / f"{name}.pem", self.directory / f"{name}.key"
        pem = self._sign(subject, key, names, **more).public_bytes(serialization.Encoding.PEM)
        paths[0].write_bytes(pem)
        paths[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return paths


TLS = '[http]\ntls_cert = "guard.pem"\ntls_key = "guard.key"\n'


def guard_over_tls(directory: Path, extra: str = "", **more: Any) -> Daemon:
    daemon = recorder_daemon(directory, extra=TLS + extra, **{"http": "127.0.0.1:0", **more})
    wait_until(lambda: daemon.url)
    return daemon


def ask(
    port: int,
    ca: Path,
    key: str = "",
    certificate: tuple[Path, Path] | None = None,
    *,
    modern: bool = True,
    name: str = "echo",
) -> tuple[int, Any]:
    """Call a tool, or open a session, over TLS."""
    context = ssl.create_default_context(cafile=str(ca))
    if certificate is not None:
        context.load_cert_chain(*certificate)
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=15, context=context)
    headers = {"Content-Type": "application/json", "Accept": ACCEPT}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    frame: dict[str, Any] = {"jsonrpc": "2.0", "id": 1}
    if modern:
        headers |= {"MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call", "Mcp-Name": name}
        params = {"name": name, "arguments": {"message": "over tls"}, "_meta": modern_meta()}
        frame |= {"method": "tools/call", "params": params}
    else:
        params = {"protocolVersion": LEGACY, "capabilities": {}}
        frame |= {"method": "initialize", "params": params}
    try:
        connection.request("POST", "/mcp/rec", json.dumps(frame), headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def port_of(daemon: Daemon) -> int:
    return int(daemon.url.rpartition(":")[2])


def run_guard(directory: Path, address: str, extra: str = "") -> subprocess.CompletedProcess[str]:
    """Start a Guard that is expected to end at once."""
    bundle = copy_bundle("recorder", directory, WORKSPACE=str(directory))
    config = directory / "remit.toml"
    config.write_text(extra)
    return subprocess.run(
        [
            REMIT, "guard", "run", "--config", str(config), "--bundle", str(bundle),
            "--state", str(directory / "state"), "--socket", str(directory / "s"),
            "--http", address,
        ],
        capture_output=True, text=True, timeout=30, check=False, stdin=subprocess.DEVNULL,
        cwd=directory,
    )  # fmt: skip


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0"])
def test_no_listener_beyond_loopback_without_tls(tmp_path: Path, address: str) -> None:
    """It does not start, and says why and what to do."""
    done = run_guard(tmp_path, address)
    assert done.returncode == 2, done
    assert f"Guard does not listen on `{address}` without TLS" in done.stderr
    assert "tls_cert" in done.stderr


@pytest.mark.parametrize(
    ("extra", "sentence"),
    [
        ('[http]\ntls_cert = "guard.pem"\n', "TLS needs tls_cert and tls_key"),
        ('[http]\nclient_ca = "ca.pem"\n', "TLS needs tls_cert and tls_key"),
        (TLS, "the TLS files cannot be used"),
        (TLS.replace("guard.key", "other.key"), "the TLS files cannot be used"),
    ],
    ids=["no key", "no certificate", "no files", "foreign key"],
)
def test_files_that_do_not_fit(tmp_path: Path, extra: str, sentence: str) -> None:
    """Half a configuration, missing files, a key of another certificate: no listener."""
    if "other.key" in extra:
        authority = Authority(tmp_path)
        authority.issue("guard", LOCAL)
        authority.issue("other", LOCAL)
    done = run_guard(tmp_path, "127.0.0.1:0", extra)
    assert done.returncode == 2, done
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_beyond_loopback_with_tls(tmp_path: Path) -> None:
    """With TLS it listens on every address; the names it answers to are configured."""
    authority = Authority(tmp_path)
    authority.issue("guard", LOCAL)
    port = free_port()
    extra = f'hosts = ["127.0.0.1:{port}"]\n'
    with guard_over_tls(tmp_path, extra, http=f"0.0.0.0:{port}") as daemon:
        status, frame = ask(port, authority.file, daemon.key())
        assert (status, "over tls" in str(frame["result"])) == (200, True)


def test_tls_with_a_key(tmp_path: Path) -> None:
    """A client checks Guard's certificate; a key counts as it does without TLS; HTTP is no way in."""
    authority, stranger = Authority(tmp_path), Authority(tmp_path, "stranger")
    authority.issue("guard", LOCAL)
    with guard_over_tls(tmp_path) as daemon:
        assert daemon.url.startswith("https://")
        port, key = port_of(daemon), daemon.key()
        status, frame = ask(port, authority.file, key)
        assert (status, "over tls" in str(frame["result"])) == (200, True)
        assert ask(port, authority.file, key, modern=False)[0] == 200
        assert ask(port, authority.file)[0] == 401
        with pytest.raises(ssl.SSLCertVerificationError):
            ask(port, stranger.file, key)
        with pytest.raises((OSError, http.client.HTTPException)):
            HttpClient(f"http://127.0.0.1:{port}", key, modern=True).call("echo", message="x")


MTLS = 'client_ca = "ca.pem"\n[mtls]\ntrust_domains = ["example.com"]\n'


def test_client_certificates(tmp_path: Path) -> None:
    """The certificate that TLS verified is the caller; one that names nobody is no caller."""
    authority, stranger = Authority(tmp_path), Authority(tmp_path, "stranger")
    authority.issue("guard", LOCAL)
    spiffe: Names = [x509.UniformResourceIdentifier(SPIFFE), x509.RFC822Name("ada@example.com")]
    foreign: Names = [x509.UniformResourceIdentifier("spiffe://evil.example/agent/builder")]
    good, nobody = authority.issue("builder", spiffe), authority.issue("nobody", foreign)
    forged = stranger.issue("forged", spiffe)
    expired = authority.issue("expired", spiffe, days=-1)
    with guard_over_tls(tmp_path, MTLS) as daemon:
        port = port_of(daemon)
        for modern in (True, False):
            assert ask(port, authority.file, certificate=good, modern=modern)[0] == 200
        assert ask(port, authority.file, certificate=nobody)[0] == 401
        assert ask(port, authority.file)[0] == 401
        assert ask(port, authority.file, daemon.key("keyed", "kim"))[0] == 200
        assert ask(port, authority.file, "rmk_wrong", good)[0] == 401, "a key that fails is final"
        for bad in (forged, expired):
            with pytest.raises((OSError, http.client.HTTPException)):
                ask(port, authority.file, certificate=bad)
        actors = [r["actor"] for r in daemon.records() if r["kind"] == "tool.decision"]
    assert [(a["agent"], a["user"]) for a in actors] == [
        (SPIFFE, "ada@example.com"),
        ("keyed", "kim"),
    ]


@pytest.mark.parametrize(
    ("names", "trusted", "works"),
    [
        (LOCAL, True, True),
        (LOCAL, False, False),
        ([x509.DNSName("other.example")], True, False),
    ],
    ids=["trusted", "unknown authority", "other name"],
)
def test_upstream_is_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: Names, trusted: bool, works: bool
) -> None:
    """A server whose certificate does not hold is not spoken to; SSL_CERT_FILE adds authorities."""
    authority = Authority(tmp_path)
    pair = authority.issue("server", names)
    log = tmp_path / "hostile.log"
    port, elsewhere = free_port(), free_port()
    command = [sys.executable, "-I", "-S", str(HOSTILE), str(port), str(elsewhere), str(log)]
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    bundle = copy_bundle("recorder", tmp_path, WORKSPACE=str(tmp_path))
    extra = f'[servers.rec]\nurl = "https://127.0.0.1:{port}/mcp"\n'
    with (
        HttpServer([*command, *map(str, pair)], port),
        Daemon(tmp_path, {}, bundle, extra=extra, http="127.0.0.1:0") as daemon,
    ):
        url = wait_until(lambda: daemon.url)
        client = HttpClient(url, daemon.key(), modern=True)
        opening, call = client.request("server/discover"), client.call("echo", message="good")
        if works:
            assert "did good" in str(call.frame["result"])
        else:
            assert "cannot be reached: ClientConnectorCertificateError" in str(
                opening.frame["error"]
            )
            assert "could not be verified" in str(call.frame)
            assert not log.exists() or not log.read_text(), "it was spoken to"
