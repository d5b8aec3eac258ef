"""The endpoints below a repository, whoever keeps the bytes: the Hub itself, or one it fronts."""

from collections.abc import Callable
from typing import Protocol

from remit.hub.registry.http import Reply, Request
from remit.hub.registry.routes import Route

MayPull = Callable[[str], bool]
"""Whether the caller may pull from the repository of that name."""


class Giving(Protocol):
    """What only reads (distribution-spec, "Pull", "Discovery"). All raise ``RegistryError``."""

    async def blob(self, request: Request, route: Route) -> Reply:
        """``GET`` and ``HEAD`` of a blob, whole or a range."""
        ...

    async def check_blob(self, route: Route) -> None:
        """See that a blob is there, without keeping it longer.

        Raises:
            BlobUnknown: it is not.
        """
        ...

    async def manifest(self, request: Request, route: Route) -> Reply:
        """``GET`` and ``HEAD`` of a manifest, in the bytes that were pushed."""
        ...

    async def tags(self, request: Request, route: Route) -> Reply:
        """One page of tags."""
        ...

    async def referrers(self, request: Request, route: Route) -> Reply:
        """One page of what refers to a manifest; never 404."""
        ...


class Taking(Protocol):
    """What changes something (distribution-spec, "Push", "Content Management").

    ``by`` is the account that asks. All raise ``RegistryError``.
    """

    async def start(self, request: Request, route: Route, by: str, may_pull: MayPull) -> Reply:
        """``POST``: begin an upload, mount a blob, or take one whole."""
        ...

    async def status(self, route: Route) -> Reply:
        """``GET`` of an upload: how far it is."""
        ...

    async def append(self, request: Request, route: Route) -> Reply:
        """``PATCH``: the next piece."""
        ...

    async def finish(self, request: Request, route: Route, by: str) -> Reply:
        """``PUT``: the last piece, and what all of it is."""
        ...

    async def cancel(self, route: Route) -> Reply:
        """``DELETE`` of an upload."""
        ...

    async def put_manifest(self, request: Request, route: Route, by: str) -> Reply:
        """``PUT`` of a manifest, by digest or by tag."""
        ...

    async def drop_manifest(self, request: Request, route: Route, by: str) -> Reply:
        """``DELETE`` of a tag, or of a manifest with its tags."""
        ...

    async def drop_blob(self, request: Request, route: Route, by: str) -> Reply:
        """``DELETE`` of a blob."""
        ...
