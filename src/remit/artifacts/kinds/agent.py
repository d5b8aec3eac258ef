"""Agent definitions: a directory with ``agent.yaml``."""

from remit.artifacts import lock
from remit.artifacts.agent import FILE, MAX_BYTES, parse_agent
from remit.artifacts.kinds.base import Recognised
from remit.artifacts.kitfile import Entry, Kitfile
from remit.artifacts.tree import Tree


def detect(tree: Tree) -> Recognised | None:
    """An agent, if there is an ``agent.yaml``, which must be right, and so must its lock be."""
    if FILE not in tree.files:
        return None
    agent = parse_agent(tree.read(FILE, MAX_BYTES))
    if lock.FILE in tree.files:
        lock.locked(agent, lock.parse_lock(tree.read(lock.FILE, lock.MAX_BYTES)))
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
