"""How far a run of garak is, by the report that it is writing: for people, and decides nothing."""

import contextlib
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from remit.scan.dynamic.garak_report import MAX_LINE, MAX_PROBES

EVERY_S = 2.0
_PIECE = 1 << 20


class _Line(msgspec.Struct):
    entry_type: str = ""
    probe: str = ""
    chosen: list[str] = msgspec.field(name="transient.active_probes", default_factory=list)


class Following:
    """Tells how many of the chosen probes were evaluated, while the block runs.

    Args:
        place: of the report, which a program that may be hostile writes.
        told: is called from another thread, with how many of how many.
        every_s: how often to look.
    """

    def __init__(
        self, place: Path, told: Callable[[int, int], None], every_s: float = EVERY_S
    ) -> None:
        self._place = place
        self._told = told
        self._every_s = every_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._at, self._rest = 0, b""
        self._total = 0
        self._evaluated: set[str] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(self._every_s):
            # A report that cannot be read yet says nothing yet.
            with contextlib.suppress(OSError):
                self.look()

    def look(self) -> None:
        """Read on, as far as there is a report.

        Raises:
            OSError: it cannot be read, or is no file.
        """
        # What is there instead of a file is neither followed nor waited for.
        file = os.open(self._place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                return
            while data := os.pread(file, _PIECE, self._at):
                self._at += len(data)
                *lines, self._rest = (self._rest + data).split(b"\n")
                for line in lines:
                    self._take(line)
                if len(self._rest) > MAX_LINE:
                    self._rest = b""
        finally:
            os.close(file)
        if self._total:
            self._told(min(len(self._evaluated), self._total), self._total)

    def _take(self, line: bytes) -> None:
        try:
            found = msgspec.json.decode(line, type=_Line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return
        if found.entry_type == "start_run setup":
            self._total = min(len(found.chosen), MAX_PROBES)
        elif found.entry_type == "eval" and len(self._evaluated) < MAX_PROBES:
            self._evaluated.add(found.probe[:200])
