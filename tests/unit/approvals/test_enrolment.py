import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from remit.approvals.enrolment import enrol, enrolled
from remit.attest.dsse import Statement, sign, statement_bytes
from remit.attest.ecdsa import FileSigner
from remit.core.errors import RemitError
from tests.unit.approvals.cases import SIGNER

GUARD = "remit.example/guard/1"


def test_an_enrolment_is_read_back():
    approver, _ = enrolled(enrol("ann@x.org", "Ann Lee", GUARD, SIGNER), SIGNER.public, GUARD, 5)
    assert (approver.id, approver.name, approver.key, approver.enrolled_us) == (
        "ann@x.org", "Ann Lee", SIGNER.public.der, 5,
    )  # fmt: skip


@pytest.mark.parametrize("user", ["", "-x", "a b", "a\n", "ä", "x" * 101, "../x"])
def test_ids_that_are_none(user):
    with pytest.raises(RemitError):
        enrol(user, "Ann", GUARD, SIGNER)


@pytest.mark.parametrize("name", ["", "  ", "A\u202eB", "A\nB\x00", "x" * 201])
def test_names_that_cannot_be_printed(name):
    with pytest.raises(RemitError):
        enrol("ann", name, GUARD, SIGNER)


def test_another_key_guard_or_statement():
    envelope = enrol("ann", "Ann", GUARD, SIGNER)
    other = FileSigner(ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(RemitError):
        enrolled(envelope, other.public, GUARD, 0)
    with pytest.raises(RemitError):
        enrolled(envelope, SIGNER.public, "remit.example/guard/2", 0)
    for predicate in ({}, {"id": "ann"}, {"id": "ann", "name": "Ann", "audience": GUARD, "x": 1}):
        statement = Statement(
            name="user/ann", sha256="0" * 64, predicate_type="x", predicate=predicate
        )
        with pytest.raises(RemitError):
            enrolled(sign(statement_bytes(statement), SIGNER), SIGNER.public, GUARD, 0)
