"""What evidence is not given out for, and why; the rest is in tests/conformance."""

import json
import sqlite3

import pytest

from remit.approvals.errors import ApprovalError
from remit.attest.cipher import SubjectCipher
from remit.attest.dsse import unb64
from remit.attest.ecdsa import PublicKey
from remit.attest.notes import verify as verify_note
from remit.audit.proof import ProofError
from remit.guard.approvals.evidence import Log, evidence
from tests.conformance.test_approval_vectors import VECTORS, load

golden = load(VECTORS / "generate.py")


@pytest.fixture
def scene(tmp_path):
    return golden.Scene(tmp_path)


def verified(data):
    verifier = load(VECTORS.parents[1] / "spec" / "verify_approval.py")
    keys = [PublicKey(unb64(one["key"])).fingerprint for one in json.loads(data)["approvals"]]
    return verifier.verify(data, golden.KEY.vkey, keys)


def log_of(scene):
    return Log(
        scene.directory, golden.KEY.vkey, lambda note: verify_note(note, golden.KEY.verifier)
    )


def close(scene):
    scene.log.close()
    scene.store.close()


def paid(scene):
    people = scene.enrol("ann", "Ann Lee"), scene.enrol("ben", "Ben Lee")
    request = scene.ask(1, {"amount": 5})
    said = [scene.say(request, person, "approve", "", "") for person in people]
    return request, said


def refused(scene, tmp_path, name, code):
    with pytest.raises(ApprovalError) as error:
        evidence(tmp_path, name, log_of(scene))
    assert error.value.code == code
    return str(error.value)


def test_a_request_that_nobody_has_decided(scene, tmp_path):
    request = scene.ask(1, {"amount": 5})
    close(scene)
    value = json.loads(evidence(tmp_path, request.id, log_of(scene)))
    assert (value["approvals"], value["uses"]) == ([], [])
    assert value["action"].encode() == request.action.encode()


def test_unknown_requests_and_directories(scene, tmp_path):
    paid(scene)
    close(scene)
    refused(scene, tmp_path, "APR-X", "approval.unknown")
    refused(scene, tmp_path / "audit", "APR-X", "approval.unknown")
    assert not (tmp_path / "audit" / "approvals.db").exists()


def test_erased_arguments(scene, tmp_path):
    request, _ = paid(scene)
    close(scene)
    SubjectCipher(tmp_path / "keys" / "subjects").destroy("claude-code")
    assert "erased" in refused(scene, tmp_path, request.id, "approval.erased")


def test_a_log_that_has_it_too_often(scene, tmp_path):
    """It is given out as it is, and does not verify."""
    request, said = paid(scene)
    scene.use(request, said)
    scene.log.note(
        "approval.consume", request=request.id, digest=request.action.digest, call="x",
        attestations=[one.digest for one in said],
    )  # fmt: skip
    close(scene)
    with pytest.raises(ValueError, match="use: too"):
        verified(evidence(tmp_path, request.id, log_of(scene)))


@pytest.mark.parametrize(("agreed", "holds"), [((3, 3), True), ((2, 3), True), ((3, 1), False)])
def test_several_uses(scene, tmp_path, agreed, holds):
    """As many as everybody who is counted has agreed to."""
    people = scene.enrol("ann", "Ann Lee"), scene.enrol("ben", "Ben Lee")
    request = scene.ask(1, {"amount": 5}, max_uses=3)
    said = [
        scene.say(request, person, "approve", "", "", uses)
        for person, uses in zip(people, agreed, strict=True)
    ]
    for number in range(2):
        scene.log.note(
            "approval.consume", request=request.id, digest=request.action.digest,
            call=f"call {number}", attestations=[one.digest for one in said],
        )  # fmt: skip
    close(scene)
    data = evidence(tmp_path, request.id, log_of(scene))
    if not holds:
        with pytest.raises(ValueError, match="use: too"):
            verified(data)
        return
    assert verified(data)[-1].startswith("used exactly 2 times")
    value = json.loads(data)
    for uses in (value["uses"][::-1], value["uses"][:1] * 2):
        changed = json.dumps(
            {**value, "uses": uses}, sort_keys=True, separators=(",", ":"), ensure_ascii=False
        )
        with pytest.raises(ValueError, match="use: too"):
            verified(changed.encode() + b"\n")


def test_a_log_that_has_it_not(scene, tmp_path):
    request, _ = paid(scene)
    close(scene)
    db = sqlite3.connect(tmp_path / "approvals.db")
    db.execute("UPDATE decisions SET bundle = (SELECT bundle FROM approvers LIMIT 1)")
    db.commit()
    db.close()
    assert "no record of a decision" in refused(scene, tmp_path, request.id, "approval.no_record")


def test_what_no_checkpoint_covers_yet(scene, tmp_path):
    request, _ = paid(scene)
    scene.log._store.checkpoint(keep=False)
    scene.log.note("guard.stop")
    other = scene.ask(2, {"amount": 6})
    log = log_of(scene)
    assert evidence(tmp_path, request.id, log)
    with pytest.raises(ProofError, match="not covered by the checkpoint"):
        evidence(tmp_path, other.id, log)
    close(scene)
    assert evidence(tmp_path, other.id, log)


def test_bundles_are_given_out_without_what_was_added_unsigned(scene, tmp_path):
    request, _ = paid(scene)
    close(scene)
    db = sqlite3.connect(tmp_path / "approvals.db")
    for digest, bundle in db.execute("SELECT digest, bundle FROM decisions").fetchall():
        value = json.loads(bundle)
        value["dsseEnvelope"]["signatures"][0]["keyid"] = "x"
        value["note"] = "unsigned"
        db.execute(
            "UPDATE decisions SET bundle = ? WHERE digest = ?", (json.dumps(value).encode(), digest)
        )
    db.commit()
    db.close()
    data = evidence(tmp_path, request.id, log_of(scene))
    assert b"unsigned" not in data
    assert verified(data)
