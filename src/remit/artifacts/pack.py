"""Packing: a directory becomes an artifact in the store of this machine.

Each entry of the Kitfile becomes one layer, streamed into the store in pieces of 1 MiB, then come
config and manifest, and last the name: until then nothing refers to the new content.

The same files with the same permissions give the same digests, on every machine and at every time:
neither owners nor times are packed, and a time is in the manifest only if it is given.
"""

import io
import os
import posixpath
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec

from remit.artifacts import modelkit
from remit.artifacts.errors import ArchiveError, PackError
from remit.artifacts.kinds.recognise import check_kind, kind_of, recognise
from remit.artifacts.kitfile import NAMES, Entry, Kitfile, config_bytes
from remit.artifacts.kitread import parse_yaml
from remit.artifacts.kitrules import validate
from remit.artifacts.layout import Ingest, Layout
from remit.artifacts.mcpb import read_mcpb
from remit.artifacts.members import Names, shown
from remit.artifacts.oci.digests import hasher
from remit.artifacts.oci.manifest import MANIFEST, Descriptor
from remit.artifacts.tarball import CHUNK_BYTES, Member, Source, write_tar
from remit.artifacts.tree import ALWAYS_SKIPPED, Tree, opened
from remit.artifacts.yamltree import MAX_BYTES
from remit.core.digest import Digest

_GZIP_LEVEL = 6

Progress = Callable[[str, int, int], None]
"""Told which path is at hand, how many bytes were packed so far, and of how many in all."""


class Packed(msgspec.Struct, frozen=True, kw_only=True):
    """What was packed.

    Attributes:
        descriptor: of the manifest.
        kind: of the artifact.
        kitfile: with the digests of its layers.
        layers: in order.
        why: what the kind was recognised by; empty if it was given.
        skipped: links and devices in the directory that were left out.
    """

    descriptor: Descriptor
    kind: str
    kitfile: Kitfile
    layers: tuple[Descriptor, ...]
    why: str
    skipped: tuple[str, ...]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What would be packed; :func:`plan` makes one.

    Attributes:
        tree: the files.
        kitfile: given or derived, validated.
        kind: of the artifact.
        why: what the kind was recognised by.
        members: for each entry with a layer, the names that go into it, in order.
    """

    tree: Tree
    kitfile: Kitfile
    kind: str
    why: str
    members: tuple[tuple[Entry, tuple[str, ...]], ...]

    @property
    def total(self) -> int:
        """Bytes of all files."""
        return sum(self.tree.files.get(name, 0) for _, names in self.members for name in names)


def plan(directory: Path, *, kitfile: Path | None = None, kind: str = "") -> Plan:
    """Look at a directory and decide what its artifact would be.

    Args:
        directory: what to pack; or a single file, such as an MCP bundle.
        kitfile: a Kitfile elsewhere; by default the one in the directory, if there is one.
        kind: instead of what the directory is recognised as.

    Raises:
        PackError: it cannot be packed as it is; the message says why.
        DefinitionError: the Kitfile, or a file by which the directory declares itself, is wrong.
        OSError: it cannot be read.
    """
    if kind:
        check_kind(kind)
    given = kitfile or next((p for name in NAMES if (p := directory / name).is_file()), None)
    if given is not None:
        tree = Tree(directory, skip=frozenset())
        with open(opened(given), "rb") as file:  # noqa: PTH123 - a descriptor
            found = parse_yaml(file.read(MAX_BYTES + 1), given.name)
        kind, why = kind or kind_of(tree, found), "" if kind else f"`{given.name}` says it"
    else:
        tree = Tree(directory, skip=ALWAYS_SKIPPED)
        recognised = recognise(tree)
        found, why = recognised.kitfile, "" if kind else recognised.why
        kind = kind or recognised.kind
        validate(found)
    return Plan(tree=tree, kitfile=found, kind=kind, why=why, members=_members(tree, found))


def _members(tree: Tree, kitfile: Kitfile) -> tuple[tuple[Entry, tuple[str, ...]], ...]:
    """Which names go into which layer.

    Each goes into the deepest path that has it, as with ``kit``, and the directories above a path
    into its layer too.
    """
    owned: dict[str, list[str]] = {
        each.clean: [] for each in kitfile.entries if each.path or each.layered
    }
    for name in tree.modes:
        at = name
        while at not in owned and at != ".":
            at = posixpath.dirname(at) or "."
        if at in owned:
            owned[at].append(name)
    found = []
    for entry in kitfile.entries:
        if entry.layered:
            names = (*_above(entry.clean, tree), *owned[entry.clean])
            _check(entry, names, tree)
            found.append((entry, names))
    return tuple(found)


def _above(path: str, tree: Tree) -> Iterator[str]:
    at = path.find("/")
    while at >= 0:
        if path[:at] in tree.modes:
            yield path[:at]
        at = path.find("/", at + 1)


def _check(entry: Entry, names: tuple[str, ...], tree: Tree) -> None:
    path = entry.clean
    if path != "." and path not in tree.modes:
        problem = "is a link" if path in tree.skipped else "is not there, or `.kitignore` lists it"
        raise PackError(
            f"`{shown(path)}` of `{entry.section}` in the Kitfile {problem}",
            hint="only files and directories are packed",
        )
    if not any(name in tree.files for name in names):
        raise PackError(
            f"there is no file in `{shown(path)}` of `{entry.section}` in the Kitfile",
            hint="files that are in another entry, and what `.kitignore` lists, are not in it",
        )
    if entry.section == "mcpserver" and path not in tree.files:
        raise PackError(f"`{shown(path)}` is no file, so it is no MCP bundle")


def pack(
    layout: Layout,
    what: Plan,
    *,
    name: str = "",
    gzip: bool = False,
    generation: modelkit.Generation = 2,
    created: str = "",
    progress: Progress | None = None,
) -> Packed:
    """Pack what was planned.

    Args:
        layout: where to.
        what: see :func:`plan`.
        name: what the artifact is called in the store; none if empty.
        gzip: whether to compress layers.
        generation: of the ModelKit's form.
        created: time for the manifest, RFC 3339 in UTC; without it, the same files give the same
            digest at every time.
        progress: told what is done.

    Raises:
        PackError: a file changed meanwhile, or has a name that collides with another one.
        ArchiveError, DefinitionError: an MCP bundle is none.
        OSError: a file cannot be read, or the disk is full; the name is not given then.
    """
    _collisions(what.tree)
    layers, entries, done = [], {}, _Done(what.total, progress)
    for entry, members in what.members:
        descriptor, diff_id = _layer(layout, what.tree, entry, members, gzip=gzip, done=done)
        layers.append(descriptor)
        entries[id(entry)] = msgspec.structs.replace(
            entry, digest=descriptor.digest, diff_id=diff_id
        )
    kitfile = msgspec.structs.replace(
        what.kitfile, entries=tuple(entries.get(id(each), each) for each in what.kitfile.entries)
    )
    config = config_bytes(kitfile)
    described = Descriptor(media_type=modelkit.CONFIG, digest=layout.put(config), size=len(config))
    annotations = {modelkit.KIND: what.kind} | ({modelkit.CREATED: created} if created else {})
    manifest = modelkit.manifest_bytes(described, tuple(layers), annotations, generation=generation)
    descriptor = Descriptor(
        media_type=MANIFEST,
        digest=layout.put(manifest),
        size=len(manifest),
        artifact_type=modelkit.ARTIFACT_TYPE if generation > 1 else "",
    )
    if name:
        layout.name(name, descriptor)
    return Packed(
        descriptor=descriptor,
        kind=what.kind,
        kitfile=kitfile,
        layers=tuple(layers),
        why=what.why,
        skipped=tuple(what.tree.skipped),
    )


def _collisions(tree: Tree) -> None:
    """Refuse names that no file system but this one keeps apart: nobody could unpack them."""
    names = Names(shared=True)
    for name in tree.modes:
        try:
            names.take(name, directory=name not in tree.files)
        except ArchiveError as error:
            raise PackError(
                error.message.replace("archive", "directory"), hint=error.hint
            ) from error


class _Done:
    def __init__(self, total: int, progress: Progress | None) -> None:
        self._total = total
        self._progress = progress
        self._done = 0

    def add(self, path: str, size: int) -> None:
        self._done += size
        if self._progress is not None:
            self._progress(path, self._done, self._total)


class _Gzip:
    """Compresses what is written, and knows the digest of what came in."""

    def __init__(self, ingest: Ingest) -> None:
        self._ingest = ingest
        self._hasher = hasher("sha256")
        self._stream = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)

    def write(self, data: bytes | memoryview) -> None:
        self._hasher.update(data)
        self._ingest.write(self._stream.compress(data))

    def finish(self) -> Digest:
        self._ingest.write(self._stream.flush())
        return Digest(f"sha256:{self._hasher.hexdigest()}")


def _layer(
    layout: Layout, tree: Tree, entry: Entry, names: Iterable[str], *, gzip: bool, done: _Done
) -> tuple[Descriptor, Digest]:
    """The descriptor of a layer that was written, and the digest of its unpacked form."""
    raw = entry.section == "mcpserver"
    with layout.ingest() as ingest:
        packer = _Gzip(ingest) if gzip and not raw else None
        write = packer.write if packer else ingest.write
        if raw:
            read_mcpb(tree.root / entry.clean)
            _copy(write, tree, entry.clean, done)
        else:
            write_tar(write, _files(tree, names, done))
        diff_id = packer.finish() if packer else ingest.digest
        digest, size = layout.commit(ingest), ingest.size
    annotations = {modelkit.FILE_PATH: entry.clean}
    if entry.section == "prompt":
        annotations[modelkit.SUBTYPE] = "prompt"
    descriptor = Descriptor(
        media_type=modelkit.layer_type(entry.section, gzip=packer is not None),
        digest=digest,
        size=size,
        annotations=annotations,
    )
    return descriptor, diff_id


def _files(tree: Tree, names: Iterable[str], done: _Done) -> Iterator[tuple[Member, Source | None]]:
    for name in names:
        if name not in tree.files:
            yield Member(name=name, mode=tree.modes[name] & 0o7777, directory=True), None
            continue
        with open(opened(tree.root / name), "rb", buffering=0) as file:  # noqa: PTH123
            status = os.fstat(file.fileno())
            yield Member.of(name, status), _Counted(file, name, done)


class _Counted:
    """A file whose reading is told."""

    def __init__(self, file: io.FileIO, name: str, done: _Done) -> None:
        self._file = file
        self._name = name
        self._done = done

    def readinto(self, buffer: memoryview, /) -> int | None:
        got = self._file.readinto(buffer)
        if got:
            self._done.add(self._name, got)
        return got


def _copy(write: Callable[[bytes], None], tree: Tree, name: str, done: _Done) -> None:
    with open(opened(tree.root / name), "rb", buffering=0) as file:  # noqa: PTH123
        while chunk := file.read(CHUNK_BYTES):
            write(chunk)
            done.add(name, len(chunk))
