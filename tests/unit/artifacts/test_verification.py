import base64
import itertools
import json

import pytest

from remit.artifacts.attestations import Attestation
from remit.artifacts.errors import ManifestError
from remit.artifacts.verification import Demand, NotVerifiedError, Verifier
from remit.attest.bundle import dump_bundle, hint_of
from remit.attest.dsse import Envelope, pae, sign
from remit.attest.predicates import bom, provenance, scan, signature, vsa
from remit.attest.trust import TrustError
from remit.core.digest import sha256
from tests.unit.artifacts.vouching import (
    BUILD,
    DAY,
    GATE,
    NOW,
    OTHER,
    POLICY,
    REPOSITORY,
    SCAN,
    SIGN,
    STRANGER,
    SUBJECT,
    attested,
    revocation,
    scanned,
    signed,
    summary,
    trust,
)  # fmt: skip

GATED = Demand(policy_digest=POLICY)


def verify(*attestations, root=None, demand=None, now=NOW, repository=REPOSITORY, subject=SUBJECT):
    return Verifier(root or trust(), now).verify(subject, repository, attestations, demand)


def code(*attestations, **more):
    found = verify(*attestations, **more)
    assert not found.passed
    with pytest.raises(NotVerifiedError) as error:
        found.require()
    assert error.value.message[0].islower() or error.value.message[0] == "`"
    assert "\n" not in error.value.message
    return error.value.code


def raw(data):
    return Attestation(manifest=sha256(data), data=data)


def edited(change, attestation=None):
    value = json.loads((attestation or signed()).data)
    change(value)
    return raw(json.dumps(value).encode())


def repayload(value, **changes):
    statement = json.loads(base64.b64decode(value["dsseEnvelope"]["payload"]))
    statement.update(changes)
    value["dsseEnvelope"]["payload"] = base64.b64encode(json.dumps(statement).encode()).decode()


# -- what is accepted --------------------------------------------------------------------------


def test_a_signed_artifact():
    found = verify(signed())
    assert found.require() == SUBJECT
    (examined,) = found.examined
    assert (examined.key, examined.predicate_type) == ("signer", signature.TYPE)
    assert [each.rule for each in examined.checks] == [
        "bundle", "key", "signature", "revocation", "window", "statement", "subject", "role",
        "scope", "time",
    ]  # fmt: skip


def test_everything_that_is_asked_for():
    demand = Demand(policy_digest=POLICY, types=(scan.TYPE,), resource=f"oci://{REPOSITORY}")
    assert verify(signed(), summary(), scanned(), demand=demand).require() == SUBJECT


def test_statements_of_cosign_and_of_many_subjects():
    payload = json.dumps({
        "_type": "https://in-toto.io/Statement/v0.1", "predicateType": signature.TYPE,
        "predicate": {}, "unknown": 1,
        "subject": [{"digest": {"sha256": each[7:]}} for each in (OTHER, SUBJECT)],
    }).encode()  # fmt: skip
    assert verify(raw(dump_bundle(sign(payload, SIGN), SIGN.public))).passed


def test_the_hint_of_model_signing_selects_too():
    def change(value):
        hint = sha256(SIGN.public.pem.encode())[7:]
        value["verificationMaterial"]["publicKey"]["hint"] = hint

    assert verify(edited(change)).passed


def test_what_others_store_beside_it_does_no_harm():
    noise = [raw(b""), raw(b"{}"), signed(STRANGER), signed(subject=OTHER), signed(SCAN)]
    for order in itertools.permutations([*noise[:3], signed()]):
        assert verify(*order).passed
    assert verify(*noise, signed()).passed


# -- each rule ---------------------------------------------------------------------------------


def test_nothing_there():
    assert code() == "verify.no_signature"
    assert code(signed(), demand=GATED) == "verify.no_vsa"
    assert code(signed(), demand=Demand(types=(scan.TYPE,))) == "verify.missing"
    assert code(demand=Demand(signature=False)) == "verify.nothing"


def test_a_bundle_that_cannot_be_had():
    problem = ManifestError("a manifest of a bundle has one layer")
    assert code(Attestation(manifest=SUBJECT, problem=problem)) == "verify.unreadable"


MATERIAL = {"hint": hint_of(SIGN.public)}
LEGACY = {
    "version 0.2": lambda v: v.update(
        mediaType="application/vnd.dev.sigstore.bundle+json;version=0.2"
    ),
    "version 0.1": lambda v: v.update(
        mediaType="application/vnd.dev.sigstore.bundle+json;version=0.1"
    ),
    "cert": lambda v: v.update(cert=base64.b64encode(STRANGER.public.pem.encode()).decode()),
    "cosign 2": lambda v: v.update(base64Signature="YQ==", rekorBundle={}),
}
KEYS = {
    "certificate": lambda v: v["verificationMaterial"].update(certificate={"rawBytes": "YQ=="}),
    "chain": lambda v: v["verificationMaterial"].update(x509CertificateChain={"certificates": []}),
    "only a certificate": lambda v: v.update(verificationMaterial={"certificate": {"rawBytes": "YQ=="}}),
    "raw key": lambda v: v["verificationMaterial"]["publicKey"].update(rawBytes="YQ=="),
    "no hint": lambda v: v["verificationMaterial"].update(publicKey={}),
}  # fmt: skip


@pytest.mark.parametrize("name", LEGACY)
def test_older_forms(name):
    assert code(edited(LEGACY[name])) == "verify.bundle_legacy"


@pytest.mark.parametrize("name", KEYS)
def test_keys_and_certificates_of_its_own(name):
    assert code(edited(KEYS[name])) == "verify.bundle_key"


def test_a_legacy_bundle_that_brings_the_key_that_signed_it():
    pem = base64.b64encode(STRANGER.public.pem.encode()).decode()

    def change(value):
        value["cert"] = pem
        value["verificationMaterial"] = {"publicKey": MATERIAL}

    assert code(edited(change, signed(STRANGER))) == "verify.bundle_legacy"


def test_two_signatures_or_a_key_twice():
    def change(value):
        value["dsseEnvelope"]["signatures"] *= 2

    assert code(edited(change)) == "verify.bundle"
    twice = signed().data.replace(b'"payload":', b'"payload":"YQ==","payload":')
    assert code(raw(twice)) == "verify.bundle"
    assert code(raw(b"\xff")) == "verify.bundle"


def test_a_key_that_is_not_trusted():
    assert code(signed(STRANGER)) == "verify.unknown_key"

    def empty(value):
        value["verificationMaterial"]["publicKey"]["hint"] = ""

    assert code(edited(empty)) == "verify.unknown_key"


def test_key_confusion():
    """A stranger signs and hints at a trusted key; a trusted key signs and hints at another."""

    def change(value):
        value["verificationMaterial"]["publicKey"]["hint"] = hint_of(SIGN.public)

    assert code(edited(change, signed(STRANGER))) == "verify.signature"
    assert code(edited(change, signed(GATE))) == "verify.signature"


def test_an_altered_payload():
    digest = {"sha256": OTHER[7:]}
    assert (
        code(edited(lambda v: repayload(v, subject=[{"digest": digest}])), subject=OTHER)
        == "verify.signature"
    )
    assert code(edited(repayload)) == "verify.signature"


def test_a_payload_type_that_is_none_of_ours():
    payload = b"{}"
    kind = "application/vnd.other+json"
    envelope = Envelope(payload=payload, payload_type=kind, signature=SIGN.sign(pae(kind, payload)))
    assert code(raw(dump_bundle(envelope, SIGN.public))) == "verify.payload_type"


def test_a_revoked_key():
    root = trust(serial=2, more=revocation(SIGN))
    assert code(signed(), root=root) == "verify.revoked_key"
    # Another key's revocation is none of its business.
    assert verify(signed(), root=trust(more=revocation(GATE))).passed


def test_outside_the_window_of_the_key():
    window = "not_before = 2026-06-01T00:00:00Z\nnot_after = 2026-06-02T00:00:00Z"
    root = trust(signer=window)
    assert verify(signed(), root=root).passed
    assert code(signed(), root=root, now=NOW - DAY) == "verify.key_window"
    assert code(signed(), root=root, now=NOW + DAY) == "verify.key_window"


STATEMENTS = {
    "no JSON": b"x",
    "a list": b"[]",
    "no type": json.dumps({"subject": [{"digest": {"sha256": SUBJECT[7:]}}], "predicate": {}}).encode(),
    "a key twice": b'{"_type":"https://in-toto.io/Statement/v1","_type":"https://in-toto.io/Statement/v1"}',
}  # fmt: skip


def statement(**changes):
    value = {
        "_type": "https://in-toto.io/Statement/v1", "predicateType": signature.TYPE,
        "predicate": {}, "subject": [{"digest": {"sha256": SUBJECT[7:]}}], **changes,
    }  # fmt: skip
    return raw(dump_bundle(sign(json.dumps(value).encode(), SIGN), SIGN.public))


@pytest.mark.parametrize("name", STATEMENTS)
def test_what_is_signed_and_no_statement(name):
    assert code(raw(dump_bundle(sign(STATEMENTS[name], SIGN), SIGN.public))) == "verify.statement"


@pytest.mark.parametrize(
    "changes",
    [
        {"_type": "https://in-toto.io/Statement/v2"},
        {"subject": []},
        {"subject": None},
        {"subject": [None]},
        {"subject": [{"name": "x"}]},
        {"subject": [{"digest": {}}]},
        {"subject": [{"digest": {"sha256": None}}]},
        {"subject": [{"digest": {"sha256": SUBJECT[7:].upper()}}]},
        {"predicateType": ""},
        {"predicateType": None},
        {"predicate": None},
        {"predicate": []},
    ],
)
def test_statements_of_another_form(changes):
    assert code(statement(**changes)) == "verify.statement"
    assert verify(statement()).passed


def test_a_trust_root_that_is_over_verifies_nothing():
    with pytest.raises(TrustError) as error:
        verify(signed(), root=trust(top="expires = 2026-06-01T12:00:00Z"))
    assert error.value.code == "trust.expired"


def test_members_that_nobody_knows():
    assert verify(statement(predicate={"": False, "expires": "2020-01-01T00:00:00Z"})).passed


def test_about_something_else():
    assert code(signed(subject=OTHER)) == "verify.subject"
    named = statement(subject=[{"name": SUBJECT, "digest": {"sha256": OTHER[7:]}}])
    assert code(named) == "verify.subject"
    # The same digits of another algorithm are another digest.
    assert code(statement(subject=[{"digest": {"sha512": SUBJECT[7:]}}])) == "verify.subject"


@pytest.mark.parametrize("signer", [SCAN, GATE, BUILD])
def test_a_key_of_another_role_is_no_signature(signer):
    assert code(signed(signer)) == "verify.role"


def test_statements_of_another_type_are_no_signature():
    """`cosign verify` takes any statement of the key for one."""
    for other in (scanned(), summary(), summary("PASSED", signer=SIGN)):
        assert not verify(other).passed
    bom_of_ci = attested(BUILD, bom.TYPE, {"bomFormat": "CycloneDX", "specVersion": "1.6"})
    assert code(bom_of_ci) == "verify.no_signature"


def test_a_summary_by_whoever_signs():
    assert code(signed(), summary(signer=SIGN), demand=GATED) == "verify.role"
    assert code(signed(), summary(signer=SCAN), demand=GATED) == "verify.role"


def test_another_repository():
    assert code(signed(), repository="hub.example/other/model") == "verify.scope"
    assert code(signed(), repository="evil.example/team/model") == "verify.scope"
    assert code(signed(), repository="hub.example/team/model/deeper") == "verify.scope"
    assert code(signed(), repository="") == "verify.scope"
    assert verify(signed(), repository="", root=trust(repositories=["**"])).passed


def test_a_scan_that_is_over_or_of_the_future():
    demand = Demand(types=(scan.TYPE,))
    assert code(signed(), scanned(expires=NOW), demand=demand) == "verify.expired"
    assert (
        code(signed(), scanned(finished=NOW + DAY, expires=NOW + 2 * DAY), demand=demand)
        == "verify.future"
    )


# -- the summary of the gate -------------------------------------------------------------------


def test_a_failed_summary():
    assert code(signed(), summary("FAILED"), demand=GATED) == "verify.vsa_failed"
    # Without a question for it, too.
    assert code(signed(), summary("FAILED")) == "verify.vsa_failed"


def test_the_newest_summary_counts():
    old_no, new_yes = summary("FAILED", age=3 * DAY), summary(age=DAY)
    assert verify(signed(), old_no, new_yes, demand=GATED).passed
    new_no, old_yes = summary("FAILED", age=DAY), summary(age=3 * DAY)
    for pair in ((new_no, old_yes), (old_yes, new_no)):
        assert code(signed(), *pair, demand=GATED) == "verify.vsa_failed"
    # At the same time the one that refuses.
    assert code(signed(), summary(), summary("FAILED"), demand=GATED) == "verify.vsa_failed"
    # That it is over does not make it unsaid.
    over = summary("FAILED", age=DAY, expires=NOW - 1)
    assert code(signed(), over, summary(age=2 * DAY), demand=GATED) == "verify.vsa_failed"
    # Nobody but the gate takes back what it said.
    assert verify(
        signed(), summary(age=2 * DAY), summary("FAILED", signer=SCAN), demand=GATED
    ).passed


def test_a_stale_summary():
    assert code(signed(), summary(age=31 * DAY), demand=GATED) == "verify.vsa_stale"
    assert code(signed(), summary(expires=NOW), demand=GATED) == "verify.vsa_stale"
    assert verify(
        signed(), summary(age=31 * DAY), demand=Demand(policy_digest=POLICY, max_age_us=32 * DAY)
    ).passed
    assert code(signed(), summary(age=-DAY), demand=GATED) == "verify.future"


def test_a_summary_of_another_policy_or_resource():
    assert code(signed(), summary(policy=OTHER), demand=GATED) == "verify.vsa_policy"
    other = Demand(policy_digest=POLICY, resource="oci://hub.example/team/other")
    assert code(signed(), summary(), demand=other) == "verify.vsa_policy"
    assert code(signed(), summary(resource="oci://evil.example/x"), demand=GATED) == "verify.scope"
    assert verify(
        signed(), summary(resource=f"oci://{REPOSITORY}:v1@{SUBJECT}"), demand=GATED
    ).passed


def test_a_summary_about_something_else_or_of_another_form():
    assert code(signed(), summary(subject=OTHER), demand=GATED) == "verify.subject"
    value = json.loads(base64.b64decode(json.loads(summary().data)["dsseEnvelope"]["payload"]))
    for member in ("verifier", "timeVerified", "resourceUri", "policy", "verificationResult"):
        predicate = {k: v for k, v in value["predicate"].items() if k != member}
        assert (
            code(signed(), attested(GATE, vsa.TYPE, predicate), demand=GATED) == "verify.statement"
        )
    odd = {**value["predicate"], "verificationResult": "passed"}
    assert code(signed(), attested(GATE, vsa.TYPE, odd), demand=GATED) == "verify.statement"


def test_a_summary_of_a_revoked_gate():
    assert (
        code(signed(), summary(), demand=GATED, root=trust(more=revocation(GATE)))
        == "verify.revoked_key"
    )


def test_a_flipped_byte_is_refused_or_changes_nothing_that_counts():
    good = signed().data
    envelope = json.loads(good)["dsseEnvelope"]
    accepted = 0
    for at in range(len(good)):
        for bit in (1, 0x20):
            data = bytearray(good)
            data[at] ^= bit
            if verify(raw(bytes(data))).passed:
                accepted += 1
                said = json.loads(data)["dsseEnvelope"]
                assert said["payload"] == envelope["payload"]
                assert said["payloadType"] == envelope["payloadType"]
                assert said["signatures"][0]["sig"] == envelope["signatures"][0]["sig"]
    # Names and values that nobody reads: `keyid`, what is in the lists for transparency logs.
    assert accepted < 100


def test_types_that_no_role_owns_are_named_by_the_key():
    review = "https://example.com/review/v1"
    made = attested(SIGN, review, {"by": 1.5})
    demand = Demand(types=(review,))
    assert code(signed(), made, demand=demand) == "verify.role"
    root = trust(signer=f'predicates = ["{review}", "{signature.TYPE}"]')
    assert verify(signed(), made, demand=demand, root=root).passed
    assert provenance.TYPE not in root.keys[0].predicates
