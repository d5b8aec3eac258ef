"""What policy is told of scans when an artifact is loaded."""

import pytest

from remit.artifacts.verification import Verifier
from remit.guard.admission.evidence import scans
from remit.policy.loads import UNKNOWN, Scans
from tests.unit.artifacts.vouching import (
    DAY,
    NOW,
    REPOSITORY,
    SIGN,
    SUBJECT,
    scanned,
    signed,
    trust,
)


def told(*attestations):
    verifier = Verifier(trust(), NOW)
    examined = [verifier.examine(SUBJECT, REPOSITORY, each) for each in attestations]
    return scans(examined, NOW)


def test_nobody_scanned_it():
    assert told(signed()) == Scans()
    assert told(scanned(signer=SIGN), scanned(subject="sha256:" + "0" * 64)) == Scans()
    assert told().high == UNKNOWN


def test_scanners_add_up():
    found = told(
        scanned(counts={"high": 2}),
        scanned(scanner="other", counts={"high": 1, "low": 1}, coverage="partial"),
        scanned(scanner="third", counts={}),
    )
    assert (found.present, found.complete, found.high, found.low) == (True, False, 3, 1)
    assert found.scanners == ("other", "pickle-scan", "third")


def test_only_what_covered_everything_takes_something_back():
    old = scanned(finished=NOW - 3 * DAY, expires=NOW + DAY, counts={"high": 1})
    cut = scanned(finished=NOW - 2 * DAY, counts={}, coverage="error")
    assert (told(cut, old).high, told(cut, old).complete) == (1, False)
    whole = scanned(finished=NOW - DAY, counts={})
    assert (told(whole, cut, old).high, told(whole, cut, old).complete) == (0, True)


@pytest.mark.parametrize(
    ("counts", "stays"), [({"medium": 1}, True), ({"low": 1}, False), ({}, False)]
)
def test_what_is_over_clears_nobody_and_what_was_found_stays(counts, stays):
    over = scanned(finished=NOW - 3 * DAY, expires=NOW - DAY, counts=counts)
    found = told(over)
    assert found.present is stays
    assert found.complete is False
    assert found.medium == (1 if stays else UNKNOWN)
