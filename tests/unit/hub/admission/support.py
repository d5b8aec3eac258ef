"""Artifacts that were scanned, and what people said of them."""

from remit.artifacts.oci.manifest import MANIFEST, Descriptor
from remit.core.digest import sha256
from remit.hub.admission.people import Decision, Suppression
from remit.hub.admission.policy import ArtifactPolicy
from remit.hub.admission.results import results_of
from remit.hub.admission.values import Scanned
from remit.scan.base import Coverage, Finding, Report

NOW = 1_800_000_000_000_000
DAY = 86_400_000_000
DIGEST = sha256(b"artifact")
RULES = sha256(b"rules")


def finding(severity="medium", rule="pickle.global", member="model.pkl", **more):
    return Finding(
        rule=rule, title="loads something", severity=severity, member=member, scanner="pickles",
        **more,
    )  # fmt: skip


def report(*found, scanner="pickles", failed="", coverage=()):
    coverage = coverage or (Coverage(member="model.pkl", status="complete", executes=True),)
    return Report(
        scanner=scanner, version="1", rules=RULES, findings=tuple(found), coverage=tuple(coverage),
        failed=failed,
    )  # fmt: skip


def scanned(*found, **changes):
    given = {
        "repository": "team/model", "digest": DIGEST, "kind": "model", "name": "m",
        "descriptor": Descriptor(media_type=MANIFEST, digest=DIGEST, size=7),
        "reports": (report(*found),), "expected": ("pickles",), "scanners": RULES,
        "finished_us": NOW - 1, "pushed_by": "ann", **changes,
    }  # fmt: skip
    return Scanned(**given)


def decision(of: Scanned, under: ArtifactPolicy, **changes):
    given = {
        "id": "1", "word": "admit", "by": "ben", "policy": under.digest,
        "results": results_of(of), "made_us": NOW - 10, **changes,
    }  # fmt: skip
    return Decision(**given)


def suppression(of: Finding, **changes):
    given = {
        "id": "1", "fingerprint": of.fingerprint, "pattern": "team/*", "rule": of.rule,
        "by": "ben", "made_us": NOW - 10, "expires_us": NOW + DAY, **changes,
    }  # fmt: skip
    return Suppression(**given)
