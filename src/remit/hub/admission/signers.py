"""Who signed an artifact: signatures beside it, held against the trust root of the gate.

Every rule of :mod:`remit.artifacts.verification` holds; what breaks one is as if it were not there.
While the trust root cannot be used nobody knows what trusted scanners found, so nothing is decided.
"""

from collections.abc import Awaitable, Callable, Sequence

import msgspec

from remit.artifacts.attestations import Attestation, bundle_layer
from remit.artifacts.errors import ArtifactError
from remit.artifacts.examination import Examined
from remit.artifacts.oci.manifest import parse_manifest
from remit.artifacts.verification import Verifier
from remit.attest.predicates import scan
from remit.attest.trust import TrustRoot
from remit.core.clock import Clock
from remit.core.errors import RemitError
from remit.hub.admission.attested import attested
from remit.hub.admission.values import Scanned, Signed
from remit.hub.catalog.ports import Catalog
from remit.hub.registry.errors import Unavailable
from remit.hub.registry.ports import Small

MAX_TOTAL_BYTES = 64 * 1024 * 1024

Enrich = Callable[[Scanned], Awaitable[Scanned]]
"""Adds to what is known of an artifact."""
Trust = Callable[[], TrustRoot]
"""Reads the trust root, as it is now."""


class TrustlessError(Unavailable):
    """The trust root of the gate cannot be used."""


class Signers:
    """Finds out who signed what is decided on.

    Args:
        catalog: has the manifests of referrers.
        small: reads bundles.
        trust: whose keys count; ``None`` if nobody's do.
        host: how clients reach the Hub, for the scope of keys.
        clock: the time.
    """

    def __init__(
        self, catalog: Catalog, small: Small, trust: Trust | None, host: str, clock: Clock
    ) -> None:
        self._catalog = catalog
        self._small = small
        self._trust = trust
        self._host = host
        self._clock = clock

    async def __call__(self, scanned: Scanned) -> Scanned:
        """The same with whoever signed it.

        Raises:
            TrustlessError: the trust root cannot be used.
            RemitError, OSError: the database or the store cannot be used.
        """
        if self._trust is None:
            return msgspec.structs.replace(scanned, crowded=False)
        now = self._clock.now_us()
        try:
            verifier = Verifier(self._trust(), now)
        except (RemitError, OSError) as error:
            raise TrustlessError(f"the trust root of the gate cannot be used: {error}") from error
        signed: dict[tuple[str, str, str], list[Signed]] = {}
        where = f"{self._host}/{scanned.repository}"
        attestations, left_out = await self._attestations(scanned)
        for each in attestations:
            found = verifier.examine(scanned.digest, where, each)
            if found.passed or (found.over and found.predicate_type == scan.TYPE):
                one = _signed(found)
                key = (one.predicate_type, one.name, one.scan.scanner if one.scan else "")
                signed.setdefault(key, []).append(one)
        taken = (_together(each, now) for each in signed.values())
        return msgspec.structs.replace(
            scanned,
            signed=tuple(each for each in taken if each),
            crowded=scanned.crowded or left_out,
        )

    async def _attestations(self, scanned: Scanned) -> tuple[Sequence[Attestation], bool]:
        """What others attested, and whether some of it was too large to be looked at."""
        taken: list[Attestation] = []
        total = 0
        for digest in sorted(scanned.beside):
            one = await self._catalog.find(scanned.repository, digest)
            if one is None:
                continue
            try:
                manifest = parse_manifest(one.body, one.item.media_type)
                layer = bundle_layer(manifest, scanned.digest)
            except ArtifactError:
                continue
            if layer is None:
                continue
            total += layer.size
            if total > MAX_TOTAL_BYTES:
                return taken, True
            data = await self._small(scanned.repository, layer, layer.size)
            if data is not None:
                taken.append(Attestation(manifest=digest, data=data))
        return taken, False


def _signed(found: Examined) -> Signed:
    said = None
    if found.predicate_type == scan.TYPE:
        said = attested(scan.Scan.read(found.predicate))
    return Signed(predicate_type=found.predicate_type, key=found.key, name=found.key, scan=said)


def _together(found: Sequence[Signed], now_us: int) -> Signed | None:
    """What one key says in all with one type of predicate, and by one scanner if that is a scan."""
    scans = [each.scan for each in found if each.scan is not None]
    if not scans:
        return found[-1]
    said = scan.together(scans, now_us)
    return msgspec.structs.replace(found[-1], scan=said) if said is not None else None


async def nobody(scanned: Scanned) -> Scanned:
    """The same, of a Hub that trusts no signature."""
    return scanned
