"""The measured part of the card of the models of definitions."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Report:
    """Tables of what was measured.

    Args:
        rows: all rows.
        scores: of each row, by a model that was not trained on its technique.
        limits: calm, review, block.
    """

    def __init__(
        self,
        rows: Sequence[Mapping[str, Any]],
        scores: NDArray[np.float64],
        limits: tuple[float, float, float],
    ) -> None:
        self._rows = rows
        self._scores = scores
        self._limits = limits

    def text(self) -> str:
        """All of it."""
        calm, review, block = self._limits
        lines = [
            f"Limits of the logit: calm {calm:.2f}, review {review:.2f}, block {block:.2f}.",
            "",
            "| rows | attacks | found | calm | harmless | found | blocked | calm |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for key in ("author", "technique", "lang"):
            count = Counter(self._named(row, key) for row in self._rows)
            for name, rows in sorted(count.items()):
                if rows > 1:
                    lines.append(self._line(f"{key} {name}", key, name))
        return "\n".join(lines) + "\n"

    @staticmethod
    def _named(row: Mapping[str, Any], key: str) -> str:
        value = str(row[key])
        return value.rpartition("/")[2] if key == "technique" else value

    def _line(self, title: str, key: str, name: str) -> str:
        calm, review, block = self._limits
        cells = [title]
        for label in ("malicious", "benign"):
            some = np.array(
                [
                    score
                    for row, score in zip(self._rows, self._scores, strict=True)
                    if row["label"] == label and self._named(row, key) == name
                ]
            )
            shown = [f"{share:.2f}" if some.size else "" for share in (
                np.mean(some >= review) if some.size else 0,
                np.mean(some >= block) if some.size else 0,
                np.mean(some < calm) if some.size else 0,
            )]  # fmt: skip
            cells += [str(some.size), shown[0]]
            cells += shown[1:] if label == "benign" else shown[2:]
        return "| " + " | ".join(cells) + " |"
