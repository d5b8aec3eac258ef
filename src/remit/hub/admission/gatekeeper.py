"""Who gets content out of the Hub: what is admitted, and curators who must look at the rest.

Rules, in order:

1. A manifest is given out if it is admitted or exempt; an index if all its members are.
2. A blob is given out if a manifest of the same repository that is given out by rule 1 refers to
   it. So nothing is had by its digest, by mounting it elsewhere, or by a manifest nobody looked at.
3. Whoever may curate the repository gets the rest, too, and the record says so.
4. Whoever may push to the repository gets its manifests, but none with content of its own
   (``data``), and the record says so: clients read a manifest before they sign it or attach
   something to it, and policy may want that before it admits anything. Never a blob.

That something is there is no secret to whoever may pull: ``HEAD`` and lists answer as ever.

Not checked here: whether what is asked for exists; a refusal of a blob does not say that it does.
"""

from remit.artifacts.errors import ManifestError
from remit.artifacts.oci.manifest import parse_manifest
from remit.core.digest import Digest
from remit.hub.admission.ports import Admissions
from remit.hub.admission.values import Admission
from remit.hub.registry.access import Caller
from remit.hub.registry.errors import Denied
from remit.hub.registry.ports import Stored

CURATE, PUSH = "curate", "push"
MAX_SHOWN = 300


class Gatekeeper:
    """Stands before whatever gives content out.

    Args:
        admissions: what was decided.
    """

    def __init__(self, admissions: Admissions) -> None:
        self._admissions = admissions

    async def admission(self, repository: str, digest: Digest) -> Admission:
        """What holds of a manifest now."""
        return await self._admissions.manifest(repository, digest)

    async def manifest(self, caller: Caller, repository: str, stored: Stored) -> bool:
        """Let a manifest out; whether only because the caller curates or pushes.

        Args:
            caller: who asks.
            repository: where it is.
            stored: what is about to be sent.

        Raises:
            Denied: it is not admitted.
        """
        found = await self._admissions.manifest(repository, stored.digest)
        if found.open:
            return False
        if caller.role_allows(repository, CURATE):
            return True
        if caller.role_allows(repository, PUSH) and _only_names(stored):
            return True
        raise held(repository, stored.digest, found)

    async def blob(self, caller: Caller, repository: str, digest: Digest) -> bool:
        """Let a blob out; whether only because the caller curates.

        Raises:
            Denied: nothing that is admitted refers to it; with the state and the reason of what
                does, the gravest first.
        """
        if await self._admissions.gives_blob(repository, digest):
            return False
        if caller.role_allows(repository, CURATE):
            return True
        behind = await self._admissions.behind(repository, digest)
        if behind is not None:
            raise held(repository, *behind)
        reason = "nothing that is admitted refers to it"
        raise Denied(
            f"`{digest}` of `{repository}` is quarantined: {reason}",
            detail={"state": "quarantined", "reason": reason, "digest": digest},
        )


def _only_names(stored: Stored) -> bool:
    """Whether a manifest says what it refers to, and holds none of it."""
    try:
        manifest = parse_manifest(stored.body, stored.media_type)
    except ManifestError:
        return False
    every = [manifest.config, manifest.subject, *manifest.layers, *manifest.manifests]
    return not any(each.data for each in every if each is not None)


def held(repository: str, digest: Digest, admission: Admission) -> Denied:
    """The refusal of a manifest, or of what belongs to it, with the reason that clients show."""
    reason = " ".join(admission.reason.split())[:MAX_SHOWN] or "nobody has said why"
    return Denied(
        f"`{repository}@{digest}` is {_WORDS.get(admission.state, admission.state)}: {reason}",
        detail={"state": admission.state, "reason": admission.reason[:2000], "digest": digest},
    )


_WORDS = {"review": "waiting for a curator"}
