"""MCP servers: a bundle (``.mcpb``), or a directory with the contents of one."""

from remit.artifacts.errors import DefinitionError, PackError
from remit.artifacts.kinds.base import Recognised, in_order, is_document
from remit.artifacts.kitfile import Entry, Kitfile
from remit.artifacts.mcpb import MANIFEST, MAX_MANIFEST_BYTES, McpbManifest, parse_mcpb, read_mcpb
from remit.artifacts.servers import SUMMARY, summary
from remit.artifacts.tree import Tree


def detect(tree: Tree) -> Recognised | None:
    """An MCP server, if there is one bundle, or a ``manifest.json`` with a ``server``."""
    bundles = [name for name in tree.files if name.endswith(".mcpb")]
    if len(bundles) == 1 and all(name in bundles or is_document(name) for name in tree.files):
        return _bundle(tree, bundles[0])
    if bundles and MANIFEST not in tree.files:
        if len(bundles) > 1 and len(bundles) == len(tree.files):
            raise PackError(
                "there are several MCP servers",
                hint="pack each alone: programs take the first that they find",
            )
        return None
    if MANIFEST not in tree.files:
        return None
    try:
        manifest = parse_mcpb(tree.read(MANIFEST, MAX_MANIFEST_BYTES))
    except (DefinitionError, PackError):
        return None  # many things have a file of this name
    return _recognised(manifest, (Entry(section="code", path="."),), f"it has `{MANIFEST}`")


def _bundle(tree: Tree, name: str) -> Recognised:
    manifest = read_mcpb(tree.root / name)
    server = Entry(
        section="mcpserver", name=manifest.name, path=name, description=manifest.description
    )
    documents = (Entry(section="docs", path=each) for each in tree.files if each != name)
    return _recognised(manifest, in_order((server, *documents)), f"`{name}` is an MCP bundle")


def _recognised(manifest: McpbManifest, entries: tuple[Entry, ...], why: str) -> Recognised:
    return Recognised(
        kind="mcp-server",
        why=why,
        kitfile=Kitfile(
            name=manifest.name,
            version=manifest.version,
            description=manifest.description,
            license=manifest.license,
            authors=(manifest.author,) if manifest.author else (),
            entries=entries,
            extra={SUMMARY: summary(manifest)},
        ),
    )
