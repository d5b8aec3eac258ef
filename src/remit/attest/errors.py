"""Errors of keys, notes and ciphers."""

from remit.core.errors import RemitError


class AttestError(RemitError):
    """A key, a signature or a ciphertext that Remit refuses."""

    code = "attest.error"


class KeyFileError(AttestError):
    """A key file that is missing, malformed, or readable by others than its owner."""

    code = "attest.key_file"


class KeyPlaceError(AttestError):
    """A key in a keyring or on a token that cannot be reached, or does not exist."""

    code = "attest.key_place"


class NoteError(AttestError):
    """A signed note that is malformed, or not signed by the key that the verifier trusts."""

    code = "attest.note"


class CipherError(AttestError):
    """A side value that cannot be encrypted or decrypted."""

    code = "attest.cipher"


class KeyDestroyedError(CipherError):
    """The key of the subject is gone: the value was erased."""

    code = "attest.key_destroyed"


class CertificateError(AttestError):
    """A certificate that cannot be read."""

    code = "attest.certificate"


class StatementError(AttestError):
    """An attestation that is malformed, or that no trusted key signed."""

    code = "attest.statement"
