"""What the decider does with what goes wrong: it refuses, and goes on."""

import asyncio

import pytest

from remit.attest.errors import StatementError
from remit.core.digest import sha256
from remit.core.errors import RemitError
from remit.hub.admission.decider import Decider
from remit.hub.admission.policy import ArtifactPolicy
from remit.hub.admission.values import Sealed
from remit.hub.registry.errors import Denied
from tests.unit.hub.admission.support import NOW, report, scanned
from tests.unit.hub.support import Clock

CLEAN = scanned(job="1", reports=(report(),))


class Waiting:
    """Cases in memory."""

    def __init__(self, *found):
        self.left = {each.job: each for each in found}
        self.decided = {}

    async def undecided(self, count):
        return list(self.left.values())[:count]

    async def claim_record(self, job):
        return None

    async def decide(self, of, outcome, evidence=None):
        del self.left[of.job]
        self.decided[of.job] = (outcome, evidence)
        return ()


async def settle(*_):
    raise AssertionError("there is nothing to settle")


def decide(cases, **more):
    policy = ArtifactPolicy.load(None)
    return asyncio.run(Decider(cases, policy, settle, Clock(NOW), **more).once())


def raising(error):
    async def raises(*_):
        raise error

    return raises


def test_a_clean_one_is_admitted():
    cases = Waiting(CLEAN)
    assert decide(cases) == 1
    outcome, evidence = cases.decided["1"]
    assert (outcome.word, evidence) == ("admit", Sealed())


@pytest.mark.parametrize("part", ["deposit", "signers"])
@pytest.mark.parametrize(
    "error", [UnicodeEncodeError("utf-8", "\ud800", 0, 1, "no"), KeyError("x"), RecursionError()]
)
def test_what_nobody_expected_refuses_that_artifact(part, error, caplog):
    """One artifact that trips a defect holds up no other, and is not admitted by it."""
    cases = Waiting(CLEAN)
    decide(cases, **{part: raising(error)})
    outcome, evidence = cases.decided["1"]
    assert (outcome.word, evidence) == ("refuse", Sealed())
    assert type(error).__name__ in outcome.reasons[0]
    assert outcome.policy == ArtifactPolicy.load(None).digest
    assert "Traceback" in caplog.text


def test_evidence_whose_manifest_has_no_place_refuses():
    """What was admitted and is found out must not stay admitted because its repository is full."""

    class Full(Waiting):
        async def decide(self, of, outcome, evidence=None):
            if evidence.placed:
                raise Denied("the repository is full")
            return await super().decide(of, outcome, evidence)

    async def deposit(*_):
        return Sealed(placed=("a manifest",))

    cases = Full(CLEAN)
    assert decide(cases, deposit=deposit) == 1
    outcome, _ = cases.decided["1"]
    assert (outcome.word, outcome.rules) == ("refuse", ("evidence.error",))
    assert "the repository is full" in outcome.reasons[0]


def test_evidence_that_has_no_place_refuses():
    cases = Waiting(CLEAN)
    decide(cases, deposit=raising(StatementError("too much", code="x")))
    outcome, _ = cases.decided["1"]
    assert (outcome.word, outcome.rules) == ("refuse", ("evidence.error",))


@pytest.mark.parametrize("error", [RemitError("down", code="x"), OSError(5, "no")])
def test_trouble_of_the_machine_decides_nothing_and_holds_up_nobody(error):
    other = scanned(job="2", reports=(report(),), digest=sha256(b"other"))
    cases = Waiting(CLEAN, other)

    async def deposit(of, outcome):
        if of.job == "1":
            raise error
        return Sealed()

    assert decide(cases, deposit=deposit) == 2
    assert set(cases.left) == {"1"}
    assert set(cases.decided) == {"2"}
