import pytest

from remit.attest.bundle import dump_bundle
from remit.attest.dsse import sign
from remit.attest.ecdsa import FileSigner
from remit.attest.predicates import suppression
from remit.attest.statements import statement_payload
from remit.hub.admission.answering import Answered, statement_of, suppression_of
from remit.hub.admission.asking import WordError
from remit.hub.admission.policy import ArtifactPolicy
from remit.hub.registry.errors import Denied
from remit.policy.bundle import Directory
from tests.unit.hub.admission.support import DAY, NOW, finding, scanned

HUB = "remit.hub/1"
BAD = finding("critical")


@pytest.fixture(scope="module")
def signer(tmp_path_factory):
    return FileSigner.generate(tmp_path_factory.mktemp("k") / "keys" / "ben.key", b"")


def answered(**changes):
    given = {
        "fingerprint": BAD.fingerprint, "rule": BAD.rule, "repositories": "team/*",
        "reason": "known and harmless", "signed_us": NOW, "expires_us": NOW + DAY, **changes,
    }  # fmt: skip
    return Answered(**given)


def signed(key, given=None, by="ben", hub=HUB, subject="", kind=suppression.TYPE):
    said = statement_of(given or answered(), by, hub)
    subject = subject or f"sha256:{BAD.fingerprint}"
    payload = statement_payload(BAD.rule, subject, kind, said.predicate())
    return {"bundle": dump_bundle(sign(payload, key), key.public).decode(), "key": key.public.pem}


def take(given, by="ben", keys=None):
    return suppression_of(given, by, HUB, Directory(keys=keys or {}), NOW, "1")


def test_taken_it_counts():
    found = take(answered())
    assert ArtifactPolicy.load().decide(scanned(BAD), (found,), (), NOW + 1).word == "admit"


@pytest.mark.parametrize(
    "changes",
    [
        {"expires_us": 0}, {"expires_us": NOW}, {"expires_us": NOW + 400 * DAY},
        {"fingerprint": "x"}, {"fingerprint": BAD.fingerprint.upper()}, {"rule": ""},
        {"repositories": "Team/*"}, {"repositories": ""}, {"reason": " "},
        {"signed_us": NOW - DAY}, {"signed_us": NOW + DAY},
    ],
)  # fmt: skip
def test_malformed_ones_are_refused(changes):
    with pytest.raises(WordError):
        take(answered(**changes))


def test_programs_do_not_answer_for_findings():
    with pytest.raises(Denied):
        take(answered(), by="robot$ci")


def test_signed_and_forged_ones(signer):
    assert take(answered(**signed(signer))).key == signer.public.fingerprint
    wide = answered(repositories="**")
    late = answered(expires_us=NOW + 2 * DAY)
    for wrong in (
        signed(signer, by="carl"),
        signed(signer, hub="remit.hub/2"),
        signed(signer, wide),
        signed(signer, late),
        signed(signer, subject="sha256:" + "0" * 64),
        signed(signer, kind="https://example.com/other/v1"),
        {**signed(signer), "key": "none"},
    ):
        with pytest.raises(WordError):
            take(answered(**wrong))
    keys = {"ben": ("sha256:" + "0" * 64,)}
    for wrong in ({}, signed(signer)):
        with pytest.raises(Denied):
            take(answered(**wrong), keys=keys)
