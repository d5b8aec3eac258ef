"""What keys are for: each role signs its own predicate types, and those that judge stay apart.

`cosign verify --key` takes any statement of a key about an artifact for its signature, a failed
scan too. So the key of the scanners or of the gate must not be the one that signs.
"""

from remit.attest.predicates import bom, known, policy_check, provenance, scan, signature, vsa

ROLES: dict[str, frozenset[str]] = {
    "build": frozenset({provenance.TYPE, bom.TYPE}),
    "gate": frozenset({vsa.TYPE, known.PROPERTIES}),
    "policy": frozenset({policy_check.TYPE}),
    "scan": frozenset({scan.TYPE, known.VULNERABILITIES, known.KITOPS_SCAN, bom.TYPE}),
    "sign": frozenset({signature.TYPE, known.MODEL_SIGNING}),
}
"""Role to the predicate types that a key with it may sign."""

TOGETHER = frozenset({"build", "policy", "sign"})
"""The only roles that one key may have at once."""

OWNED = frozenset().union(*ROLES.values())
"""Types that need a role; others are named by the key."""
