"""Prompts: files ``*.prompt``, ``*.prompt.md`` or ``*.prompty``, and nothing but documents."""

from remit.artifacts.kinds.base import MAX_TEXT_BYTES, Recognised, field, front_matter, is_document
from remit.artifacts.kitfile import Entry, Kitfile
from remit.artifacts.tree import Tree

ENDINGS = (".prompt", ".prompt.md", ".prompt.yml", ".prompt.yaml", ".prompty")


def detect(tree: Tree) -> Recognised | None:
    """Prompts, if there is nothing else."""
    prompts = [name for name in tree.files if name.lower().endswith(ENDINGS)]
    if not prompts or not all(name in set(prompts) or is_document(name) for name in tree.files):
        return None
    values: dict[str, object] = {}
    if len(prompts) == 1 and not prompts[0].lower().endswith((".yml", ".yaml")):
        values, _ = front_matter(tree.text(prompts[0], MAX_TEXT_BYTES), prompts[0])
    return Recognised(
        kind="prompt",
        why=f"`{prompts[0]}` is a prompt",
        kitfile=Kitfile(
            name=field(values, "name") or tree.name,
            version=field(values, "version"),
            description=field(values, "description"),
            entries=(Entry(section="code", path=".", description="prompts"),),
        ),
    )
