import json

import msgspec
import pytest

from remit.approvals.decision import APPROVAL, SKEW_US, check, statement
from remit.approvals.errors import ApprovalError
from remit.approvals.rendering import displayed
from remit.attest.dsse import VerifiedPayload, sign, verify
from remit.attest.errors import StatementError
from remit.core.canonical import canonical_bytes
from remit.core.errors import RemitError
from tests.unit.approvals.cases import ANN, NOW_US, REQUEST, SIGNER, request


def signed(a_request=REQUEST, word="approve", *, at=NOW_US, uses=1):
    payload = statement(
        a_request, ANN, word, reason="because", ticket="CHG-1", signed_us=at, uses=uses
    )
    return verify(sign(payload, SIGNER), SIGNER.public)


def code(payload, a_request=REQUEST, approver=ANN, now=NOW_US):
    with pytest.raises(RemitError) as caught:
        check(payload, a_request, approver, now)
    return caught.value.code


def test_a_word_is_read_back_as_it_was_signed():
    decided = check(signed(uses=2), REQUEST, ANN, NOW_US + 5_000_000)
    assert (decided.approver, decided.word, decided.reason, decided.ticket, decided.uses) == (
        "ann", "approve", "because", "CHG-1", 2,
    )  # fmt: skip
    assert decided.signed_us == NOW_US
    assert check(signed(word="deny"), REQUEST, ANN, NOW_US).word == "deny"


def test_the_statement_says_everything():
    value = json.loads(signed())
    assert value["_type"] == "https://in-toto.io/Statement/v1"
    assert value["predicateType"] == APPROVAL
    (subject,) = value["subject"]
    assert "sha256:" + subject["digest"]["sha256"] == REQUEST.action.digest
    predicate = value["predicate"]
    assert predicate["audience"] == "remit.example/guard/1"
    assert predicate["audit"] == {"origin": "remit.example/guard/1", "index": 7}
    assert predicate["approver"] == {"id": "ann", "name": "Ann Lee"}
    assert predicate["signedAt"] == "2027-01-15T08:00:00Z"
    assert "sha256:" + predicate["displayed"]["sha256"] == displayed(REQUEST)
    assert "once" in predicate["meaning"]
    assert "up to 2 times" in json.loads(signed(uses=2))["predicate"]["meaning"]


@pytest.mark.parametrize(
    "change",
    [
        {"id": "APR-2"}, {"guard": "remit.example/guard/2"}, {"rule": "two"}, {"reason": "Other"},
        {"approvers": "sales"}, {"quorum": 2}, {"max_uses": 3}, {"findings": ()}, {"labels": ()},
        {"nonce": "01" * 16}, {"index": 8}, {"requested_us": NOW_US + 1_000_000},
        {"expires_us": NOW_US + 700_000_000}, {"tool_class": None}, {"agent": "codex"},
        {"executable": "/x"}, {"user": "dora"}, {"on_behalf_of": ""}, {"session": "T"},
        {"server": "other"}, {"name": "bank/pay2"}, {"schema_digest": "sha256:ab"},
        {"arguments": '{"amount":51,"to":"x"}'}, {"policy_digest": "sha256:bc"},
    ],
)  # fmt: skip
def test_a_word_on_anything_else_is_none(change):
    assert code(signed(request(**change))) == "approval.mismatch"


@pytest.mark.parametrize("change", [{"id": "ben"}, {"name": "Ann Leigh"}])
def test_a_word_under_another_name_is_none(change):
    assert code(signed(), approver=msgspec.structs.replace(ANN, **change)) == "approval.mismatch"


@pytest.mark.parametrize(
    ("signed_at", "now", "expected"),
    [
        (NOW_US + SKEW_US + 1_000_000, NOW_US, "approval.time"),
        (NOW_US - SKEW_US - 1_000_000, NOW_US, "approval.time"),
        (NOW_US, NOW_US + 600_000_000, "approval.expired"),
        (NOW_US + 600_000_000, NOW_US + 599_000_000, "approval.expired"),
    ],
)
def test_times(signed_at, now, expected):
    assert code(signed(at=signed_at), now=now) == expected


def changed(**members):
    value = json.loads(signed())
    value["predicate"].update(members)
    return VerifiedPayload(canonical_bytes(value))


@pytest.mark.parametrize(
    "members",
    [
        {"decision": "maybe"}, {"decision": ["approve"]}, {"decision": True}, {"reason": None},
        {"ticket": 1}, {"maxUses": True}, {"maxUses": "1"}, {"maxUses": 0}, {"maxUses": 3},
        {"maxUses": 10**9}, {"signedAt": None}, {"signedAt": "yesterday"},
        {"signedAt": "2027-01-15T09:00:00+01:00"}, {"meaning": "whatever"}, {"extra": 1},
        {"displayed": {}}, {"reason": "x" * 2001}, {"audience": "*"},
    ],
)  # fmt: skip
def test_other_statements_are_none(members):
    assert code(changed(**members)).startswith("approval.")


def test_other_kinds_of_statements():
    value = json.loads(signed())
    value["predicateType"] = "https://slsa.dev/provenance/v1"
    assert code(VerifiedPayload(canonical_bytes(value))) == "approval.kind"
    with pytest.raises(StatementError):
        check(VerifiedPayload(b"{}"), REQUEST, ANN, NOW_US)
    # The same values with a space more are other bytes.
    assert code(VerifiedPayload(bytes(signed()).replace(b":", b": ", 1))) == "approval.mismatch"


def test_too_many_uses_or_words_cannot_be_said():
    for more in ({"uses": 3}, {"uses": 0}, {"reason": "x" * 2001}, {"ticket": "x" * 201}):
        with pytest.raises(ApprovalError):
            statement(
                REQUEST, ANN, "approve", **{"reason": "", "ticket": "", "signed_us": NOW_US, **more}
            )
