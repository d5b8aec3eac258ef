"""The bill of materials of an unpacked artifact, made in the sandbox: it reads hostile files.

``python -I -m remit.scan.bill REQUEST`` is the program inside; :func:`bill` is what runs it.
"""

import sys
import tempfile
from pathlib import Path

import msgspec

from remit import __version__
from remit.attest.predicates.bom import read
from remit.attest.predicates.fields import PredicateError
from remit.core.digest import Digest, sha256
from remit.core.strictjson import StrictJsonError, parse
from remit.scan.advisories import settled
from remit.scan.base import NO_SETTINGS, Artifact, Report, ScanError, Settings
from remit.scan.rules import rules_of
from remit.scan.sandbox import ADVISORIES, ROOT, SCRATCH, Bounds, command, run
from remit.scan.target import Target
from remit.scan.walk import Walk
from remit.scan.worker import Request, confine

NAME = "bom"
"""Of the report that has the bill as its document."""
MAX_BILL = 16 * 1024 * 1024
VERSION = "1"


def bill(
    target: Target, bounds: Bounds | None = None, settings: Settings = NO_SETTINGS
) -> Report | None:
    """A report whose document is the bill; None if none could be made: nothing rests on it.

    Args:
        target: the unpacked artifact.
        bounds: what it may cost.
        settings: what the operator says.

    Raises:
        ScanError: there is no sandbox, or no database of advisories where one should be.
    """
    limits = bounds or Bounds()
    known = settled(settings)
    request = Request(
        root=ROOT,
        scratch=SCRATCH,
        scanners=(),
        digest=target.digest,
        kind=target.kind,
        metadata=target.metadata,
        memory=limits.memory,
        cpu_s=int(limits.seconds) + 1,
        settings=msgspec.structs.replace(known, advisories=ADVISORIES if known.advisories else ""),
    )
    with tempfile.TemporaryDirectory(prefix="remit-bill-") as scratch:
        inner = (sys.executable, "-I", "-m", "remit.scan.bill", _text(request))
        output, why = run(
            command(target.root, Path(scratch), inner, known.advisories), limits.seconds
        )
    if why or not 0 < len(output) <= MAX_BILL:
        return None
    try:
        # What made it may have been taken over by what it read.
        value = parse(output, fold_keys=False, max_bytes=MAX_BILL)
        if not isinstance(value, dict):
            return None
        read(value)
    except (StrictJsonError, PredicateError):
        return None
    return Report(
        scanner=NAME,
        version=VERSION,
        rules=_rules(known),
        document=output.decode(),
    )


def _rules(settings: Settings) -> Digest:
    rules = rules_of("bom.py", "walk.py")
    if settings == NO_SETTINGS:
        return rules
    given = (rules, settings.advisories_digest, *sorted(settings.indexes))
    return sha256("\0".join(given).encode())


def _text(request: Request) -> str:
    return msgspec.json.encode(request).decode()


def main() -> int:
    """Print the bill of the artifact that the request describes."""
    # Only the program inside needs what reads files; a Hub imports this module for its name.
    from remit.scan.bom import bom_bytes

    request = msgspec.json.decode(sys.argv[1], type=Request)
    confine(request)
    # Archives are listed as files and not opened: the bill is of what is delivered.
    members = [
        each
        for each in Walk(Path(request.root), Path(request.scratch)).members()
        if "!/" not in each.path
    ]
    artifact = Artifact(
        digest=request.digest,
        kind=request.kind,
        members=members,
        metadata=request.metadata,
        settings=request.settings,
    )
    try:
        sys.stdout.buffer.write(bom_bytes(artifact, version=__version__))
    except ScanError:
        return 1
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
