"""Evidence of a passkey: what it says about which request, and what it never says."""

import pytest
from msgspec.structs import replace

from remit.approvals.decision import APPROVAL, Approver, check, statement
from remit.approvals.enrolment import ENROLMENT, enrolment_bytes
from remit.approvals.errors import ApprovalError
from remit.approvals.request import Action, Request
from remit.approvals.webauthn import (
    Evidence,
    dump_evidence,
    is_evidence,
    parse_evidence,
    verify_evidence,
)
from remit.attest.ecdsa import PublicKey
from remit.attest.errors import StatementError
from remit.attest.webauthn import Party, challenge_of
from remit.core.canonical import canonical_bytes
from remit.core.strictjson import parse
from remit.guard.approvals.signatures import signer_of, verified
from tests.rig.authenticator import Passkey

PARTY = Party(id="guard.example", origin="https://guard.example")
NOW = 1_790_000_000_000_000
ACTION = Action(
    agent="helper",
    user="joe",
    session="01JD5Z",
    server="rec",
    name="rec/pay",
    arguments='{"amount":500,"to":"ALICE"}',
    policy_digest="sha256:" + "0" * 64,
)
REQUEST = Request(
    id="APR-1",
    guard="guard/1",
    action=ACTION,
    rule="one-person",
    approvers="treasury",
    requested_us=NOW - 10_000_000,
    expires_us=NOW + 100_000_000,
    nonce="ab" * 16,
)


class Ann:
    """Somebody with a passkey."""

    def __init__(self):
        self.passkey = Passkey(PARTY)
        self.approver = Approver(
            id="ann", name="Ann Lee", key=self.passkey.der, credential=self.passkey.name
        )

    def signs(self, request=REQUEST, word="approve", *, purpose=APPROVAL, text=None):
        text = text or statement(
            request, self.approver, word, reason="why", ticket="T-1", signed_us=NOW
        )
        assertion = self.passkey.get(challenge_of(purpose, text))
        return Evidence(purpose=purpose, statement=text, assertion=assertion)

    def decides(self, evidence, request=REQUEST):
        payload = verified(dump_evidence(evidence), self.approver, PARTY)
        return check(payload, request, self.approver, NOW)


@pytest.fixture
def ann():
    return Ann()


def test_what_is_signed_counts(ann):
    for word in ("approve", "deny"):
        decided = ann.decides(ann.signs(word=word))
        assert (decided.approver, decided.word, decided.reason) == ("ann", word, "why")


def test_the_form_is_read_as_it_is_written(ann):
    evidence = ann.signs()
    data = dump_evidence(evidence)
    assert is_evidence(data)
    assert parse_evidence(data) == evidence
    assert signer_of(data)(ann.approver)
    assert not signer_of(data)(replace(ann.approver, credential=b"other"))
    assert not signer_of(data)(replace(ann.approver, credential=b""))


@pytest.mark.parametrize(
    "member", ["statement", "credentialId", "clientDataJSON", "authenticatorData", "signature"]
)
@pytest.mark.parametrize("where", [0, -1])
def test_no_byte_can_be_changed(ann, member, where):
    import base64

    value = parse(dump_evidence(ann.signs()))
    raw = bytearray(base64.b64decode(value[member]))
    raw[where] ^= 1
    changed = canonical_bytes({**value, member: base64.b64encode(raw).decode()})
    with pytest.raises(StatementError):
        verified(changed, ann.approver, PARTY)


@pytest.mark.parametrize(
    "change",
    [
        lambda v: {**v, "more": "x"},
        lambda v: {k: x for k, x in v.items() if k != "signature"},
        lambda v: {**v, "signature": None},
        lambda v: {**v, "signature": v["signature"].rstrip("=") + "\n"},
        lambda v: {**v, "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json"},
        lambda v: {**v, "mediaType": ["x"]},
    ],
)
def test_there_is_one_form(ann, change):
    value = change(parse(dump_evidence(ann.signs())))
    with pytest.raises(StatementError):
        parse_evidence(canonical_bytes(value))


def test_white_space_is_another_form(ann):
    for data in (dump_evidence(ann.signs()) + b"\n", b" " + dump_evidence(ann.signs())):
        with pytest.raises(StatementError):
            parse_evidence(data)


def test_it_counts_for_one_request_alone(ann):
    evidence = ann.signs()
    others = [
        replace(REQUEST, id="APR-2"),
        replace(REQUEST, nonce="cd" * 16),
        replace(REQUEST, guard="guard/2"),
        replace(REQUEST, expires_us=REQUEST.expires_us + 1_000_000),
        replace(REQUEST, quorum=2),
        replace(REQUEST, action=replace(ACTION, arguments='{"amount":501,"to":"ALICE"}')),
        replace(REQUEST, action=replace(ACTION, session="01JD60")),
        replace(REQUEST, action=replace(ACTION, agent="other")),
    ]
    for other in others:
        with pytest.raises(ApprovalError) as found:
            ann.decides(evidence, other)
        assert found.value.code == "approval.mismatch"


def test_another_statement_under_the_same_signature(ann):
    evidence = ann.signs()
    denied = statement(REQUEST, ann.approver, "deny", reason="why", ticket="T-1", signed_us=NOW)
    with pytest.raises(StatementError, match="something else was signed"):
        ann.decides(replace(evidence, statement=denied))


def test_an_enrolment_is_no_approval(ann):
    key = PublicKey(ann.passkey.der)
    enrolment = ann.signs(purpose=ENROLMENT, text=enrolment_bytes("ann", "Ann Lee", "guard/1", key))
    verify_evidence(enrolment, ENROLMENT, ann.passkey.name, key, PARTY)
    with pytest.raises(StatementError):
        verified(dump_evidence(enrolment), ann.approver, PARTY)
    with pytest.raises(StatementError):
        ann.decides(replace(ann.signs(purpose=ENROLMENT), purpose=APPROVAL))
    with pytest.raises(StatementError):
        verify_evidence(ann.signs(), ENROLMENT, ann.passkey.name, key, PARTY)


def test_the_login_of_somebody_is_no_approval(ann):
    login = ann.passkey.get(bytes(32))
    with pytest.raises(StatementError):
        ann.decides(replace(ann.signs(), assertion=login))


def test_each_approver_has_one_form(ann, tmp_path):
    from remit.attest.bundle import dump_bundle
    from remit.attest.dsse import sign
    from remit.attest.ecdsa import FileSigner

    signer = FileSigner.generate(tmp_path / "key", b"secret")
    text = statement(REQUEST, ann.approver, "approve", reason="", ticket="", signed_us=NOW)
    bundle = dump_bundle(sign(text, signer), signer.public)
    by_file = replace(ann.approver, key=signer.public.der, credential=b"")
    assert verified(bundle, by_file, None) == text
    assert signer_of(bundle)(by_file)
    # The same key behind a passkey signs no bundles.
    assert not signer_of(bundle)(replace(by_file, credential=b"c"))
    with pytest.raises(StatementError):
        verified(bundle, replace(by_file, credential=b"c"), PARTY)
    with pytest.raises(StatementError):
        verified(dump_evidence(ann.signs()), replace(ann.approver, credential=b""), PARTY)


def test_without_pages_no_passkey_counts(ann):
    with pytest.raises(ApprovalError) as found:
        verified(dump_evidence(ann.signs()), ann.approver, None)
    assert found.value.code == "approval.no_pages"


def test_a_page_elsewhere(ann):
    evidence = dump_evidence(ann.signs())
    for party in (
        replace(PARTY, origin="https://guard.example:8443"),
        replace(PARTY, id="example"),
    ):
        with pytest.raises(StatementError):
            verified(evidence, ann.approver, party)
