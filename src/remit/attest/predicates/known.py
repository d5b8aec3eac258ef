"""The predicate types that have a module here, their short names, and how each is checked."""

from collections.abc import Callable, Mapping
from typing import Any

from remit.attest.predicates import (
    bom,
    policy_check,
    provenance,
    scan,
    signature,
    suppression,
    vsa,
)

VULNERABILITIES = "https://in-toto.io/attestation/vulns/v0.2"
MODEL_SIGNING = "https://model_signing/signature/v1.0"
PROPERTIES = "https://in-toto.io/attestation/svr/v0.2"
KITOPS_SCAN = "https://kitops.org/attestation/scan/v1"

SHORT = {
    "cyclonedx": bom.TYPE,
    "policy-check": policy_check.TYPE,
    "provenance": provenance.TYPE,
    "scan": scan.TYPE,
    "signature": signature.TYPE,
    "slsaprovenance1": provenance.TYPE,
    "vsa": vsa.TYPE,
    "vulns": VULNERABILITIES,
}
"""Names that people write in place of a URI; those of `cosign` among them."""

_READERS: dict[str, Callable[[Mapping[str, Any]], object]] = {
    bom.TYPE: bom.read,
    policy_check.TYPE: policy_check.PolicyCheck.read,
    provenance.TYPE: provenance.Provenance.read,
    scan.TYPE: scan.Scan.read,
    suppression.TYPE: suppression.SuppressionStatement.read,
    vsa.TYPE: vsa.VerificationSummary.read,
}


def type_of(text: str) -> str:
    """The URI that ``text`` is, or is short for."""
    return SHORT.get(text, text)


def short_of(uri: str) -> str:
    """The shortest name of a type: a short one, else the URI."""
    return next((short for short, each in SHORT.items() if each == uri), uri)


def check(kind: str, predicate: Mapping[str, Any]) -> None:
    """See that a predicate has the form of its type; one of a type without a module has any form.

    Raises:
        PredicateError: it has not.
    """
    if kind in _READERS:
        _READERS[kind](predicate)
