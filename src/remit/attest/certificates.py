"""What a client certificate says of its holder (RFC 5280), read and not judged.

Whether it is genuine was settled by TLS; whom it may speak for is settled by who calls this.
"""

import datetime as dt
import hashlib
import warnings
from typing import TypeVar

import msgspec
from cryptography import x509
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from remit.attest.errors import CertificateError

_T = TypeVar("_T", bound=x509.ExtensionType)

MAX_BYTES = 64 * 1024
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """The parts that name somebody.

    Attributes:
        fingerprint: hex SHA-256 of the DER.
        uris, emails: subject alternative names of these kinds, in order.
        common_names: common names of the subject, in order.
        not_before_us, not_after_us: microseconds since 1970; both ends are inside.
        authority: whether it may sign other certificates.
        client: whether it may be used by a client: its extended key usage says so, or is absent.
    """

    fingerprint: str
    uris: tuple[str, ...]
    emails: tuple[str, ...]
    common_names: tuple[str, ...]
    not_before_us: int
    not_after_us: int
    authority: bool
    client: bool


def parse_certificate(der: bytes) -> Certificate:
    """Read one certificate.

    Raises:
        CertificateError: not the DER of one certificate that can be read whole.
    """
    if len(der) > MAX_BYTES:
        raise CertificateError(f"the certificate is larger than {MAX_BYTES} bytes")
    try:
        with warnings.catch_warnings():
            # What the library only warns of today it will refuse later, and RFC 5280 forbids now.
            warnings.simplefilter("error", CryptographyDeprecationWarning)
            certificate = x509.load_der_x509_certificate(der)
        extensions = certificate.extensions
        names = _extension(extensions, x509.SubjectAlternativeName)
        basic = _extension(extensions, x509.BasicConstraints)
        usage = _extension(extensions, x509.ExtendedKeyUsage)
        return Certificate(
            fingerprint=hashlib.sha256(der).hexdigest(),
            uris=tuple(names.get_values_for_type(x509.UniformResourceIdentifier)) if names else (),
            emails=tuple(names.get_values_for_type(x509.RFC822Name)) if names else (),
            common_names=tuple(
                str(name.value)
                for name in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
            ),
            not_before_us=_us(certificate.not_valid_before_utc),
            not_after_us=_us(certificate.not_valid_after_utc),
            authority=basic is not None and basic.ca,
            client=usage is None or ExtendedKeyUsageOID.CLIENT_AUTH in usage,
        )
    except (
        ValueError,
        TypeError,
        CryptographyDeprecationWarning,
        x509.InvalidVersion,
        x509.DuplicateExtension,
        x509.UnsupportedGeneralNameType,
    ) as error:
        raise CertificateError("the certificate cannot be read") from error


def _extension(extensions: x509.Extensions, kind: type[_T]) -> _T | None:
    try:
        return extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _us(time: dt.datetime) -> int:
    return (time - _EPOCH) // dt.timedelta(microseconds=1)
