"""What content and provenance add to the corridor: a call and its result, judged without a log.

Each size is a session of its own that has read a page before. "plain" is the same corridor with a
bundle that reads neither content nor flow, the baseline of "content" (findings alone) and "flow"
(the shipped bundle `information-flow`: findings, labels, where each value comes from). Milliseconds
for one call with an argument of that size, and for one result; a warm process, other text each time.

    python -m tests.bench corridor [--quick]
"""

import asyncio
import json
import os
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from remit.audit.clock import SystemClock
from remit.guard.simulate import Simulator
from remit.policy.bundle import Bundle, load_bundle
from tests.bench.bench_content import WORDS

SIZES = {"100 B": 100, "1 KB": 1000, "16 KB": 16_000}
SHIPPED = Path(__file__).parents[2] / "src" / "remit" / "policy" / "shipped" / "information-flow"
HEAD = 'name = "bench"\nversion = "1"\nserial = 1\n'
PLAIN = """
@id("all") permit (principal, action in [
    Remit::Action::"mcp", Remit::Action::"content", Remit::Action::"tool.call"
  ], resource);
@id("no") forbid (principal, action in Remit::Action::"tool.call", resource)
when { context.session.calls > 1000000000 };
"""
CONTENT = (
    PLAIN
    + """
@id("clean") forbid (principal, action in [
    Remit::Action::"tool.call", Remit::Action::"tool.result"
  ], resource)
when { context.content.findings.contains("secret") || !context.content.inspected };
"""
)
TOOLS = [
    {
        "name": name,
        "description": f"{name} something",
        "input_schema": {
            "type": "object",
            "properties": {"to": {"type": "string"}, "text": {"type": "string"}},
        },
        "labels": {
            "result": result,
            "effect": effect,
            "dest": ["to"] if effect == "egress" else [],
        },
    }
    for name, result, effect in (("read", "untrusted", "none"), ("send", "trusted", "egress"))
]


def bundle(directory: Path, policies: str) -> Bundle:
    """Write a bundle of one file."""
    (directory / "tool").mkdir(parents=True)
    (directory / "bundle.toml").write_text(HEAD)
    (directory / "tool" / "a.cedar").write_text(policies)
    return load_bundle(directory)


def text(chance: random.Random, size: int) -> str:
    """Words that were not seen together before."""
    words = [chance.choice(WORDS) for _ in range(size // 4)]
    return f"{chance.getrandbits(40):x} {' '.join(words)}"[:size]


async def measure(of: Bundle, size: int, rounds: int) -> dict[str, float]:
    """Median times of a call and of a result."""
    simulator = Simulator(of, SystemClock(), os.urandom)
    chance = random.Random(size)

    async def step(**event: Any) -> float:
        line = json.dumps({"seq": 1, "session": "s", **event}).encode()
        start = time.perf_counter()
        await simulator.line(line)
        return (time.perf_counter() - start) * 1000

    prompt = "Write to ann@example.com what the page says"
    await step(event="session_start", user_prompt=prompt, tools=TOOLS)
    times: dict[str, list[float]] = {"call": [], "result": []}
    for number in range(rounds):
        args = {"to": "ann@example.com", "text": text(chance, size)}
        call = {"call_id": f"c{number}", "tool": "send", "args": args}
        times["call"].append(await step(event="tool_call", **call))
        await step(event="tool_result", call_id=f"c{number}", tool="send", content="ok")
        await step(event="tool_call", call_id=f"r{number}", tool="read", args={})
        answer = {"call_id": f"r{number}", "tool": "read", "content": text(chance, size)}
        times["result"].append(await step(event="tool_result", **answer))
    return {name: statistics.median(values[rounds // 10 :]) for name, values in times.items()}


def main(arguments: list[str] | None = None) -> list[dict[str, Any]]:
    """Measure and return the rows."""
    given = sys.argv[1:] if arguments is None else arguments
    rounds = 30 if "--quick" in given else 200
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as place:
        bundles = {
            "plain": bundle(Path(place) / "plain", PLAIN),
            "content": bundle(Path(place) / "content", CONTENT),
            "flow": load_bundle(SHIPPED),
        }
        for label, size in SIZES.items():
            plain: dict[str, float] = {}
            for name, one in bundles.items():
                found = asyncio.run(measure(one, size, rounds))
                plain = plain or found
                row: dict[str, Any] = {"size": label, "bundle": name}
                for what, value in found.items():
                    row[f"{what} ms"] = round(value, 3)
                    row[f"{what} x"] = round(value / plain[what], 1)
                rows.append(row)
                print(json.dumps(row), flush=True)
    return rows


if __name__ == "__main__":
    main()
