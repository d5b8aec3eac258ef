"""The policy of a Hub that was given none: what the scanners' verdict says, and nothing else."""

from collections.abc import Collection

from remit.core.digest import sha256
from remit.hub.admission.values import Outcome, Scanned, Word
from remit.scan.verdict import judge

_WORDS: dict[str, Word] = {"clean": "admit", "review": "review", "blocked": "refuse"}
MAX_REASONS = 20


class VerdictPolicy:
    """Clean is admitted, blocked is refused, and people look at the rest."""

    digest = sha256(b"remit.scan.verdict")

    def decide(
        self,
        scanned: Scanned,
        suppressed: Collection[str] = (),
        decisions: Collection[object] = (),
        now_us: int = 0,
    ) -> Outcome:
        """Judge an artifact by its reports."""
        del decisions, now_us
        verdict = judge(scanned.reports, scanned.expected, suppressed)
        return Outcome(
            word=_WORDS[verdict.word],
            reasons=verdict.reasons[:MAX_REASONS],
            rules=(f"verdict.{verdict.word}",),
            policy=self.digest,
        )
