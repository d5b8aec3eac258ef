"""What a decision costs with its facts given: arguments, schema check, Cedar; no memo of answers.

Prints JSON lines ``{"name", "value", "unit", "baseline", "ratio"}``. The calls are real
``mcp-server-sqlite`` calls (``examples/bundles/db``), the policies 18 and 10,000 of them. The
baseline of the large sets is the small one; deriving the SQL fact is a row of its own.

    python -m tests.bench.bench_policy [--quick]
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from remit.core.event import Agent, Event, Kind
from remit.core.strictjson import parse
from remit.facts.base import Environment
from remit.facts.registry import compute, forget
from remit.facts.sql import SHAPES
from remit.policy.bundle import load_bundle
from remit.policy.policy import Policy, Signals

DB = Path(__file__).resolve().parents[2] / "examples" / "bundles" / "db"
SMALL, LARGE = 18, 10_000
NOW_US = 1_767_225_600_000_000
ROWS: list[dict[str, Any]] = []
ENVIRONMENT = Environment(workspace="/workspace")


def bundle(directory: Path, count: int, spread: bool) -> Policy:
    """The db bundle with forbids added until there are ``count`` policies.

    ``spread``: for other agents, as in a large organisation; else all of them apply to every call.
    """
    for source in DB.rglob("*"):
        if source.is_file():
            target = directory / source.relative_to(DB)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
    present = len(load_bundle(DB).policies)
    lines = []
    for n in range(count - present):
        who = f'principal == Remit::Agent::"agent-{n}"' if spread and n >= SMALL else "principal"
        lines.append(
            f'@id("more-{n}") forbid ({who}, action == Remit::Action::"db/read_query", resource) '
            f'when {{ context.sql.tables.contains("secret_{n}") }};'
        )
    (directory / "tool" / "more.cedar").write_text("\n".join(lines))
    policy = Policy.compile(load_bundle(directory))
    policy.memo_size = 0
    return policy


def event(policy: Policy) -> Event:
    """One read_query call."""
    text = b'{"query": "SELECT region, count(*) FROM orders WHERE year = 2026 GROUP BY region"}'
    return Event(
        id="x",
        kind=Kind.TOOL_CALL,
        server="db",
        action="db/read_query",
        tool="read_query",
        agent=Agent(id="claude-code"),
        user="ann",
        session="s",
        input=parse(text),
        schema_digest=policy.actions["db/read_query"].digest,
    )


def measure(run: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Median and 99th percentile of ``run`` in milliseconds."""
    for _ in range(20):
        run()
    times = []
    for _ in range(rounds):
        start = time.perf_counter_ns()
        run()
        times.append((time.perf_counter_ns() - start) / 1e6)
    times.sort()
    return statistics.median(times), times[int(len(times) * 0.99)]


def report(name: str, value: float, unit: str = "ms", baseline: float | None = None) -> None:
    ratio = round(value / baseline, 2) if baseline else None
    shown = None if baseline is None else round(baseline, 4)
    row = {
        "name": name,
        "value": round(value, 4),
        "unit": unit,
        "baseline": shown,
        "ratio": ratio,
    }
    ROWS.append(row)
    print(json.dumps(row))


def main(arguments: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Run everything and return the rows; ``--quick`` takes seconds."""
    ROWS.clear()
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args(arguments).quick
    rounds = 500 if quick else 5000
    medians: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        cases = [
            ("18", SMALL, True),
            ("10000", LARGE, True),
            ("10000_all_apply", 2000 if quick else LARGE, False),
        ]
        for name, count, spread in cases:
            start = time.perf_counter()
            policy = bundle(Path(folder) / name, count, spread)
            compiled = time.perf_counter() - start
            call = event(policy)
            facts = {
                spec.name: compute(spec, call.input, ENVIRONMENT)
                for spec in policy.needs(call.action).facts
            }
            signals = Signals(now_us=NOW_US, facts=facts)
            start = time.perf_counter()
            assert policy.decide(call, signals).effect == "allow"
            first = time.perf_counter() - start
            few = rounds if spread else max(20, rounds // 50)
            median, tail = measure(lambda p=policy, c=call, s=signals: p.decide(c, s), few)
            medians[name] = median
            base = medians["18"] if name != "18" else None
            report(f"policy.decide.{name}.p50", median, baseline=base)
            report(f"policy.decide.{name}.p99", tail)
            report(f"policy.decide.{name}.first", first * 1000)
            report(f"policy.load_and_compile.{name}", compiled, "s")
            if name == "18":
                extras(policy, call, signals, rounds, median)
    return ROWS


def extras(policy: Policy, call: Event, signals: Signals, rounds: int, median: float) -> None:
    """Shares of the headline number, and what it is with the memo of answers on."""
    specs = policy.needs(call.action).facts

    def with_facts() -> None:
        facts = {s.name: compute(s, call.input, ENVIRONMENT) for s in specs}
        policy.decide(call, msgspec.structs.replace(signals, facts=facts))

    def with_new_facts() -> None:
        forget()
        SHAPES.clear()
        with_facts()

    def with_new_values() -> None:
        forget()
        with_facts()

    report("policy.decide_and_facts.18.new_sql.p50", measure(with_new_facts, rounds // 4)[0])
    report("policy.decide_and_facts.18.new_values.p50", measure(with_new_values, rounds // 4)[0])
    report("policy.decide_and_facts.18.p50", measure(with_facts, rounds // 4)[0])
    policy.memo_size = 4096
    memo, _ = measure(lambda: policy.decide(call, signals), rounds)
    report("policy.decide.18.memo.p50", memo, baseline=median)
    policy.memo_size = 0
    seen = {"agent": "claude-code", "user": "ann", "server": "db", "tool": "read_query"}

    def preview() -> bool:
        policy._visible.clear()
        return policy.visible(**seen)

    preview_cost, _ = measure(preview, rounds // 10)
    report("policy.visible.first.p50", preview_cost)


if __name__ == "__main__":
    main(sys.argv[1:])
