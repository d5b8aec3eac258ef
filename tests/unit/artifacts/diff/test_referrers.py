import json

import pytest

from remit.artifacts.diff.findings import findings_of
from remit.attest.bundle import dump_bundle
from remit.attest.dsse import sign
from tests.unit.artifacts.diff.making import difference, only, seen
from tests.unit.artifacts.diff.storing import Store
from tests.unit.attest.signing import SIGNER, key

BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
SCAN = "https://remit.example/attestations/scan/v1"


@pytest.fixture
def store(tmp_path):
    found = Store(tmp_path / "store")
    found.one = found.kit("a:v1", {"code": {"x": "1\n"}})
    found.two = found.kit("a:v2", {"code": {"x": "2\n"}})
    return found


def statement(subject, kind, predicate, signer=SIGNER):
    payload = json.dumps(
        {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": "a", "digest": {"sha256": subject.digest.partition(":")[2]}}],
            "predicateType": kind,
            "predicate": predicate,
        }
    ).encode()
    return dump_bundle(sign(payload, signer), signer.public)


def others(found):
    return [each for each in found.changes if each.path == ""]


def test_who_signed_is_shown_and_the_same_signer_is_no_change(store):
    for subject in (store.one, store.two):
        store.refer(
            subject, BUNDLE, BUNDLE, statement(subject, "https://slsa.dev/provenance/v1", {})
        )
    assert others(store.difference("a:v1", "a:v2")) == []
    store.refer(
        store.one, BUNDLE, BUNDLE, statement(store.one, "https://sigstore.dev/cosign/sign/v1", {})
    )
    (change,) = others(store.difference("a:v1", "a:v2"))
    assert (change.kind, change.severity) == ("signature.removed", "high")
    assert change.details["signer"].startswith("key ")


def test_another_signer_is_one_less_and_one_more(store):
    other = key(8)
    store.refer(store.one, BUNDLE, BUNDLE, statement(store.one, "x/v1", {}))
    store.refer(store.two, BUNDLE, BUNDLE, statement(store.two, "x/v1", {}, other))
    assert sorted(each.kind for each in others(store.difference("a:v1", "a:v2"))) == [
        "attestation.added",
        "attestation.removed",
    ]


def test_findings_of_attested_scans(store):
    old = {"findings": [{"rule": "pickle.import", "path": "m.pkl", "severity": "critical"}]}
    new = {"findings": [{"rule": "secret.token", "path": "x", "severity": "high"}]}
    for subject, predicate in ((store.one, old), (store.two, new)):
        store.refer(subject, BUNDLE, BUNDLE, statement(subject, SCAN, predicate))
    found = others(store.difference("a:v1", "a:v2"))
    assert [(each.kind, each.subject, each.severity) for each in found] == [
        ("finding.removed", "pickle.import", "info"),
        ("finding.added", "secret.token", "high"),
    ]


def test_signatures_of_cosign_and_notation(store):
    cosign = "application/vnd.dev.cosign.simplesigning.v1+json"
    store.refer(
        store.one, "application/vnd.dev.cosign.artifact.sig.v1+json", cosign, {"critical": {}}
    )
    store.refer(store.two, "application/vnd.cncf.notary.signature", "application/jose+json", b"{}")
    found = others(store.difference("a:v1", "a:v2"))
    assert sorted((each.kind, each.subject) for each in found) == [
        ("signature.added", "application/vnd.cncf.notary.signature"),
        ("signature.removed", cosign),
    ]


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[" * 10_000,
        b"{}",
        b'{"verificationMaterial": {}, "dsseEnvelope": {"payload": "!"}}',
        b'{"verificationMaterial": {}, "dsseEnvelope": {"payload": "W10="}}',
    ],
)
def test_a_bundle_that_is_none_is_told(store, payload):
    store.refer(store.two, BUNDLE, BUNDLE, payload)
    found = store.difference("a:v1", "a:v2")
    assert found.unread[0].side == "b"
    assert [each.kind for each in others(found)] == ["attachment.added"]


# -- findings in files ----------------------------------------------------------------------------


def sarif(*rules):
    results = [
        {
            "ruleId": rule,
            "level": "error",
            "locations": [{"physicalLocation": {"artifactLocation": {"uri": "a.py"}}}],
        }
        for rule in rules
    ]
    return json.dumps({"version": "2.1.0", "runs": [{"results": results}]})


def test_a_report_is_compared_by_rule_and_place(tmp_path):
    found = difference(tmp_path, {"s.sarif": sarif("A", "B")}, {"s.sarif": sarif("B", "C", "C")})
    assert [(each.kind, each.subject) for each in found.changes] == [
        ("finding.added", "C"),
        ("finding.removed", "A"),
    ]
    again = difference(tmp_path / "2", {"s.sarif": sarif("A")}, {"s.sarif": sarif("A", "A")})
    assert only(again).summary == "1 × high → 2 × high in `a.py`"


def test_the_order_of_findings_means_nothing(tmp_path):
    found = difference(tmp_path, {"s.sarif": sarif("A", "B")}, {"s.sarif": sarif("B", "A")})
    assert seen(found) == [("bytes.changed", "s.sarif", "")]


def test_forms_of_reports():
    assert findings_of({"findings": []}) == {}
    assert findings_of({"other": []}) is None
    assert findings_of([]) is None
    assert findings_of(
        {"vulnerabilities": [{"id": "CVE-1", "ratings": [{"severity": "high"}]}]}
    ) == {("CVE-1", ""): (1, "high")}
    kit = {
        "tool": {"name": "t"},
        "metadata": {"total_issues_by_severity": {"CRITICAL": 2, "LOW": 0}},
    }
    assert findings_of({"evaluations": [kit]}) == {("t: CRITICAL", ""): (2, "critical")}
    assert findings_of({"runs": [1, {"results": [1, {"ruleId": "x"}]}]}) == {
        ("x", ""): (1, "medium")
    }


def test_more_referrers_than_are_read_are_told(store, monkeypatch):
    monkeypatch.setattr("remit.artifacts.diff.stored.MAX_REFERRERS", 1)
    for number in range(3):
        store.refer(store.two, "x/y", "application/json", {"n": number})
    found = store.difference("a:v1", "a:v2")
    assert [(each.path, each.side) for each in found.unread] == [("(referrers)", "b")]
