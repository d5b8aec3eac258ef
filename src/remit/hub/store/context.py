"""Everything that a decision on an artifact rests on, read from the database at one moment."""

from typing import Any

from sqlalchemy import Connection, Select, select

from remit.artifacts.attestations import CREATED, PREDICATE_TYPE
from remit.attest.predicates import bom, scan
from remit.attest.predicates.fields import PredicateError, time_us
from remit.core.digest import Digest
from remit.hub.admission.evidence import PROBED
from remit.hub.admission.values import Scanned
from remit.hub.store import needs, probes, queue, rows, words
from remit.hub.store.beside import annotations_of, beside
from remit.hub.store.tables import admissions, jobs, manifests, repositories, tags
from remit.scan.base import Report
from remit.scan.bill import NAME as BOM


def query(*, last: bool = False) -> Select[Any]:
    """Artifacts with a scan; with ``last`` that on which they were decided."""
    job = jobs.c.id == admissions.c.job if last else jobs.c.digest == admissions.c.digest
    return (
        select(
            jobs.c.id.label("job"),
            jobs.c.ended_us,
            jobs.c.detail,
            jobs.c.reason.label("why"),
            jobs.c.detail,
            repositories.c.name.label("called"),
            manifests,
            admissions.c.state.label("admission"),
            admissions.c.summary,
        )
        .join(repositories, repositories.c.id == jobs.c.repository)
        .join(
            manifests,
            (manifests.c.repository == jobs.c.repository) & (manifests.c.digest == jobs.c.digest),
        )
        .join(
            admissions,
            (admissions.c.repository == jobs.c.repository)
            & (admissions.c.digest == manifests.c.digest)
            & job,
        )
    )


def scanned(
    connection: Connection,
    row: Any,
    expected: tuple[str, ...],
    scanners: Digest,
    now_us: int,
    host: str = "",
) -> Scanned:
    """What is known of an artifact that :func:`query` found."""
    reports = tuple(queue.of_job(connection, row.job))
    curators = words.Curators(connection, now_us)
    named = connection.scalars(
        select(tags.c.name)
        .where(tags.c.repository == row.repository, tags.c.digest == row.digest)
        .order_by(tags.c.name)
    )
    lies, crowded = beside(connection, row.repository, row.digest)
    return Scanned(
        repository=row.called,
        digest=Digest(row.digest),
        descriptor=rows.descriptor_of(row),
        kind=row.kind,
        name=row.name,
        reports=tuple(each for each in reports if each.scanner != BOM),
        expected=expected,
        scanners=Digest(bytes(row.detail).decode()) if row.detail else scanners,
        finished_us=row.ended_us,
        job=row.job,
        tags=tuple(named),
        pushed_by=row.pushed_by,
        state=row.admission,
        needs=needs.of(connection, row.repository, row.digest),
        needs_admitted=needs.admitted(connection, row.repository, row.digest, host, now_us),
        reason=row.why,
        decisions=words.decisions_of(connection, row.repository, row.called, row.digest, curators),
        suppressions=words.suppressions_of(
            connection, row.called, fingerprints(reports), curators, now_us
        ),
        bom=next((each.document.encode() for each in reports if each.scanner == BOM), b""),
        probed=probes.results(connection, row.repository, row.digest, now_us),
        attested=_attested(connection, row.repository, row.digest, row.ended_us),
        beside=lies,
        crowded=crowded,
        summary_us=_summary_us(connection, row.repository, row.summary),
    )


def fingerprints(reports: tuple[Report, ...]) -> frozenset[str]:
    """Of all findings."""
    return frozenset(each.fingerprint for report in reports for each in report.findings)


def heard(found: Scanned) -> frozenset[str]:
    """Which words of people a decision was made on."""
    return words.marks(found.decisions, found.suppressions)


def said(connection: Connection, id_: int, found: Scanned, now_us: int) -> frozenset[str]:
    """Which of them there are now."""
    curators = words.Curators(connection, now_us)
    name = found.repository
    return words.marks(
        words.decisions_of(connection, id_, name, found.digest, curators),
        words.suppressions_of(connection, name, fingerprints(found.reports), curators, now_us),
    )


def _attested(connection: Connection, id_: int, digest: str, since_us: int) -> tuple[Digest, ...]:
    """Manifests in which a Hub signed what was found in a scan that ended then."""
    found = connection.execute(
        select(manifests.c.digest, manifests.c.descriptor)
        .where(manifests.c.repository == id_, manifests.c.subject == digest)
        .where(
            manifests.c.pushed_by.startswith(words.HUBS, autoescape=True),
            manifests.c.pushed_us >= since_us,
        )
        .order_by(manifests.c.digest)
    )
    said = ((row.digest, annotations_of(row.descriptor)) for row in found)
    return tuple(
        Digest(name)
        for name, about in said
        if about.get(PREDICATE_TYPE) in {scan.TYPE, bom.TYPE} and PROBED not in about
    )


def _summary_us(connection: Connection, id_: int, digest: str) -> int:
    """When the summary in that manifest was made; 0 if there is none."""
    if not digest:
        return 0
    found = connection.execute(
        select(manifests.c.descriptor, manifests.c.pushed_us).where(
            manifests.c.repository == id_, manifests.c.digest == digest
        )
    ).one_or_none()
    if found is None:
        return rows_before(connection, id_, digest)
    try:
        made = time_us(annotations_of(found.descriptor).get(CREATED), CREATED)
    except PredicateError:
        made = 0
    return max(made, int(found.pushed_us))


def rows_before(connection: Connection, id_: int, digest: str) -> int:
    """When the artifact was decided on whose summary is gone."""
    return int(
        connection.execute(
            select(admissions.c.changed_us).where(
                admissions.c.repository == id_, admissions.c.summary == digest
            )
        ).scalar_one_or_none()
        or 1
    )
