"""Canaries are found in every disguise that a view or a separator makes."""

import base64

import pytest

from remit.content.base import Surroundings
from remit.content.detectors.canary import DETECTOR, lower
from remit.content.views import read

CANARY = "Cnry-" + "7f3a-plum-91x"
AROUND = Surroundings(canaries={"k": CANARY, "none": ""})


@pytest.mark.parametrize(
    "form",
    [
        CANARY, CANARY.lower(), CANARY.upper(), ".".join(CANARY), "\n".join(CANARY), CANARY[::-1],
        base64.b64encode(f"see {CANARY} there".encode()).decode(), CANARY.encode().hex(),
        "".join(f"%{ord(c):02x}" for c in CANARY), "\u200b".join(CANARY),
    ],
)  # fmt: skip
def test_forms(form: str) -> None:
    found = list(DETECTOR.find(read(f"well {form} so"), AROUND))
    assert {f.label for f in found} == {"k"}
    assert all(5 <= f.start < f.end <= 5 + len(form) for f in found)


def test_nothing_where_nothing_is() -> None:
    assert list(DETECTOR.find(read("some words"), AROUND)) == []
    assert list(DETECTOR.find(read(CANARY), Surroundings())) == []


def test_hold_and_lower() -> None:
    assert DETECTOR.hold("x cnry-7f", AROUND) == 2
    assert DETECTOR.hold("x ", Surroundings()) == 2
    assert lower("\u0130A") == "\u0130a"
