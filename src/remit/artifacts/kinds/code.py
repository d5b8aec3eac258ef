"""Documents, if there is nothing else, and code: what is nothing of the other kinds."""

from remit.artifacts.kinds.base import Recognised, is_document
from remit.artifacts.kitfile import Entry, Kitfile
from remit.artifacts.tree import Tree

_DOCUMENTS = (".md", ".rst", ".txt", ".pdf", ".html", ".adoc", ".png", ".jpg", ".svg")


def detect_docs(tree: Tree) -> Recognised | None:
    """Documents, if all files are."""
    if not tree.files or not all(
        is_document(name) or name.lower().endswith(_DOCUMENTS) for name in tree.files
    ):
        return None
    kitfile = Kitfile(name=tree.name, entries=(Entry(section="docs", path="."),))
    return Recognised(kind="docs", why="there are only documents", kitfile=kitfile)


def detect(tree: Tree) -> Recognised | None:
    """Code, if there is anything."""
    if not tree.files:
        return None
    kitfile = Kitfile(name=tree.name, entries=(Entry(section="code", path="."),))
    return Recognised(kind="code", why="it is nothing else", kitfile=kitfile)
