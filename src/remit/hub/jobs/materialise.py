"""An artifact of the store as a private directory of files, as whoever pulls it would have them.

1. Every blob is fetched and verified. What is missing, elsewhere or another than it should be is an
   ``error`` of the report ``contents``, and so blocks.
2. A ModelKit, ModelPack or artifact with titles is unpacked as ``remit unpack`` does it.
3. What cannot be, and every image, lies there layer by layer under the suffix of its media type:
   scanners read archives themselves. If it should have unpacked, that it does not is an ``error``.
4. The config lies beside it: a client reads it, too.
"""

import asyncio
import shutil
from pathlib import Path
from typing import Any

import msgspec

from remit import __version__
from remit.artifacts.errors import ArtifactError, DigestError
from remit.artifacts.kitfile import document
from remit.artifacts.layout import Ingest, Layout
from remit.artifacts.modelkit import form_of
from remit.artifacts.oci.digests import algorithm_of
from remit.artifacts.oci.manifest import Descriptor, Manifest, parse_manifest
from remit.artifacts.unpack import unpack
from remit.core.digest import sha256
from remit.core.errors import RemitError
from remit.hub.errors import HubError
from remit.hub.jobs.ports import Content
from remit.hub.jobs.values import Task
from remit.scan.base import Coverage, Report

CONTENTS = "contents"
"""Name of the report that says what of an artifact was there to be scanned."""
RULES = sha256(f"{CONTENTS} 1".encode())
RESERVE_BYTES = 256 * 1024 * 1024
"""What a scan leaves free on the worker's disk."""
_SUFFIXES = (
    ("tar+gzip", ".tar.gz"),
    ("tar.gzip", ".tar.gz"),
    ("tar+zstd", ".tar.zst"),
    ("gzip", ".gz"),
    ("zstd", ".zst"),
    ("tar", ".tar"),
    ("json", ".json"),
    ("yaml", ".yaml"),
    ("markdown", ".md"),
    ("zip", ".zip"),
    ("mcpb", ".mcpb"),
    ("safetensors", ".safetensors"),
    ("gguf", ".gguf"),
    ("text/", ".txt"),
)


class NoRoomError(HubError):
    """The worker's disk has no room for the artifact."""

    code = "hub.worker_disk"


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be scanned.

    Attributes:
        root: a directory.
        report: of what was there.
        metadata: a Kitfile as JSON; empty without one.
    """

    root: Path
    report: Report
    metadata: dict[str, Any] = {}


async def materialise(content: Content, task: Task, place: Path) -> Contents:
    """Lay the artifact out below ``place``.

    Args:
        content: gives bytes.
        task: the artifact.
        place: an empty directory, private.

    Raises:
        NoRoomError: the disk has no room for it.
        HubError, ArtifactError: the store or the upstream does not answer.
        OSError: the disk is full or broken.
    """
    manifest = parse_manifest(task.body, task.descriptor.media_type)
    layout = Layout.open(place / "layout", create=True)
    layout.put(task.body, task.digest)
    wanted = {each.digest: each for each in manifest.blobs}
    _room(place, sum(each.size for each in wanted.values()))
    problems = [_problem(each) for each in _parts(manifest)]
    fetched = set[str]()
    for each in wanted.values():
        try:
            await _fetch(content, task.repository, each, layout)
        except (DigestError, FileNotFoundError) as error:
            text = error.message if isinstance(error, RemitError) else "its bytes are not there"
            problems.append((each.digest, text))
        else:
            fetched.add(each.digest)
    return await asyncio.to_thread(_lay_out, layout, task, manifest, place, problems, fetched)


def _room(place: Path, size: int) -> None:
    """Archives and their unpacked form; what compresses well fails later, with the disk's word."""
    free = shutil.disk_usage(place).free
    if free < 2 * size + RESERVE_BYTES:
        raise NoRoomError(
            f"the scan needs {2 * size + RESERVE_BYTES} bytes and the worker's disk has {free}",
            hint="give the worker a larger directory with --scratch",
        )


async def _fetch(content: Content, repository: str, blob: Descriptor, layout: Layout) -> None:
    with layout.ingest(algorithm_of(blob.digest)) as ingest:
        async for piece in content.read(repository, blob):
            if ingest.size + len(piece) > blob.size:
                raise DigestError(f"`{blob.digest}` has more bytes than its manifest says")
            await asyncio.to_thread(ingest.write, piece)
        _keep(layout, ingest, blob)


def _keep(layout: Layout, ingest: Ingest, blob: Descriptor) -> None:
    """Give it its name; nothing is durable here, because nothing of it outlives the scan."""
    if ingest.digest != blob.digest or ingest.size != blob.size:
        raise DigestError(f"`{blob.digest}` holds something else than its manifest says")
    target = layout.path(blob.digest)
    target.parent.mkdir(parents=True, exist_ok=True)
    ingest.path.replace(target)


def _parts(manifest: Manifest) -> list[Descriptor]:
    """What somebody who reads the manifest may take for content, and is not in the store."""
    every = (manifest.config, *manifest.layers) if manifest.config else manifest.layers
    return [each for each in every if each.foreign or each.data]


def _problem(part: Descriptor) -> tuple[str, str]:
    if part.foreign:
        return part.digest, "its bytes are elsewhere, at an address that may give anything"
    return part.digest, "the manifest has content of its own in place of its bytes"


def _lay_out(
    layout: Layout,
    task: Task,
    manifest: Manifest,
    place: Path,
    problems: list[tuple[str, str]],
    fetched: set[str],
) -> Contents:
    root = place / "files"
    metadata: dict[str, Any] = {}
    elsewhere: tuple[str, ...] = ()
    form = form_of(manifest)
    whole = not problems
    if whole and form not in {"image", "index"}:
        try:
            found = unpack(layout, task.descriptor, root)
            kitfile = found.artifact.kitfile
            metadata = document(kitfile, layers=False) if form in {"modelkit", "modelpack"} else {}
            elsewhere = found.elsewhere
        except ArtifactError as error:
            if form in {"modelkit", "modelpack"}:
                problems.append((task.digest, f"it cannot be unpacked: {error.message}"))
    if not root.exists():
        root.mkdir()
        for at, layer in enumerate(manifest.layers):
            if layer.digest in fetched:
                _place(layout, layer, root / f"layer-{at}{_suffix(layer)}")
    config = manifest.config
    if config is not None and config.digest in fetched and form != "modelkit":
        _place(layout, config, _free(root, "config.json"))
    coverage = tuple(
        Coverage(member=where, status="error", reason=why, executes=True, format="blob")
        for where, why in problems
    )
    coverage += tuple(
        Coverage(member=where, status="unsupported", reason="it is elsewhere", format="reference")
        for where in elsewhere
    )
    if not problems:
        coverage += (Coverage(member=task.digest, status="complete", format="manifest"),)
    report = Report(scanner=CONTENTS, version=__version__, rules=RULES, coverage=coverage)
    return Contents(root=root, report=report, metadata=metadata)


def _place(layout: Layout, blob: Descriptor, target: Path) -> None:
    target.hardlink_to(layout.path(blob.digest))


def _free(root: Path, name: str) -> Path:
    """A name below ``root`` that the artifact does not use."""
    at = 0
    while (found := root / f"manifest-{at}-{name}").exists():
        at += 1
    return found


def _suffix(layer: Descriptor) -> str:
    kind = layer.media_type.lower()
    return next((suffix for part, suffix in _SUFFIXES if part in kind), ".bin")
