"""Provenance (SLSA Provenance v1): how an artifact came to be, by a build or by an import.

What it came from is named with digests, or the predicate is not made: a source without one says
nothing that anybody can check.
"""

from collections.abc import Mapping
from typing import Any, Self

import msgspec

from remit.attest.predicates import fields

TYPE = "https://slsa.dev/provenance/v1"
IMPORT = "https://remit.example/build/import/v1"
PACK = "https://remit.example/build/pack/v1"
MAX_DEPENDENCIES = 10_000


class Dependency(msgspec.Struct, frozen=True, kw_only=True):
    """What the artifact was made of: a source, a base model, a data set.

    Attributes:
        uri: what it is called.
        digest: ``sha256:<hex>``, or ``gitCommit:<hex>`` for a revision of a repository.
    """

    uri: str
    digest: str


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """The predicate.

    Attributes:
        build_type: URI that says what the parameters mean: :data:`IMPORT`, :data:`PACK`, or that
            of another builder.
        parameters: what was asked for from outside.
        dependencies: what went in.
        builder: URI of who made it.
        invocation: which run; may be empty.
        started_us, finished_us: microseconds since 1970; 0 if it does not say.
    """

    build_type: str
    parameters: Mapping[str, Any]
    dependencies: tuple[Dependency, ...] = ()
    builder: str
    invocation: str = ""
    started_us: int = 0
    finished_us: int = 0

    def predicate(self) -> dict[str, Any]:
        """As JSON.

        Raises:
            PredicateError: a member that readers would refuse, or a source without a digest.
        """
        if self.build_type == IMPORT and not self.dependencies:
            raise fields.PredicateError("an import names its source with a digest")
        metadata: dict[str, Any] = {"invocationId": self.invocation} if self.invocation else {}
        for name, moment in (("startedOn", self.started_us), ("finishedOn", self.finished_us)):
            if moment:
                metadata[name] = fields.time_text(moment)
        value: dict[str, Any] = {
            "buildDefinition": {
                "buildType": self.build_type,
                "externalParameters": dict(self.parameters),
                "resolvedDependencies": [
                    {"uri": each.uri, "digest": fields.digest_set(each.digest)}
                    for each in self.dependencies
                ],
            },
            "runDetails": {"builder": {"id": self.builder}, "metadata": metadata},
        }
        type(self).read(value)
        return value

    @classmethod
    def read(cls, predicate: Mapping[str, Any]) -> Self:
        """The predicate in a verified statement.

        Raises:
            PredicateError: a member is missing or of another form.
        """
        definition = fields.member(predicate.get("buildDefinition"), "buildDefinition")
        run = fields.member(predicate.get("runDetails"), "runDetails")
        builder = fields.member(run.get("builder"), "runDetails.builder")
        metadata = fields.member(run.get("metadata", {}), "runDetails.metadata")
        found = definition.get("resolvedDependencies", [])
        if not isinstance(found, list) or len(found) > MAX_DEPENDENCIES:
            raise fields.PredicateError("`resolvedDependencies` is no list, or too long")
        times = [
            fields.time_us(metadata[name], name) if name in metadata else 0
            for name in ("startedOn", "finishedOn")
        ]
        return cls(
            build_type=fields.text(definition.get("buildType"), "buildType"),
            parameters=fields.member(definition.get("externalParameters"), "externalParameters"),
            dependencies=tuple(map(_dependency, found)),
            builder=fields.text(builder.get("id"), "runDetails.builder.id"),
            invocation=fields.text(metadata.get("invocationId", ""), "invocationId", empty=True),
            started_us=times[0],
            finished_us=times[1],
        )


def _dependency(value: Any) -> Dependency:
    found = fields.member(value, "resolvedDependencies")
    digests = fields.member(found.get("digest"), "resolvedDependencies.digest")
    algorithm = next(
        (each for each in ("sha256", "sha512", "gitCommit", "sha1") if each in digests), ""
    )
    digits = digests.get(algorithm)
    if not isinstance(digits, str) or not digits or digits.strip("0123456789abcdef"):
        raise fields.PredicateError("a dependency has no digest")
    return Dependency(
        uri=fields.text(found.get("uri", ""), "resolvedDependencies.uri", empty=True),
        digest=f"{algorithm}:{digits}",
    )
