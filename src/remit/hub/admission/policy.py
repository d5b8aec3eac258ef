"""The artifact policy: Cedar over what scanners found and what people said.

1. A suppression counts if it is of the repository, not revoked and not over, and not by whoever
   pushed the artifact. Its finding is as if it were not there.
2. A curator's refusal refuses, whatever else holds.
3. Cedar decides. What it forbids, no curator admits; any error refuses.
4. What it leaves to people is admitted once so many different ones as it asks for said so: of the
   team that it names, not who pushed the artifact, under this policy and about these very results,
   and not over. Cedar is asked again with that fulfilled.
5. An admission holds until the first of what it rests on ends, and no longer than
   :data:`LIFETIME_US`.

Not checked here: that whoever decided, or suppressed, still has the role of a curator for the
repository (whoever loads their words gives only those), and signatures (checked when a statement is
taken).
"""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Self

from remit.core.decision import Decision as Judgement
from remit.core.decision import Effect, Obligation
from remit.core.digest import Digest
from remit.hub.admission.people import Decision, Suppression
from remit.hub.admission.results import input_of, results_of
from remit.hub.admission.values import Outcome, Scanned
from remit.hub.patterns import matches
from remit.policy import grants
from remit.policy.bundle import load_bundle
from remit.policy.explain import Explanation
from remit.policy.policy import Policy
from remit.policy.promotions import Promotion
from remit.policy.shipped import ARTIFACT_DEFAULT
from remit.scan.verdict import Verdict, judge

LIFETIME_US = 30 * 86_400_000_000
MAX_REASONS = 20
REFUSED_BY = "curator.refuse"
"""What stands among the rules when a curator refused."""
CROWDED = "gate.crowded"
"""The same when others attached more than is looked at."""
TOO_MUCH = "more signatures and scans lie beside it than are looked at; delete those of no use"


class ArtifactPolicy:
    """Decides what may be pulled.

    Attributes:
        policy: the compiled bundle.
    """

    def __init__(self, policy: Policy) -> None:
        self.policy = policy

    @classmethod
    def load(cls, directory: Path | None = None) -> Self:
        """The policy of a bundle; of the one that comes with Remit without one.

        Raises:
            BundleError: it has errors; nothing may be decided with it.
            EngineError: Cedar fails its self-test.
        """
        return cls(Policy.compile(load_bundle(directory or ARTIFACT_DEFAULT)))

    @property
    def digest(self) -> Digest:
        """Of everything that decides, besides its input."""
        return self.policy.digest

    @property
    def name(self) -> str:
        """Of the bundle, with its version."""
        return f"{self.policy.bundle.name}@{self.policy.bundle.version}"

    def decide(
        self,
        scanned: Scanned,
        suppressed: Collection[Suppression],
        decisions: Collection[Decision],
        now_us: int,
    ) -> Outcome:
        """Judge an artifact.

        Args:
            scanned: what is known of it.
            suppressed: findings that somebody answers for, anywhere.
            decisions: what those said of it who may curate its repository now.
            now_us: wall time.
        """
        used = _counting(scanned, suppressed, now_us)
        prints = {each.fingerprint for each in used}
        verdict = judge(scanned.reports, scanned.expected, prints)
        last = _last_words(decisions, now_us)
        refusal = next((each for each in last if each.word == "refuse"), None)
        if refusal is not None:
            return self._outcome("refuse", _refusal(refusal), (REFUSED_BY,), refusal.expires_us)
        if scanned.crowded:
            # What speaks against it may be among what nobody looked at.
            return self._outcome("refuse", (TOO_MUCH,), (CROWDED,), 0)
        asked = Promotion(
            user=scanned.pushed_by,
            artifact=scanned.digest,
            repository=scanned.repository,
            input=input_of(scanned, verdict, prints),
            now_us=now_us,
        )
        found = self.policy.promote(asked).decision
        ends = [now_us + LIFETIME_US, *(each.expires_us for each in used)]
        # On what is over and counts all the same nothing rests.
        ends += [each.expires_us for each in scanned.attested_scans if each.expires_us > now_us]
        bundle_ends = self.policy.bundle.expires_us
        if bundle_ends is not None:
            ends.append(bundle_ends)
        if found.effect is Effect.ALLOW:
            return self._outcome("admit", (), found.rules, min(ends))
        if found.effect is Effect.DENY:
            return self._outcome("refuse", _reasons(found, verdict), found.rules, 0)
        given = self._given(scanned, results_of(scanned), last, found, now_us)
        if all(len(said) >= quorum for said, quorum in given.values()):
            again = Promotion(
                user=asked.user,
                artifact=asked.artifact,
                repository=asked.repository,
                input=asked.input,
                fulfilled=frozenset(given),
                now_us=now_us,
            )
            second = self.policy.promote(again).decision
            if second.effect is Effect.ALLOW:
                ends += _ends(given, found)
                people = sorted({each.by for said, _ in given.values() for each in said})
                reasons = (f"admitted by {', '.join(f'`{name}`' for name in people)}",)
                rules = tuple(sorted({*second.rules, *given}))
                return self._outcome("admit", reasons, rules, min(ends))
        return self._review(found, verdict)

    def explain(self, scanned: Scanned, now_us: int) -> Explanation:
        """What Cedar says without anybody's word, and how it came about."""
        used = _counting(scanned, scanned.suppressions, now_us)
        prints = {each.fingerprint for each in used}
        verdict = judge(scanned.reports, scanned.expected, prints)
        return self.policy.promote(
            Promotion(
                user=scanned.pushed_by,
                artifact=scanned.digest,
                repository=scanned.repository,
                input=input_of(scanned, verdict, prints),
                now_us=now_us,
            )
        )

    def _given(
        self,
        scanned: Scanned,
        results: Digest,
        said: Sequence[Decision],
        found: Judgement,
        now_us: int,
    ) -> dict[str, tuple[list[Decision], int]]:
        """For each policy that asks: whose admissions count, and how many are needed."""
        counted = [
            each
            for each in said
            if each.word == "admit"
            and each.by != scanned.pushed_by
            and each.policy == self.digest
            and each.results == results
        ]
        return {
            each.rule: (
                [
                    one
                    for one in counted
                    if self._in(one.by, each.parameters.get("approvers", ""))
                    and now_us < _until(one, each)
                ],
                _quorum(each),
            )
            for each in found.obligations
        }

    def _in(self, user: str, team: str) -> bool:
        teams = self.policy.bundle.entities.users.get(user, ())
        return team == grants.CURATORS or (team != "" and team in teams)

    def _review(self, found: Judgement, verdict: Verdict) -> Outcome:
        asked = [each.parameters for each in found.obligations]
        return Outcome(
            word="review",
            reasons=_reasons(found, verdict),
            rules=found.rules,
            approvers=" ".join(sorted({each.get("approvers", "") for each in asked})),
            quorum=max(map(_quorum, found.obligations)),
            policy=self.digest,
        )

    def _outcome(
        self, word: str, reasons: tuple[str, ...], rules: tuple[str, ...], expires_us: int
    ) -> Outcome:
        return Outcome(
            word="admit" if word == "admit" else "refuse",
            reasons=reasons,
            rules=rules,
            policy=self.digest,
            expires_us=expires_us,
        )


def _counting(
    scanned: Scanned, suppressed: Collection[Suppression], now_us: int
) -> list[Suppression]:
    """Suppressions that take a finding of this artifact away; of two about one, the longer."""
    there = {each.fingerprint for report in scanned.reports for each in report.findings}
    best: dict[str, Suppression] = {}
    for each in suppressed:
        if (
            each.fingerprint in there
            and not each.revoked_us
            and each.by != scanned.pushed_by
            and each.made_us <= now_us < each.expires_us
            and matches(each.pattern, scanned.repository)
        ):
            known = best.get(each.fingerprint)
            if known is None or known.expires_us < each.expires_us:
                best[each.fingerprint] = each
    return list(best.values())


def _last_words(decisions: Collection[Decision], now_us: int) -> list[Decision]:
    """Of each person what they said last, if it still counts."""
    last: dict[str, Decision] = {}
    for each in sorted(decisions, key=lambda one: (one.made_us, one.id)):
        last[each.by] = each
    return [each for each in last.values() if not each.expires_us or now_us < each.expires_us]


def _refusal(said: Decision) -> tuple[str, ...]:
    why = f": {said.reason}" if said.reason else ""
    return (f"the curator `{said.by}` refused it{why}",)


def _quorum(asks: Obligation) -> int:
    return grants.number(asks.parameters.get("quorum", "1"), grants.MAX_QUORUM) or grants.MAX_QUORUM


def _until(said: Decision, asks: Obligation) -> int:
    """When an admission ends: as its maker said, and no later than policy says."""
    span = grants.span(asks.parameters.get("expires", grants.ADMITTED_FOR)) or 0
    end = said.made_us + span * 1_000_000
    return min(end, said.expires_us) if said.expires_us else end


def _ends(given: dict[str, tuple[list[Decision], int]], found: Judgement) -> list[int]:
    """When the admissions that are needed end: of each policy's those that last longest count."""
    ends: list[int] = []
    for each in found.obligations:
        said, quorum = given[each.rule]
        ends.append(sorted((_until(one, each) for one in said), reverse=True)[quorum - 1])
    return ends


def _reasons(found: Judgement, verdict: Verdict) -> tuple[str, ...]:
    said = [*found.reasons, *([found.detail] if found.detail else []), *verdict.reasons]
    return tuple(dict.fromkeys(said))[:MAX_REASONS] or ("policy does not permit it",)
