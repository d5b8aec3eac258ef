"""Real system calls that fail: every acknowledged record is there after the next start."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

from remit.audit.log import read
from remit.audit.verify import verify
from tests.unit.audit.support import ORIGIN, FakeClock, check, open_log

WRITER = """
import os, sys, time
from pathlib import Path
from remit.attest.keys import LogKey
from remit.attest.cipher import SubjectCipher
from remit.audit.log import Log, Poisoned
class Clock:
    now_us = staticmethod(lambda: time.time_ns() // 1000)
    monotonic_ns = staticmethod(time.monotonic_ns)
directory, count, start = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
key = LogKey("remit.example/guard/1", bytes([7]) * 32)
cipher = SubjectCipher(directory.parent / "keys") if start == "side" else None
acks = os.open(directory.parent / "acks", os.O_WRONLY | os.O_CREAT)
log = Log.open(directory, key, Clock(), cipher=cipher, boot="b", reserve_bytes=65536)
# The acknowledgements use pwrite64, so that an injected write(2) hits the log only.
log.subscribe(lambda size, error: os.pwrite(acks, b"%d\\n" % size, 0) if error is None else None)
try:
    number = 0
    while count == 0 or number < count:
        private = {"c": ("alice", b"value %d" % number)} if start == "side" else None
        log.append("tool.decision", {"number": number}, private=private)
        number += 1
        if number % 5 == 0:
            log.flush()
        if number % 17 == 0:
            log.checkpoint()
except Poisoned as error:
    log.close()
    os.pwrite(acks, b"poisoned\\n", 64)
    sys.exit(75)
log.close()
"""
POISONED = 75


def can_trace():
    strace = shutil.which("strace")
    if strace is None:
        return False
    done = subprocess.run(
        [strace, "-f", "-e", "trace=none", "true"], capture_output=True, check=False
    )
    return done.returncode == 0


TRACE = can_trace()


def acknowledged(directory):
    path = directory.parent / "acks"
    if not path.exists():
        return 0
    # `pwrite` puts the newest number over the older ones; longer numbers only ever replace shorter.
    found = re.match(rb"(\d+)\n", path.read_bytes())
    return int(found[1]) if found else 0


def run(directory, *, count=100, inject="", mode="plain"):
    command = [sys.executable, "-c", WRITER, str(directory), str(count), mode]
    if inject:
        trace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"inject={inject}"]
        command = [*trace, *command]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


def settle(directory, done):
    """Open what is left, and hold it against what was acknowledged."""
    promised = acknowledged(directory)
    assert "Traceback" not in done.stderr or "remit.audit.errors" in done.stderr, done.stderr
    with open_log(directory, clock=FakeClock()) as log:
        assert log.size >= promised
    numbers = [e.record["number"] for e in read(directory) if "number" in e.record]
    assert numbers[:promised] == list(range(len(numbers)))[:promised]
    assert numbers == list(range(len(numbers)))
    report = verify(directory, ORIGIN, check)
    assert report.ok, report.problem


CASES = [
    (call, code, when)
    for call, whens in (
        ("fdatasync", (1, 2, 7)),
        ("fsync", (3, 9, 14, 20)),
        ("rename", (1, 2, 3, 6)),
        ("ftruncate", (2, 5)),
    )
    for code in ("EIO", "ENOSPC")
    for when in whens
]


@pytest.mark.skipif(not TRACE, reason="LOUD: strace may not trace here, no system call was failed")
@pytest.mark.parametrize(("call", "code", "when"), CASES)
def test_a_failing_call_loses_nothing_acknowledged(tmp_path, call, code, when):
    directory = tmp_path / "log"
    done = run(directory, inject=f"{call}:error={code}:when={when}")
    assert done.returncode in {POISONED, 1}, (done.returncode, done.stderr)
    settle(directory, done)


@pytest.mark.skipif(not TRACE, reason="LOUD: strace may not trace here, no system call was failed")
@pytest.mark.parametrize("code", ["EIO", "ENOSPC"])
def test_a_failing_write_of_the_committer_loses_nothing(tmp_path, code):
    directory = tmp_path / "log"
    lost = 0
    for when in range(6, 60, 9):
        shutil.rmtree(directory, ignore_errors=True)
        (tmp_path / "acks").unlink(missing_ok=True)
        done = run(directory, inject=f"write:error={code}:when={when}", mode="side")
        lost += done.returncode in {POISONED, 1}
        settle(directory, done)
    assert lost >= 3, "no write of the log was hit"


def test_a_killed_writer_loses_nothing_acknowledged(tmp_path):
    directory = tmp_path / "log"
    total = 0
    for round_ in range(8):
        (tmp_path / "acks").unlink(missing_ok=True)
        before = sum(1 for _ in read(directory)) if round_ else 0
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(directory), "0", "side"])
        deadline = time.monotonic() + 30
        while acknowledged(directory) <= before and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.05 * (round_ + 1))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        promised = acknowledged(directory)
        assert promised > before
        with open_log(directory, clock=FakeClock(2_000_000_000_000_000 + round_ * 10**12)) as log:
            assert log.size >= promised
        total += promised - before
        report = verify(directory, ORIGIN, check)
        assert report.ok, report.problem
    assert total > 100


def test_two_processes_cannot_write_one_log(tmp_path):
    directory = tmp_path / "log"
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(directory), "0", "plain"])
    try:
        deadline = time.monotonic() + 30
        while not acknowledged(directory) and time.monotonic() < deadline:
            time.sleep(0.01)
        done = run(directory, count=5)
        assert done.returncode == 1
        assert "another process writes this audit log" in done.stderr
        report = verify(directory, ORIGIN, check)
        assert report.ok, report.problem
    finally:
        process.kill()
        process.wait()


def test_a_log_can_be_read_and_verified_while_it_is_written(tmp_path):
    directory = tmp_path / "log"
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(directory), "0", "side"])
    try:
        deadline = time.monotonic() + 30
        while not acknowledged(directory) and time.monotonic() < deadline:
            time.sleep(0.01)
        last = 0
        for _ in range(10):
            report = verify(directory, ORIGIN, check)
            assert report.ok, report.problem
            assert report.records >= last
            last = report.records
            time.sleep(0.02)
    finally:
        process.kill()
        process.wait()
