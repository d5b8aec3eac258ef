"""Signatures and attestations of an artifact, each with every check of ``remit verify``."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from remit.artifacts.attestations import Attestation, bundle_layer
from remit.artifacts.errors import ArtifactError
from remit.artifacts.examination import Check, Examined, broken
from remit.artifacts.oci.manifest import Descriptor, parse_manifest
from remit.artifacts.verification import Verifier
from remit.attest.bundle import parse_bundle
from remit.attest.errors import AttestError
from remit.attest.predicates import bom
from remit.attest.predicates.known import short_of
from remit.attest.trust import TrustError, TrustRoot
from remit.core.clock import Clock
from remit.core.digest import Digest
from remit.core.errors import RemitError
from remit.core.strictjson import parse
from remit.hub.catalog.ports import Catalog, Found
from remit.hub.registry.ports import Small

MAX_SHOWN = 60
MAX_BUNDLE_BYTES = 8 * 1024 * 1024
MAX_TOTAL_BYTES = 32 * 1024 * 1024
_RANKS = ("vsa", "signature", "provenance", "cyclonedx", "", "scan")
Trust = Callable[[], TrustRoot | None]
"""The keys that the console verifies by, as they are now; ``None`` if nobody said which."""


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """A referrer of an artifact.

    Attributes:
        manifest: its digest.
        media_type: what it says it is.
        size: bytes of the bundle.
        kind: type of its predicate, short; by the signed statement if ``verified``.
        key: name of the key that signed; empty unless that was verified.
        checks: of ``remit verify``, up to the first that is broken; none without a trust root.
        verified: whether it keeps all of the rules.
        problem: why it is not shown.
        predicate: what it says; empty if that cannot be read.
        says: the same in a few words.
    """

    manifest: str
    media_type: str = ""
    size: int = 0
    kind: str = ""
    key: str = ""
    checks: tuple[Check, ...] = ()
    verified: bool = False
    problem: str = ""
    predicate: Mapping[str, Any] = {}
    says: str = ""


class Evidence:
    """See the module's text.

    Args:
        catalog: has the manifests of referrers.
        small: reads bundles.
        trust: whose keys count.
        clock: the time of verifying.
    """

    def __init__(self, catalog: Catalog, small: Small, trust: Trust, clock: Clock) -> None:
        self._catalog = catalog
        self._small = small
        self._trust = trust
        self._clock = clock

    @property
    def root(self) -> TrustRoot | None:
        """The trust root, as it is now; none if it cannot be used."""
        try:
            return self._trust()
        except (RemitError, OSError):
            return None

    async def of(self, found: Found, where: str) -> list[Piece]:
        """Everything that refers to an artifact, as far as a page shows it.

        Args:
            found: the artifact.
            where: ``HOST/REPOSITORY``, for the scope of keys.
        """
        taken: list[tuple[Descriptor, Attestation | None, str]] = []
        left = MAX_TOTAL_BYTES
        for each in found.referrers[:MAX_SHOWN]:
            attestation, problem = await self._taken(found, each, left)
            left -= len(attestation.data) if attestation else 0
            taken.append((each, attestation, problem))
        root, now = self.root, self._clock.now_us()
        return await asyncio.to_thread(_pieces, taken, root, now, found.item.digest, where)

    async def _taken(
        self, found: Found, each: Descriptor, left: int
    ) -> tuple[Attestation | None, str]:
        stored = await self._catalog.find(found.item.repository, each.digest)
        if stored is None:
            return None, "it is gone"
        try:
            manifest = parse_manifest(stored.body, stored.item.media_type)
            layer = bundle_layer(manifest, Digest(found.item.digest))
        except ArtifactError as error:
            return Attestation(manifest=each.digest, problem=error), ""
        if layer is None:
            return None, "it is no Sigstore bundle"
        if layer.size > min(left, MAX_BUNDLE_BYTES):
            return None, f"it has {layer.size} bytes, more than a page reads; use `remit verify`"
        data = await self._small(found.item.repository, layer, MAX_BUNDLE_BYTES)
        if data is None:
            return None, "its bytes are not there"
        return Attestation(manifest=each.digest, data=data), ""


def _pieces(
    taken: Sequence[tuple[Descriptor, Attestation | None, str]],
    root: TrustRoot | None,
    now_us: int,
    subject: Digest,
    where: str,
) -> list[Piece]:
    verifier = None
    if root is not None:
        try:
            verifier = Verifier(root, now_us)
        except TrustError as error:
            # Nothing that it holds counts any more, and each piece says so.
            over = broken("trust", error.code, error.message, error.hint)
            return [_piece(d, a, p, Examined(manifest=d.digest, checks=(over,)))
                    for d, a, p in taken]  # fmt: skip
    pieces = []
    for descriptor, attestation, problem in taken:
        examined = None
        if verifier is not None and attestation is not None:
            examined = verifier.examine(subject, where, attestation)
        pieces.append(_piece(descriptor, attestation, problem, examined))
    return sorted(pieces, key=_order)


def _order(piece: Piece) -> tuple[bool, int, str, str]:
    """What is wrong first, then what the gate said, who signed, and scans."""
    wrong = bool(piece.problem) or not all(each.passed for each in piece.checks)
    rank = _RANKS.index(piece.kind) if piece.kind in _RANKS else len(_RANKS) - 1
    return not wrong, rank, piece.kind, piece.says


def _piece(
    descriptor: Descriptor,
    attestation: Attestation | None,
    problem: str,
    examined: Examined | None,
) -> Piece:
    kind, predicate = _claimed(attestation.data) if attestation and attestation.data else ("", {})
    if attestation is not None and attestation.problem is not None:
        problem = attestation.problem.message
    named = short_of(examined.predicate_type if examined and examined.predicate_type else kind)
    return Piece(
        manifest=descriptor.digest,
        media_type=descriptor.artifact_type or descriptor.media_type,
        size=len(attestation.data) if attestation else descriptor.size,
        kind=named,
        key=examined.key if examined else "",
        checks=examined.checks if examined else (),
        verified=bool(examined and examined.passed),
        problem=problem,
        predicate=predicate,
        says=_says(named, predicate),
    )


def _says(kind: str, predicate: Mapping[str, Any]) -> str:
    """A statement in a few words; it may hold anything."""
    if kind == "vsa":
        return f"{predicate.get('verificationResult', '')}"[:60]
    if kind != "scan":
        return ""
    scanner, findings = predicate.get("scanner"), predicate.get("findings")
    name = scanner.get("name") if isinstance(scanner, dict) else None
    counts = findings.get("counts") if isinstance(findings, dict) else None
    found = 0
    if isinstance(counts, dict):
        found = sum(each for each in counts.values() if isinstance(each, int))
    coverage = predicate.get("coverage")
    return f"{str(name)[:64]}: {found} findings, coverage {str(coverage)[:20]}"


def _claimed(data: bytes) -> tuple[str, Mapping[str, Any]]:
    """Type and predicate of a statement, whoever signed it."""
    try:
        _, envelope = parse_bundle(data, MAX_BUNDLE_BYTES)
        value = parse(envelope.payload, fold_keys=False, max_bytes=MAX_BUNDLE_BYTES)
    except (AttestError, RemitError):
        return "", {}
    if not isinstance(value, dict):
        return "", {}
    kind, predicate = value.get("predicateType"), value.get("predicate")
    return (
        kind if isinstance(kind, str) else "",
        predicate if isinstance(predicate, dict) else {},
    )


def bill(pieces: Sequence[Piece]) -> Piece | None:
    """The bill of materials among them: a verified one before any other."""
    kind = short_of(bom.TYPE)
    found = [each for each in pieces if each.kind == kind and each.predicate]
    return next((each for each in found if each.verified), found[0] if found else None)
