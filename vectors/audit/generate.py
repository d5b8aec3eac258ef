"""Write the golden log: every byte follows from fixed keys, clocks and salts.

    python vectors/audit/generate.py [DIRECTORY]

The verifier is ``spec/verify_log.py``, which shares no code with this generator.
"""

import hashlib
import shutil
import sys
from pathlib import Path

from remit.attest.keys import LogKey
from remit.audit.checkpoint import own
from remit.audit.disk import Disk
from remit.audit.merkle import leaf_hash
from remit.audit.proof import Prover
from remit.audit.read import read
from remit.audit.record import commitment, leaf_bytes, with_field
from remit.audit.store import Pending, Store
from remit.audit.verify import checkpoint_note

KEY = LogKey("remit.example/guard/1", b"\x07" * 32)
RECORDS = 300


class Clock:
    """A second a record, from 2027-01-15T08:00:00Z."""

    def __init__(self):
        self.ticks = 0

    def now_us(self):
        self.ticks += 1
        return (1_800_000_000 + self.ticks) * 1_000_000

    def monotonic_ns(self):
        return self.ticks * 1_000_000_000


def salts(count):
    """Salts that are as good as any, and always the same."""
    salts.calls = getattr(salts, "calls", 0) + 1
    return hashlib.sha256(b"salt %d" % salts.calls).digest()[:count]


def body(number):
    """Two records a call: the decision, then the result."""
    call = f"01JREMITVECT0R{number // 2:012d}"
    actor = {"agent": "claude-code", "user": "älice"}
    action = {"server": "files", "name": "files/write_file", "tool": "write_file"}
    if number % 2:
        outcome = {"status": "ok", "bytes": number * 10, "latency_us": 1500}
        return "tool.result", {"actor": actor, "action": action, "call": call, "outcome": outcome}
    effect = "deny" if number % 6 == 0 else "allow"
    decision = {"effect": effect, "mode": "enforce", "rule_ids": ["files-in-workspace"]}
    return "tool.decision", {"actor": actor, "action": action, "call": call, "decision": decision}


def generate(target: Path) -> None:
    """Write ``log/``, ``record-42.tlog-proof`` and ``checkpoint-200`` into ``target``."""
    salts.calls = 0
    shutil.rmtree(target / "log", ignore_errors=True)
    # One store, three batches: with the thread of `Log`, the group commits would differ each time.
    store = Store(target / "log", Disk(), KEY, None, reserve_bytes=0)
    clock = Clock()
    for start in range(0, RECORDS, 100):
        batch, previous = [], store.last
        for number in range(start, start + 100):
            kind, value = body(number)
            path = "outcome.result_c" if "outcome" in value else "action.args_c"
            value = with_field(value, path, commitment(salts(16), b"value %d" % number))
            now = clock.now_us()
            head = {
                "v": 1, "log": KEY.name, "seq": number, "time": now, "boot": "boot-1",
                "mono_ns": clock.monotonic_ns(), "prev": previous.hex(), "batch": start,
                "kind": kind,
            }  # fmt: skip
            leaf = leaf_bytes(head, value)
            previous = leaf_hash(leaf)
            batch.append(Pending(leaf, previous))
        store.commit(batch)
        store.grow(batch)
        store.checkpoint(keep=True)
    store.close()
    note = checkpoint_note(target / "log")
    entry = list(read(target / "log"))[42]
    proof = Prover(target / "log", note, own(note, KEY)).prove(42, entry.leaf)
    (target / "record-42.tlog-proof").write_bytes(proof.dump())
    shutil.copy(target / "log" / "checkpoints" / "200", target / "checkpoint-200")
    for name in ("side", "lock"):
        path = target / "log" / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
