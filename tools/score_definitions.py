"""Scores the scanners on rows of definitions or prompts: how many attacks and harmless ones they stop.

    python -m tools.score_definitions [FILE.jsonl.gz ...] [--techniques] [--blocks]

Rows have the form that :mod:`tools.train_definition_model` reads. Without files the frozen sets of
``tools/definitions/frozen`` are scored, which nobody trains on or looks at while rules are written: an
author wrote each who had seen no rule, every attack beside a harmless twin that speaks of the same. All
scanners read each row, as the Hub's do, but without a sandbox: the texts are our own.
"""

import argparse
import collections
import gzip
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from remit.scan.base import Artifact, scanners
from remit.scan.run import ARCHIVES
from remit.scan.verdict import distinct, judge
from remit.scan.walk import Walk
from remit.scan.worker import archives, run

FROZEN = Path(__file__).parent / "definitions" / "frozen"
WORDS = ("blocked", "review", "clean")


def main() -> None:
    """Scan and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("files", type=Path, nargs="*")
    parser.add_argument("--techniques", action="store_true", help="a line for each, too")
    parser.add_argument("--blocks", action="store_true", help="name rules that block harmless rows")
    given = parser.parse_args()
    # As in a sandbox; processes here are as many as processors.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    for path in given.files or sorted(FROZEN.glob("*.jsonl.gz")):
        found = list(_scored(list(_rows(path))))
        print(f"\n{path.name}\n")
        print("\n".join(_table(found, techniques=given.techniques)))
        if given.blocks:
            count = collections.Counter(
                rule
                for row, word, rules in found
                if row["label"] == "benign" and word == "blocked"
                for rule in rules
            )
            print("\n" + "\n".join(f"{number:4} {rule}" for rule, number in count.most_common()))


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def _scored(rows: Sequence[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], str, set[str]]]:
    """Each row with the verdict, and the rules that block it."""
    with ProcessPoolExecutor() as pool:
        for row, (word, rules) in zip(rows, pool.map(_verdict, rows, chunksize=8), strict=True):
            yield row, word, rules


def _verdict(row: dict[str, Any]) -> tuple[str, set[str]]:
    kind, name, text = "prompt", "sample.txt", row.get("text", "")
    if "listing" in row:
        kind, name = "mcp-server", "sample.json"
        text = json.dumps(row["listing"], ensure_ascii=False)
    found = scanners()
    with tempfile.TemporaryDirectory(prefix="remit-score-") as folder:
        root, scratch = Path(folder, "artifact"), Path(folder, "scratch")
        root.mkdir()
        scratch.mkdir()
        (root / name).write_text(text, encoding="utf-8")
        walk = Walk(root, scratch)
        members = list(walk.members())
        artifact = Artifact(digest="", kind=kind, members=members)
        reports = [archives(walk), *(run(each, artifact, members) for each in found.values())]
    grave = {each.rule for each in distinct(reports) if each.severity in {"critical", "high"}}
    return judge(reports, (ARCHIVES, *found)).word, grave


def _table(
    found: Sequence[tuple[dict[str, Any], str, set[str]]], *, techniques: bool
) -> Iterator[str]:
    cells: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for row, word, _ in found:
        cells[f"{row['label']}, all"][word] += 1
        if techniques:
            technique = str(row["technique"]).rpartition("/")[2].removeprefix("twin-of-")
            cells[f"{row['label']}, {technique}"][word] += 1
    yield "| rows | " + " | ".join(("all", *WORDS)) + " |"
    yield "|---" * (2 + len(WORDS)) + "|"
    for name, count in sorted(cells.items()):
        all_of = count.total()
        shares = (f"{count[word] / all_of:.0%}" for word in WORDS)
        yield f"| {name} | {all_of} | " + " | ".join(shares) + " |"


if __name__ == "__main__":
    main()
