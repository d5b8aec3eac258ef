"""``remit audit``: follow, search, show, verify and prove the records of the audit log."""

import datetime as dt
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from remit.cli import audit_output as out

if TYPE_CHECKING:
    from remit.attest.notes import VerifierKey
    from remit.audit.record import Entry

OK, FINDINGS, USAGE, NOT_VERIFIED = 0, 1, 2, 3
_POLL_SECONDS = 0.25


class _Errors(click.Group):
    """Shows a ``RemitError`` as its sentence and hint; exit code 3, or 1 if nothing was found."""

    def invoke(self, ctx: click.Context) -> Any:
        from remit.core.errors import RemitError

        try:
            return super().invoke(ctx)
        except RemitError as error:
            click.echo(f"error: {out.safe(error.diagnostics())}", err=True)
            raise SystemExit(
                FINDINGS if error.code == "audit.no_record" else NOT_VERIFIED
            ) from None


@click.group(cls=_Errors)
def audit() -> None:
    """Read and check what agents did.

    The audit log is append-only, and every record is part of a Merkle tree whose head is signed.
    None of these commands changes it, and all of them work while a Guard writes it.

    \b
      remit audit tail -f                       what happens now
      remit audit search --effect deny          what was refused
      remit audit show 42 --reveal              one record, with its private values
      remit audit verify --checkpoint kept.txt  has anything been changed, or cut off?
      remit audit prove 42 -o call.tlog-proof   evidence that others check without Remit
    """


def _default_state() -> str:
    from remit.core.paths import user_state

    return str(user_state(os.environ))


def _options(function: Callable[..., None]) -> Callable[..., None]:
    state = click.option(
        "--state",
        default=_default_state,
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="State directory of a Guard, or one above several; every log below it is found. "
        "Default: REMIT_STATE, else the user's own.",
    )
    log = click.option("--log", "origin", default="", help="Only the log whose name has this text.")
    return state(log(function))


def _output(function: Callable[..., None]) -> Callable[..., None]:
    return click.option(
        "-o",
        "--output",
        type=click.Choice(["table", "json", "jsonl"]),
        default="table",
        help="Form of the output.",
        show_default=True,
    )(function)


@audit.command()
@_options
@_output
@click.option("-n", "--lines", default=20, show_default=True, help="How many of the last records.")
@click.option("-f", "--follow", is_flag=True, help="Go on printing new records until interrupted.")
def tail(state: Path, origin: str, output: str, lines: int, *, follow: bool) -> None:
    """Print the last records, and with -f those that follow.

    \b
      remit audit tail -n 5
      remit audit tail -f -o jsonl | jq .decision
    """
    from remit.audit.read import read
    from remit.audit.read import tail as last

    if follow and output == "json":
        output = "jsonl"
    following: dict[Path, int] = {}
    entries: list[Entry] = []
    for directory, _ in _logs(state, origin):
        newest, following[directory] = last(directory, lines)
        entries += newest
    several = len(following) > 1
    # Several logs have no common order but the advisory one of their clocks.
    entries.sort(key=_when)
    out.print_entries(entries[-lines:] if lines > 0 else [], output, several=several)
    seen: dict[Path, tuple[int, ...]] = {}
    try:
        while follow:
            new: list[Entry] = []
            for directory, start in following.items():
                sizes = _sizes(directory)
                if seen.get(directory) != sizes:
                    seen[directory] = sizes
                    new += (fresh := list(read(directory, start)))
                    following[directory] = start + len(fresh)
            if new:
                new.sort(key=_when)
                out.print_entries(new, output, header=False, several=several)
                sys.stdout.flush()
            time.sleep(_POLL_SECONDS)
    except KeyboardInterrupt:
        return


def _when(entry: "Entry") -> int:
    time_us = entry.record.get("time")
    return time_us if type(time_us) is int else 0


def _sizes(directory: Path) -> tuple[int, ...]:
    """Sizes of the segments: they change when records are added."""
    return tuple(path.stat().st_size for path in sorted((directory / "seg").glob("*.seg")))


@audit.command()
@click.argument("text", default="")
@_options
@_output
@click.option("--kind", help="Record kind, for example tool.decision. `*` matches any characters.")
@click.option("--agent", help="Agent, for example claude-code.")
@click.option("--user", help="User of the operating system.")
@click.option("--server", help="Server in the configuration.")
@click.option("--tool", help="Tool of the server.")
@click.option("--effect", help="allow, deny or require.")
@click.option("--status", help="How a call ended: ok, tool_error, unknown …")
@click.option("--call", help="Id of a call: its decision and its result.")
@click.option("--session", help="Id of a session.")
@click.option("--since", default="", help="From this time: 2026-11-24, 2026-11-24T10:00Z, 2h, 7d.")
@click.option("--until", default="", help="Before this time.")
@click.option("-n", "--limit", default=50, show_default=True, help="At most so many records.")
def search(
    text: str,
    state: Path,
    origin: str,
    output: str,
    since: str,
    until: str,
    limit: int,
    **equal: str | None,
) -> None:
    """Find records, newest first, that have TEXT and all the given values.

    Exit code 0 if there is one, 1 if there is none. The index is built on first use and can be
    deleted at any time.

    \b
      remit audit search --effect deny --since 24h
      remit audit search --tool 'write_*' --agent claude-code
      remit audit search 01JABCDEFGHJKMNPQRSTVWXYZ0
    """
    from remit.audit.index import Index, Query

    now = time.time()
    query = Query(
        equal={name: value for name, value in equal.items() if value is not None},
        since_us=_time(since, now),
        until_us=_time(until, now),
        text=text,
        limit=limit,
    )
    found: list[Entry] = []
    logs = _logs(state, origin)
    for directory, key in logs:
        index = Index(directory, key.name)
        try:
            found += index.search(query)
        finally:
            index.close()
    found.sort(key=_when, reverse=True)
    found = found[:limit]
    out.print_entries(found, output, several=len(logs) > 1)
    raise SystemExit(OK if found else FINDINGS)


@audit.command()
@click.argument("seq", type=click.IntRange(min=0))
@_options
@click.option("--reveal", is_flag=True, help="Decrypt the private values of the record.")
@click.option(
    "--keys",
    type=click.Path(file_okay=False, path_type=Path),
    help="Directory of the subjects' keys, if it is not beside the log.",
)
def show(seq: int, state: Path, origin: str, keys: Path | None, *, reveal: bool) -> None:
    """Print record SEQ.

    A record holds salted commitments where values may be private. --reveal decrypts the values
    that belong to them, as long as their subjects' keys have not been destroyed.

    \b
      remit audit show 42
      remit audit show 42 --reveal
    """
    import orjson

    directory, key = one_log(state, origin)
    entry = _record(directory, seq)
    value: dict[str, Any] = {"record": entry.record}
    if reveal:
        value["private"] = _reveal(directory, key.name, entry, keys)
    style = orjson.OPT_INDENT_2
    shown = value if reveal else entry.record
    click.echo(out.safe(orjson.dumps(shown, option=style).decode(), 1 << 22))


def _reveal(directory: Path, origin: str, entry: "Entry", keys: Path | None) -> dict[str, Any]:
    from remit.attest.cipher import SubjectCipher
    from remit.audit.side import reveal
    from remit.core.errors import RemitError

    folder = keys or directory.parent.parent / "keys" / "subjects"
    if not folder.is_dir():
        raise click.UsageError(f"there are no keys in `{folder}`: pass --keys")
    import orjson

    shown: dict[str, Any] = {}
    for path, value in reveal(directory, origin, entry, SubjectCipher(folder)).items():
        if isinstance(value, RemitError):
            shown[path] = {"error": value.code, "message": value.message}
            continue
        try:
            shown[path] = orjson.loads(value)
        except orjson.JSONDecodeError:
            shown[path] = value.decode(errors="replace")
    return shown


@audit.command()
@_options
@_output
@click.option(
    "--vkey", help="Verifier key that you trust. Without it the key in the log's directory is used."
)
@click.option(
    "--checkpoint",
    "kept",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A checkpoint that you kept elsewhere: shows truncation and forks. May be repeated.",
)
def verify(state: Path, origin: str, output: str, vkey: str | None, kept: tuple[Path, ...]) -> None:
    """Check every record, the tree and its signatures; name the first record that is wrong.

    The owner of the signing key can drop the newest records, unless somebody else kept a
    checkpoint: `unanchored_records` says how many records that would be. So keep copies of the
    file `checkpoint` where the owner cannot reach them, and pass them here.

    Exit code 0 if everything holds, 3 if not.

    \b
      remit audit verify
      remit audit verify --vkey "$(cat kept/log.vkey)" --checkpoint kept/checkpoint
    """
    from remit.attest.notes import parse_vkey
    from remit.audit.verify import Report
    from remit.audit.verify import verify as check

    reports: list[Report] = []
    notes = [path.read_bytes() for path in kept]
    for directory, found in _logs(state, origin):
        key = parse_vkey(vkey) if vkey else found
        progress = out.progress() if sys.stderr.isatty() else None
        report = check(directory, key.name, verifier_of(key), kept=notes, progress=progress)
        if not vkey:
            report.notes.append(f"the key was taken from the log's own directory: {found}")
        reports.append(report)
    if output == "table":
        for report in reports:
            out.report(report)
    else:
        out.dump([out.report_value(report) for report in reports], output)
    raise SystemExit(OK if all(report.ok for report in reports) else NOT_VERIFIED)


@audit.command()
@click.argument("seq", required=False, type=click.IntRange(min=0))
@click.option(
    "--state",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="State directory of a Guard.",
)
@click.option("--log", "origin", default="", help="Only the log whose name has this text.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Proof file.")
@click.option(
    "--check",
    "proof",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Check this proof file instead; needs no log.",
)
@click.option("--vkey", help="Verifier key that you trust (needed for --check).")
def prove(
    seq: int | None,
    state: Path | None,
    origin: str,
    output: Path | None,
    proof: Path | None,
    vkey: str | None,
) -> None:
    """Write a proof that record SEQ is in the signed log, or --check one.

    The file holds the record, its path in the Merkle tree and the signed checkpoint
    (c2sp.org/tlog-proof): whoever has the verifier key can check it without the log.

    \b
      remit audit prove 42 -o call.tlog-proof
      remit audit prove --check call.tlog-proof --vkey "$(cat log.vkey)"
    """
    if proof is not None:
        _check_proof(proof, vkey)
        return
    if seq is None:
        raise click.UsageError("name a record, or pass --check FILE")
    state = state or Path(_default_state())
    from remit.attest.notes import parse_vkey
    from remit.audit.proof import Prover
    from remit.audit.verify import checkpoint_note, read_checkpoint

    directory, found = one_log(state, origin)
    key = parse_vkey(vkey) if vkey else found
    note = checkpoint_note(directory)
    head = read_checkpoint(note, key.name, verifier_of(key))
    data = Prover(directory, note, head).prove(seq, _record(directory, seq).leaf).dump()
    if output is None:
        click.echo(data, nl=False)
        return
    output.write_bytes(data)
    click.echo(
        f"{output}: record {seq} in the first {head.size} records of {head.origin}", err=True
    )


def _check_proof(path: Path, vkey: str | None) -> None:
    from remit.attest.notes import parse_vkey
    from remit.audit.proof import MAX_BYTES, check, parse

    if not vkey:
        raise click.UsageError("--check needs --vkey: a proof is worth what its key is worth")
    key = parse_vkey(vkey)
    with path.open("rb") as file:
        proof = parse(file.read(MAX_BYTES + 1))
    leaf = check(proof, key.name, verifier_of(key))
    click.echo(out.safe(leaf.decode(errors="replace"), 1 << 20))
    click.echo(f"OK: record {proof.index} of {key.name}", err=True)


# ---- logs


def _logs(state: Path, origin: str) -> list[tuple[Path, "VerifierKey"]]:
    """Directories and keys of the logs below ``state``."""
    from remit.attest.notes import parse_vkey
    from remit.audit.disk import contents

    found = []
    for path in sorted({*state.glob("**/audit/*/log.vkey"), *state.glob("log.vkey")}):
        key = parse_vkey(contents(path, 4096).decode(errors="replace"))
        if origin in key.name:
            found.append((path.parent, key))
    if not found:
        raise click.UsageError(f"there is no audit log below `{state}`")
    return found


def one_log(state: Path, origin: str) -> tuple[Path, "VerifierKey"]:
    """Directory and key of the only log below ``state`` whose name has the text ``origin``."""
    logs = _logs(state, origin)
    if len(logs) > 1:
        names = "\n  ".join(key.name for _, key in logs)
        raise click.UsageError(f"there are several logs, choose one with --log:\n  {names}")
    return logs[0]


def verifier_of(key: "VerifierKey") -> Callable[[bytes], str]:
    """What gives the text of a note that ``key`` signed."""
    from remit.attest.notes import verify as verify_note

    return lambda note: verify_note(note, key)


def _record(directory: Path, seq: int) -> "Entry":
    from remit.audit.errors import AuditError
    from remit.audit.read import read

    for entry in read(directory, seq):
        return entry
    raise AuditError(f"there is no record {seq}", code="audit.no_record")


def _time(text: str, now: float) -> int:
    """Microseconds of an ISO time (UTC if it names no zone) or of an age such as ``2h``."""
    if not text:
        return 0
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    if text[-1] in units and text[:-1].isdigit():
        return int((now - int(text[:-1]) * units[text[-1]]) * 1_000_000)
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise click.UsageError(
            f"`{out.safe(text)}` is not a time: try 2026-11-24T10:00Z or 2h"
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return int(moment.timestamp() * 1_000_000)
