"""Suppression: somebody answers for a finding, in some repositories, until it ends.

The subject is the finding: its fingerprint, a SHA-256. It says nothing of findings of other
fingerprints, and nothing of an artifact's other faults.
"""

from collections.abc import Mapping
from typing import Any, Self

import msgspec

from remit.attest.predicates import fields

TYPE = "https://remit.example/suppression/v1"


class SuppressionStatement(msgspec.Struct, frozen=True, kw_only=True):
    """The predicate.

    Attributes:
        hub: origin of the log of the Hub that it is meant for.
        by: who answers for it.
        pattern: of the repositories.
        rule: of the finding.
        reason: why.
        signed_us, expires_us: from when until when, microseconds since 1970.
    """

    hub: str
    by: str
    pattern: str
    rule: str
    reason: str
    signed_us: int
    expires_us: int

    def predicate(self) -> dict[str, Any]:
        """As JSON.

        Raises:
            PredicateError: a member that readers would refuse.
        """
        value = {
            "audience": self.hub,
            "by": self.by,
            "repositories": self.pattern,
            "rule": self.rule,
            "reason": self.reason,
            "signedAt": fields.time_text(self.signed_us),
            "expiresAt": fields.time_text(self.expires_us),
        }
        type(self).read(value)
        return value

    @classmethod
    def read(cls, predicate: Mapping[str, Any]) -> Self:
        """The predicate in a verified statement.

        Raises:
            PredicateError: a member is missing or of another form.
        """
        found = cls(
            hub=fields.text(predicate.get("audience"), "audience"),
            by=fields.text(predicate.get("by"), "by"),
            pattern=fields.text(predicate.get("repositories"), "repositories"),
            rule=fields.text(predicate.get("rule"), "rule"),
            reason=fields.text(predicate.get("reason"), "reason"),
            signed_us=fields.time_us(predicate.get("signedAt"), "signedAt"),
            expires_us=fields.time_us(predicate.get("expiresAt"), "expiresAt"),
        )
        if found.expires_us <= found.signed_us:
            raise fields.PredicateError("`expiresAt` is not after `signedAt`")
        return found
