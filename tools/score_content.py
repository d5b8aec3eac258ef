"""Measure the secrets and PII detectors on labelled texts and print tables.

    python -m tools.score_content --data DIRECTORY [--seed N] [--failures N]

The directory holds ``secrets.dev.jsonl.gz`` and ``pii.dev.jsonl.gz``. The rules are written by hand,
so nothing is fitted here. For work on them there is a split: a fifth of the rows, chosen by a hash of
the seed and the row's id, is to be left alone until the end. It only says something if that was
done. Every source is shown by itself, because rows of one source look alike.

A row with a secret counts as found if a finding of the kind touches a labelled span; a row without
one is a false alarm if there is any finding of the kind. For PII each labelled span counts, and the
label must be the same.
"""

import argparse
import gzip
import hashlib
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from remit.content.base import Finding, Surroundings
from remit.content.detectors import pii, secrets
from remit.content.views import read

STRUCTURED = (
    "CREDIT_CARD", "DEA", "EMAIL_ADDRESS", "IBAN_CODE", "ICD10", "IP_ADDRESS", "MBI", "MEMBER_ID",
    "MRN", "NPI", "PHONE_NUMBER", "US_PASSPORT", "US_SSN", "DATE_TIME",
)  # fmt: skip
FIFTH = 5
Row = Mapping[str, Any]


def rows(path: Path) -> Iterator[Row]:
    """The rows of a file."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def part(row: Row, seed: int) -> str:
    """Which part of the split a row is in."""
    digest = hashlib.sha256(f"{seed}:{row['id']}".encode()).digest()
    return "a fifth" if digest[0] % FIFTH == 0 else "four fifths"


def source(row: Row) -> str:
    """A short name of where a row is from."""
    name = str(row["source"])
    return "CredSweeper" if name.startswith("CredSweeper") else name


def touches(finding: Finding, span: Mapping[str, int]) -> bool:
    """Whether they share a character."""
    return finding.start < span["end"] and span["start"] < finding.end


def table(title: str, head: Sequence[str], lines: Iterable[Sequence[object]]) -> None:
    """Print a Markdown table."""
    out = [f"\n### {title}\n", f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    out += [f"| {' | '.join(str(cell) for cell in line)} |" for line in lines]
    sys.stdout.write("\n".join(out) + "\n")


def share(some: int, of: int) -> str:
    """A share with its numbers."""
    return f"{some / of:.3f} ({some}/{of})" if of else "-"


def score_secrets(data: Iterable[Row], seed: int, failures: int) -> None:
    """Tables of the secrets detector."""
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    missed: list[str] = []
    for row in data:
        found = list(secrets.DETECTOR.find(read(row["text"]), Surroundings(channel=row["channel"])))
        spans = row.get("spans") or ()
        hit = any(not spans or any(touches(f, s) for s in spans) for f in found)
        outcome = ("found" if hit else "missed") if row["label"] else "alarm" if found else "quiet"
        for group in (
            ("all", "all"), ("part", part(row, seed)), ("source", source(row)),
            ("kind" if row["label"] else "look-alike", row["kind"].partition(":")[2]),
        ):  # fmt: skip
            counts[group][outcome] += 1
        if outcome in {"missed", "alarm"}:
            missed.append(f"{outcome}: {row['kind']}: {row['text'][:120]!r}")
    lines = []
    for (group, name), count in sorted(counts.items()):
        if group not in {"all", "part", "source"}:
            continue
        flagged = count["found"] + count["alarm"]
        lines.append(
            (
                name, share(count["found"], flagged),
                share(count["found"], count["found"] + count["missed"]),
                share(count["alarm"], count["alarm"] + count["quiet"]),
            )
        )  # fmt: skip
    table("Secrets", ("rows", "precision", "recall", "false alarms"), lines)
    table(
        "Secrets by kind", ("kind", "recall"),
        (
            (name, share(c["found"], c["found"] + c["missed"]))
            for (group, name), c in sorted(counts.items()) if group == "kind"
        ),
    )  # fmt: skip
    table(
        "Look-alikes of secrets", ("kind", "flagged"),
        (
            (name, share(c["alarm"], c["alarm"] + c["quiet"]))
            for (group, name), c in sorted(counts.items()) if group == "look-alike"
        ),
    )  # fmt: skip
    _print(missed[:failures])


def score_pii(data: Iterable[Row], seed: int, failures: int) -> None:
    """Tables of the PII detector."""
    found_by: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    labels: dict[str, Counter[str]] = defaultdict(Counter)
    missed: list[str] = []
    for row in data:
        found = list(pii.DETECTOR.find(read(row["text"]), Surroundings(channel=row["channel"])))
        spans = [s for s in row.get("spans") or () if s["type"] in STRUCTURED]
        groups = (("all", "all"), ("part", part(row, seed)), ("source", source(row)))
        if not row.get("spans"):
            for group in groups:
                found_by[group]["alarm" if found else "quiet"] += 1
            if found:
                missed.append(f"alarm: {found[0].label}: {row['text'][:120]!r}")
        for span in spans:
            hit = any(f.label == span["type"] and touches(f, span) for f in found)
            labels[span["type"]]["found" if hit else "missed"] += 1
            if not hit:
                missed.append(f"missed: {span['type']}: {row['text'][:120]!r}")
            if span["type"] != "DATE_TIME":
                for group in groups:
                    found_by[group]["found" if hit else "missed"] += 1
        for finding in found:
            right = any(
                s["type"] == finding.label and touches(finding, s) for s in row.get("spans") or ()
            )
            labels[finding.label]["right" if right else "wrong"] += 1
    table(
        "PII and PHI, typed, without dates", ("rows", "recall", "look-alikes flagged"),
        (
            (
                name, share(c["found"], c["found"] + c["missed"]),
                share(c["alarm"], c["alarm"] + c["quiet"]),
            )
            for (_, name), c in sorted(found_by.items())
        ),
    )  # fmt: skip
    table(
        "PII and PHI by label", ("label", "recall", "precision"),
        (
            (
                name, share(c["found"], c["found"] + c["missed"]),
                share(c["right"], c["right"] + c["wrong"]),
            )
            for name, c in sorted(labels.items())
        ),
    )  # fmt: skip
    _print(missed[:failures])


def _print(lines: Sequence[str]) -> None:
    if lines:
        sys.stdout.write("\n" + "\n".join(lines) + "\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--failures", type=int, default=0, help="show so many of each set")
    chosen = parser.parse_args(arguments)
    score_secrets(rows(chosen.data / "secrets.dev.jsonl.gz"), chosen.seed, chosen.failures)
    score_pii(rows(chosen.data / "pii.dev.jsonl.gz"), chosen.seed, chosen.failures)


if __name__ == "__main__":
    main()
