"""Measure the audit log: CPU of an append, durable throughput, proofs, full verification.

Prints one JSON object a line: {"name", "value", "unit", "baseline", "ratio"}. The baseline of the
durable appends is the same work with one fdatasync per record, measured in the same run on the same
disk, because absolute numbers of a shared disk say little.

    python -m tests.bench.bench_audit [--quick] [--directory DIR]
"""

import argparse
import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from remit.attest.cipher import SubjectCipher
from remit.attest.keys import LogKey
from remit.attest.notes import verify as verify_note
from remit.audit.log import Log
from remit.audit.merkle import verify_inclusion
from remit.audit.proof import Prover
from remit.audit.read import leaves
from remit.audit.segment import frame
from remit.audit.verify import checkpoint_note, read_checkpoint

KEY = LogKey("remit.example/bench", b"\x07" * 32)
WRITERS = 64
ROWS = []


class _Clock:
    now_us = staticmethod(lambda: time.time_ns() // 1000)
    monotonic_ns = staticmethod(time.monotonic_ns)


def _body(number):
    return {
        "actor": {"agent": "claude-code", "user": "alice", "executable": "/usr/bin/node"},
        "session": "01JABCDEFGHJKMNPQRSTVWXYZ0",
        "call": f"01J{number:023d}",
        "action": {
            "server": "files", "name": "files/write", "tool": "write", "method": "tools/call",
            "schema_digest": "sha256:" + "0" * 64,
        },
        "decision": {
            "effect": "allow", "mode": "enforce", "policy_digest": "sha256:" + "1" * 64,
            "rule_ids": ["files-in-workspace"],
        },
        "guard": {"id": "g1", "version": "0.1.0", "mode": "mcp"},
    }  # fmt: skip


def report(name, value, unit, baseline=None):
    """Print one measurement."""
    ratio = None if not baseline else round(value / baseline, 3)
    line = {"name": name, "value": round(value, 3), "unit": unit}
    line |= {"baseline": baseline and round(baseline, 3), "ratio": ratio}
    ROWS.append(line)
    print(json.dumps(line), flush=True)


def _open(directory, **more):
    return Log.open(directory, KEY, _Clock(), boot="bench", reserve_bytes=0, **more)


def append_cpu(root, count):
    """CPU microseconds of the calling thread for one append (best of five)."""
    for private in (False, True):
        cipher = SubjectCipher(root / "keys") if private else None
        best = []
        for attempt in range(5):
            with _open(root / f"cpu{private}{attempt}", cipher=cipher) as log:
                value = {"action.args_c": ("alice", b"x" * 300)} if private else None
                bodies = [_body(number) for number in range(count)]
                start = time.thread_time_ns()
                for body in bodies:
                    log.append("tool.decision", body, private=value)
                best.append((time.thread_time_ns() - start) / count / 1000)
                log.flush()
        name = "audit.append_cpu_private" if private else "audit.append_cpu"
        report(name, min(best), "us/record", 30.0)


async def _durable(log, each):
    """Records a second and latencies of WRITERS tasks that each wait for their record."""
    loop = asyncio.get_running_loop()
    waiting = []

    def wake(size):
        nonlocal waiting
        rest = []
        for seq, future in waiting:
            if seq < size:
                future.set_result(None)
            else:
                rest.append((seq, future))
        waiting = rest

    log.subscribe(lambda size, error: loop.call_soon_threadsafe(wake, size))
    latencies = []

    async def writer():
        for number in range(each):
            start = time.perf_counter()
            seq = log.append("tool.decision", _body(number))
            future = loop.create_future()
            waiting.append((seq, future))
            log.urge()
            await future
            latencies.append(time.perf_counter() - start)

    start = time.perf_counter()
    await asyncio.gather(*(writer() for _ in range(WRITERS)))
    return WRITERS * each / (time.perf_counter() - start), latencies


def _sync_each(root, seconds):
    """Records a second with one fdatasync per record."""
    handle = os.open(root / "each", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    data = frame(json.dumps(_body(1)).encode())
    count, end = 0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        os.write(handle, data)
        os.fdatasync(handle)
        count += 1
    os.close(handle)
    return count / seconds


def durable_appends(root, each, seconds):
    """Group commit against one sync per record, before and after."""
    before = _sync_each(root, seconds)
    with _open(root / "durable") as log:
        rate, latencies = asyncio.run(_durable(log, each))
    after = _sync_each(root, seconds)
    baseline = statistics.mean((before, after))
    report("audit.durable_appends", rate, "records/s", baseline)
    latencies.sort()
    report("audit.durable_append_p50", latencies[len(latencies) // 2] * 1e3, "ms")
    report("audit.durable_append_p99", latencies[len(latencies) * 99 // 100] * 1e3, "ms")
    with _open(root / "one") as log:
        global WRITERS  # noqa: PLW0603 - the same loop with one writer
        WRITERS, many = 1, WRITERS
        rate, latencies = asyncio.run(_durable(log, max(each, 200)))
        WRITERS = many
    report("audit.durable_appends_one_writer", rate, "records/s", baseline)


def _check(note):
    return verify_note(note, KEY.verifier)


def proofs(directory, count, samples):
    """Making and checking one inclusion proof in a log of ``count`` records."""
    note = checkpoint_note(directory)
    head = read_checkpoint(note, KEY.name, _check)
    prover = Prover(directory, note, head)
    step = max(count // samples, 1)
    wanted = set(range(0, count, step))
    entries = {seq: leaf for seq, leaf in leaves(directory) if seq in wanted}
    made, checked = [], []
    from remit.audit.merkle import leaf_hash

    for seq in sorted(wanted, key=lambda n: n * 7919 % count):
        start = time.perf_counter()
        proof = prover.prove(seq, entries[seq])
        made.append((time.perf_counter() - start) * 1e6)
        start = time.perf_counter()
        assert verify_inclusion(seq, head.size, leaf_hash(entries[seq]), proof.path, head.root)
        checked.append((time.perf_counter() - start) * 1e6)
    report(f"audit.proof_make_{count}", statistics.median(made), "us", 1000.0)
    report(f"audit.proof_make_max_{count}", max(made), "us", 1000.0)
    report(f"audit.proof_check_{count}", statistics.median(checked), "us", 100.0)


VERIFY = """
import sys, time
from pathlib import Path
from remit.attest.notes import parse_vkey, verify as verify_note
from remit.audit.verify import verify
directory = Path(sys.argv[1])
key = parse_vkey((directory / "log.vkey").read_text())
start = time.perf_counter()
report = verify(directory, key.name, lambda note: verify_note(note, key))
assert report.ok, report.problem
seconds = time.perf_counter() - start
# Not ru_maxrss: a child inherits its parent's peak.
[peak] = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(report.records, seconds, peak)
"""


def full_verification(directory, count):
    """Time and peak memory of ``verify`` and of the stand-alone verifier, in processes of their own."""
    done = subprocess.run(
        [sys.executable, "-c", VERIFY, str(directory)], capture_output=True, text=True, check=True
    )
    records, seconds, peak = done.stdout.split()
    assert int(records) == count, records
    report(f"audit.verify_{count}", float(seconds), "s", 15.0 * count / 1e6)
    report(f"audit.verify_memory_{count}", int(peak) / 1024, "MiB", 150.0)
    script = Path(__file__).parents[2] / "spec" / "verify_log.py"
    start = time.perf_counter()
    subprocess.run([sys.executable, str(script), str(directory)], capture_output=True, check=True)
    report(f"audit.verify_independent_{count}", time.perf_counter() - start, "s")


def build(directory, count):
    """A log of ``count`` records, and the CPU the whole process spent per record."""
    with _open(directory) as log:
        cpu, start = time.process_time(), time.perf_counter()
        for number in range(count):
            log.append("tool.decision", _body(number))
            if number % 2048 == 2047:
                log.flush()
        log.flush()
        report("audit.cpu_per_record", (time.process_time() - cpu) / count * 1e6, "us/record", 60.0)
        report("audit.bulk_appends", count / (time.perf_counter() - start), "records/s")
    start = time.perf_counter()
    _open(directory).close()
    report(f"audit.open_{count}", time.perf_counter() - start, "s")


def main(arguments=None):
    """Run all measurements and return them."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true", help="seconds instead of minutes")
    parser.add_argument("--directory", type=Path, help="where the logs are written")
    options = parser.parse_args([] if arguments is None else arguments)
    ROWS.clear()
    root = Path(tempfile.mkdtemp(prefix="bench-audit-", dir=options.directory or Path.cwd()))
    count = 50_000 if options.quick else 1_000_000
    try:
        append_cpu(root, 2000)
        durable_appends(root, 100 if options.quick else 300, 1.0 if options.quick else 3.0)
        build(root / "log", count)
        proofs(root / "log", count, 50 if options.quick else 300)
        full_verification(root / "log", count)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    return list(ROWS)


if __name__ == "__main__":
    main(sys.argv[1:])
