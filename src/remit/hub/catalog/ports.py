"""What the catalogue needs of the machine, and what it gives.

Adapters are in ``hub.store``. Nothing here decides who may see what: whoever asks says which
repositories are seen, with :data:`Sees`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol

import msgspec

from remit.artifacts.oci.manifest import Descriptor
from remit.artifacts.servers import Server
from remit.core.digest import Digest

Sees = Callable[[str], bool]
"""Whether the caller may know of the repository of that name."""
Sort = Literal["pushed", "-pushed", "repository", "-repository", "size", "-size", "kind", "-kind"]
"""The order of a list; ``-`` is from the largest."""


class After(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """The last row of a page: where the next one goes on.

    Attributes:
        sort: the order of the list.
        key: of that order.
        repository: its id.
        digest: of its manifest.
    """

    sort: Sort
    key: int | str
    repository: int
    digest: str


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """Which artifacts are asked for.

    Attributes:
        words: each is in the repository's name, the title, the kind or a tag, or begins the digest;
            in lower case.
        kinds: any of these; empty for all.
        repository: a pattern of names; empty for all.
        digest: exactly this one; empty for all.
        tagged: with a tag, without, or either.
        referrers: also what refers to another manifest, such as signatures.
        states: any of these, by the gate; empty for all.
        sort, after, limit: which page.
    """

    words: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    repository: str = ""
    digest: str = ""
    tagged: bool | None = None
    referrers: bool = False
    states: tuple[str, ...] = ()
    sort: Sort = "-pushed"
    after: After | None = None
    limit: int = 50


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the catalogue: a manifest in a repository.

    Attributes:
        id: of its repository, for :class:`After`.
        size: bytes of the manifest; ``total`` those of its config and layers.
        pushed_us: microseconds since the Unix epoch.
        graph: how much is known of what it needs.
    """

    id: int
    repository: str
    digest: Digest
    media_type: str
    artifact_type: str
    kind: str
    name: str
    version: str
    title: str
    graph: str
    subject: str
    size: int
    total: int
    pushed_by: str
    pushed_us: int
    tags: tuple[str, ...] = ()


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """One artifact, with its manifest as it was pushed and what refers to it."""

    item: Item
    body: bytes
    referrers: tuple[Descriptor, ...] = ()


class Edge(msgspec.Struct, frozen=True, kw_only=True):
    """What an artifact needs: see :class:`~remit.hub.registry.ports.Need`."""

    subject: str
    role: str
    name: str
    digest: str
    reference: str


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """What can be reached from an artifact.

    Attributes:
        edges: in the order in which they were followed.
        items: of every digest on the way that is seen, in each repository that has it.
        whole: whether nothing was left out for its size.
    """

    edges: tuple[Edge, ...] = ()
    items: Mapping[str, tuple[Item, ...]] = {}
    whole: bool = True


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """An artifact that uses another, and as what."""

    item: Item
    role: str
    name: str
    digest: str


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """An MCP server that has a tag and its name; as little of it as sorting needs.

    Attributes:
        id: of its repository.
        repository, digest: where it is.
        name, version: of the server.
        pushed_us: microseconds since the Unix epoch.
        updated_us: when it was pushed or got a tag, whichever was later.
    """

    id: int
    repository: str
    digest: str
    name: str
    version: str
    pushed_us: int
    updated_us: int = 0


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """An MCP server, and the artifact that it is in."""

    item: Item
    server: Server


class Catalog(Protocol):
    """What the database knows of artifacts."""

    async def search(self, query: Query, sees: Sees | None) -> Sequence[Item]:
        """A page of artifacts, and one more if there is a next page; all with ``sees`` None."""
        ...

    async def find(self, repository: str, name: str) -> Found | None:
        """The artifact with this tag or digest."""
        ...

    async def needs(self, digest: str, sees: Sees | None) -> Reach:
        """Everything that an artifact needs, and what that needs, and so on."""
        ...

    async def uses(self, digest: str, sees: Sees | None) -> Sequence[Use]:
        """What uses an artifact, and what uses that, and so on."""
        ...

    async def offers(self, name: str, sees: Sees | None) -> Sequence[Offer]:
        """MCP servers of that name, or all with an empty one: by name, the last pushed first."""
        ...

    async def servers(self, keys: Sequence[tuple[int, str]]) -> Mapping[tuple[int, str], Listed]:
        """The MCP servers in these artifacts, by repository's id and digest."""
        ...


class States(Protocol):
    """What is known of artifacts beyond their bytes: whether they were scanned."""

    async def states(self, digests: Sequence[str]) -> Mapping[str, str]:
        """``passed``, ``failed`` or ``expired`` for those that were scanned."""
        ...


class Admission(Protocol):
    """Which artifacts may be used."""

    async def admitted(self, offers: Sequence[Offer]) -> Sequence[bool]:
        """Whether each of them may."""
        ...


class NotScanned:
    """The :class:`States` of a Hub that scans nothing."""

    async def states(self, digests: Sequence[str]) -> Mapping[str, str]:
        """None is known."""
        del digests
        return {}


class Tagged:
    """The :class:`Admission` of a Hub without gates: what has a tag may be used."""

    async def admitted(self, offers: Sequence[Offer]) -> Sequence[bool]:
        """All: without a tag nothing is an offer."""
        return [True] * len(offers)
