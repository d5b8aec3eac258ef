"""Text that a model reads and a person does not see.

Looked for in the text as it is, never in a decoded view:

- tag characters (U+E0000 to U+E007F) outside emoji flags (UTS #51, ED-14a),
- variation selectors that carry bytes (U+FE00 to FE0F and U+E0100 to E01EF),
- zero-width characters in rows (bits) or inside Latin words,
- bidirectional overrides and unpaired embeddings (CVE-2021-42574, UAX #9).

Joiners between emoji, Persian and Indic letters, soft hyphens, marks beside Hebrew or Arabic and
isolates that are closed are how people write, and are not reported.
"""

import itertools
import re
from collections.abc import Iterable, Iterator

from remit.content.base import Finding, PatternDetector, Surroundings, Views
from remit.content.hold import run

MAX_FINDINGS = 1000
MAX_FEW = 4096
MIN_SELECTORS = 4
MIN_ROW = 4
MIN_SPLIT_WORDS = 3

_ANY = re.compile(
    "[\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
_TAGS = re.compile("(\U0001f3f4?)([\U000e0000-\U000e007f]+)")
_FLAG = re.compile("[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f")
_SELECTORS = re.compile(f"[\ufe00-\ufe0f\U000e0100-\U000e01ef]{{{MIN_SELECTORS},}}")
_SELECTOR = re.compile("[\ufe00-\ufe0d\U000e0100-\U000e01ef]")
_LONE_SELECTOR = re.compile(f"{_SELECTOR.pattern}(?<=[!-~ ].)")
_ROW = re.compile(
    "[\u034f\u115f\u1160\u180e\u200b-\u200f\u2060-\u2064\u206a-\u206f\u3164\ufeff\uffa0]"
    f"{{{MIN_ROW},}}"
)
_JOINER = re.compile("[\u200b-\u200d\u2060-\u2064\ufeff]")
_SPLIT = re.compile(f"{_JOINER.pattern}(?<=[A-Za-z].){_JOINER.pattern}*(?=[A-Za-z])")
_OVERRIDE = re.compile("[\u202d\u202e]")
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff]")
_FORCED = re.compile("[\u202b\u2067]")
_CLOSED = {"\u202b": "\u202c", "\u2067": "\u2069"}


class Invisible(PatternDetector):
    """Detector ``invisible``."""

    name = "invisible"
    version = "invisible/1"
    kind = "invisible"

    def find(self, text: Views, around: Surroundings) -> Iterable[Finding]:
        """What is hidden in the original, the first thousand of it."""
        del around
        others = text.views[0].others
        if _ANY.search(others) is None:
            return ()
        # Most are joiners between emoji, and a pass over a large text takes its time.
        some = "".join(m[0] for m in itertools.islice(_ANY.finditer(others), MAX_FEW))
        return itertools.islice(
            self._all(text.original, some if len(some) < MAX_FEW else others), MAX_FINDINGS
        )

    def _all(self, source: str, some: str) -> Iterator[Finding]:
        """What is hidden in ``source``; ``some``: its characters that nobody sees, in order."""
        if _TAGS.search(some):
            yield from self._tags(source)
        if _SELECTORS.search(some):
            for match in _SELECTORS.finditer(source):
                yield self.finding("variation_selectors", ("high", 1000), match.span(), "row")
        if _SELECTOR.search(some):
            yield from self._spread(source, _LONE_SELECTOR, "variation_selectors", MIN_SELECTORS)
        if _ROW.search(some):
            for match in _ROW.finditer(source):
                yield self.finding("zero_width", ("high", 950), match.span(), "row")
        if _JOINER.search(some):
            yield from self._spread(source, _SPLIT, "zero_width", MIN_SPLIT_WORDS)
        if _OVERRIDE.search(some) or _FORCED.search(some):
            yield from self._bidi(source)

    def hold(self, text: str, around: Surroundings) -> int:
        """The last run."""
        del around
        return run(text)

    def _tags(self, text: str) -> Iterator[Finding]:
        for match in _TAGS.finditer(text):
            start = match.start(2)
            flag = _FLAG.match(match[2]) if match[1] else None
            if flag is not None:
                start += flag.end()
            if start < match.end():
                yield self.finding("tag_characters", ("high", 1000), (start, match.end()), "tags")

    def _spread(
        self, text: str, pattern: re.Pattern[str], label: str, least: int
    ) -> Iterator[Finding]:
        some = itertools.islice(pattern.finditer(text), MAX_FINDINGS)
        spans = [m.span() for m in some]
        if len(spans) >= least:
            for span in spans:
                yield self.finding(label, ("medium", 800), span, "in_words")

    def _bidi(self, text: str) -> Iterator[Finding]:
        for match in _OVERRIDE.finditer(text):
            yield self.finding("bidi", ("high", 950), match.span(), "override")
        for match in _FORCED.finditer(text):
            line = text.find("\n", match.end())
            line = len(text) if line < 0 else line
            # A closing mark beyond the look of a phrase counts as missing: work stays linear.
            end = text.find(_CLOSED[match[0]], match.end(), min(line, match.end() + 512))
            inside = text[match.end() : end if end >= 0 else min(line, match.end() + 512)]
            if end < 0 or _RIGHT_TO_LEFT.search(inside) is None:
                yield self.finding("bidi", ("medium", 850), match.span(), "forced")


DETECTOR = Invisible()
