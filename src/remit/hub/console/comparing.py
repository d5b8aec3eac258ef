"""The program in the sandbox that compares two artifacts of a layout.

``python -I -m remit.hub.console.comparing ORDER`` with the order as JSON prints one difference as
JSON (``spec/diff.schema.json``). What it prints is checked again outside, because what it reads may
have taken it over.
"""

import resource
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from remit.artifacts.diff.compare import compare
from remit.artifacts.diff.stored import ArtifactTree, share
from remit.artifacts.layout import Layout
from remit.artifacts.oci.manifest import Descriptor


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be compared.

    Attributes:
        root: an OCI image layout.
        scratch: an empty directory.
        before, after: descriptors of the manifests.
        names: how both are called.
        seconds, memory: after so long nothing more is looked into; bytes of address space.
    """

    root: str
    scratch: str
    before: Descriptor
    after: Descriptor
    names: tuple[str, str]
    seconds: float = 30.0
    memory: int = 1_500_000_000


def main() -> int:
    """Compare and print."""
    order = msgspec.json.decode(sys.argv[1], type=Order)
    cpu = int(order.seconds * 2) + 1
    for kind, limit in (
        (resource.RLIMIT_AS, order.memory),
        (resource.RLIMIT_CPU, cpu),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 2 << 30),
    ):
        resource.setrlimit(kind, (limit, limit))
    tempfile.tempdir = order.scratch
    layout = Layout.open(Path(order.root))
    before, after = share(
        ArtifactTree(layout, order.before, order.names[0]),
        ArtifactTree(layout, order.after, order.names[1]),
    )
    end = time.monotonic() + order.seconds
    found = compare(before, after, expired=lambda: time.monotonic() >= end)
    sys.stdout.buffer.write(msgspec.json.encode(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
