"""picklescan: imports of pickles by a list of what is dangerous, as a second opinion.

It reads the pickles that Remit's walk finds in archives, because archives within archives, streams
and tar are unknown to it. Names that it calls suspicious are those on neither of its lists.
"""

from collections.abc import Iterator
from typing import Any, ClassVar

from remit.scan.external.driver import Found, Tool, Unread


class Picklescan(Tool):
    """Driver of picklescan."""

    name: ClassVar[str] = "picklescan"
    distribution: ClassVar[str] = "picklescan"
    summary: ClassVar[str] = "imports of pickles"
    resident: ClassVar[int] = 120_000_000
    item_seconds: ClassVar[float] = 30.0
    # It keeps every opcode: 200 MB of small objects took 7.2 GB.
    max_bytes: ClassVar[int] = 16 * 1024 * 1024

    def claims(self, artifact: Any, member: Any) -> str:
        """Pickles by content or name, and arrays of objects."""
        from remit.scan.scanners.pickles import Pickles

        return "pickle" if Pickles().claims(artifact, member) else ""

    def prepare(self) -> None:
        """Import it, and numpy for arrays."""
        import logging

        import numpy as np
        from picklescan import scanner

        logging.disable(logging.CRITICAL)
        self._scan, self._level = scanner.scan_file_path, scanner.SafetyLevel
        self._numpy = np

    def scan(self, path: str, form: str) -> Iterator[Found]:
        """Each import, graded."""
        del form
        result = self._scan(path)
        for each in sorted(result.globals, key=lambda one: (one.module, one.name)):
            name = f"{each.module}.{each.name}"
            if each.safety == self._level.Dangerous:
                yield Found(
                    "pickle.import", "it imports what picklescan lists as dangerous", "critical",
                    evidence=name, name=name,
                )  # fmt: skip
            elif each.safety == self._level.Suspicious:
                yield Found(
                    "pickle.unknown", "it imports what picklescan does not know", "medium",
                    evidence=name, name=name,
                )  # fmt: skip
        if result.scan_err:
            raise Unread("picklescan could not read all of it")
        if not result.scanned_files:
            raise Unread("picklescan read nothing")
        if not result.globals and not path.endswith(".npy") and not _parses(path):
            # It takes what is no pickle to it for one without imports.
            raise Unread("picklescan did not read it to its end")


def _parses(path: str) -> bool:
    """Whether a file is pickles from its beginning to its end."""
    import pickletools

    with open(path, "rb") as file:  # noqa: PTH123 - nothing here needs a path
        try:
            while file.read(1):
                file.seek(-1, 1)
                for _ in pickletools.genops(file):
                    pass
        except Exception:  # noqa: BLE001 - whatever a hostile opcode makes of it
            return False
    return True


TOOL = Picklescan()
