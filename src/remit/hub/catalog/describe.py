"""Finding out what a pushed artifact is: from its manifest, its config, and an agent's definition.

Nothing large is read: the config of a ModelKit or image, and the layer of an agent definition, both
with a limit, and only if the repository links them. Whatever is wrong with them makes the artifact
one of which less is known; a push never fails for it.
"""

import asyncio
import functools

import msgspec

from remit.artifacts.agent import FILE as AGENT_FILE
from remit.artifacts.kinds.definition import MAX_LAYER_BYTES, UNREADABLE, Needs, needs_of
from remit.artifacts.kinds.stored import SERVER_NAME, stored_kind
from remit.artifacts.kitfile import Kitfile
from remit.artifacts.modelkit import FILE_PATH, TITLE, form_of, kit_layer, read_artifact
from remit.artifacts.oci.manifest import Descriptor, Manifest
from remit.artifacts.servers import server_of
from remit.core.digest import Digest
from remit.core.errors import RemitError
from remit.core.strictjson import parse
from remit.hub.admission.exempt import is_evidence
from remit.hub.registry.ports import About, BlobStore, Metadata, Need, Small

MAX_CONFIG_BYTES = 2 * 1024 * 1024
MAX_AGENT_LAYERS = 16
_DESCRIPTION = "org.opencontainers.image.description"


def small_of(metadata: Metadata, store: BlobStore) -> Small:
    """Reads small blobs of the Hub's own."""

    async def read(repository: str, descriptor: Descriptor, limit: int) -> bytes | None:
        size = await metadata.blob(repository, descriptor.digest, lease=False)
        if size is None or size > limit:
            return None
        return b"".join([piece async for piece in store.read(descriptor.digest, 0, size)])

    return read


class Describer:
    """The :data:`~remit.hub.registry.ports.Describe` of the Hub.

    Args:
        small: reads configs and definitions.
        namespace: of MCP servers that have no name of their own, in reverse-DNS form.
    """

    def __init__(self, small: Small, namespace: str) -> None:
        self._small = small
        self._namespace = namespace

    async def __call__(self, repository: str, digest: Digest, manifest: Manifest) -> About:
        """What the catalogue says of ``manifest``."""
        evidence = await is_evidence(manifest, functools.partial(self._small, repository))
        kitfile, manifest = await self._config(repository, manifest)
        kind = stored_kind(manifest, kitfile)
        needs = await self._needs(repository, manifest) if kind == "agent" else Needs(graph="")
        kit = kitfile or Kitfile()
        said = manifest.annotations
        texts = (
            said.get(TITLE), said.get(_DESCRIPTION), kit.name, kit.description,
            *(each.name for each in kit.entries),
        )  # fmt: skip
        title = " ".join(dict.fromkeys(each for each in texts if each))
        server = None
        if kind == "mcp-server":
            server = server_of(
                manifest,
                kitfile,
                digest=digest,
                repository=repository,
                namespace=self._namespace,
            )
        return About(
            kind=kind,
            name=kit.name or said.get(TITLE, ""),
            version=kit.version or said.get("org.opencontainers.image.version", ""),
            title=title,
            graph=needs.graph,
            needs=tuple(
                Need(
                    role=each.role,
                    name=each.name,
                    digest=each.reference.digest,
                    reference=str(each.reference),
                )
                for each in needs.dependencies
            ),
            server=server,
            evidence=evidence,
        )

    async def _config(self, repository: str, manifest: Manifest) -> tuple[Kitfile | None, Manifest]:
        """The Kitfile of a ModelKit; of an image, its labels join the annotations."""
        form = form_of(manifest)
        if manifest.config is None or form not in {"modelkit", "modelpack", "image"}:
            return None, manifest
        data = await self._small(repository, manifest.config, MAX_CONFIG_BYTES)
        if data is None:
            return None, manifest
        try:
            if form == "image":
                return None, _labelled(manifest, data)
            return read_artifact(manifest, data).kitfile, manifest
        except RemitError:
            return None, manifest

    async def _needs(self, repository: str, manifest: Manifest) -> Needs:
        layers = [kit_layer(each) for each in manifest.layers]
        if len(layers) > MAX_AGENT_LAYERS:
            return UNREADABLE
        found = []
        for layer in layers:
            path = "" if layer.archive else layer.descriptor.annotations.get(FILE_PATH, "")
            if layer.section != "code" or (not layer.archive and path != AGENT_FILE):
                continue
            data = await self._small(repository, layer.descriptor, MAX_LAYER_BYTES)
            if data is None:
                return UNREADABLE
            found.append((data, layer.compression, path))
        return await asyncio.to_thread(needs_of, found)


def _labelled(manifest: Manifest, config: bytes) -> Manifest:
    value = parse(config, fold_keys=False, max_bytes=MAX_CONFIG_BYTES)
    inner = value.get("config") if isinstance(value, dict) else None
    labels = inner.get("Labels") if isinstance(inner, dict) else None
    if not isinstance(labels, dict):
        return manifest
    kept = {
        key: text
        for key, text in labels.items()
        if isinstance(text, str)
        and (key == SERVER_NAME or key.startswith("org.opencontainers.image."))
    }
    return msgspec.structs.replace(manifest, annotations={**kept, **manifest.annotations})
