"""Which findings scans made, by fingerprint."""

from collections.abc import Sequence

from sqlalchemy import Connection, delete, insert

from remit.hub.store.tables import findings
from remit.scan.base import Report

MAX_RULE = 255


def put(connection: Connection, job: str, reports: Sequence[Report]) -> None:
    """Write down what the reports of a job found."""
    connection.execute(delete(findings).where(findings.c.job == job))
    rows = {
        each.fingerprint: {
            "job": job,
            "fingerprint": each.fingerprint,
            "rule": each.rule[:MAX_RULE].replace("\0", " "),
            "severity": each.severity,
        }
        for report in reports
        for each in report.findings
    }
    if rows:
        connection.execute(insert(findings), list(rows.values()))
