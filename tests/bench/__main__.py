"""Run every bench of this directory, print tables, and keep the numbers as JSON.

A bench is a module `bench_*.py` whose `main(arguments)` returns rows (mappings of column to value).
Arguments: names of benches to run, without the `bench_` (none means all); what begins with `--` is
passed on: every bench knows `--quick`.
"""

import contextlib
import importlib
import io
import json
import os
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

OUTPUT = Path("build/bench.json")


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as aligned text."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    cells = [columns, *([str(row.get(key, "")) for key in columns] for row in rows)]
    widths = [max(len(line[at]) for line in cells) for at in range(len(columns))]
    lines = [
        "  ".join(
            text.ljust(width) if at == 0 else text.rjust(width)
            for at, (text, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in cells
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def main() -> int:
    """Run the benches; returns the exit code."""
    options = [argument for argument in sys.argv[1:] if argument.startswith("--")]
    wanted = set(sys.argv[1:]) - set(options)
    here = Path(__file__).parent
    results: dict[str, Any] = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "load_at_start": os.getloadavg(),
    }
    failed = False
    for file in sorted(here.glob("bench_*.py")):
        name = file.stem.removeprefix("bench_")
        if wanted and name not in wanted:
            continue
        module = importlib.import_module(f"tests.bench.{file.stem}")
        heading = (module.__doc__ or name).strip().splitlines()[0]
        print(f"\n{heading}  (load {os.getloadavg()[0]:.1f})\n", flush=True)
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                rows = module.main(options)
        except Exception as error:  # one bench that cannot run does not hide the others
            print(f"failed: {type(error).__name__}: {error}")
            results[name] = {"failed": f"{type(error).__name__}: {error}"}
            failed = True
            continue
        if rows:
            print(table(rows), flush=True)
        results[name] = rows
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text(json.dumps(results, indent=1) + "\n")
    print(f"\nNumbers: {OUTPUT}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
