import datetime as dt
import hashlib
import ipaddress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from remit.attest.certificates import MAX_BYTES, parse_certificate
from remit.attest.errors import CertificateError

KEY = ec.generate_private_key(ec.SECP256R1())
START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
END = dt.datetime(2027, 1, 1, tzinfo=dt.UTC)


def make(*, names=(), common=("ada",), usage=None, ca=None, start=START, end=END):
    """DER of a self-signed certificate."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name) for name in common])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "the issuer")]))
        .public_key(KEY.public_key())
        .serial_number(7)
        .not_valid_before(start)
        .not_valid_after(end)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(list(names)), critical=False)
    if usage is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usage), critical=False)
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca, None), critical=True)
    return builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def uri(text):
    return x509.UniformResourceIdentifier(text)


def test_what_it_says_is_read():
    der = make(
        names=[
            uri("spiffe://example.com/a"),
            x509.DNSName("example.com"),
            x509.RFC822Name("ada@example.com"),
            uri("urn:x"),
            x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        ],
        usage=[ExtendedKeyUsageOID.CLIENT_AUTH],
        ca=False,
    )
    found = parse_certificate(der)
    assert found.uris == ("spiffe://example.com/a", "urn:x")
    assert found.emails == ("ada@example.com",)
    assert found.common_names == ("ada",)
    assert found.fingerprint == hashlib.sha256(der).hexdigest()
    assert found.not_before_us == int(START.timestamp()) * 1_000_000
    assert found.not_after_us == int(END.timestamp()) * 1_000_000
    assert found.client
    assert not found.authority


def test_what_it_does_not_say_is_empty():
    found = parse_certificate(make(common=()))
    assert (found.uris, found.emails, found.common_names) == ((), (), ())
    assert found.client
    assert not found.authority


def test_authorities_and_servers_are_told_apart():
    assert parse_certificate(make(ca=True)).authority
    server = parse_certificate(make(usage=[ExtendedKeyUsageOID.SERVER_AUTH]))
    assert not server.client


def test_several_common_names_are_all_given():
    assert parse_certificate(make(common=("a", "b"))).common_names == ("a", "b")


@pytest.mark.parametrize(
    "der", [b"", b"x", b"\x30\x00", b"\x30\x82\xff\xff", make()[:-1], make() + b"\0", make() * 2]
)
def test_anything_else_is_refused(der):
    with pytest.raises(CertificateError):
        parse_certificate(der)


def test_a_large_one_is_refused():
    with pytest.raises(CertificateError, match="larger"):
        parse_certificate(b"0" * (MAX_BYTES + 1))


def test_what_the_standard_forbids_is_refused_though_the_library_only_warns():
    der = make()
    serial = b"\xa0\x03\x02\x01\x02\x02\x01\x07"
    assert der.count(serial) == 1
    with pytest.raises(CertificateError):
        parse_certificate(der.replace(serial, serial[:-1] + b"\x00"))


def test_every_cut_and_changed_byte_is_refused_or_read():
    der = make(names=[uri("spiffe://example.com/a")])
    for place in range(len(der)):
        for changed in (der[:place], der[:place] + bytes([der[place] ^ 0xFF]) + der[place + 1 :]):
            try:
                parse_certificate(changed)
            except CertificateError:
                continue
