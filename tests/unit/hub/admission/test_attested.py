"""What scanners found that others ran: as policy reads it, and as curators bind their word to it."""

import pytest

from remit.core.digest import sha256
from remit.hub.admission.policy import ArtifactPolicy
from remit.hub.admission.results import input_of, results_of
from remit.hub.admission.signers import _together
from remit.hub.admission.values import Attested, Signed
from remit.policy.loads import UNKNOWN
from remit.scan.verdict import judge
from tests.unit.hub.admission.support import DAY, NOW, decision, scanned


@pytest.fixture(scope="module")
def policy():
    return ArtifactPolicy.load()


def said(scanner="garak", coverage="complete", name="probes", at=NOW - 5, **counts):
    scan = Attested(
        scanner=scanner, coverage=coverage, counts=counts, expires_us=at + DAY, finished_us=at,
        findings=sha256(repr((coverage, counts)).encode()),
    )  # fmt: skip
    return Signed(predicate_type="https://remit.example/scan/v1", key=name, name=name, scan=scan)


def seen(*signed):
    what = scanned(signed=signed)
    return input_of(what, judge(what.reports, what.expected), ())["scan"]


def test_nobody_attested():
    found = seen(Signed(predicate_type="", key="ci", name="ci"))
    assert (found["present"], found["complete"], found["scanners"]) == (False, False, [])
    assert found["high"] == UNKNOWN


def test_all_of_them_together():
    found = seen(said(high=1, low=2), said(name="other", high=2), said("extra", "partial"))
    assert (found["present"], found["complete"]) == (True, False)
    assert found["scanners"] == ["extra", "garak"]
    assert (found["critical"], found["high"], found["low"]) == (0, 3, 2)
    assert seen(said(info=UNKNOWN), said(name="other", info=7))["info"] == UNKNOWN


def test_what_the_hub_ran_itself_is_not_attested_by_others():
    """Its own attestations lie beside the artifact, too, and a finding of them may be suppressed."""
    assert seen(said("pickles", high=1))["present"] is False


@pytest.mark.parametrize(
    ("signed", "word"),
    [
        ((), "admit"),
        ((said(low=3),), "admit"),
        ((said(high=1),), "refuse"),
        ((said(critical=1),), "refuse"),
        ((said(low=1), said(name="other", high=1)), "refuse"),
        ((said(medium=1),), "review"),
        ((said(coverage="partial"),), "review"),
        ((said(coverage="error"),), "review"),
    ],
)
def test_the_shipped_policy(policy, signed, word):
    what = scanned(signed=signed)
    assert policy.decide(what, (), (), NOW).word == word
    if word == "refuse":
        assert policy.decide(what, (), (decision(what, policy),), NOW).word == word


def test_a_curators_word_is_about_what_was_attested(policy):
    what = scanned(signed=(said(medium=1),))
    word = decision(what, policy)
    assert policy.decide(what, (), (word,), NOW).word == "admit"
    more = scanned(signed=(said(medium=1), said("extra", medium=1)))
    assert policy.decide(more, (), (word,), NOW).word == "review"
    assert results_of(what) != results_of(more)
    assert results_of(scanned()) == results_of(scanned(signed=(said("pickles", high=1),)))


def test_an_admission_ends_with_the_scan_that_it_rests_on(policy):
    assert policy.decide(scanned(signed=(said(),)), (), (), NOW).expires_us == NOW - 5 + DAY


@pytest.mark.parametrize("turned", [False, True])
def test_of_one_key_the_newest_counts_and_of_two_at_once_the_worse(turned):
    def together(*found):
        return _together(found[::-1] if turned else found, NOW)

    old, new = said(at=NOW - 9, high=1), said(at=NOW - 3)
    assert together(old, new) == new
    good, bad = said(), said(high=1)
    assert together(good, bad) == bad
    plain = Signed(predicate_type="", key="ci", name="ci")
    assert together(plain, plain) == plain


@pytest.mark.parametrize("coverage", ["partial", "error", "unsupported"])
def test_only_a_scan_that_covered_everything_takes_something_back(coverage):
    grave = said(at=NOW - 9, high=2, low=1)
    cut = said(at=NOW - 3, coverage=coverage, low=4)
    found = _together((cut, grave), NOW).scan
    assert found is not None
    assert (found.coverage, found.counts["high"], found.counts["low"]) == (coverage, 2, 4)
    assert found.expires_us == NOW - 9 + DAY
    assert _together((cut, grave, said(at=NOW - 1)), NOW).scan.counts == {}


@pytest.mark.parametrize(
    ("counts", "coverage", "word"),
    [
        ({}, "complete", "admit"),
        ({"low": 3, "info": 1}, "complete", "admit"),
        ({}, "error", "admit"),
        ({"medium": 1}, "complete", "review"),
        ({"high": 1}, "complete", "refuse"),
        ({"critical": 1}, "error", "refuse"),
    ],
)
def test_what_is_over_clears_nobody_and_what_was_found_stays(policy, counts, coverage, word):
    over = said(at=NOW - 9 * DAY, coverage=coverage, **counts)
    found = _together((over,), NOW)
    assert (found is None) == (word == "admit")
    what = scanned(signed=(found,) if found else ())
    outcome = policy.decide(what, (), (), NOW)
    assert outcome.word == word
    assert seen(*what.signed)["complete"] is False
    assert outcome.expires_us == 0 or outcome.expires_us > NOW


def test_what_took_something_back_did_so_for_good():
    grave, clean = said(at=NOW - 9 * DAY, high=1), said(at=NOW - 8 * DAY)
    assert _together((grave, clean), NOW) is None
    fails = said(at=NOW - 3, coverage="error")
    found = _together((grave, clean, fails), NOW)
    assert found is not None
    assert (found.scan.coverage, found.scan.counts.get("high", 0)) == ("error", 0)
    found = _together((grave, fails), NOW)
    assert found is not None
    assert (found.scan.coverage, found.scan.counts["high"]) == ("error", 1)
