"""Agent definitions: a directory with ``agent.yaml``."""

from remit.artifacts.agent import FILE, MAX_BYTES, parse_agent
from remit.artifacts.kinds.base import Recognised
from remit.artifacts.kitfile import Entry, Kitfile
from remit.artifacts.tree import Tree


def detect(tree: Tree) -> Recognised | None:
    """An agent, if there is an ``agent.yaml``, which must be right."""
    if FILE not in tree.files:
        return None
    agent = parse_agent(tree.read(FILE, MAX_BYTES))
    return Recognised(
        kind="agent",
        why=f"it has `{FILE}`",
        kitfile=Kitfile(
            name=agent.name,
            version=agent.version,
            description=agent.description,
            entries=(Entry(section="code", path=".", description="agent definition"),),
        ),
    )
