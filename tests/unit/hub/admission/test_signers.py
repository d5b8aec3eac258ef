"""Signatures and scans beside an artifact: which count, and that none is overlooked."""

import asyncio

import msgspec
import pytest

from remit.artifacts.attestations import bundle_manifest
from remit.artifacts.oci.manifest import MANIFEST, Descriptor
from remit.attest.predicates import scan, signature
from remit.attest.trust import TrustError
from remit.core.digest import Digest, sha256
from remit.hub.admission import signers
from remit.hub.admission.policy import CROWDED, ArtifactPolicy
from remit.hub.admission.signers import Signers, TrustlessError
from remit.hub.catalog.ports import Found, Item
from tests.unit.artifacts.vouching import DAY, NOW, SUBJECT, scanned, signed, trust
from tests.unit.hub.admission.support import scanned as case
from tests.unit.hub.support import Clock

HOST, REPOSITORY = "hub.example", "team/model"


class Store:
    """Attestations in a repository, as the catalogue and the store of a Hub give them."""

    def __init__(self, *those, kind=scan.TYPE):
        self.manifests, self.blobs = {}, {}
        subject = Descriptor(media_type=MANIFEST, digest=Digest(SUBJECT), size=7)
        for each in those:
            made = bundle_manifest(subject, each.data, kind, "2026-06-01T00:00:00Z")
            self.manifests[made.descriptor.digest] = made.data
            self.blobs[sha256(each.data)] = each.data

    async def find(self, repository, name):
        body = self.manifests.get(name)
        if body is None or repository != REPOSITORY:
            return None
        texts = dict.fromkeys(
            ("artifact_type", "kind", "name", "version", "title", "graph", "subject"), ""
        )
        item = Item(
            id=1, repository=repository, digest=name, media_type=MANIFEST, size=len(body), total=0,
            pushed_by="ann", pushed_us=0, **texts,
        )  # fmt: skip
        return Found(item=item, body=body)

    async def small(self, repository, descriptor, limit):
        data = self.blobs.get(descriptor.digest)
        return data if data is not None and len(data) <= limit else None

    def enriched(self, root=trust, **more):
        one = Signers(self, self.small, root, HOST, Clock(NOW))
        found = case(digest=SUBJECT, repository=REPOSITORY, **more)
        return asyncio.run(one(msgspec.structs.replace(found, beside=frozenset(self.manifests))))


def told(found):
    return sorted(
        (each.scan.scanner, each.scan.coverage, each.scan.counts["high"]) for each in found.signed
    )


def test_what_counts_of_scans():
    old = scanned(finished=NOW - 3 * DAY, expires=NOW - DAY)
    other = scanned(scanner="other", counts={"low": 1}, finished=NOW - 3 * DAY, expires=NOW - DAY)
    fails = scanned(scanner="third", counts={}, coverage="error")
    found = Store(old, other, fails).enriched()
    assert told(found) == [("pickle-scan", "partial", 1), ("third", "error", 0)]
    assert not found.crowded
    clean = scanned(finished=NOW - DAY, counts={})
    assert told(Store(old, clean).enriched()) == [("pickle-scan", "complete", 0)]


def test_a_signature_that_is_no_scan():
    [found] = Store(signed(), kind=signature.TYPE).enriched().signed
    assert (found.name, found.scan) == ("signer", None)


def test_nobody_is_heard_without_a_trust_root():
    found = Store(scanned()).enriched(None, crowded=True)
    assert (found.signed, found.crowded) == ((), False)


def test_while_the_trust_root_cannot_be_used_nothing_is_decided():
    """Else what trusted scanners found would be as if it were not there."""

    def broken():
        raise TrustError("it is over", code="trust.expired")

    for root in (broken, lambda: trust(top="expires = 2020-01-01T00:00:00Z")):
        with pytest.raises(TrustlessError):
            Store(scanned()).enriched(root)


def test_what_is_too_large_to_be_looked_at_is_not_overlooked(monkeypatch):
    grave, junk = scanned(), scanned(scanner="junk", counts={}, not_scanned=("x" * 900,) * 10)
    monkeypatch.setattr(signers, "MAX_TOTAL_BYTES", 10_000)
    assert Store(grave, junk).enriched().crowded
    assert not Store(grave).enriched().crowded


@pytest.mark.parametrize("crowded", [False, True])
def test_of_what_was_not_all_looked_at_nothing_is_admitted(crowded):
    policy = ArtifactPolicy.load()
    outcome = policy.decide(case(crowded=crowded), (), (), NOW)
    assert outcome.word == ("refuse" if crowded else "admit")
    assert (CROWDED in outcome.rules) == crowded
