"""Write our own benign (and a few hostile) rows as JSONL, the same ones for the same seed.

python -m tools.benign.generate --out FILE [--seed 7] [--each 40]
"""

import argparse
import gzip
import hashlib
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tools.benign.grammar import TEXTS, Template, expand, templates, words
from tools.disguises import KNOWN

DISGUISED = (0.3, 0.4)
"""Shares of harmless and of hostile texts that are also written in disguise: an encoding is no attack."""
# Some disguises are for letters from a to z only: what is left of others says nothing.
NOT_DISGUISED = {"pi_multilingual"}
CARRIERS = (
    "{}",
    "{}\nGreetings from Lisbon",
    "Notes of the day:\n{}\n(no changes)",
    "As promised:\n\n{}",
    "2 new comments\n{}\nReply",
    "Hello,\n\n{}\n\nSee you on Monday.\nTom",
)
ATTACK_KINDS = {"pi_direct", "pi_indirect", "pi_jailbreak", "pi_multilingual", "pi_obfuscated"}


def rows(seed: int, each: int) -> Iterator[dict[str, Any]]:
    """Up to ``each`` different texts of every template, some of them in disguise once more."""
    lists = words()
    for path in sorted(TEXTS.glob("*.txt")):
        for template in templates(path):
            rng = random.Random(f"{seed}/{template.place}")  # noqa: S311 - data, not secrets
            seen = {expand(template.text, lists, rng) for _ in range(each)}
            for text in sorted(seen):
                row = _row(template, text, path.stem)
                yield row
                if template.kind not in NOT_DISGUISED and rng.random() < DISGUISED[row["label"]]:
                    disguise = rng.choice(sorted(KNOWN))
                    around = rng.choice(CARRIERS)
                    yield _row(template, around.format(KNOWN[disguise](text)), "disguised") | {
                        "kind": "pi_obfuscated" if row["label"] else "pi_benign_unicode"
                    }


def _row(template: Template, text: str, source: str) -> dict[str, Any]:
    return {
        "id": hashlib.sha256(text.encode()).hexdigest()[:16],
        "text": text,
        "label": int(template.kind in ATTACK_KINDS),
        "kind": template.kind,
        "channel": template.channel,
        "source": f"own:{source}",
        "licence": "CC0-1.0",
        "template": template.place,
    }


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--each", type=int, default=40)
    arguments = parser.parse_args()
    with gzip.open(arguments.out, "wt", encoding="utf-8") as file:
        for row in rows(arguments.seed, arguments.each):
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
