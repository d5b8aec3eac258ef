"""``remit probe``: ask a served model what it should refuse, and judge what it answers."""

import os
import sys
import time
from pathlib import Path

import click

from remit.cli.probing import garak_options

CLEAN, FINDINGS = 0, 1
_FILE = click.Path(path_type=Path, dir_okay=False)
_DAY_US = 86_400_000_000


@click.command()
@click.argument("url")
@click.option("--model", required=True, help="Name of the model on that server.")
@click.option(
    "--probe", "probes", multiple=True, required=True, metavar="NAME",
    help="Module or class of probes, as in promptinject or dan.Dan_11_0; repeatable.",
)  # fmt: skip
@garak_options
@click.option("--key-variable", metavar="NAME", help="Variable with the key of the server.")
@click.option("--generations", type=click.IntRange(1, 1000), default=1, show_default=True)
@click.option("--predicate", type=_FILE, help="Write what can be attested (scan) to this file.")
@click.option("--findings", type=_FILE, help="Write the findings that it commits to.")
@click.option("--expires", type=click.IntRange(1, 3660), default=30, show_default=True,
              metavar="DAYS", help="How long the predicate counts.")  # fmt: skip
@click.option(
    "-o", "--output", type=click.Choice(["table", "json", "sarif"]), default="table",
    show_default=True, help="Form of the output.",
)  # fmt: skip
def probe(
    url: str,
    model: str,
    probes: tuple[str, ...],
    environment: Path,
    key_variable: str | None,
    generations: int,
    time_limit: float,
    memory: int,
    predicate: Path | None,
    findings: Path | None,
    expires: int,
    output: str,
) -> int:
    """Ask the model that is served at URL (an interface as OpenAI's) by probes of garak.

    garak runs in a sandbox that reaches that server and nothing else: no other host, no file and no
    variable of yours. A run counts only if something of each probe was evaluated and it came to its
    end.

    \b
    Examples:
      remit probe http://127.0.0.1:8080/v1/ --model qwen --probe promptinject --probe dan
      remit probe URL --model qwen --probe dan --predicate scan.json --findings found.json
      remit attest team/qwen:v1 --type scan --predicate scan.json --key ~/scanner.key

    Exit codes: 0 clean, 1 findings or no result, 2 wrong usage.
    """
    from remit.cli.scan import show
    from remit.cli.tidy import tidy
    from remit.scan.dynamic.garak import Job, run
    from remit.scan.predicate import document
    from remit.scan.predicate import predicate as predicate_of
    from remit.scan.verdict import judge

    key = os.environ.get(key_variable, "") if key_variable else ""
    if key_variable and not key:
        raise click.UsageError(f"the variable `{key_variable[:80]}` is empty")
    job = Job(
        url=url, model=model, probes=tuple(dict.fromkeys(probes)), generations=generations,
        seconds=time_limit, memory=memory << 20, environment=environment,
    )  # fmt: skip
    started_us = time.time_ns() // 1000
    with tidy():
        report = run(job, key)
    finished_us = time.time_ns() // 1000
    if predicate is not None:
        made = predicate_of(
            report, started_us=started_us, finished_us=finished_us,
            expires_us=finished_us + expires * _DAY_US,
        )  # fmt: skip
        _write(predicate, _json(made.predicate()))
    if findings is not None:
        _write(findings, document(report))
    verdict = judge([report], (report.scanner,))
    show(output, model, "", [report], verdict)
    sys.exit(CLEAN if verdict.word == "clean" else FINDINGS)


def _json(value: object) -> bytes:
    import msgspec

    return msgspec.json.encode(value)


def _write(place: Path, data: bytes) -> None:
    from remit.core.files import write_atomically

    write_atomically(place, data)
