"""The signature of a trust root: a Sigstore bundle beside it, by whoever keeps it."""

from remit.attest.bundle import dump_bundle, hint_of, parse_bundle
from remit.attest.dsse import sign, verify
from remit.attest.ecdsa import PublicKey, Signer
from remit.attest.errors import StatementError
from remit.attest.statements import artifact_statement, statement_payload
from remit.attest.trust import PREDICATE, TrustError, TrustRoot

SUFFIX = ".sigstore.json"
"""Of the file with the signature, behind the name of the trust root's."""


def sign_trust(data: bytes, signer: Signer) -> bytes:
    """The bundle that signs a trust root.

    Raises:
        TrustError: it is none.
    """
    root = TrustRoot.parse(data)
    payload = statement_payload(root.name, root.digest, PREDICATE, {"serial": root.serial})
    return dump_bundle(sign(payload, signer), signer.public)


def signed_trust(data: bytes, bundle: bytes, key: PublicKey) -> TrustRoot:
    """A trust root that ``key`` signed, exactly these bytes.

    Raises:
        TrustError: another key signed it, another file, or something else; ``trust.signature``.
    """
    try:
        hint, envelope = parse_bundle(bundle)
        statement = artifact_statement(verify(envelope, key))
    except StatementError as error:
        raise _unsigned(error.message) from error
    root = TrustRoot.parse(data)
    if hint != hint_of(key):
        raise _unsigned("the hint is not that of the key")
    if statement.predicate_type != PREDICATE:
        raise _unsigned("what the key signed is no trust root")
    if not statement.is_about(root.digest):
        raise _unsigned("the key signed another file")
    return root


def _unsigned(reason: str) -> TrustError:
    return TrustError(
        f"the trust root is not signed by the key that is asked for: {reason}",
        hint="`remit trust sign` signs it; get it again from whoever keeps it",
        code="trust.signature",
    )
