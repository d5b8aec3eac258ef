"""The measured part of the model card."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

MARK = "<!-- Below: written by tools/train_injection_model.py. -->"


class Report:
    """Tables of what was measured.

    Args:
        rows: all rows.
        labels: 1 for an attack.
        sources: of each row.
        date: of the training.
    """

    def __init__(
        self,
        rows: Sequence[Mapping[str, Any]],
        labels: NDArray[np.int64],
        sources: NDArray[np.str_],
        date: str,
    ) -> None:
        self._rows = rows
        self._labels = labels
        self._sources = sources
        self._channels = np.array([row["channel"] for row in rows])
        self._kinds = np.array([row["kind"] for row in rows])
        self._soft = np.array([bool(row.get("soft")) for row in rows])
        self._parts = [f"Trained {date}.", self._data()]

    def _data(self) -> str:
        """Rows by source and licence."""
        count = Counter((str(row["source"]), str(row["licence"])) for row in self._rows)
        attacks = Counter(str(row["source"]) for row in self._rows if row["label"])
        lines = ["## Data", "", "| source | licence | rows | attacks of the source |",
                 "|---|---|---|---|"]  # fmt: skip
        for (source, licence), rows in sorted(count.items()):
            lines.append(f"| {source} | {licence} | {rows} | {attacks[source]} |")
        return "\n".join(lines)

    def measure(
        self,
        title: str,
        scores: NDArray[np.float64],
        thresholds: Mapping[str, float],
        rows: NDArray[np.bool_],
    ) -> None:
        """Add a table: recall and false alarms of ``rows`` by kind and by source."""
        limits = np.array([thresholds[str(c)] for c in self._channels])
        hit = scores >= limits
        lines = [f"## {title[0].upper()}{title[1:]}", ""]
        lines.append(
            "Thresholds: " + ", ".join(f"{k} {v:.2f}" for k, v in thresholds.items()) + "."
        )
        lines += [
            "",
            "| rows | attacks | recall | benign | false alarms |",
            "|---|---|---|---|---|",
        ]
        lines.append(self._line("all", hit, rows))
        if (rows & self._soft).any():
            lines.append(self._line("all without `soft`", hit, rows & ~self._soft))
        for kind in np.unique(self._kinds[rows]):
            lines.append(self._line(str(kind), hit, rows & (self._kinds == kind)))
        sources = np.unique(self._sources[rows])
        for source in sources if len(sources) > 1 else ():
            lines.append(self._line(f"source {source}", hit, rows & (self._sources == source)))
        self._parts.append("\n".join(lines))

    def _line(self, name: str, hit: NDArray[np.bool_], rows: NDArray[np.bool_]) -> str:
        attack, benign = rows & (self._labels == 1), rows & (self._labels == 0)
        recall = f"{hit[attack].mean():.3f}" if attack.any() else ""
        alarms = f"{hit[benign].mean():.4f}" if benign.any() else ""
        return f"| {name} | {attack.sum()} | {recall} | {benign.sum()} | {alarms} |"

    def text(self) -> str:
        """All of it."""
        return "\n\n".join(self._parts) + "\n"
