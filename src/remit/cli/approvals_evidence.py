"""``remit approvals show ID --bundle FILE``: the evidence of a request, from a state directory."""

import time
from pathlib import Path

import click

from remit.cli.audit import one_log, verifier_of
from remit.core.errors import RemitError

_PATIENCE_S = 10.0
_PAUSE_S = 0.2


def write(request: str, path: Path, state: Path) -> None:
    """Write the evidence file of a request.

    Raises:
        RemitError: it cannot be written, or proved.
    """
    from remit.audit.proof import ProofError
    from remit.guard.approvals.evidence import Log, evidence

    directory, key = one_log(state, "")
    log = Log(directory, str(key), verifier_of(key))
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            data = evidence(state, request, log)
            break
        except ProofError:
            # What happened just now is below a checkpoint within about a second.
            if time.monotonic() >= until:
                raise
        time.sleep(_PAUSE_S)
    try:
        path.write_bytes(data)
    except OSError as error:
        raise RemitError(
            f"`{path}` cannot be written: {error.strerror}", code="cli.write"
        ) from error
    click.echo(f"{path}: check it with spec/verify_approval.py and keys that you trust", err=True)
