"""Policy check: a policy bundle was loaded, linted, tested and compared before it was signed.

Whoever built the bundle says so; a Guard believes it of keys that may (role ``policy``), and loads
only a bundle whose files have the digest in it.
"""

from collections.abc import Mapping
from typing import Any, Self

import msgspec

from remit.attest.predicates import fields
from remit.attest.predicates.scan import SEVERITIES

TYPE = "https://remit.example/policy-check/v1"
MAX_CHANGES = 200


class PolicyCheck(msgspec.Struct, frozen=True, kw_only=True):
    """The predicate.

    Attributes:
        name, version: of the bundle, as its author wrote them.
        serial: grows with every release; an older one never replaces a newer one.
        bundle_digest: over the paths and digests of its files (`spec/bundle.md`).
        expires_us: when the bundle ends to count, microseconds since 1970; 0 if it does not.
        checker: version of the program that checked it.
        policies: how many it has.
        warnings: problems that do not keep it from loading.
        tests, uncovered: how many tests passed, and how many policies determine none of them. One
            that fails keeps it from being attested.
        previous_digest, previous_serial: of the bundle that it replaces; empty and 0 for none.
        changes: what changed in meaning, by severity.
        summaries: the same in sentences, the first of them.
        checked_us: when.
    """

    name: str
    version: str
    serial: int
    bundle_digest: str
    expires_us: int = 0
    checker: str
    policies: int
    warnings: int = 0
    tests: int = 0
    uncovered: int = 0
    previous_digest: str = ""
    previous_serial: int = 0
    changes: dict[str, int] = {}
    summaries: tuple[str, ...] = ()
    checked_us: int

    def predicate(self) -> dict[str, Any]:
        """As JSON.

        Raises:
            PredicateError: a member that readers would refuse.
        """
        bundle: dict[str, Any] = {
            "name": self.name,
            "version": self.version,
            "serial": self.serial,
            "digest": fields.digest_set(self.bundle_digest),
        }
        if self.expires_us:
            bundle["expires"] = fields.time_text(self.expires_us)
        value: dict[str, Any] = {
            "bundle": bundle,
            "checker": {"name": "remit", "version": self.checker},
            "validation": {"result": "PASSED", "policies": self.policies},
            "lint": {"warnings": self.warnings},
            "tests": {"result": "PASSED", "passed": self.tests, "uncovered": self.uncovered},
            "diff": {
                "changes": {each: self.changes.get(each, 0) for each in SEVERITIES},
                "summaries": [each[:500] for each in self.summaries[:MAX_CHANGES]],
            },
            "checkedOn": fields.time_text(self.checked_us),
        }
        if self.previous_digest:
            value["previous"] = {
                "serial": self.previous_serial,
                "digest": fields.digest_set(self.previous_digest),
            }
        type(self).read(value)
        return value

    @classmethod
    def read(cls, predicate: Mapping[str, Any]) -> Self:
        """The predicate in a verified statement.

        Raises:
            PredicateError: a member is missing or of another form, or something did not pass.
        """
        bundle = fields.member(predicate.get("bundle"), "bundle")
        checker = fields.member(predicate.get("checker"), "checker")
        validation = fields.member(predicate.get("validation"), "validation")
        lint = fields.member(predicate.get("lint"), "lint")
        tests = fields.member(predicate.get("tests"), "tests")
        diff = fields.member(predicate.get("diff"), "diff")
        counts = fields.member(diff.get("changes"), "diff.changes")
        summaries = diff.get("summaries", [])
        for where, part in (("validation", validation), ("tests", tests)):
            if part.get("result") != "PASSED":
                raise fields.PredicateError(f"`{where}.result` is not `PASSED`")
        if not isinstance(summaries, list) or len(summaries) > MAX_CHANGES:
            raise fields.PredicateError(f"`diff.summaries` is no list of at most {MAX_CHANGES}")
        # A member that is there and empty is malformed: no end would be the wrong thing to read.
        before = fields.member(predicate["previous"], "previous") if "previous" in predicate else {}
        expires = fields.time_us(bundle["expires"], "bundle.expires") if "expires" in bundle else 0
        return cls(
            name=fields.text(bundle.get("name"), "bundle.name"),
            version=fields.text(bundle.get("version"), "bundle.version"),
            serial=fields.count(bundle.get("serial"), "bundle.serial"),
            bundle_digest=fields.from_set(bundle.get("digest"), "bundle.digest"),
            expires_us=expires,
            checker=fields.text(checker.get("version"), "checker.version"),
            policies=fields.count(validation.get("policies"), "validation.policies"),
            warnings=fields.count(lint.get("warnings"), "lint.warnings"),
            tests=fields.count(tests.get("passed"), "tests.passed"),
            uncovered=fields.count(tests.get("uncovered", 0), "tests.uncovered"),
            previous_digest=fields.from_set(before.get("digest"), "previous.digest")
            if "previous" in predicate
            else "",
            previous_serial=fields.count(before.get("serial"), "previous.serial")
            if "previous" in predicate
            else 0,
            changes={
                each: fields.count(counts.get(each, 0), f"diff.changes.{each}")
                for each in SEVERITIES
            },
            summaries=tuple(fields.text(each, "diff.summaries") for each in summaries),
            checked_us=fields.time_us(predicate.get("checkedOn"), "checkedOn"),
        )
