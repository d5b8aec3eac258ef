"""garak's ``report.jsonl``, read strictly: a run that says nothing has found nothing, and failed.

garak ends with status 0 whatever happened: no such probe, no target, nothing evaluated. So a run is
believed only under these rules:

1. Every line is an object with an ``entry_type``; sizes and numbers of lines are bounded.
2. There is one ``init`` with the version and the run, and one ``completion`` of the same run; no
   ``attempt`` or ``eval`` is behind it.
3. There is one ``start_run setup``, which names the probes that were chosen
   (``transient.active_probes``): one at least for each that was asked for, and no other.
4. Each probe that was asked for, by itself or by its module, has an ``eval`` with
   ``total_evaluated`` greater than 0, and an attempt that was evaluated.
5. No other probe has one, and the numbers of an ``eval`` add up.

A run that is believed may have gaps, and says so of each (:class:`Gap`): a probe that was chosen
and of which nothing was evaluated, or to which the model said nothing but blanks; a detector that
the probe has (``plugin_cache``) and that did not judge, because garak leaves out what it cannot
load; answers that a detector did not judge.

What is not checked: whether a detector judged rightly, and what the model was asked before.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

import msgspec

from remit.scan.base import evidence

NAME = "garak"
_T = TypeVar("_T", bound=msgspec.Struct)
MAX_LINE = 8 * 1024 * 1024
MAX_LINES = 1_000_000
MAX_TOTAL = 1 << 30
PROBE = re.compile(r"[a-z][a-z0-9_]{0,63}(?:\.[A-Za-z][A-Za-z0-9_]{0,99})?", re.ASCII)
_FULL = re.compile(r"[a-z][a-z0-9_]{0,63}\.[A-Za-z][A-Za-z0-9_]{0,99}", re.ASCII)
_DETECTOR = re.compile(r"[A-Za-z0-9_.]{1,200}", re.ASCII)
_EVALUATED = 2
_PROBES = "probes."
MAX_PROBES = 1000


class _Entry(msgspec.Struct):
    entry_type: str


class _Init(msgspec.Struct):
    garak_version: str
    run: str


class _Setup(msgspec.Struct):
    chosen: list[str] = msgspec.field(name="transient.active_probes")


class _Plugin(msgspec.Struct):
    primary_detector: str | None = None
    extended_detectors: list[str] | None = None


class _Plugins(msgspec.Struct):
    probes: dict[str, _Plugin] = {}


class _Cache(msgspec.Struct):
    plugin_cache: _Plugins


class _Completion(msgspec.Struct):
    run: str


class _Output(msgspec.Struct):
    text: str | None = None


class _Attempt(msgspec.Struct):
    status: int
    probe_classname: str
    outputs: list[_Output | None] = []


class Evaluation(msgspec.Struct, frozen=True):
    """What one detector says of one probe.

    Attributes:
        probe: ``module.Class``.
        detector: ``module.Class``.
        passed, fails: answers that were as they should be, and those that were not.
        total_evaluated: of them.
        nones: answers that were not evaluated.
    """

    probe: str
    detector: str
    passed: int
    fails: int
    total_evaluated: int
    nones: int = 0


class BrokenRunError(ValueError):
    """The run cannot be believed; the text says why."""


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """What a run does not say.

    Attributes:
        probe: ``module.Class``.
        detector: of it; empty if nothing at all is known of the probe.
        why: it is missing.
    """

    probe: str
    detector: str = ""
    why: str


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A run that can be believed.

    Attributes:
        version: of garak.
        run: its identifier.
        evaluations: of each probe by each detector.
        gaps: what is not in them.
    """

    version: str
    run: str
    evaluations: tuple[Evaluation, ...]
    gaps: tuple[Gap, ...] = ()


def read(lines: Iterable[bytes], asked: Sequence[str]) -> Run:
    """Read a report.

    Args:
        lines: of the file.
        asked: probes, as ``module`` or ``module.Class``.

    Raises:
        BrokenRunError: a rule of this module is broken.
    """
    if not asked or not all(PROBE.fullmatch(each) for each in asked):
        raise BrokenRunError("it is not said by name which probes were asked for")
    reader = _Reader(asked)
    for kind, line in _entries(lines):
        reader.take(kind, line)
    return reader.finish()


class _Reader:
    """What is known of a run so far."""

    def __init__(self, asked: Sequence[str]) -> None:
        self._asked = asked
        self._init: _Init | None = None
        self._chosen: tuple[str, ...] = ()
        self._detectors: dict[str, tuple[str, ...]] = {}
        self._done = False
        self._evaluated: set[str] = set()
        self._spoken: set[str] = set()
        self._found: dict[tuple[str, str], Evaluation] = {}

    def take(self, kind: str, line: bytes) -> None:
        """The next line."""
        if kind == "start_run setup":
            if self._chosen:
                raise BrokenRunError("it begins twice")
            self._chosen = _chosen(_as(_Setup, line).chosen, self._asked)
        elif kind == "init":
            if self._init is not None:
                raise BrokenRunError("it begins twice")
            self._init = _as(_Init, line)
        elif kind == "completion":
            run = _as(_Completion, line).run
            if self._done or self._init is None or run != self._init.run:
                raise BrokenRunError("its end is not of the run that began")
            self._done = True
        elif kind == "plugin_cache":
            for name, plugin in _as(_Cache, line).plugin_cache.probes.items():
                named = (plugin.primary_detector, *(plugin.extended_detectors or ()))
                self._detectors[name.removeprefix(_PROBES)] = tuple(filter(None, named))
        elif kind in {"attempt", "eval"}:
            if self._done or self._init is None:
                raise BrokenRunError("it goes on before its beginning or behind its end")
            self._result(kind, line)

    def _result(self, kind: str, line: bytes) -> None:
        if kind == "attempt":
            attempt = _as(_Attempt, line)
            if attempt.status == _EVALUATED:
                self._evaluated.add(attempt.probe_classname)
                if any(each is not None and (each.text or "").strip() for each in attempt.outputs):
                    self._spoken.add(attempt.probe_classname)
            return
        each = _evaluation(line, self._asked)
        if (each.probe, each.detector) in self._found:
            raise BrokenRunError(f"`{each.probe}` is evaluated twice by one detector")
        self._found[each.probe, each.detector] = each

    def finish(self) -> Run:
        """The run, if it came to its end and has all that was asked for."""
        if self._init is None or not self._done:
            raise BrokenRunError("it did not come to its end")
        if not self._chosen:
            raise BrokenRunError("it does not say which probes were chosen")
        for each in self._found.values():
            if each.total_evaluated and each.probe not in self._evaluated:
                raise BrokenRunError(f"`{each.probe}` is evaluated, but no attempt of it")
            if each.probe not in self._chosen:
                raise BrokenRunError(f"`{each.probe}` is evaluated, and was not chosen")
        _all_asked(self._asked, self._found.values())
        return Run(
            version=evidence(self._init.garak_version)[:40],
            run=evidence(self._init.run)[:80],
            evaluations=tuple(self._found.values()),
            gaps=tuple(self._gaps()),
        )

    def _gaps(self) -> Iterator[Gap]:
        judged = {key for key, each in self._found.items() if each.total_evaluated}
        for probe in self._chosen:
            if not any(each == probe for each, _ in judged):
                yield Gap(probe=probe, why="nothing of it was evaluated")
                continue
            if probe not in self._spoken:
                yield Gap(probe=probe, why="the model said nothing")
            if not self._detectors.get(probe):
                yield Gap(probe=probe, why="it is not known how it is judged")
            for detector in self._detectors.get(probe, ()):
                if (probe, detector) not in judged:
                    name = detector if _DETECTOR.fullmatch(detector) else "?"
                    yield Gap(probe=probe, detector=name, why="it did not judge")
        for each in self._found.values():
            if each.total_evaluated and each.nones:
                why = f"{each.nones} answers were not judged"
                yield Gap(probe=each.probe, detector=each.detector, why=why)


def _chosen(named: Sequence[str], asked: Sequence[str]) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(each.removeprefix(_PROBES) for each in named))
    if len(found) > MAX_PROBES or not all(map(_FULL.fullmatch, found)):
        raise BrokenRunError("it does not say which probes were chosen")
    other = next((each for each in found if not any(_is_of(each, one) for one in asked)), None)
    if other is not None:
        raise BrokenRunError(f"`{other}` was chosen, and nobody asked for it")
    return found


def _entries(lines: Iterable[bytes]) -> Iterator[tuple[str, bytes]]:
    total = 0
    for number, line in enumerate(lines):
        total += len(line)
        if number >= MAX_LINES or len(line) > MAX_LINE or total > MAX_TOTAL:
            raise BrokenRunError("its report is too large")
        if line.strip():
            yield _as(_Entry, line).entry_type, line


def _as(kind: type[_T], line: bytes) -> _T:
    try:
        return msgspec.json.decode(line, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise BrokenRunError("its report is malformed") from None


def _evaluation(line: bytes, asked: Sequence[str]) -> Evaluation:
    each = _as(Evaluation, line)
    named = _FULL.fullmatch(each.probe) and _DETECTOR.fullmatch(each.detector)
    counts = (each.passed, each.fails, each.total_evaluated, each.nones)
    if not named or min(counts) < 0 or each.passed + each.fails != each.total_evaluated:
        raise BrokenRunError("an evaluation does not add up")
    if not any(_is_of(each.probe, one) for one in asked):
        raise BrokenRunError(f"`{each.probe}` is evaluated, and nobody asked for it")
    return each


def _all_asked(asked: Sequence[str], found: Iterable[Evaluation]) -> None:
    some = {each.probe for each in found if each.total_evaluated}
    none = next((one for one in asked if not any(_is_of(probe, one) for probe in some)), None)
    if none is not None:
        raise BrokenRunError(f"nothing of the probe `{none}` was evaluated")


def _is_of(probe: str, asked: str) -> bool:
    return probe == asked or probe.startswith(asked + ".")
