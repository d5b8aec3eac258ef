"""Inspect a text with every detector that looks at its channel.

A detector that raises, and a text that is too large, could not be read to the end or holds more
than :data:`MAX_FINDINGS`, leave a finding ``uninspected``, for policy to deny.
"""

import functools
import importlib
import pkgutil
from collections.abc import Iterable, Sequence
from typing import cast

import remit.content.detectors
from remit.content.base import SEVERITIES, Detector, Finding, Surroundings, Together, Views
from remit.content.views import read

MAX_CHARACTERS = 4 << 20
MAX_FINDINGS = 1000


@functools.cache
def detectors() -> tuple[Detector, ...]:
    """Every detector, by name. Modules are found by listing the package."""
    names = sorted(m.name for m in pkgutil.iter_modules(remit.content.detectors.__path__))
    package = remit.content.detectors.__name__
    modules = (importlib.import_module(f"{package}.{n}") for n in names if not n.startswith("_"))
    return tuple(m.DETECTOR for m in modules if hasattr(m, "DETECTOR"))


def wanted(around: Surroundings) -> tuple[Detector, ...]:
    """Every detector but those of tier ``judge`` that nobody asked for."""
    return tuple(d for d in detectors() if d.tier != "judge" or d.name in around.optional)


def inspect(
    text: str, around: Surroundings, *, using: Iterable[Detector] | None = None
) -> tuple[Finding, ...]:
    """What is in ``text``, in the order of its places; never raises.

    Args:
        text: as it was decoded; lone surrogates may be in it.
        around: where it goes or comes from.
        using: detectors, instead of those that are :func:`wanted`.
    """
    return inspect_all((text,), around, using=using)[0]


def inspect_all(
    texts: Sequence[str], around: Surroundings, *, using: Iterable[Detector] | None = None
) -> Sequence[tuple[Finding, ...]]:
    """What is in each of ``texts``, as :func:`inspect` says; many short ones take less time so."""
    chosen = [
        detector
        for detector in (wanted(around) if using is None else using)
        if around.channel in detector.channels
    ]
    found: list[list[Finding]] = [[] for _ in texts]
    readable: dict[int, Views] = {}
    for number, text in enumerate(texts):
        views = _views(text)
        if isinstance(views, Finding):
            found[number].append(views)
            continue
        readable[number] = views
        if not views.complete:
            found[number].append(_uninspected(len(text), "incomplete", "inspect/1"))
    for detector in chosen:
        every = _run(detector, list(readable.values()), around)
        for number, some in zip(readable, every, strict=True):
            found[number].extend(some)
    return [_kept(some, len(text)) for some, text in zip(found, texts, strict=True)]


def _views(text: str) -> Views | Finding:
    if len(text) > MAX_CHARACTERS:
        return _uninspected(len(text), "too_large", "inspect/1")
    try:
        return read(text)
    except Exception:  # noqa: BLE001 - what cannot be read was not inspected
        return _uninspected(len(text), "unreadable", "inspect/1")


def _kept(found: list[Finding], length: int) -> tuple[Finding, ...]:
    """Each once, in order of places, and no more than is good for anybody."""
    unique = {(f.kind, f.label, f.start, f.end): f for f in sorted(found, key=_sure)}
    if len(unique) > MAX_FINDINGS:
        worst = sorted(unique.values(), key=_worst)[:MAX_FINDINGS]
        return (
            _uninspected(length, "too_many", "inspect/1"),
            *sorted(worst, key=_place),
        )
    return tuple(sorted(unique.values(), key=_place))


def _run(
    detector: Detector, texts: Sequence[Views], around: Surroundings
) -> Sequence[list[Finding]]:
    if len(texts) > 1 and hasattr(detector, "find_all"):
        together = cast("Together", detector)
        try:
            found = [list(some) for some in together.find_all(texts, around)]
        except Exception:  # noqa: BLE001 - one by one says which text it was
            found = []
        if len(found) == len(texts):
            return found
    return [_run_one(detector, views, around) for views in texts]


def _run_one(detector: Detector, views: Views, around: Surroundings) -> list[Finding]:
    try:
        return list(detector.find(views, around))
    except Exception:  # noqa: BLE001 - a detector that fails is a text that was not inspected
        return [_uninspected(len(views.original), f"failed:{detector.name}", detector.version)]


def _uninspected(length: int, why: str, version: str) -> Finding:
    return Finding(
        kind="uninspected",
        label=why.partition(":")[0],
        severity="high",
        score_milli=1000,
        start=0,
        end=length,
        rule=why,
        version=version,
    )


def _sure(finding: Finding) -> int:
    return finding.score_milli


def _worst(finding: Finding) -> tuple[bool, int, int]:
    """Sorts what says that a text was not inspected first, then the most severe."""
    return (
        finding.kind != "uninspected",
        -SEVERITIES.index(finding.severity),
        -finding.score_milli,
    )


def _place(finding: Finding) -> tuple[int, int, str, str]:
    return finding.start, finding.end, finding.kind, finding.label
