"""The JSON of what the gate decided (spec/hub-api.md)."""

from typing import Any

import msgspec

from remit.approvals.request import Request
from remit.core.digest import sha256
from remit.hub.admission.desk import Case, Withdrawal
from remit.hub.admission.evidence import document
from remit.hub.admission.people import Suppression
from remit.hub.api.documents import time_of
from remit.hub.catalog.ports import Item
from remit.scan.verdict import distinct

MAX_FINDINGS = 500


def admission_json(item: Item, case: Case, *, content: bool) -> dict[str, Any]:
    """What is decided of an artifact, and on what.

    Args:
        item: the artifact.
        case: what is known of it.
        content: whether findings are shown, which quote the artifact.
    """
    found = case.admission
    value: dict[str, Any] = {
        "repository": item.repository,
        "digest": item.digest,
        "state": found.state,
        "reason": found.reason,
        "policy": found.policy or None,
        "decidedBy": found.decided_by or None,
        "changedAt": time_of(found.changed_us) if found.changed_us else None,
        "expiresAt": time_of(found.expires_us) if found.expires_us else None,
    }
    scanned = case.scanned
    if scanned is None:
        return value
    value |= {
        "job": scanned.job,
        "scannedAt": time_of(scanned.finished_us),
        "counts": case.counts,
        "summary": case.summary or None,
        "attestations": list(scanned.attested),
        "bom": bool(scanned.bom),
        "needsAdmitted": scanned.needs_admitted,
        "scanners": [
            {
                "name": each.scanner,
                "version": each.version,
                "rules": each.rules,
                "failed": each.failed or None,
                "findings": len(each.findings),
                "document": sha256(document(each)),
            }
            for each in scanned.reports
        ],
        "attested": [
            {
                "scanner": each.scanner,
                "coverage": each.coverage,
                "counts": {name: count for name, count in each.counts.items() if count},
                "document": each.findings,
                "endedAt": time_of(each.finished_us),
                "expiresAt": time_of(each.expires_us),
            }
            for each in scanned.attested_scans
        ],
        "decisions": [
            {
                "id": each.id,
                "decision": each.word,
                "by": each.by,
                "reason": each.reason,
                "key": each.key or None,
                "madeAt": time_of(each.made_us),
                "expiresAt": time_of(each.expires_us) if each.expires_us else None,
            }
            for each in scanned.decisions
        ],
    }
    if content:
        suppressed = {each.fingerprint: each.id for each in scanned.suppressions}
        listed = distinct(scanned.reports)
        value["findings"] = [
            {
                **msgspec.to_builtins(each),
                "fingerprint": each.fingerprint,
                "suppressedBy": suppressed.get(each.fingerprint),
            }
            for each in listed[:MAX_FINDINGS]
        ]
        value["moreFindings"] = max(0, len(listed) - MAX_FINDINGS)
    return value


def request_json(request: Request) -> dict[str, Any]:
    """What there is to decide, with the digest that a decision names."""
    return {"request": request.plain(), "action": request.action.digest}


def suppression_json(said: Suppression) -> dict[str, Any]:
    """A suppression."""
    return {
        "id": said.id,
        "fingerprint": said.fingerprint,
        "rule": said.rule,
        "repositories": said.pattern,
        "by": said.by,
        "reason": said.reason,
        "madeAt": time_of(said.made_us),
        "expiresAt": time_of(said.expires_us),
        "revokedAt": time_of(said.revoked_us) if said.revoked_us else None,
    }


def withdrawal_json(each: Withdrawal) -> dict[str, Any]:
    """Something that may not be used any more."""
    return {
        "repository": each.repository,
        "digest": each.digest,
        "state": each.state,
        "reason": each.reason,
        "policy": each.policy or None,
        "summary": each.summary or None,
        "changedAt": time_of(each.changed_us),
    }
