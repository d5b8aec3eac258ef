"""What a registry says of what it holds back is read strictly, and never makes anything verified."""

import pytest

from remit.artifacts.held import held
from remit.artifacts.oci.errors import DeniedError

DIGEST = "sha256:" + "a" * 64
SAID = {"state": "refused", "reason": "critical: it calls\n os.system", "digest": DIGEST}


def error(detail):
    return DeniedError("cannot pull it", detail=detail)


def test_state_reason_and_digest():
    found = held(error(SAID))
    assert (found.state, found.digest) == ("refused", DIGEST)
    check = found.check()
    assert not check.passed
    assert (check.rule, check.code) == ("gate", "verify.refused")
    assert check.sentence == "it was refused: critical: it calls os.system"
    assert held(error(SAID), DIGEST) == found
    assert not held(error({**SAID, "reason": ""})).check().passed


@pytest.mark.parametrize(
    "detail",
    [
        None, [], "refused", {}, {**SAID, "state": "admitted"}, {**SAID, "state": ["refused"]},
        {**SAID, "reason": 1}, {**SAID, "digest": "sha256:1"}, {**SAID, "digest": None},
    ],
)  # fmt: skip
def test_another_refusal_is_none(detail):
    assert held(error(detail)) is None


def test_of_another_digest_is_none():
    assert held(error(SAID), "sha256:" + "b" * 64) is None


def test_a_terminal_is_not_written_to():
    found = held(error({**SAID, "reason": "\x1b[2J" + "x" * 5000}))
    assert "\x1b" not in found.reason
    assert len(found.reason) <= 1100
