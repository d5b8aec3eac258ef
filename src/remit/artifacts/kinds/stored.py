"""Which kind an artifact in a registry is: by its manifest, and by its config where that says more.

The kind is what policy asks for, and an annotation is what somebody wrote. So content that is
dangerous by itself has its kind whatever the annotation says: weights are a model, and an MCP
bundle is an MCP server.
"""

from remit.artifacts.agent import FILE as AGENT_FILE
from remit.artifacts.kinds.base import KINDS
from remit.artifacts.kitfile import Kitfile
from remit.artifacts.modelkit import FILE_PATH, KIND, Layer, form_of, kit_layer
from remit.artifacts.oci.manifest import DOCKER_INDEX, Manifest

IMAGE = "image"
STORED_KINDS = (*KINDS, IMAGE)
"""The kinds that a registry knows: those that Remit packs, and container images."""
SERVER_NAME = "io.modelcontextprotocol.server.name"
"""Annotation of a manifest, or label of an image: the name of the MCP server that is in it."""
_FORCED = {"model": "model", "modelpart": "model", "mcpserver": "mcp-server"}
_HARMLESS = frozenset({"code", "dataset", "docs", "policy", "prompt", "skill"})
_BY_SECTION = (
    ("model", "model"),
    ("modelpart", "model"),
    ("mcpserver", "mcp-server"),
    ("prompt", "prompt"),
    ("dataset", "dataset"),
    ("code", "code"),
    ("docs", "docs"),
)


def stored_kind(manifest: Manifest, kitfile: Kitfile | None = None) -> str:
    """The kind of what a manifest describes.

    Args:
        manifest: of the artifact.
        kitfile: its config, if it is a ModelKit whose config was read.

    Returns:
        One of :data:`STORED_KINDS`; empty for everything else, such as signatures.
    """
    said = manifest.annotations.get(KIND, "")
    form = form_of(manifest)
    if form == "modelkit":
        layers = tuple(map(kit_layer, manifest.layers))
        sections = {each.section for each in layers if each.section}
        if kitfile is not None:
            sections |= {each.section for each in kitfile.entries}
        return _kit_kind(said, {str(each) for each in sections}, layers, kitfile)
    if form == "modelpack":
        return said if said in KINDS and said not in _HARMLESS else "model"
    if form == "image":
        return "mcp-server" if SERVER_NAME in manifest.annotations else IMAGE
    if form == "index":
        platforms = any(each.platform for each in manifest.manifests)
        return IMAGE if platforms or manifest.media_type == DOCKER_INDEX else ""
    return said if said in KINDS else ""


def _kit_kind(
    said: str, sections: set[str], layers: tuple[Layer, ...], kitfile: Kitfile | None
) -> str:
    forced = next((kind for section, kind in _FORCED.items() if section in sections), "")
    if said in KINDS:
        return forced if forced and said in _HARMLESS else said
    paths = {each.descriptor.annotations.get(FILE_PATH, "") for each in layers}
    if kitfile is not None:
        paths |= {each.clean for each in kitfile.of("code")}
    if AGENT_FILE in paths:
        return "agent"
    return next((kind for section, kind in _BY_SECTION if section in sections), "")
