"""What is to be scanned, as a directory that the sandbox can be given."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from remit.scan.base import ScanError


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Something to scan.

    Attributes:
        root: a directory with its files.
        digest: of its manifest; empty for files that are no artifact.
        kind: of artifact, if it is known.
        name: what a person called it.
        metadata: its configuration, as :class:`remit.scan.base.Artifact` has it.
    """

    root: Path
    digest: str = ""
    kind: str = ""
    name: str = ""
    metadata: dict[str, Any] = {}


@contextlib.contextmanager
def opened(name: str, store: Path) -> Iterator[Target]:
    """A path that exists, else an artifact of the store, unpacked and verified in private.

    Raises:
        ArtifactError: nothing has that name, or what the store has is not what it says.
        ScanError: it is neither a file nor a directory.
        OSError: the disk is full or broken.
    """
    path = Path(name)
    if path.is_dir():
        yield Target(root=path.resolve(), name=name)
        return
    with tempfile.TemporaryDirectory(prefix="remit-scan-") as folder:
        place = Path(folder) / "artifact"
        if path.is_file():
            place.mkdir()
            _placed(path, place / path.name)
            yield Target(root=place, name=name)
        elif os.path.lexists(path):
            raise ScanError(f"`{name}` is neither a file nor a directory")
        else:
            yield _unpacked(name, store, place)


def _placed(source: Path, target: Path) -> None:
    """The file under its own name: a second link if the disk allows it, else a copy."""
    source = source.resolve()
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, target)


def _unpacked(name: str, store: Path, place: Path) -> Target:
    from remit.artifacts.kinds.stored import stored_kind
    from remit.artifacts.kitfile import document
    from remit.artifacts.layout import Layout
    from remit.artifacts.local import find
    from remit.artifacts.oci.names import Reference
    from remit.artifacts.unpack import unpack

    layout = Layout.open(store)
    descriptor = find(layout, Reference.parse(name))
    manifest, _ = layout.manifest(descriptor)
    found = unpack(layout, descriptor, place)
    kitfile = found.artifact.kitfile
    return Target(
        root=place,
        digest=descriptor.digest,
        kind=stored_kind(manifest, kitfile),
        name=name,
        metadata=document(kitfile, layers=False),
    )
