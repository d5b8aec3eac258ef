"""Scores external scanners on labelled samples, many in one scan: what each finds in each family.

    python tools/score_external.py CORPUS LABELS.csv [--families a,b] [--batch 40] [--details]

Samples lie in directories with neutral names beside each other, so each scanner starts once for a
batch. A cell is `any/grave` (medium and worse / critical and high), the last columns are verdicts of
Remit's own scanners alone and of all together. See `tools/score_scanners.py` on hostile samples.
"""

import argparse
import collections
import csv
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from remit.scan.base import Report, scanners
from remit.scan.external.environments import available
from remit.scan.run import ARCHIVES, run
from remit.scan.sandbox import Bounds
from remit.scan.target import Target
from remit.scan.verdict import distinct, judge

KEPT = ("tokenizer_config", "config", "saved_model", "chat_template")


def place(source: Path, target: Path) -> None:
    """Copy a sample under a neutral name."""
    if source.is_dir():
        shutil.copytree(source, target / "sample", symlinks=True)
    else:
        target.mkdir()
        kept = source.stem in KEPT
        shutil.copyfile(source, target / (source.name if kept else "sample" + source.suffix))


def of(reports: Sequence[Report], start: str) -> list[Report]:
    """What reports say of one sample."""
    return [
        msgspec.structs.replace(
            report,
            findings=tuple(each for each in report.findings if each.member.startswith(start)),
            coverage=tuple(each for each in report.coverage if each.member.startswith(start)),
        )
        for report in reports
    ]


def main() -> None:
    """Scan and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("corpus", type=Path)
    parser.add_argument("labels", type=Path)
    parser.add_argument("--families", default="")
    parser.add_argument("--batch", type=int, default=40)
    parser.add_argument("--details", action="store_true")
    given = parser.parse_args()
    wanted = set(filter(None, given.families.split(",")))
    with given.labels.open(newline="") as file:
        rows = [
            row
            for row in csv.DictReader(file)
            if row["label"] in {"malicious", "benign"} and (not wanted or row["family"] in wanted)
        ]
    own, tools = tuple(scanners()), available()
    table: dict[tuple[str, str], collections.Counter[str]] = collections.defaultdict(
        collections.Counter
    )
    began = time.monotonic()
    for start in range(0, len(rows), given.batch):
        batch = rows[start : start + given.batch]
        with tempfile.TemporaryDirectory(prefix="remit-score-") as folder:
            root = Path(folder) / "artifact"
            root.mkdir()
            for number, row in enumerate(batch):
                place(given.corpus / row["path"], root / f"s{number:04}")
            reports = run(Target(root=root), wanted=(*own, *tools), bounds=Bounds(seconds=900))
        for report in reports:
            if report.failed:
                print("failed:", report.scanner, report.failed)
        for number, row in enumerate(batch):
            mine = [
                msgspec.structs.replace(each, failed="") for each in of(reports, f"s{number:04}/")
            ]
            alone = [each for each in mine if each.scanner not in tools]
            words = (
                judge(alone, (ARCHIVES, *own)).word,
                judge(mine, (ARCHIVES, *own, *tools)).word,
            )
            cell = table[row["family"], row["label"]]
            cell["n"] += 1
            cell[f"own {words[0]}"] += 1
            cell[f"all {words[1]}"] += 1
            for report in mine:
                if report.scanner in tools:
                    grades = {
                        each.severity
                        for each in report.findings
                        if each.rule != "coverage.second_hand"
                    }
                    cell[f"{report.scanner} any"] += bool(grades & {"critical", "high", "medium"})
                    cell[f"{report.scanner} grave"] += bool(grades & {"critical", "high"})
            if given.details and (row["label"] == "benign") != (words[1] == "clean"):
                print(row["label"], *words, row["path"], f"({row['technique']})")
                shown = [each for each in mine if each.scanner in tools]
                for finding in distinct(shown)[:5]:
                    if finding.severity in {"critical", "high", "medium"}:
                        print(
                            "     ", finding.severity, finding.scanner, finding.rule,
                            finding.title[:80], finding.evidence[:60],
                        )  # fmt: skip
    print(f"{time.monotonic() - began:.0f} s")
    print("family label n |", " | ".join(tools), "| own blocked/review/clean | all")
    for (family, label), cell in sorted(table.items()):
        cells = [f"{cell[f'{tool} any']}/{cell[f'{tool} grave']}" for tool in tools]
        cells += [
            "/".join(str(cell[f"{who} {w}"]) for w in ("blocked", "review", "clean"))
            for who in ("own", "all")
        ]
        print(family, label, cell["n"], "|", " | ".join(cells))


if __name__ == "__main__":
    main()
