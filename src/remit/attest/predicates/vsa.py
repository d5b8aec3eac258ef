"""Verification summary: the gate looked at an artifact under a policy, and this came of it.

SLSA Verification Summary v1. It has no member for an end of validity; ``remit_expires`` is an
extension member of ours. A verifier that does not know it takes the summary for longer, so whoever
verifies also says how old a summary may be (:mod:`remit.artifacts.verification`).
"""

from collections.abc import Mapping
from typing import Any, Literal, Self

import msgspec

from remit.attest.predicates import fields

TYPE = "https://slsa.dev/verification_summary/v1"
MAX_INPUTS = 1000


class Input(msgspec.Struct, frozen=True, kw_only=True):
    """An attestation that the gate read.

    Attributes:
        uri: where it is; may be empty.
        digest: of the bundle's manifest.
    """

    uri: str = ""
    digest: str


class VerificationSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The predicate.

    Attributes:
        verifier: URI of the gate.
        time_us: when it looked, microseconds since 1970.
        resource: URI of what was looked at, for example ``oci://hub.example/team/model``.
        policy_uri: of the policy.
        policy_digest: of the policy, ``sha256:<hex>``.
        result: ``PASSED`` or ``FAILED``.
        levels: what was found to hold, for example ``SLSA_BUILD_LEVEL_2``.
        inputs: what it was decided on.
        expires_us: when it ends to count; 0 if it does not say.
    """

    verifier: str
    time_us: int
    resource: str
    policy_uri: str
    policy_digest: str
    result: Literal["PASSED", "FAILED"]
    levels: tuple[str, ...] = ()
    inputs: tuple[Input, ...] = ()
    expires_us: int = 0

    def predicate(self) -> dict[str, Any]:
        """As JSON.

        Raises:
            PredicateError: a member that readers would refuse.
        """
        value: dict[str, Any] = {
            "verifier": {"id": self.verifier},
            "timeVerified": fields.time_text(self.time_us),
            "resourceUri": self.resource,
            "policy": {
                "uri": self.policy_uri,
                "digest": fields.digest_set(self.policy_digest),
            },
            "inputAttestations": [
                {
                    **({"uri": each.uri} if each.uri else {}),
                    "digest": fields.digest_set(each.digest),
                }
                for each in self.inputs
            ],
            "verificationResult": self.result,
            "verifiedLevels": list(self.levels),
            "slsaVersion": "1.0",
        }
        if self.expires_us:
            value["remit_expires"] = fields.time_text(self.expires_us)
        type(self).read(value)
        return value

    @classmethod
    def read(cls, predicate: Mapping[str, Any]) -> Self:
        """The predicate in a verified statement.

        Raises:
            PredicateError: a member is missing or of another form.
        """
        policy = fields.member(predicate.get("policy"), "policy")
        result = predicate.get("verificationResult")
        if result not in ("PASSED", "FAILED"):
            raise fields.PredicateError("`verificationResult` is neither `PASSED` nor `FAILED`")
        levels, inputs = predicate.get("verifiedLevels", []), predicate.get("inputAttestations", [])
        if not isinstance(levels, list) or not isinstance(inputs, list):
            raise fields.PredicateError("`verifiedLevels` or `inputAttestations` is not a list")
        if len(levels) > MAX_INPUTS or len(inputs) > MAX_INPUTS:
            raise fields.PredicateError(f"more than {MAX_INPUTS} levels or attestations")
        expires = predicate.get("remit_expires")
        return cls(
            verifier=fields.text(
                fields.member(predicate.get("verifier"), "verifier").get("id"), "verifier.id"
            ),
            time_us=fields.time_us(predicate.get("timeVerified"), "timeVerified"),
            resource=fields.text(predicate.get("resourceUri"), "resourceUri"),
            policy_uri=fields.text(policy.get("uri", ""), "policy.uri", empty=True),
            policy_digest=fields.from_set(policy.get("digest"), "policy.digest"),
            result=result,
            levels=tuple(fields.text(each, "verifiedLevels") for each in levels),
            inputs=tuple(map(_input, inputs)),
            expires_us=0 if expires is None else fields.time_us(expires, "remit_expires"),
        )


def _input(value: Any) -> Input:
    found = fields.member(value, "inputAttestations")
    return Input(
        uri=fields.text(found.get("uri", ""), "inputAttestations.uri", empty=True),
        digest=fields.from_set(found.get("digest"), "inputAttestations.digest"),
    )
