"""Making a manifest found among the referrers of its subject, where the registry does not.

The index under the tag of the subject is read, changed and written back (distribution-spec 1.1,
"Pushing Manifests with Subject"). Two writers can undo each other, so it is written with
``If-Match`` where the registry gives entity tags, and read again to see that it is there: at once,
and a second later.
"""

from collections.abc import Sequence

from remit.artifacts.oci.client import Repository
from remit.artifacts.oci.errors import RegistryError
from remit.artifacts.oci.manifest import INDEX, Descriptor
from remit.artifacts.oci.referrers import fallback_tag, index_bytes
from remit.core.digest import Digest

_CHANGED = 412
SETTLE_S = 1.0


async def refer(repository: Repository, subject: Digest, referrer: Descriptor) -> None:
    """Add ``referrer`` to the index under the tag of ``subject``, once.

    Raises:
        RegistryError: it did not stay there, after as many attempts as the session makes.
    """
    tag = fallback_tag(subject)
    for attempt in range(1, repository.session.attempts + 1):
        match = await repository.entity_tag(tag)
        found = await repository.tagged_referrers(subject)
        if any(each.digest == referrer.digest for each in found):
            return
        try:
            await repository.put_manifest(tag, INDEX, index_bytes([*found, referrer]), match=match)
        except RegistryError as error:
            if error.status != _CHANGED:
                raise
        found = await repository.tagged_referrers(subject)
        if any(each.digest == referrer.digest for each in found):
            return
        await repository.session.pause(attempt)
    raise _contended(subject, referrer)


async def settle(repository: Repository, referred: Sequence[tuple[Digest, Descriptor]]) -> None:
    """See, a second later, that no other writer undid what :func:`refer` did; else do it again.

    Registries without ``If-Match`` let a writer undo another whose change it did not see. Who waits
    longer than writers take from reading to writing sees it.

    Args:
        repository: where the lists are.
        referred: each subject and what was added to its list.

    Raises:
        RegistryError: something did not stay, after as many attempts as the session makes.
    """
    left = list(referred)
    for _ in range(repository.session.attempts):
        if not left:
            return
        await repository.session.transport.sleep(SETTLE_S)
        lists = {
            subject: {each.digest for each in await repository.tagged_referrers(subject)}
            for subject in {subject for subject, _ in left}
        }
        left = [(subject, each) for subject, each in left if each.digest not in lists[subject]]
        for subject, each in left:
            await refer(repository, subject, each)
    if left:
        raise _contended(*left[0])


def _contended(subject: Digest, referrer: Descriptor) -> RegistryError:
    return RegistryError(
        f"`{referrer.digest}` does not stay in the list of what refers to `{subject}`",
        hint="others change the same list; try again",
        code="registry.contended",
    )
