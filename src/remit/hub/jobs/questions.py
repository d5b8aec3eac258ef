"""What may be asked of a served model: checked when somebody asks for it."""

from collections.abc import Sequence

from remit.hub.errors import HubError
from remit.hub.jobs.values import MAX_GENERATIONS, MAX_QUESTIONS, TARGET, Questions
from remit.scan.dynamic.garak_report import PROBE


def questions(target: str, probes: Sequence[str], generations: int = 1) -> Questions:
    """Questions to a target; the same ones are the same, in whatever order they are named.

    Args:
        target: name of a served model.
        probes: of garak, by module or class.
        generations: answers to each prompt.

    Raises:
        HubError: one of these is none.
    """
    if TARGET.fullmatch(target) is None:
        raise _wrong(f"`{target[:80]}` is no name of a served model")
    wrong = [each for each in probes if PROBE.fullmatch(each) is None]
    if wrong:
        raise _wrong(f"`{wrong[0][:80]}` is no name of a probe: `promptinject`, or `dan.Dan_11_0`")
    if not 0 < len(probes) <= MAX_QUESTIONS:
        raise _wrong(f"between 1 and {MAX_QUESTIONS} probes are named")
    if not 0 < generations <= MAX_GENERATIONS:
        raise _wrong(f"generations are between 1 and {MAX_GENERATIONS}")
    return Questions(target=target, probes=tuple(sorted(set(probes))), generations=generations)


def _wrong(why: str) -> HubError:
    return HubError(why, code="hub.questions")
