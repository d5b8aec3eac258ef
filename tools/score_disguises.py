"""How much of what is found in plain words is still found in disguise.

    python -m tools.score_disguises --data DIR [--attacks 80] [--benign 120] [--held-out]

Attacks are those of the rows of ``DIR`` (see ``tools.train_injection_model``) that are found as they
are, in English and of at most 400 characters. Each disguise is put on each of them, between two
ordinary lines. Harmless texts are disguised the same way: what a disguise adds to the false alarms
is its price.
"""

import argparse
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from remit.content.base import Channel, Surroundings
from remit.content.detectors.injection import DETECTOR
from remit.content.views import read
from tools.disguises import HELD_OUT, KNOWN, Disguise
from tools.train_injection_model import load

LONGEST, SHORTEST = 400, 30
ENGLISH_KINDS = ("pi_direct", "pi_indirect", "pi_jailbreak", "pi_benign", "pi_benign_hardneg")


def main() -> None:
    """Print a table of one group of disguises."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--attacks", type=int, default=80)
    parser.add_argument("--benign", type=int, default=120)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--held-out", action="store_true")
    parser.add_argument("--misses", help="show the texts that are missed in this disguise")
    arguments = parser.parse_args()
    attacks, benign = sample(arguments.data, arguments.attacks, arguments.benign, arguments.seed)
    plain = sum(map(found, map(carried, benign))) / len(benign)
    print(
        f"{len(attacks)} attacks; {len(benign)} harmless texts, {plain:.3f} flagged as they are\n"
    )
    print("| disguise | found | harmless flagged |\n|---|---|---|")
    sums = [0.0, 0.0]
    disguises = HELD_OUT if arguments.held_out else KNOWN
    for name, disguise in disguises.items():
        recall, alarms = share(disguise, attacks), share(disguise, benign)
        print(f"| {name} | {recall:.3f} | {alarms:.3f} |", flush=True)
        sums = [sums[0] + recall, sums[1] + alarms]
        if name == arguments.misses:
            for text in attacks:
                if not found(carried(disguise(text))):
                    print(repr(disguise(text)), repr(text))
    print(
        f"| mean of {len(disguises)} | "
        + " | ".join(f"{s / len(disguises):.3f}" for s in sums)
        + " |"
    )


def sample(
    directories: Sequence[Path], attacks: int, benign: int, seed: int
) -> tuple[list[str], list[str]]:
    """Attacks that are found as they are, and harmless texts."""
    rows = [row for row in load(directories) if _fits(row)]
    random.Random(seed).shuffle(rows)  # noqa: S311 - a sample, not a secret
    hostile = (r["text"] for r in rows if r["label"] == 1 and not r.get("soft"))
    plain = [
        text for text, _ in zip(filter(_found_as_it_is, hostile), range(attacks), strict=False)
    ]
    return plain, [r["text"] for r in rows if r["label"] == 0][:benign]


def _fits(row: dict[str, Any]) -> bool:
    text = row["text"]
    return (
        row["kind"] in ENGLISH_KINDS and text.isascii() and SHORTEST <= len(text.strip()) <= LONGEST
    )


def _found_as_it_is(text: str) -> bool:
    return found(carried(text))


def carried(text: str) -> str:
    """``text`` between two ordinary lines."""
    return f"Thank you for the report.\n{text}\nBest wishes, Maria"


def found(text: str, channel: Channel = "tool_result") -> bool:
    """Whether the detector finds anything."""
    return any(True for _ in DETECTOR.find(read(text), Surroundings(channel=channel)))


def share(disguise: Disguise, texts: Sequence[str]) -> float:
    """Of ``texts`` in disguise, how many are found."""
    return sum(found(carried(disguise(text))) for text in texts) / len(texts)


if __name__ == "__main__":
    main()
