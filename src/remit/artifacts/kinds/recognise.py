"""Which kind a directory is: every detector is asked in turn, and the first that knows it wins."""

from remit.artifacts.errors import PackError
from remit.artifacts.kinds import agent, code, dataset, mcp_server, model, policy, prompt, skill
from remit.artifacts.kinds.base import KINDS, Detector, Recognised
from remit.artifacts.kitfile import Kitfile
from remit.artifacts.tree import Tree

DETECTORS: tuple[Detector, ...] = (
    agent.detect,
    policy.detect,
    mcp_server.detect,
    skill.detect,
    prompt.detect,
    model.detect,
    dataset.detect,
    code.detect_docs,
    code.detect,
)
"""What declares itself comes before what is guessed from its files."""

_BY_SECTION = (
    ("model", "model"),
    ("mcpserver", "mcp-server"),
    ("prompt", "prompt"),
    ("dataset", "dataset"),
    ("code", "code"),
    ("docs", "docs"),
)


def recognise(tree: Tree) -> Recognised:
    """What the directory is.

    Raises:
        PackError: it is empty, or of a kind that cannot be packed as it is.
        DefinitionError: the file by which it declares itself is wrong.
    """
    for detect in DETECTORS:
        found = detect(tree)
        if found is not None:
            return found
    raise PackError(
        f"there is nothing to pack in `{tree.root}`",
        hint="links are not packed, nor what `.kitignore` lists",
    )


def kind_of(tree: Tree, kitfile: Kitfile) -> str:
    """The kind of a directory that has a Kitfile: what it declares itself, else by its sections."""
    for detect in (agent.detect, policy.detect, mcp_server.detect, skill.detect):
        found = detect(tree)
        if found is not None:
            return found.kind
    sections = {each.section for each in kitfile.entries}
    return next((kind for section, kind in _BY_SECTION if section in sections), "code")


def check_kind(kind: str) -> str:
    """``kind`` if it is one.

    Raises:
        PackError: it is none.
    """
    if kind not in KINDS:
        raise PackError(f"`{kind}` is no kind of artifact", hint=f"there are {', '.join(KINDS)}")
    return kind
