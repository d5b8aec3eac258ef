"""Canaries: texts planted where only a leak can carry them on.

They are looked for in every view without regard to case (a host name has none), and once more with
everything but ASCII letters and digits taken out, forwards and backwards, so that dots, spaces or
line breaks between the characters do not hide them.
"""

from collections.abc import Iterable, Iterator

from remit.content.base import Finding, PatternDetector, Surroundings, View, Views
from remit.content.hold import run, spread

MIN_COMPACT = 10
"""Letters and digits a canary needs to be looked for without what stands between them."""

_DROPPED = bytes(c for c in range(128) if not chr(c).isalnum())


class Canary(PatternDetector):
    """Detector ``canary``; the label of a finding is the name of the canary."""

    name = "canary"
    version = "canary/1"
    kind = "canary"

    def find(self, text: Views, around: Surroundings) -> Iterable[Finding]:
        """Every canary in every view."""
        needles = {name: lower(c) for name, c in around.canaries.items() if c}
        if needles:
            for view in text.views:
                yield from self._exact(view, needles)
                yield from self._compact(view, needles)

    def hold(self, text: str, around: Surroundings) -> int:
        """The last run, what is spread by spaces, and the beginning of a canary at the end."""
        if not around.canaries:
            return len(text)
        tail = lower(text[-max(map(len, around.canaries.values()), default=0) :])
        longest = max(_common(tail, lower(c)) for c in around.canaries.values())
        return min(run(text), spread(text), len(text) - longest)

    def _exact(self, view: View, needles: dict[str, str]) -> Iterator[Finding]:
        lowered = lower(view.text)
        for name, needle in needles.items():
            for at in _places(lowered, needle):
                yield self._leak(name, view.origin(at, at + len(needle)), "exact")

    def _compact(self, view: View, needles: dict[str, str]) -> Iterator[Finding]:
        text = _plain(view.text)
        positions: list[int] = []
        for name, needle in needles.items():
            plain = _plain(needle)
            if len(plain) < MIN_COMPACT:
                continue
            for rule, form in (("set_apart", plain), ("backwards", plain[::-1])):
                for at in _places(text, form):
                    positions = positions or _kept(view.text)
                    start, end = positions[at], positions[at + len(form) - 1] + 1
                    yield self._leak(name, view.origin(start, end), rule)

    def _leak(self, name: str, span: tuple[int, int], rule: str) -> Finding:
        return self.finding(name, ("critical", 1000), span, rule)


def lower(text: str) -> str:
    """``text`` in lower case with every character in its place."""
    lowered = text.lower()
    if len(lowered) == len(text):
        return lowered
    return "".join([c.lower() if len(c.lower()) == 1 else c for c in text])


def _plain(text: str) -> str:
    return text.encode("ascii", "ignore").lower().translate(None, _DROPPED).decode()


def _kept(text: str) -> list[int]:
    return [i for i, c in enumerate(text) if c.isascii() and c.isalnum()]


def _places(text: str, needle: str) -> Iterator[int]:
    at = text.find(needle)
    while at >= 0:
        yield at
        at = text.find(needle, at + len(needle))


def _common(tail: str, needle: str) -> int:
    for length in range(min(len(tail), len(needle) - 1), 0, -1):
        if tail.endswith(needle[:length]):
            return length
    return 0


DETECTOR = Canary()
