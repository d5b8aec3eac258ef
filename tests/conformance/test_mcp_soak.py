"""Many thousand calls of all kinds through one Guard: each answered once, recorded once, memory flat."""

import json
import random
import threading
from collections import Counter
from pathlib import Path

import psutil
import pytest

from tests.conformance.frames import table
from tests.rig.governed import Governed, refused, remit
from tests.rig.wire import LEGACY, MODERN, call_frame

CALLS = 30_000


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("era", [LEGACY, MODERN])
def test_soak(tmp_path: Path, era: str) -> None:
    """Permitted, denied and broken frames in random order, as fast as Guard takes them."""
    dice = random.Random(7)
    broken = [frame for frame in table(era) if frame.answer == "any" and "large" not in frame.name]
    with Governed(tmp_path, era) as guard:
        wire = guard.wire
        guard.still_works()
        process = psutil.Process(wire.process.pid)
        first = wire.fresh_id() + 10_000_000
        expected: dict[int, bool] = {}
        lines: list[tuple[bytes, bool]] = []
        for number in range(CALLS):
            key = first + number
            kind = dice.random()
            if kind < 0.9:
                allowed = kind < 0.7
                name = dice.choice(["echo", "slow", "open_schema"]) if allowed else "forbidden"
                arguments = {
                    "echo": {"message": f"m{number}"},
                    "slow": {"ms": 1},
                    "open_schema": {"a": "x"},
                }
                params = {"name": name, "arguments": arguments.get(name, {"message": "x"})}
                frame = call_frame("tools/call", params, key, modern=guard.modern)
                lines.append((json.dumps(frame).encode() + b"\n", True))
                expected[key] = allowed
            elif number % 50 == 0:
                attack = dice.choice(broken).make(key + 500_000_000, f"MARK-{number}")
                lines.append((attack + b"\n", False))

        window = threading.Semaphore(1000)

        def write() -> None:
            for line, answered in lines:
                if answered:
                    window.acquire()
                wire.write(line)

        writer = threading.Thread(target=write, daemon=True)
        writer.start()
        answers: Counter[int] = Counter()
        middle = 0.0
        while len(answers) < len(expected):
            frame = wire.next_frame(60)
            key = frame.get("id")
            if key in expected:
                answers[key] += 1
                window.release()
                assert refused(frame) is not expected[key], frame
                if len(answers) == len(expected) // 2:
                    middle = process.memory_info().rss / 1e6
        writer.join(60)
        guard.still_works()
        end = process.memory_info().rss / 1e6
        assert set(answers.values()) == {1}
        assert end < 200, f"{end:.0f} MB"
        assert end < middle * 1.5, f"{middle:.0f} MB at half time, {end:.0f} MB at the end"
        assert guard.close() == 0
    ran = Counter(entry["ran"] for entry in guard.server_entries() if "ran" in entry)
    assert "forbidden" not in ran
    assert sum(ran.values()) == sum(expected.values()) + 2
    kinds = Counter(
        (record["kind"], record["decision"]["effect"])
        for record in guard.records()
        if record["kind"] == "tool.decision"
    )
    assert kinds["tool.decision", "allow"] == sum(expected.values()) + 2
    assert kinds["tool.decision", "deny"] >= len(expected) - sum(expected.values())
    done = remit("audit", "verify", "--state", str(guard.state))
    assert done.returncode == 0, done.stdout
