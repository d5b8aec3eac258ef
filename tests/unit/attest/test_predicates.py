import contextlib
import json
from pathlib import Path

import jsonschema_rs
import pytest

from remit.attest.dsse import VerifiedPayload
from remit.attest.errors import StatementError
from remit.attest.predicates import bom, fields, known, policy_check, scan, signature, vsa
from remit.attest.predicates.provenance import IMPORT, PACK, Dependency, Provenance
from remit.attest.statements import artifact_statement, statement_payload
from remit.core.digest import sha256

SPEC = Path(__file__).parents[3] / "spec"
A, B = sha256(b"a"), sha256(b"b")
T = fields.time_us("2026-06-01T12:00:00Z", "t")

SUMMARY = vsa.VerificationSummary(
    verifier="https://hub.example/gate", time_us=T, resource="oci://hub.example/m", policy_uri="p",
    policy_digest=A, result="PASSED", levels=("SLSA_BUILD_LEVEL_2",),
    inputs=(vsa.Input(uri="u", digest=A), vsa.Input(digest=B)), expires_us=T + 1_000_000,
)  # fmt: skip
SCAN = scan.Scan(
    scanner="pickle-scan", version="1", versions={"db": "2026-06-01"}, rules_digest=A,
    findings_digest=B, counts={"critical": 0, "high": 2, "medium": 0, "low": 0, "info": 0},
    coverage="partial", not_scanned=("a.bin",), started_us=T, finished_us=T, expires_us=T + 1_000_000,
)  # fmt: skip
PROVENANCE = Provenance(
    build_type=IMPORT, parameters={"source": "hf://m"}, builder="https://hub.example", invocation="7",
    dependencies=(Dependency(uri="hf://m", digest="gitCommit:" + "ab" * 20), Dependency(uri="d", digest=A)),
    started_us=T, finished_us=T,
)  # fmt: skip
CHECK = policy_check.PolicyCheck(
    name="base", version="1.4", serial=14, bundle_digest=A, expires_us=T + 1_000_000, checker="1.0",
    policies=21, warnings=1, tests=30, uncovered=2, previous_digest=B, previous_serial=13,
    changes={"critical": 0, "high": 1, "medium": 0, "low": 0, "info": 2}, summaries=("one", "two"),
    checked_us=T,
)  # fmt: skip


@pytest.mark.parametrize("value", [SUMMARY, SCAN, PROVENANCE, CHECK])
def test_what_is_written_is_read(value):
    predicate = value.predicate()
    assert type(value).read(json.loads(json.dumps(predicate))) == value
    # Members that are not known change nothing.
    assert type(value).read({**predicate, "more": [1]}) == value


def leaves(value, *above):
    yield above
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from leaves(value[key], *above, key)


@pytest.mark.parametrize("value", [SUMMARY, SCAN, PROVENANCE, CHECK])
@pytest.mark.parametrize("odd", [None, 1, -1, True, "", [], {}, "x" * 5000, "\x00", ["a", 1]])
def test_a_member_of_another_type_is_refused_or_harmless(value, odd):
    for place in leaves(value.predicate()):
        if place:
            changed = json.loads(json.dumps(value.predicate()))
            target = changed
            for key in place[:-1]:
                target = target[key]
            target[place[-1]] = odd
            with contextlib.suppress(fields.PredicateError):
                type(value).read(changed)


def test_required_members():
    for value, required in (
        (SUMMARY, {"verifier", "timeVerified", "resourceUri", "policy", "verificationResult"}),
        (SCAN, {"scanner", "findings", "coverage", "startedOn", "finishedOn", "expires"}),
        (PROVENANCE, {"buildDefinition", "runDetails"}),
    ):
        predicate = value.predicate()
        for member in predicate:
            less = {k: v for k, v in predicate.items() if k != member}
            if member in required:
                with pytest.raises(fields.PredicateError):
                    type(value).read(less)
            else:
                type(value).read(less)


def test_a_scan_that_leaves_out_a_severity():
    predicate = SCAN.predicate()
    del predicate["findings"]["counts"]["critical"]
    with pytest.raises(fields.PredicateError):
        scan.Scan.read(predicate)


@pytest.mark.parametrize(
    ("value", "file"), [(SCAN, "scan.schema.json"), (CHECK, "policy-check.schema.json")]
)
def test_the_schema_says_the_same(value, file):
    schema = jsonschema_rs.validator_for(json.loads((SPEC / file).read_text()))
    assert schema.is_valid(value.predicate())
    for place in leaves(value.predicate()):
        for odd in (None, 1.5, "", [], {"a": 1}):
            changed = json.loads(json.dumps(value.predicate()))
            if not place:
                continue
            target = changed
            for key in place[:-1]:
                target = target[key]
            target[place[-1]] = odd
            try:
                type(value).read(changed)
            except fields.PredicateError:
                # A schema does not look into times.
                assert not schema.is_valid(changed) or place[-1] in {
                    "startedOn",
                    "finishedOn",
                    "expires",
                    "checkedOn",
                }
            else:
                assert schema.is_valid(changed), (place, odd)


def test_a_source_without_a_digest():
    for dependencies in (
        (),
        (Dependency(uri="x", digest=""),),
        (Dependency(uri="x", digest="sha256:"),),
    ):
        with pytest.raises(fields.PredicateError):
            Provenance(
                build_type=IMPORT, parameters={}, builder="b", dependencies=dependencies
            ).predicate()
    assert Provenance(build_type=PACK, parameters={}, builder="b").predicate()


def test_bills_of_materials():
    good = {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [], "x": 0.5}
    assert bom.predicate(good) == good
    for odd in (
        {"specVersion": "1.3"},
        {"bomFormat": "SPDX"},
        {"components": {}},
        {"specVersion": 1.6},
    ):
        with pytest.raises(fields.PredicateError):
            bom.predicate({**good, **odd})


def test_times():
    assert fields.time_us("2026-06-01T14:00:00.123456789+02:00", "t") == T + 123456
    for odd in (
        "2026-06-01", "2026-06-01T12:00:00", "2026-06-01 12:00:00Z", "2026-13-01T12:00:00Z", "", None,
        1, "2026-06-01T12:00:00Z\n", "２026-06-01T12:00:00Z",
    ):  # fmt: skip
        with pytest.raises(fields.PredicateError):
            fields.time_us(odd, "t")


@pytest.mark.parametrize("odd", [[], {}, None, 1, ["https://in-toto.io/Statement/v1"]])
@pytest.mark.parametrize("member", ["_type", "subject", "predicateType"])
def test_statements_with_members_of_another_type(member, odd):
    value = json.loads(statement_payload("m", A, "x:y", {}))
    with pytest.raises(StatementError):
        artifact_statement(VerifiedPayload(json.dumps({**value, member: odd}).encode()))


def test_names():
    assert known.type_of("vsa") == vsa.TYPE
    assert known.type_of("https://x.example/y") == "https://x.example/y"
    assert known.short_of(signature.TYPE) == "signature"
    known.check("https://x.example/y", {"anything": None})


def test_statements():
    payload = statement_payload("m", A, "https://x.example/y", {"f": 1.5, "ü": "日"})
    found = artifact_statement(VerifiedPayload(payload))
    assert found.is_about(A)
    assert not found.is_about(B)
    assert not found.is_about(A.replace("sha256", "sha512"))
    assert found.predicate == {"f": 1.5, "ü": "日"}
    for kind, predicate in (
        ("no uri", {}),
        ("", {}),
        ("x:y\n", {}),
        ("x:y", {"a": float("nan")}),
        ("x:y", {"a": "\ud800"}),
    ):
        with pytest.raises(StatementError):
            statement_payload("m", A, kind, predicate)
