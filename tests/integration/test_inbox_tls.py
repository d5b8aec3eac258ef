"""The inbox under a name of its own over TLS, as beyond one machine."""

import base64
import hashlib
import ssl
import urllib.request
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from tests.integration.test_http_tls import TLS, Authority
from tests.rig.browser import CHROMIUM, Reader, chromium
from tests.rig.people import Treasury
from tests.rig.web import free_port

NAME = "guard.example"


@pytest.mark.skipif(not CHROMIUM, reason="NOT TESTED, no chromium here")
def test_an_approval_over_tls(tmp_path: Path) -> None:
    """Cookies that only this host can set, an origin of TLS, a passkey of this name."""
    authority = Authority(tmp_path)
    certificate, _ = authority.issue("guard", [x509.DNSName(NAME)])
    public = x509.load_pem_x509_certificate(certificate.read_bytes()).public_key()
    spki = public.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    known = base64.b64encode(hashlib.sha256(spki).digest()).decode()
    port = free_port()
    with (
        Treasury(
            tmp_path, http=f"127.0.0.1:{port}", extra=f'{TLS}url = "https://{NAME}:{port}"\n'
        ) as treasury,
        chromium(
            f"--host-resolver-rules=MAP {NAME} 127.0.0.1",
            f"--ignore-certificate-errors-spki-list={known}",
        ) as browser,
    ):
        url = treasury.invites("ann")
        assert url.startswith(f"https://{NAME}:{port}/approvals/enrol#")
        ann = Reader(browser, treasury.guard, "ann").enrol(url)
        (session,) = (c for c in ann.context.cookies() if c["name"].endswith("session"))
        assert session["name"] == "__Host-remit-session"
        assert session["secure"]
        assert session["httpOnly"]
        assert session["sameSite"] == "Strict"
        with treasury.agent() as wire:
            request = treasury.waits(wire, 1, 500, "ALICE")
            ann.says("approve", request)
            assert not wire.response(1)["result"].get("isError")
        assert not ann.problems


def test_an_address_has_no_passkeys(tmp_path: Path) -> None:
    """Where browsers have none, there are no pages, and whoever asks is told why."""
    authority = Authority(tmp_path)
    authority.issue("guard", [x509.DNSName("localhost")])
    extra = f'{TLS}url = "https://192.0.2.7"\n'
    with Treasury(tmp_path, http="127.0.0.1:0", extra=extra) as treasury:
        done = treasury.guard.ask({"op": "invite", "user": "ann", "name": "Ann Lee"})
        assert done["code"] == "approval.no_pages"
        assert "passkeys need a name" in done["hint"]
        assert treasury.guard.status()["approvals"] == ""


def test_without_a_listener(tmp_path: Path) -> None:
    with Treasury(tmp_path) as treasury:
        done = treasury.guard.ask({"op": "invite", "user": "ann", "name": "Ann Lee"})
        assert done["code"] == "approval.no_pages"


def test_the_pages_of_a_loopback_listener_with_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.issue("guard", [x509.DNSName("localhost")])
    with Treasury(tmp_path, http="127.0.0.1:0", extra=TLS) as treasury:
        base = treasury.guard.status()["approvals"]
        assert base.startswith("https://localhost:")
        context = ssl.create_default_context(cafile=str(authority.file))
        with urllib.request.urlopen(f"{base}/login", context=context, timeout=10) as answer:
            assert answer.status == 200
            assert "__Host-remit-guest=" in answer.headers["set-cookie"]
            assert "Secure" in answer.headers["set-cookie"]
