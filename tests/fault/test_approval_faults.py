"""Guard dies, or its disk fails, at each step of an approval: nothing is lost, nothing runs twice."""

import contextlib
import subprocess

import pytest

from tests.fault.test_daemon_faults import NO_TRACE, TRACE, failing
from tests.rig.people import Treasury
from tests.rig.wire import EndedError, SilenceError

DURABLE = "fsync,fdatasync"
STEPS = 14
"""More than an approval needs, from the request to the record of its use."""
FEW = (6,)


def flow(treasury, person, seen):
    """One payment: asked for, approved, and made again; whether all of it came to its end."""
    with (
        contextlib.suppress(
            EndedError, SilenceError, OSError, AssertionError, subprocess.SubprocessError
        ),
        treasury.agent() as wire,
    ):
        request = treasury.waits(wire, 1, 500, "ALICE")
        seen.append(request)
        person.says("approve", request)
        wire.response(1, 5)
        treasury.pays(wire, 2, 500, "ALICE")
        wire.response(2, 5)
        return True
    return False


def broken(tmp_path, inject):
    """Play the flow while a system call fails; then everything promised holds."""
    with Treasury(tmp_path, "--hold-timeout", "3") as treasury:
        person = treasury.person("ann")
        seen = []
        with failing(treasury.guard.process, inject):
            ended = flow(treasury, person, seen)
            died = treasury.guard.process.poll() is not None
        treasury.guard.process.kill()
        treasury.guard.process.wait(10)
        treasury.guard.start()
        ran = treasury.ran("ALICE")
        assert ran <= 1
        uses = treasury.records("approval.consume")
        assert ran <= len(uses) <= 1
        known = {one["id"] for one in (*treasury.listed(), *treasury.listed("--closed"))}
        assert set(seen) <= known
        asked = {record["request"] for record in treasury.records("approval.request")}
        assert known <= asked
        said = [r["attestation"] for r in treasury.records("approval.decision")]
        for use in uses:
            assert set(use["attestations"]) <= set(said)
        with treasury.agent() as wire:
            treasury.pays(wire, 3, 500, "ALICE")
            assert wire.response(3, 10)["result"]["isError"]
        assert treasury.ran("ALICE") == ran
        return ended, died


@pytest.mark.skipif(not TRACE, reason=NO_TRACE)
@pytest.mark.parametrize("step", FEW)
def test_killed_at_a_step(tmp_path, step):
    """kill -9 as the n-th thing becomes durable."""
    assert broken(tmp_path, f"{DURABLE}:signal=KILL:when={step}") == (False, True)


@pytest.mark.slow
@pytest.mark.skipif(not TRACE, reason=NO_TRACE)
def test_the_steps_are_enough(tmp_path):
    """The last step is behind the end of the flow."""
    assert broken(tmp_path, f"{DURABLE}:signal=KILL:when={STEPS + 20}") == (True, False)


@pytest.mark.slow
@pytest.mark.skipif(not TRACE, reason=NO_TRACE)
@pytest.mark.parametrize("step", [step for step in range(1, STEPS) if step not in FEW])
def test_killed_at_any_step(tmp_path, step):
    """The steps between."""
    broken(tmp_path, f"{DURABLE}:signal=KILL:when={step}")


@pytest.mark.slow
@pytest.mark.skipif(not TRACE, reason=NO_TRACE)
@pytest.mark.parametrize("call", ["fsync", "fdatasync", "write", "pwrite64", "openat"])
@pytest.mark.parametrize("code", ["EIO", "ENOSPC"])
@pytest.mark.parametrize("when", ["1", "2", "3", "5", "8", "2+"])
def test_a_disk_that_fails(tmp_path, call, code, when):
    """Whatever cannot be written is not approved."""
    broken(tmp_path, f"{call}:error={code}:when={when}")
