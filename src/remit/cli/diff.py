"""``remit diff``: what changed between two artifacts, in the words of their kind."""

import contextlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from remit.artifacts.diff.tree import Tree


@click.command()
@click.argument("a")
@click.argument("b")
@click.option(
    "-o", "--output", type=click.Choice(["text", "json"]), default="text", help="Output form."
)
@click.option(
    "--html",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write one HTML file that needs no network.",
)
@click.option(
    "--store",
    type=click.Path(path_type=Path, file_okay=False),
    help="Directory with the artifacts of this machine.",
)
@click.option(
    "--time-limit",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Look into nothing more after so long; the rest is told.",
)
def diff(
    a: str, b: str, output: str, html: Path | None, store: Path | None, time_limit: float | None
) -> None:
    """Show what changed from A to B: two directories, files, or artifacts of the local store.

    Models are compared by their tensors, pickles by what they import, MCP servers by their tools,
    data sets by rows and columns, policies by what they decide, and texts by words. What could not
    be read is told, and never counts as equal.

    \b
    Examples:
      remit diff ./model-v1 ./model-v2
      remit diff old.safetensors new.safetensors
      remit diff team/agent:v1 team/agent:v2 --html review.html
      remit diff ./policy-old ./policy -o json | jq '.changes[].summary'

    Exit codes: 0 no difference, 1 differences, 2 wrong usage or nothing to compare.
    """
    from remit.artifacts.diff.compare import compare
    from remit.artifacts.diff.document import dump_difference
    from remit.artifacts.diff.stored import ArtifactTree, share
    from remit.cli import diff_output
    from remit.cli.diff_policy import PolicyAspect
    from remit.core.files import write_atomically

    with contextlib.ExitStack() as stack:
        before = stack.enter_context(contextlib.closing(open_tree(a, store)))
        after = stack.enter_context(contextlib.closing(open_tree(b, store)))
        if isinstance(before, ArtifactTree) and isinstance(after, ArtifactTree):
            before, after = map(stack.enter_context, map(contextlib.closing, share(before, after)))
        found = compare(before, after, more=(PolicyAspect(),), expired=_after(time_limit))
    if html is not None:
        from remit.artifacts.diff.html import page

        try:
            write_atomically(html, page(found), mode=0o644)
        except OSError as error:
            raise click.UsageError(f"`{html}` cannot be written: {error.strerror}") from error
    if output == "json":
        sys.stdout.write(diff_output.ascii_json(dump_difference(found)) + "\n")
    else:
        diff_output.show(found)
    if html is not None:
        click.echo(f"wrote {html}", err=True)
    sys.exit(0 if found.equal else 1)


def _after(seconds: float | None) -> Callable[[], bool]:
    end = float("inf") if seconds is None else time.monotonic() + seconds
    return lambda: time.monotonic() >= end


def open_tree(reference: str, store: Path | None) -> "Tree":
    """What ``reference`` names: a path that exists, else an artifact of the store.

    Raises:
        ArtifactError: nothing has that name.
    """
    from remit.artifacts.diff.tree import DirectoryTree, FileTree
    from remit.core.paths import user_state

    path = Path(reference)
    if path.is_dir():
        return DirectoryTree(path, reference)
    if path.exists():
        return FileTree(path, reference)
    from remit.artifacts.diff.stored import open_stored

    return open_stored(store or user_state(os.environ) / "artifacts", reference)
