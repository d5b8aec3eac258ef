"""Who gets content out of the Hub: what is admitted, and curators who must look at the rest.

Rules, in order:

1. A manifest is given out if it is admitted or exempt; an index if all its members are.
2. A blob is given out if a manifest of the same repository that is given out refers to it. So
   nothing is had by its digest, by mounting it elsewhere, or by a manifest nobody looked at.
3. Whoever may curate the repository gets the rest, too, and the record says so.

That something is there is no secret to whoever may pull: ``HEAD`` and lists answer as ever.
"""

from remit.core.digest import Digest
from remit.hub.admission.ports import Admissions
from remit.hub.admission.values import Admission
from remit.hub.registry.access import Caller
from remit.hub.registry.errors import Denied

CURATE = "curate"
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

    async def manifest(self, caller: Caller, repository: str, digest: Digest) -> bool:
        """Let a manifest out; whether only because the caller curates.

        Raises:
            Denied: it is not admitted.
        """
        found = await self._admissions.manifest(repository, digest)
        if found.open:
            return False
        if caller.role_allows(repository, CURATE):
            return True
        raise held(repository, digest, found)

    async def blob(self, caller: Caller, repository: str, digest: Digest) -> bool:
        """Let a blob out; whether only because the caller curates.

        Raises:
            Denied: nothing that is admitted refers to it.
        """
        if await self._admissions.gives_blob(repository, digest):
            return False
        if caller.role_allows(repository, CURATE):
            return True
        reason = "nothing that is admitted refers to it"
        raise Denied(
            f"`{digest}` of `{repository}` is quarantined: {reason}",
            detail={"state": "quarantined", "reason": reason, "digest": digest},
        )


def held(repository: str, digest: Digest, admission: Admission) -> Denied:
    """The refusal of a manifest, with the reason that clients show."""
    reason = " ".join(admission.reason.split())[:MAX_SHOWN] or "nobody has said why"
    return Denied(
        f"`{repository}@{digest}` is {_WORDS.get(admission.state, admission.state)}: {reason}",
        detail={"state": admission.state, "reason": admission.reason[:2000], "digest": digest},
    )


_WORDS = {"review": "waiting for a curator"}
