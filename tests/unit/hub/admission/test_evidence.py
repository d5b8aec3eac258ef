import json

import pytest

from remit.artifacts.attestations import Attestation
from remit.artifacts.verification import Demand, Verifier
from remit.attest.bundle import parse_bundle
from remit.attest.dsse import VerifiedPayload
from remit.attest.errors import KeyFileError
from remit.attest.predicates import bom, scan, vsa
from remit.attest.statements import artifact_statement
from remit.attest.trust import TrustRoot
from remit.cli.hub_keys import trust_lines
from remit.core.digest import sha256
from remit.hub.admission.evidence import Naming, bundles, document
from remit.hub.admission.keys import ROLES, RoleKeys
from remit.hub.admission.policy import ArtifactPolicy
from remit.hub.admission.values import Outcome
from remit.hub.errors import HubError
from remit.scan.base import Coverage
from tests.unit.hub.admission.support import DAY, DIGEST, NOW, finding, report, scanned

NAMING = Naming(host="hub.example", gate="https://hub.example/gate", policy="default@1")
POLICY = sha256(b"policy")
BOM = json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": []}).encode()
HERE = "hub.example/team/model"


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return RoleKeys(tmp_path_factory.mktemp("state") / "keys")


def outcome(word="admit", **changes):
    return Outcome(word=word, reasons=(), policy=POLICY, expires_us=NOW + 3 * DAY, **changes)


def made(keys, what=None, said=None, now=NOW):
    return bundles(what or scanned(bom=BOM), said or outcome(), keys, NAMING, now)


def statement(evidence):
    return artifact_statement(VerifiedPayload(parse_bundle(evidence.bundle)[1].payload))


def trust(keys, patterns=("hub.example/**",), swap=False):
    roles = dict(zip(ROLES, reversed(ROLES), strict=True)) if swap else {r: r for r in ROLES}
    lines = "".join(trust_lines(roles[r], keys.public(r), patterns) for r in ROLES)
    head = 'format = "remit.trust/v1"\nname = "t"\nserial = 1\n'
    return TrustRoot.parse((head + lines).encode())


def verified(root, found, *, where=HERE, now=NOW, subject=DIGEST, policy=POLICY, **demand):
    attestations = [
        Attestation(manifest=each.stored.descriptor.digest, data=each.bundle) for each in found
    ]
    demand = Demand(signature=False, policy_digest=policy, **demand)
    return Verifier(root, now).verify(subject, where, attestations, demand)


def code(*arguments, **more):
    checks = verified(*arguments, **more).checks
    return next((each.code for each in checks if not each.passed), "")


def test_one_statement_for_each_scanner_the_bill_and_the_summary(keys):
    what = scanned(reports=(report(), report(scanner="secrets")), bom=BOM)
    found = made(keys, what)
    types = [each.predicate_type for each in found]
    assert types == [scan.TYPE, scan.TYPE, bom.TYPE, vsa.TYPE]
    summary = vsa.VerificationSummary.read(statement(found[-1]).predicate)
    assert summary.result == "PASSED"
    assert summary.resource == "oci://hub.example/team/model"
    assert (summary.policy_digest, summary.expires_us) == (POLICY, NOW + 3 * DAY)
    inputs = [each.digest for each in summary.inputs]
    assert inputs == [each.stored.descriptor.digest for each in found[:-1]]
    assert all(each.stored.manifest.subject.digest == DIGEST for each in found)


def test_what_a_scanner_said_is_bound(keys):
    partial = (
        Coverage(member="a", status="complete"),
        Coverage(member="b\n", status="unsupported"),
    )
    what = report(finding("high"), finding("low", rule="x.y"), coverage=partial)
    said = scan.Scan.read(statement(made(keys, scanned(reports=(what,)))[0]).predicate)
    assert said.findings_digest == sha256(document(what))
    assert said.rules_digest == what.rules
    assert said.counts == {"critical": 0, "high": 1, "medium": 0, "low": 1, "info": 0}
    assert (said.coverage, said.not_scanned) == ("partial", ("b\n",))
    assert json.loads(document(what))["findings"][0]["rule"] == "pickle.global"


def test_a_failed_scan_says_so(keys):
    what = scanned(reports=(report(failed="it crashed", scanner="s"),))
    said = scan.Scan.read(statement(made(keys, what)[0]).predicate)
    assert said.coverage == "error"


def test_a_verifier_accepts_it(keys):
    found = made(keys)
    root = trust(keys)
    assert code(root, found, types=(scan.TYPE, bom.TYPE)) == ""
    assert code(root, found, resource="oci://hub.example/team/model") == ""


def test_attacks_on_it(keys):
    found, root = made(keys), trust(keys)
    other = sha256(b"other")
    # For another policy, artifact, repository, host; expired; the wrong role; a stranger's key.
    assert code(root, found, policy=other) == "verify.vsa_policy"
    assert code(root, found, subject=other) == "verify.subject"
    assert code(root, found, resource="oci://hub.example/team/other") == "verify.vsa_policy"
    assert code(root, found, where="evil.example/team/model") == "verify.scope"
    assert code(root, found, now=NOW + 3 * DAY) == "verify.vsa_stale"
    assert code(trust(keys, swap=True), found) == "verify.role"


def test_a_summary_signed_by_the_scanners_key_is_none(keys, tmp_path):
    class Confused(RoleKeys):
        def signer(self, role):
            return keys.signer("scan")

    found = bundles(scanned(), outcome(), Confused(tmp_path), NAMING, NOW)
    assert code(trust(keys), found) == "verify.role"


def test_an_old_summary_does_not_count_after_a_withdrawal(keys):
    admitted = made(keys)
    again = scanned(summary_us=NOW, attested=(sha256(b"m"),))
    withdrawn = made(keys, again, outcome("refuse"), now=NOW)
    assert [each.predicate_type for each in withdrawn] == [vsa.TYPE]
    root = trust(keys)
    for order in ([*admitted, *withdrawn], [*withdrawn, *admitted]):
        assert code(root, order, now=NOW + 5_000_000) == "verify.vsa_failed"
    summary = vsa.VerificationSummary.read(statement(withdrawn[0]).predicate)
    assert summary.time_us == NOW + 1_000_000
    assert summary.expires_us == 0
    # And admitted again, within the same second.
    back = made(keys, scanned(summary_us=NOW + 1_000_000, attested=(sha256(b"m"),)))
    assert code(root, [*admitted, *withdrawn, *back], now=NOW + 5_000_000) == ""


def test_what_is_left_to_people_has_no_summary_unless_it_had_one(keys):
    found = made(keys, scanned(), outcome("review"))
    assert [each.predicate_type for each in found] == [scan.TYPE]
    again = made(keys, scanned(summary_us=NOW, attested=(sha256(b"m"),)), outcome("review"))
    assert vsa.VerificationSummary.read(statement(again[0]).predicate).result == "FAILED"


def test_a_bill_that_is_too_large_is_left_out(keys):
    huge = BOM[:-1] + b"," + b'"x":"' + b"y" * (9 * 1024 * 1024) + b'"}'
    assert bom.TYPE not in {each.predicate_type for each in made(keys, scanned(bom=huge))}


def test_keys_are_made_once_private_and_apart(tmp_path):
    first = RoleKeys(tmp_path / "keys")
    prints = [first.public(role).fingerprint for role in ROLES]
    assert len(set(prints)) == 2
    assert [first.signer(role).public.fingerprint for role in ROLES] == prints
    again = RoleKeys(tmp_path / "keys")
    assert [again.public(role).fingerprint for role in ROLES] == prints
    assert (tmp_path / "keys" / "gate.key").stat().st_mode & 0o777 == 0o600


def test_one_key_for_both_is_refused(tmp_path):
    own = RoleKeys(tmp_path / "keys")
    own.public("gate")
    path = str(tmp_path / "keys" / "gate.key")
    both = RoleKeys(tmp_path / "keys", {"scan": path, "gate": path})
    with pytest.raises(HubError, match="keys of their own"):
        both.check()
    both.signer("scan")
    with pytest.raises(HubError, match="keys of their own"):
        both.signer("gate")


def test_keys_that_cannot_be_read_are_told_at_the_start(tmp_path):
    own = RoleKeys(tmp_path / "keys")
    own.check()
    assert not (tmp_path / "keys").exists()
    own.public("gate")
    own.check()
    (tmp_path / "keys" / "gate.key").chmod(0o644)
    with pytest.raises(KeyFileError):
        own.check()
    with pytest.raises(KeyFileError):
        own.signer("gate")


def test_the_default_policy_has_a_digest(keys):
    policy = ArtifactPolicy.load()
    found = policy.decide(scanned(), (), (), NOW)
    assert made(keys, scanned(), found)[-1].predicate_type == vsa.TYPE
