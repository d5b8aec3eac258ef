"""Skills: a directory with ``SKILL.md``, whose front matter names and describes it."""

import re

from remit.artifacts.errors import DefinitionError
from remit.artifacts.kinds.base import MAX_TEXT_BYTES, Recognised, field, front_matter
from remit.artifacts.kitfile import Entry, Kitfile
from remit.artifacts.members import shown
from remit.artifacts.tree import Tree
from remit.artifacts.yamltree import is_null

FILE = "SKILL.md"
_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_MAX_NAME, _MAX_DESCRIPTION = 64, 1024


def detect(tree: Tree) -> Recognised | None:
    """A skill, if there is a ``SKILL.md`` with a name and a description."""
    if FILE not in tree.files:
        return None
    values, _ = front_matter(tree.text(FILE, MAX_TEXT_BYTES), FILE)
    name, description = field(values, "name"), field(values, "description")
    if len(name) > _MAX_NAME or not _NAME.fullmatch(name):
        raise DefinitionError(
            f"the name `{shown(name)}` in `{FILE}` is no name of a skill",
            hint="at most 64 lower-case letters, digits and single `-`",
        )
    if not 0 < len(description) <= _MAX_DESCRIPTION:
        raise DefinitionError(f"`{FILE}` has no description of at most {_MAX_DESCRIPTION} letters")
    metadata = values.get("metadata")
    more = metadata if isinstance(metadata, dict) and not is_null(metadata) else {}
    return Recognised(
        kind="skill",
        why=f"it has `{FILE}`",
        kitfile=Kitfile(
            name=name,
            version=field(values, "version") or field(more, "version"),
            description=description,
            license=field(values, "license"),
            authors=tuple(filter(None, (field(more, "author"),))),
            entries=(Entry(section="code", path=".", description="skill"),),
        ),
    )
