"""Scores the scanners on labelled samples: a table per family, own and public samples apart.

    python tools/score_scanners.py CORPUS LABELS.csv [--families a,b] [--details]

CORPUS is a directory with hostile files: they are scanned in the sandbox, each as a copy under a
neutral name, and never opened otherwise. Nothing of it belongs into a repository.
"""

import argparse
import collections
import csv
import shutil
import tempfile
from pathlib import Path
from typing import Any

from remit.scan.base import scanners
from remit.scan.sandbox import Bounds, scan
from remit.scan.verdict import Verdict, distinct, judge
from remit.scan.worker import Request

KINDS = {"skill": "skill", "mcp": "mcp-server", "prompt": "prompt", "dataset": "dataset"}
"""What the Hub knows of an artifact when it scans it; a file of another family is of a model."""


def scanned(path: Path, names: tuple[str, ...], family: str) -> tuple[Verdict, list[str]]:
    """The verdict on one sample, and its findings in short."""
    with tempfile.TemporaryDirectory(prefix="remit-score-") as folder:
        root = Path(folder) / "artifact"
        if path.is_dir():
            shutil.copytree(path, root, symlinks=True)
        else:
            root.mkdir()
            # Names of files that readers look for are kept, others say what the sample is.
            kept = path.stem in {"tokenizer_config", "config", "saved_model", "chat_template"}
            shutil.copyfile(path, root / (path.name if kept else "sample" + path.suffix))
        request = Request(
            root="", scratch="", scanners=names, digest="", kind=KINDS.get(family, "")
        )
        reports = scan(root, request, Bounds(seconds=120))
    shown = [f"{f.severity[:4]} {f.rule} {f.evidence[:60]}" for f in distinct(reports)]
    return judge(reports, ("archives", *names)), shown


def main() -> None:
    """Scan and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("corpus", type=Path)
    parser.add_argument("labels", type=Path)
    parser.add_argument("--families", default="")
    parser.add_argument("--details", action="store_true")
    given = parser.parse_args()
    names = tuple(scanners())
    wanted = set(filter(None, given.families.split(",")))
    table: dict[tuple[str, str], collections.Counter[str]] = collections.defaultdict(
        collections.Counter
    )
    with given.labels.open(newline="") as file:
        rows: list[dict[str, Any]] = list(csv.DictReader(file))
    for row in rows:
        if wanted and row["family"] not in wanted:
            continue
        verdict, found = scanned(given.corpus / row["path"], names, row["family"])
        origin = row["path"].partition("/")[0]
        table[row["family"], origin][f"{row['label']} {verdict.word}"] += 1
        wrong = {"malicious": "clean", "benign": "blocked", "malformed": "clean"}
        doubtful = row["label"] == "benign" and verdict.word == "review"
        if given.details and (wrong.get(row["label"]) == verdict.word or doubtful):
            print(row["label"], verdict.word, row["path"], f"({row['technique']})")
            for line in (*found[:4], *verdict.reasons[:3]):
                print("    ", line)
    labels = ("malicious", "benign", "malformed")
    words = ("blocked", "review", "clean")
    print(f"{'family':<13}{'origin':<8}", *(f"{n[:4]}:{w:<8}" for n in labels for w in words))
    for (family, origin), counts in sorted(table.items()):
        cells = (f"{counts[f'{n} {w}']:<13}" for n in labels for w in words)
        print(f"{family:<13}{origin:<8}", *cells)


if __name__ == "__main__":
    main()
