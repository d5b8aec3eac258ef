"""What facts cost: microseconds per fact, first use, and the size of a hostile text's worst case.

Prints one JSON object per line: ``{"name", "value", "unit", "baseline", "ratio"}``. The baseline of
an extractor is its parser alone (or the one system call that it cannot do without).
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from remit.core.event import Agent, Event, Kind
from remit.facts.base import Environment
from remit.facts.registry import FactSpec, compute, forget, options_for
from remit.facts.usage import Limit, Usage

SQL = (
    "SELECT a, count(*) FROM sales.orders o JOIN x USING (id) WHERE o.d > now() - interval '1 day' "
    "GROUP BY 1 HAVING sum(b) > 3 ORDER BY 2 DESC LIMIT 10"
)
SHELL = "cd /srv/app && git log --oneline | head -5 > out.txt 2>&1"
CASES: dict[str, tuple[dict[str, Any], Any]] = {
    "sql": ({"dialect": "postgres"}, SQL),
    "shell": ({}, SHELL),
    "path": ({}, "src/remit/facts/path.py"),
    "url": ({}, "https://api.example.com:8443/v1/items?q=1"),
    "mail": ({}, "Ann Lee <ann@example.com>, bob@example.org"),
    "json": ({}, ["a", 1, True]),
    "match": ({"patterns": ["card"]}, "pay with 4111 1111 1111 1111 please"),
}


ROWS: list[dict[str, Any]] = []


def _p50(call: Callable[[], Any], rounds: int = 300) -> float:
    """Median microseconds of one call, after a warm-up."""
    for _ in range(20):
        call()
    times = []
    for _ in range(rounds):
        begin = time.perf_counter_ns()
        call()
        times.append((time.perf_counter_ns() - begin) / 1000)
    return statistics.median(times)


def _emit(name: str, value: float, unit: str, baseline: float | None) -> None:
    ratio = round(value / baseline, 2) if baseline else None
    base = None if baseline is None else round(baseline, 2)
    row = {"name": name, "value": round(value, 2), "unit": unit, "baseline": base, "ratio": ratio}
    ROWS.append(row)
    print(json.dumps(row))


def _baselines(env: Environment) -> dict[str, Callable[[], Any]]:
    import re2
    import sqlglot
    import tree_sitter
    import tree_sitter_bash

    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_bash.language()))
    card = re2.compile(env.matchers["card"])
    return {
        "sql": lambda: sqlglot.parse(SQL, read="postgres"),
        "shell": lambda: parser.parse(SHELL.encode()),
        "path": lambda: os.path.realpath("src/remit/facts/path.py"),
        "match": lambda: card.search(CASES["match"][1]),
    }


def _first_use(name: str, options: dict[str, Any], value: Any) -> float:
    """Milliseconds of the first fact in a fresh process, imports of its parser included."""
    code = (
        "import json, sys, time\n"
        "from remit.facts.base import Environment\n"
        "from remit.facts.registry import FactSpec, compute, forget, options_for\n"
        f"spec = FactSpec('f', {name!r}, ('*',), ('q',), options_for({name!r}, {options!r}))\n"
        "env = Environment(workspace='/', matchers={'card': '4[0-9]{3}'})\n"
        "begin = time.perf_counter()\n"
        f"compute(spec, {{'q': {value!r}}}, env)\n"
        "print((time.perf_counter() - begin) * 1000)\n"
    )
    runs = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
        for _ in range(5)
    ]
    return statistics.median(runs)


def main(arguments: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Measure, print, and return the rows; there is no quicker way."""
    del arguments
    ROWS.clear()
    env = Environment(
        workspace=str(Path.cwd()),
        realpath=os.path.realpath,
        matchers={"card": r"\b4\d{3}(?: ?\d{4}){3}\b"},
    )
    baselines = _baselines(env)
    for name, (options, value) in CASES.items():
        spec = FactSpec("f", name, ("*",), ("q",), options_for(name, options))
        assert compute(spec, {"q": value}, env).problem == "", name

        def call(spec: FactSpec = spec, value: Any = value) -> None:
            forget()
            compute(spec, {"q": value}, env)

        base = baselines.get(name)
        _emit(f"facts.{name}.p50", _p50(call), "us", _p50(base) if base else None)
        _emit(f"facts.{name}.first_use", _first_use(name, options, value), "ms", None)
    for name, text in {
        "sql": "SELECT " + ", ".join(f"c{i} + 1" for i in range(1900)),
        "shell": "ls " + "$(a) " * 3000,
    }.items():
        spec = FactSpec("f", name, ("*",), ("q",), options_for(name, CASES[name][0]))
        begin = time.perf_counter()
        compute(spec, {"q": text}, env)
        _emit(f"facts.{name}.largest", (time.perf_counter() - begin) * 1000, "ms", None)
    limit = Limit("l", 100, 60_000_000, ("agent", "session"), ("bank/*",))
    usage = Usage([limit])
    event = Event(
        id="1", kind=Kind.TOOL_CALL, server="bank", action="bank/pay", agent=Agent(id="a"),
        user="u", session="s", input={},
    )  # fmt: skip
    clock = iter(range(10_000_000))
    _emit("facts.usage.over_and_hit.p50", _p50(lambda: (usage.over(event, next(clock)), usage.hit(event, next(clock)))), "us", None)  # fmt: skip
    return ROWS


if __name__ == "__main__":
    main()
