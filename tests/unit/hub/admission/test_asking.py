import msgspec
import pytest

from remit.approvals.decision import Approver, statement
from remit.attest.bundle import dump_bundle
from remit.attest.dsse import sign
from remit.attest.ecdsa import FileSigner
from remit.core.digest import sha256
from remit.hub.admission.asking import (
    ChangedError,
    Filed,
    Given,
    WordError,
    decision_of,
    filed,
    request_of,
)
from remit.hub.admission.policy import ArtifactPolicy
from remit.hub.registry.errors import Denied
from remit.policy.bundle import Directory
from tests.unit.hub.admission.support import DAY, NOW, finding, scanned

HUB = "remit.hub/1"
JOB = "01JG0000000000000000000000"
WHAT = scanned(finding(), job=JOB)


@pytest.fixture(scope="module")
def policy():
    return ArtifactPolicy.load()


@pytest.fixture(scope="module")
def signer(tmp_path_factory):
    return FileSigner.generate(tmp_path_factory.mktemp("k") / "keys" / "ben.key", b"")


@pytest.fixture(scope="module")
def eve(tmp_path_factory):
    return FileSigner.generate(tmp_path_factory.mktemp("k") / "keys" / "eve.key", b"")


def asked(policy, what=WHAT, until_us=0, hub=HUB, changed_us=NOW - DAY):
    outcome = policy.decide(what, (), (), NOW)
    return request_of(what, outcome, hub=hub, changed_us=changed_us, until_us=until_us)


def given(request, word="admit", **changes):
    said = {"word": word, "reason": "I looked at it", "action": request.action.digest, **changes}
    return Given(**said)


def signed(request, key, by="ben", word="approve", reason="I looked at it", when=NOW):
    who = Approver(id=by, name=by, key=key.public.der)
    payload = statement(request, who, word, reason=reason, ticket="", signed_us=when)
    return {"bundle": dump_bundle(sign(payload, key), key.public).decode(), "key": key.public.pem}


def take(what, request, by="ben", keys=None):
    return filed(what, request, by, Directory(keys=keys or {}), NOW)


def test_who_pushed_it_does_not_admit_it(policy):
    request = asked(policy)
    with pytest.raises(Denied, match="pushed it"):
        take(given(request), request, by="ann")
    assert take(given(request, "refuse"), request, by="ann").approver.id == "ann"
    with pytest.raises(Denied, match="a program"):
        take(given(request), request, by="robot$ci")


def test_what_is_kept_counts_for_these_results(policy):
    request = asked(policy)
    found = take(given(request), request)
    kept = msgspec.json.decode(msgspec.json.encode(found), type=Filed)
    said = decision_of(kept, id_="1", word="admit", by="ben", reason="r", made_us=NOW, expires_us=0)
    assert policy.decide(WHAT, (), (said,), NOW + 1).word == "admit"
    assert (
        policy.decide(scanned(finding(), finding(rule="b.c"), job=JOB), (), (said,), NOW + 1).word
        == "review"
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"reports": scanned(finding(), finding("low", rule="b.c")).reports},
        {"repository": "team/other"},
        {"digest": sha256(b"another")},
        {"job": "01JG0000000000000000000001"},
        {"pushed_by": "carl"},
    ],
)
def test_a_decision_about_something_else_is_refused(policy, changes):
    before, now = asked(policy), asked(policy, msgspec.structs.replace(WHAT, **changes))
    with pytest.raises(ChangedError):
        take(given(before), now)


def test_until_when_is_bound(policy):
    request = asked(policy, until_us=NOW + DAY)
    with pytest.raises(ChangedError):
        take(given(request), asked(policy, until_us=NOW + 2 * DAY))
    with pytest.raises(WordError, match="over already"):
        take(given(request, until_us=NOW), request)


@pytest.mark.parametrize("reason", ["", "  ", "x" * 2001])
def test_a_decision_has_a_reason(policy, reason):
    request = asked(policy)
    with pytest.raises(WordError, match="reason"):
        take(given(request, reason=reason), request)


def test_a_signed_decision(policy, signer):
    request = asked(policy)
    found = take(given(request, **signed(request, signer)), request)
    assert found.bundle
    said = decision_of(found, id_="1", word="admit", by="ben", reason="", made_us=NOW, expires_us=0)
    assert said.key == signer.public.fingerprint


def test_forged_ones_are_refused(policy, signer, eve):
    request, other = asked(policy), asked(policy, hub="remit.hub/2")
    good = signed(request, signer)
    tampered = {**good, "bundle": good["bundle"].replace('"sig":"ME', '"sig":"MF')}
    for wrong in (
        signed(request, signer, by="carl"),
        signed(request, signer, word="deny"),
        signed(request, signer, reason="something else"),
        signed(other, signer),
        signed(asked(policy, changed_us=NOW - 2 * DAY), signer),
        signed(request, signer, when=NOW + DAY),
        {**good, "key": eve.public.pem},
        {**good, "key": "no key"},
        {**good, "bundle": "{}"},
        tampered,
    ):
        with pytest.raises(WordError):
            take(given(request, **wrong), request)


def test_listed_keys_are_the_only_ones(policy, signer, eve):
    request = asked(policy)
    keys = {"ben": (signer.public.fingerprint,)}
    assert take(given(request, **signed(request, signer)), request, keys=keys).bundle
    for wrong in ({}, signed(request, eve)):
        with pytest.raises(Denied, match="policy lists"):
            take(given(request, **wrong), request, keys=keys)
    assert not take(given(request), request, by="dan", keys=keys).bundle
