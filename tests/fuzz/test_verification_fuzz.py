"""Bundles, statements and trust roots of anybody: no crash, and only what was signed counts."""

import base64
import contextlib
import json

from hypothesis import given
from hypothesis import strategies as st

from remit.artifacts.attestations import Attestation
from remit.artifacts.errors import ArtifactError
from remit.artifacts.verification import Demand, NotVerifiedError, Verifier
from remit.attest.bundle import dump_bundle
from remit.attest.dsse import VerifiedPayload, sign
from remit.attest.errors import AttestError, StatementError
from remit.attest.predicates import known
from remit.attest.predicates.fields import PredicateError
from remit.attest.statements import artifact_statement
from remit.attest.trust import TrustError, TrustRoot
from remit.core.digest import sha256
from tests.fuzz.test_attestation_fuzz import inputs, mutated
from tests.unit.artifacts.vouching import (
    GATE,
    NOW,
    POLICY,
    REPOSITORY,
    SIGN,
    SUBJECT,
    bundle,
    scanned,
    signed,
    summary,
    toml,
    trust,
)

TRUST = trust()
GOOD = [signed().data, summary().data, scanned().data]
PAYLOADS = [json.loads(each)["dsseEnvelope"]["payload"] for each in GOOD]
REVIEW = bundle(SIGN, "https://example.com/review/v1", {"a": 1})


def verdict(*data, demand=None):
    found = [Attestation(manifest=sha256(each), data=each) for each in data]
    result = Verifier(TRUST, NOW).verify(SUBJECT, REPOSITORY, found, demand)
    for examined in result.examined:
        for check in examined.checks:
            assert check.passed == (check.code == "")
            assert check.passed or check.code.startswith("verify.")
            assert "\n" not in check.sentence
    return result


@given(st.sampled_from(GOOD).flatmap(inputs))
def test_bundles(data):
    result = verdict(data)
    if result.passed:
        assert json.loads(data)["dsseEnvelope"]["payload"] == PAYLOADS[0]
    # Beside a good one nothing changes, but by what the gate itself said.
    assert verdict(data, GOOD[0]).passed


@given(st.sampled_from([signed, summary, scanned]), st.data())
def test_statements_that_a_trusted_key_signed(make, data):
    good = base64.b64decode(json.loads(make().data)["dsseEnvelope"]["payload"])
    payload = data.draw(inputs(good))
    signer = {signed: SIGN, summary: GATE}.get(make, SIGN)
    demand = Demand(signature=make is signed, policy_digest=POLICY if make is summary else "")
    if make is scanned:
        demand = Demand(signature=False, types=(known.SHORT["scan"],))
    result = verdict(dump_bundle(sign(payload, signer), signer.public), demand=demand)
    with contextlib.suppress(NotVerifiedError):
        result.require()
        statement = artifact_statement(VerifiedPayload(payload))
        assert statement.is_about(SUBJECT)


@given(
    inputs(
        b'{"_type":"https://in-toto.io/Statement/v1","predicate":{},"predicateType":"a:b","subject":[{"digest":{"sha256":"ab"}}]}'
    )
)
def test_statements(payload):
    try:
        found = artifact_statement(VerifiedPayload(payload))
        known.check(found.predicate_type, found.predicate)
    except StatementError:
        return
    assert all(each.digests for each in found.subjects)


@given(
    st.dictionaries(
        st.text(max_size=12),
        st.none() | st.booleans() | st.integers() | st.text(max_size=12),
        max_size=5,
    ),
    st.sampled_from(sorted(known.SHORT.values())),
)
def test_predicates(predicate, kind):
    with contextlib.suppress(PredicateError):
        known.check(kind, predicate)


@given(st.one_of(st.binary(max_size=300), mutated(toml().encode())))
def test_trust_roots(data):
    try:
        root = TrustRoot.parse(data)
    except TrustError:
        return
    try:
        Verifier(root, NOW).verify(SUBJECT, REPOSITORY, [signed()]).require()
    except (ArtifactError, AttestError):
        return
    assert any(key.fingerprint == SIGN.public.fingerprint for key in root.keys)
