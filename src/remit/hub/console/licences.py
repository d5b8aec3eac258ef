"""The licence that a package says it has, for lists: read once for each artifact."""

from collections import OrderedDict

from remit.artifacts.errors import ManifestError
from remit.artifacts.modelkit import form_of, read_artifact
from remit.artifacts.oci.manifest import parse_manifest
from remit.core.errors import RemitError
from remit.hub.catalog.describe import MAX_CONFIG_BYTES
from remit.hub.catalog.ports import Catalog, Item
from remit.hub.registry.ports import Small

MAX_KEPT = 4096
MAX_SHOWN = 60


class Licences:
    """See the module's text.

    Args:
        catalog: has the manifests.
        small: reads configs.
    """

    def __init__(self, catalog: Catalog, small: Small) -> None:
        self._catalog = catalog
        self._small = small
        self._known: OrderedDict[str, str] = OrderedDict()

    async def of(self, item: Item) -> str:
        """What the package says; empty if it says nothing, or not as a package does."""
        known = self._known.get(item.digest)
        if known is None:
            known = await self._read(item)
            self._known[item.digest] = known
            while len(self._known) > MAX_KEPT:
                self._known.popitem(last=False)
        return known

    async def _read(self, item: Item) -> str:
        found = await self._catalog.find(item.repository, item.digest)
        if found is None:
            return ""
        try:
            manifest = parse_manifest(found.body, item.media_type)
        except ManifestError:
            return ""
        if manifest.config is None or form_of(manifest) not in {"modelkit", "modelpack"}:
            return ""
        data = await self._small(item.repository, manifest.config, MAX_CONFIG_BYTES)
        try:
            kitfile = read_artifact(manifest, data or b"").kitfile
        except RemitError:
            return ""
        return kitfile.license[:MAX_SHOWN]
