"""Policy bundles: a directory with ``bundle.toml``."""

import tomllib

from remit.artifacts.errors import DefinitionError
from remit.artifacts.kinds.base import MAX_TEXT_BYTES, Recognised
from remit.artifacts.kitfile import Entry, Kitfile
from remit.artifacts.tree import Tree

FILE = "bundle.toml"


def detect(tree: Tree) -> Recognised | None:
    """A policy bundle, if there is a ``bundle.toml`` with a name and a version."""
    if FILE not in tree.files:
        return None
    try:
        table = tomllib.loads(tree.text(FILE, MAX_TEXT_BYTES))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise DefinitionError(f"`{FILE}` is not TOML: {error}") from error
    name, version = table.get("name"), table.get("version")
    if not isinstance(name, str) or not isinstance(version, str):
        raise DefinitionError(f"`{FILE}` has no name or no version")
    return Recognised(
        kind="policy",
        why=f"it has `{FILE}`",
        kitfile=Kitfile(
            name=name,
            version=version,
            entries=(Entry(section="code", path=".", description="policy bundle"),),
        ),
    )
