"""What policy and the log are told of an artifact: only what trusted keys vouched for."""

from collections.abc import Sequence
from typing import Any

from remit.artifacts.examination import Examined
from remit.artifacts.verification import Verification
from remit.attest.predicates import known, scan, signature, vsa
from remit.attest.trust import TrustRoot
from remit.policy.loads import UNKNOWN, Scans, Summary


def signers(examined: Sequence[Examined]) -> tuple[str, ...]:
    """Names of the keys that signed it."""
    return _sorted(each.key for each in kept(examined, signature.TYPE))


def attested(examined: Sequence[Examined]) -> tuple[str, ...]:
    """Predicate types that trusted keys attested."""
    return _sorted(each.predicate_type for each in examined if each.passed)


def summary(examined: Sequence[Examined], policy_digest: str, now_us: int) -> Summary:
    """The newest verification summary under a policy, or under any if that is empty."""
    found = [
        each.summary
        for each in kept(examined, vsa.TYPE)
        if each.summary is not None and policy_digest in {"", each.summary.policy_digest}
    ]
    if not found:
        return Summary()
    last = max(found, key=lambda each: (each.time_us, each.result == "FAILED"))
    return Summary(
        present=True,
        result=last.result,
        age_s=max(0, now_us - last.time_us) // 1_000_000,
        policy_digest=last.policy_digest,
        levels=tuple(sorted(last.levels)),
    )


def passed_us(examined: Sequence[Examined], policy_digest: str) -> int:
    """When the gate passed it last, by a summary that is its last word; 0 if it is another.

    Args:
        examined: every attestation.
        policy_digest: under which policy; empty for any.
    """
    found = [
        each.summary
        for each in kept(examined, vsa.TYPE)
        if each.summary is not None and policy_digest in {"", each.summary.policy_digest}
    ]
    if not found:
        return 0
    last = max(found, key=lambda each: (each.time_us, each.result == "FAILED"))
    return last.time_us if last.result == "PASSED" else 0


def scans(examined: Sequence[Examined], now_us: int) -> Scans:
    """What each trusted key says of each scanner in all; of several the findings add up."""
    found: dict[tuple[str, str], list[scan.Scan]] = {}
    for each in examined:
        if each.predicate_type == scan.TYPE and (each.passed or each.over):
            one = scan.Scan.read(each.predicate)
            found.setdefault((each.key, one.scanner), []).append(one)
    taken = (scan.together(each, now_us) for each in found.values())
    said = [each for each in taken if each is not None]
    if not said:
        return Scans()
    counts = {
        severity: min(sum(each.counts.get(severity, 0) for each in said), UNKNOWN)
        for severity in scan.SEVERITIES
    }
    return Scans(
        present=True,
        complete=all(each.coverage == "complete" for each in said),
        scanners=tuple(sorted({each.scanner for each in said})),
        **counts,
    )


def recorded(verification: Verification, trust: TrustRoot) -> dict[str, Any]:
    """For the log: which keys said what, and by which trust root that counts."""
    keys = {each.name: each.fingerprint for each in trust.keys}
    return {
        "trust": {"name": trust.name, "serial": trust.serial, "digest": trust.digest},
        "attestations": [
            {
                "digest": each.manifest,
                "type": known.short_of(each.predicate_type)[:200],
                "key": each.key,
                "fingerprint": keys.get(each.key, ""),
            }
            for each in verification.examined
            if each.passed
        ][:_MAX_RECORDED],
    }


_MAX_RECORDED = 32


def kept(examined: Sequence[Examined], kind: str) -> list[Examined]:
    """Those of a type that keep all of the rules."""
    return [each for each in examined if each.passed and each.predicate_type == kind]


def _sorted(names: Any) -> tuple[str, ...]:
    return tuple(sorted(set(names)))
