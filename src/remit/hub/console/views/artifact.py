"""The pages of one artifact: what it is, what was found in it, and what is said of it."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from remit.artifacts.errors import ManifestError
from remit.artifacts.kitfile import Kitfile
from remit.artifacts.modelkit import FILE_PATH, TITLE, form_of, read_artifact
from remit.artifacts.oci.digests import is_digest
from remit.artifacts.oci.manifest import Manifest, parse_manifest
from remit.artifacts.oci.names import is_repository, is_tag
from remit.core.errors import RemitError
from remit.hub.api.sight import sees
from remit.hub.catalog.describe import MAX_CONFIG_BYTES
from remit.hub.catalog.ports import Catalog, Found
from remit.hub.console.difference import Differences, NotComparedError
from remit.hub.console.evidence import Evidence, Piece, bill
from remit.hub.console.findings import Group, answered, counts_of, files_of, groups
from remit.hub.console.history import history
from remit.hub.console.materials import main_licences, materials
from remit.hub.console.pages import page
from remit.hub.console.ports import Answers, Said, Shown, Standing
from remit.hub.console.words import Look
from remit.hub.ledger import Ledger
from remit.hub.registry.ports import Small
from remit.scan.base import Report, Severity
from remit.web.errors import PageError
from remit.web.exchange import Reply, see

DIFF_S = 4.0
MAX_RAW = 100_000
MAX_GRAPH = 500
PLACE = "/ui/artifacts/{repository:path}@{digest}"


class Subject(msgspec.Struct, kw_only=True):
    """An artifact that somebody looks at.

    Attributes:
        found: with its manifest.
        manifest: the reading of it; ``None`` if it cannot be read.
        standing: what the gate says.
        readable: whether its content may be shown to whoever asks.
        curates: whether they may decide on it.
        said: what curators said.
        reports: what scanners said.
        answers: what served models answered.
        groups: findings of scanners, by severity.
        counts: findings of each severity, in answers too.
        kitfile: of its package, if it has one and may be read.
    """

    found: Found
    manifest: Manifest | None
    standing: Standing
    readable: bool
    curates: bool
    said: Sequence[Said] = ()
    reports: Sequence[Report] = ()
    answers: Sequence[Answers] = ()
    groups: Sequence[Group] = ()
    counts: Mapping[Severity, int] = {}
    kitfile: Kitfile = Kitfile()

    @property
    def place(self) -> str:
        """The path of its page."""
        return f"/ui/artifacts/{self.found.item.repository}@{self.found.item.digest}"

    @property
    def failed(self) -> list[Report]:
        """Scanners without a result."""
        return [each for each in self.reports if each.failed]

    @property
    def name(self) -> str:
        """What people call it."""
        item = self.found.item
        return f"{item.repository}:{item.tags[0]}" if item.tags else item.repository


View = Callable[[Look, Subject], Awaitable[Reply]]


class Sources(msgspec.Struct, frozen=True, kw_only=True):
    """Where pages of artifacts come from.

    Attributes:
        catalog, shown: what is known.
        small: reads blobs.
        evidence: reads signatures.
        differences: compares.
        directory: of the log.
    """

    catalog: Catalog
    shown: Shown
    small: Small
    evidence: Evidence
    differences: Differences
    directory: Path


class ArtifactPages:
    """See the module's text.

    Args:
        sources: where everything comes from.
        ledger: the log, whose records are shown and take what was shown.
        gated: whether the Hub has a gate.
        decides: whether curators decide here.

    Attributes:
        views: what it answers, for :class:`~remit.hub.console.app.Console`.
    """

    def __init__(
        self, sources: Sources, ledger: Ledger, *, gated: bool, decides: bool = False
    ) -> None:
        self._catalog = sources.catalog
        self._shown = sources.shown
        self._small = sources.small
        self._evidence = sources.evidence
        self._differences = sources.differences
        self._ledger = ledger
        self._directory = sources.directory
        self._decides = gated and decides
        self._gated = gated
        self.views = {
            ("GET", PLACE): self._of(self._overview),
            ("GET", f"{PLACE}/files"): self._of(self._files),
            ("GET", f"{PLACE}/findings"): self._of(self._findings),
            ("GET", f"{PLACE}/evidence"): self._of(self._pieces),
            ("GET", f"{PLACE}/materials"): self._of(self._materials),
            ("GET", f"{PLACE}/materials.json"): self._of(self._download),
            ("GET", f"{PLACE}/changes"): self._of(self._changes),
            ("GET", f"{PLACE}/graph"): self._of(self._graph),
            ("GET", f"{PLACE}/history"): self._of(self._history),
            ("GET", "/ui/artifacts/{repository:path}:{tag}"): self._tagged,
        }

    def _of(self, view: View) -> Callable[[Look, Mapping[str, str]], Awaitable[Reply]]:
        async def answer(look: Look, path: Mapping[str, str]) -> Reply:
            return await view(look, await self.subject(look, path["repository"], path["digest"]))

        return answer

    async def _tagged(self, look: Look, path: Mapping[str, str]) -> Reply:
        """A tag is a name of today: the page is of what it names now."""
        subject = await self.subject(look, path["repository"], path["tag"], tag=True)
        return see(subject.place)

    async def subject(
        self, look: Look, repository: str, name: str, *, tag: bool = False
    ) -> Subject:
        """The artifact, if the caller may know of it.

        Raises:
            PageError: there is none, or they may not; both look the same.
        """
        legal = is_repository(repository) and (is_tag(name) if tag else is_digest(name))
        found = None
        if legal and look.may(repository, "list"):
            found = await self._catalog.find(repository, name)
        if found is None:
            raise PageError(
                404, "there is no such artifact, or none that you may see", code="console.unknown"
            )
        item = found.item
        key = (item.id, str(item.digest))
        standing = Standing(state="")
        if self._gated:
            standing = (await self._shown.standings([key]))[key]
        try:
            manifest = parse_manifest(found.body, item.media_type)
        except ManifestError:
            manifest = None
        readable = look.may_read(repository, standing)
        may_know = look.may(repository, "pull")
        reports = await self._shown.reports(*key, standing.job) if may_know else ()
        answers = await self._shown.answers(*key) if may_know else ()
        grouped = await asyncio.to_thread(groups, reports)
        every = grouped
        if answers:
            more = (report for each in answers for report in each.reports)
            every = await asyncio.to_thread(groups, [*reports, *more])
        return Subject(
            found=found,
            manifest=manifest,
            standing=standing,
            readable=readable,
            curates=self._decides and look.may(repository, "curate"),
            said=await self._shown.said(*key),
            reports=reports,
            answers=answers,
            groups=grouped,
            counts=counts_of(every),
            kitfile=await self._kitfile(found, manifest) if readable else Kitfile(),
        )

    async def _kitfile(self, found: Found, manifest: Manifest | None) -> Kitfile:
        if manifest is None or manifest.config is None:
            return Kitfile()
        if form_of(manifest) not in {"modelkit", "modelpack"}:
            return Kitfile()
        data = await self._small(found.item.repository, manifest.config, MAX_CONFIG_BYTES)
        try:
            return read_artifact(manifest, data or b"").kitfile
        except RemitError:
            return Kitfile()

    def page(self, look: Look, subject: Subject, tab: str, **more: Any) -> Reply:
        """A page of an artifact, under the name of one of its tabs."""
        return page(
            f"artifact_{tab}", look=look, csrf=look.csrf, subject=subject, item=subject.found.item,
            standing=subject.standing, tab=tab, gated=self._gated, **more,
        )  # fmt: skip

    async def _given(self, look: Look, subject: Subject, what: str) -> None:
        """Record that content was shown, as the API does."""
        item = subject.found.item
        artifact = {"repository": item.repository, "digest": item.digest, "what": what}
        body: dict[str, Any] = {
            "actor": {"user": look.me.name, "peer": look.asked.address},
            "artifact": artifact,
        }
        if subject.standing.state not in {"", "admitted", "exempt", "index"}:
            body["quarantined"] = True
        await self._ledger.note("registry.pull", body)

    # --- tabs -----------------------------------------------------------------------------------

    async def _overview(self, look: Look, subject: Subject) -> Reply:
        raw = ""
        if subject.readable:
            raw = _pretty(subject.found.body)
            await self._given(look, subject, "console")
        # What stands in a manifest is content: annotations are text, titles are names of files.
        manifest = subject.manifest if subject.readable else None
        return self.page(
            look, subject, "overview", raw=raw, kitfile=subject.kitfile,
            layers=_layers(manifest), manifest=manifest,
        )  # fmt: skip

    async def _files(self, look: Look, subject: Subject) -> Reply:
        reports, digest = subject.reports if subject.readable else (), subject.found.item.digest
        rows, total = await asyncio.to_thread(files_of, reports, digest)
        if subject.readable:
            await self._given(look, subject, "console-files")
        manifest = subject.manifest if subject.readable else None
        return self.page(look, subject, "files", rows=rows, total=total, layers=_layers(manifest))

    async def _findings(self, look: Look, subject: Subject) -> Reply:
        return self.page(
            look, subject, "findings", groups=subject.groups,
            may_know=look.may(subject.found.item.repository, "pull"),
            answered=await asyncio.to_thread(answered, subject.answers),
        )  # fmt: skip

    async def _pieces(self, look: Look, subject: Subject) -> Reply:
        root = self._evidence.root
        return self.page(
            look, subject, "evidence", pieces=await self._read(look, subject),
            total=len(subject.found.referrers), trust=root,
        )  # fmt: skip

    async def _read(self, look: Look, subject: Subject) -> list[Piece]:
        if not look.may(subject.found.item.repository, "pull"):
            return []
        host = look.origin.partition("://")[2]
        return await self._evidence.of(subject.found, f"{host}/{subject.found.item.repository}")

    async def _materials(self, look: Look, subject: Subject) -> Reply:
        piece = bill(await self._read(look, subject)) if subject.readable else None
        rows, total = materials(piece.predicate) if piece else ([], 0)
        licence = main_licences(piece.predicate) if piece else ""
        return self.page(
            look, subject, "materials", piece=piece, rows=rows, total=total, licence=licence
        )

    async def _download(self, look: Look, subject: Subject) -> Reply:
        piece = bill(await self._read(look, subject)) if subject.readable else None
        if piece is None:
            raise PageError(404, "there is no bill of materials", code="console.unknown")
        await self._given(look, subject, "bom")
        name = str(subject.found.item.digest).replace(":", "-")
        return Reply(
            body=msgspec.json.encode(piece.predicate),
            kind="application/vnd.cyclonedx+json",
            more={"content-disposition": f'attachment; filename="{name}.cdx.json"'},
        )

    async def _changes(self, look: Look, subject: Subject) -> Reply:
        item = subject.found.item
        wanted = look.asked.query.get("from", "")
        earlier: Found | None = None
        if wanted:
            earlier = (await self.subject(look, item.repository, wanted)).found
        elif (before := await self._shown.previous(item)) is not None:
            earlier = await self._catalog.find(item.repository, before.digest)
        readable = subject.readable
        if earlier is not None and readable:
            other = await self.subject(look, item.repository, earlier.item.digest)
            readable = other.readable
        result, why, waits = None, None, False
        if earlier is not None and readable:
            await self._given(look, subject, "console-diff")
            try:
                result = await self._differences.of(earlier, subject.found, DIFF_S)
                waits = result is None
            except NotComparedError as error:
                why = error
        return self.page(
            look, subject, "changes", earlier=earlier.item if earlier else None, result=result,
            why=why, waits=waits, readable=readable,
        )  # fmt: skip

    async def _graph(self, look: Look, subject: Subject) -> Reply:
        digest, sight = subject.found.item.digest, sees(look.me)
        needs = await self._catalog.needs(digest, sight)
        uses = await self._catalog.uses(digest, sight)
        keys = [(each.id, str(each.digest)) for found in needs.items.values() for each in found]
        keys += [(each.item.id, str(each.item.digest)) for each in uses[:MAX_GRAPH]]
        states = await self._shown.standings(keys[: 2 * MAX_GRAPH]) if self._gated else {}
        return self.page(
            look, subject, "graph", needs=needs, edges=needs.edges[:MAX_GRAPH],
            uses=uses[:MAX_GRAPH], states=states,
            left=max(0, len(uses) - MAX_GRAPH) + max(0, len(needs.edges) - MAX_GRAPH),
        )  # fmt: skip

    async def _history(self, look: Look, subject: Subject) -> Reply:
        item = subject.found.item
        found = await history(self._directory, self._ledger.log.size, item.digest, item.repository)
        audits = look.may(item.repository, "audit")
        if not audits:
            # Who pulled, and from where, is for whoever may read the log.
            kept = tuple(
                msgspec.structs.replace(each, peer="")
                for each in found.events
                if each.kind not in {"registry.pull", "registry.deny"}
            )
            found = msgspec.structs.replace(found, events=kept)
        return self.page(look, subject, "history", history=found, audits=audits)


def _pretty(body: bytes) -> str:
    """A manifest as people read it; as it is, where it is no JSON."""
    text = body.decode("utf-8", "backslashreplace")
    with contextlib.suppress(ValueError, RecursionError):
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    return text[:MAX_RAW]


class LayerRow(msgspec.Struct, frozen=True, kw_only=True):
    """A layer, or a member of an index."""

    name: str
    media_type: str
    size: int
    digest: str
    member: bool = False


def _layers(manifest: Manifest | None) -> list[LayerRow]:
    if manifest is None:
        return []
    listed = manifest.manifests or manifest.layers
    return [
        LayerRow(
            name=each.annotations.get(FILE_PATH) or each.annotations.get(TITLE, ""),
            media_type=each.media_type,
            size=each.size,
            digest=each.digest,
            member=bool(manifest.manifests),
        )
        for each in listed
    ]
