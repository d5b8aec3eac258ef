"""A key for tests that is made of a number, and what it signs."""

from cryptography.hazmat.primitives.asymmetric import ec

from remit.attest.dsse import Statement, sign, statement_bytes
from remit.attest.ecdsa import FileSigner


def key(number=7):
    return FileSigner(ec.derive_private_key(number, ec.SECP256R1()))


SIGNER = key()
STATEMENT = Statement(
    name="x", sha256="ab" * 32, predicate_type="https://remit.example/test/v1", predicate={"a": 1}
)
PAYLOAD = statement_bytes(STATEMENT)
ENVELOPE = sign(PAYLOAD, SIGNER)
