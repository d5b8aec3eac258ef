"""Data sets: a directory in which files of rows outweigh everything but documents."""

from remit.artifacts.errors import DefinitionError, PackError
from remit.artifacts.kinds.base import (
    MAX_TEXT_BYTES,
    Recognised,
    field,
    front_matter,
    grouped,
    is_document,
)
from remit.artifacts.kinds.model import CARD, pointers
from remit.artifacts.kitfile import Entry, Kitfile, Section
from remit.artifacts.tree import Tree

ENDINGS = (
    ".parquet", ".csv", ".tsv", ".jsonl", ".ndjson", ".arrow", ".feather", ".avro", ".orc",
    ".tfrecord", ".csv.gz", ".tsv.gz", ".jsonl.gz", ".jsonl.zst", ".npz", ".npy",
)  # fmt: skip
"""Of files of rows."""


def detect(tree: Tree) -> Recognised | None:
    """A data set, if there are files of rows and few others."""
    rows = [name for name in tree.files if name.lower().endswith(ENDINGS)]
    others = [name for name in tree.files if name not in set(rows) and not is_document(name)]
    if not rows or sum(map(tree.files.__getitem__, others)) > sum(
        map(tree.files.__getitem__, rows)
    ):
        return None
    pointers(tree)
    card: dict[str, object] = {}
    if CARD in tree.files:
        try:
            card, _ = front_matter(tree.text(CARD, MAX_TEXT_BYTES), CARD)
        except (DefinitionError, PackError):
            card = {}
    name = field(card, "pretty_name") or tree.name
    entries = tuple(_named(each) for each in grouped(tree, _section))
    return Recognised(
        kind="dataset",
        why=f"`{rows[0]}` holds rows",
        kitfile=Kitfile(name=name, license=field(card, "license"), entries=entries),
    )


def _section(name: str) -> Section:
    return "docs" if is_document(name) else "dataset"


def _named(entry: Entry) -> Entry:
    if entry.section != "dataset":
        return entry
    return Entry(section="dataset", path=entry.path, name=entry.path.rpartition("/")[2])
