"""Whether what an artifact needs is here and admitted, where whoever runs it would get it.

1. Each need has a digest, and all of them are known: a definition that cannot be read needs what
   nobody has.
2. A need counts as admitted where it is admitted and that admission is not over.
3. A reference with the host of this Hub, or with a repository that this Hub has, counts in that
   repository alone: that its bytes are admitted in another one, for others, gives them to nobody
   who pulls from here.
4. LIMIT: any other reference, to the store of a machine or to another registry, counts if its
   digest is admitted in any repository of this Hub: the Hub cannot know what others hold.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

from sqlalchemy import Connection, select

from remit.artifacts.errors import ArtifactError
from remit.artifacts.oci.names import Reference
from remit.hub.registry.ports import Need
from remit.hub.store.tables import admissions, edges, manifests, repositories

SLICE = 500
_KNOWN_GRAPHS = frozenset({"", "complete", "unlocked"})


def of(connection: Connection, id_: int, digest: str) -> tuple[Need, ...]:
    """What a manifest needs."""
    found = connection.execute(
        select(edges).where(edges.c.repository == id_, edges.c.subject == digest)
    )
    return tuple(
        Need(role=each.role, name=each.name, digest=each.dependency, reference=each.reference)
        for each in found
    )


def admitted(
    connection: Connection, id_: int, digest: str, host: str, now_us: int, *, lock: bool = False
) -> bool:
    """Whether all that a manifest needs is admitted now; see the module.

    Args:
        connection: a transaction.
        id_: of its repository.
        digest: of the manifest.
        host: how clients reach this Hub.
        now_us: wall time.
        lock: see that nobody decides on a need before the transaction ends. Whoever does so at the
            same time comes before, and is seen here, or after, and then finds this decided and has
            it decided again.
    """
    graph = connection.execute(
        select(manifests.c.graph).where(manifests.c.repository == id_, manifests.c.digest == digest)
    ).scalar_one_or_none()
    needs = of(connection, id_, digest)
    if graph not in _KNOWN_GRAPHS or any(not each.digest for each in needs):
        return False
    named = [(each.digest, *_place(each)) for each in needs]
    here = _there(connection, {repository for _, _, repository in named if repository})
    where = _where(connection, {each.digest for each in needs}, now_us, lock=lock)
    return all(
        repository in where[wanted]
        if repository and (at == host or repository in here)
        else bool(where[wanted])
        for wanted, at, repository in named
    )


def _place(need: Need) -> tuple[str, str]:
    """Host and repository that a need names; empty where it names none of a registry."""
    try:
        found = Reference.parse(need.reference)
    except ArtifactError:
        return "", ""
    return (found.host, found.repository) if found.host else ("", "")


def _there(connection: Connection, names: Collection[str]) -> set[str]:
    found: set[str] = set()
    for part in _parts(names):
        query = select(repositories.c.name).where(repositories.c.name.in_(part))
        found.update(connection.scalars(query))
    return found


def _where(
    connection: Connection, digests: Collection[str], now_us: int, *, lock: bool
) -> dict[str, set[str]]:
    """In which repositories each of these is admitted."""
    found: dict[str, set[str]] = defaultdict(set)
    for part in _parts(digests):
        query = (
            select(
                admissions.c.digest,
                admissions.c.state,
                admissions.c.expires_us,
                repositories.c.name.label("called"),
            )
            .join(repositories, repositories.c.id == admissions.c.repository)
            .where(admissions.c.digest.in_(part))
            .order_by(admissions.c.repository, admissions.c.digest)
        )
        if lock:
            # Also what is not admitted: somebody may be about to admit it.
            query = query.with_for_update(read=True, of=admissions)
        for row in connection.execute(query):
            if row.state == "admitted" and not 0 < row.expires_us <= now_us:
                found[row.digest].add(row.called)
    return found


def _parts(values: Iterable[str]) -> Iterable[Sequence[str]]:
    every = sorted(values)
    return (every[at : at + SLICE] for at in range(0, len(every), SLICE))
