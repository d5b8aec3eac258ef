"""One look at a page: who asks, and what every handler needs to know of that."""

import msgspec

from remit.hub.console.ports import OPEN, Standing
from remit.hub.registry.access import Caller
from remit.web.errors import PageError
from remit.web.exchange import Asked, Cookies


class Look(msgspec.Struct, kw_only=True):
    """A request of a page.

    Attributes:
        asked: the request.
        caller: who is logged in, with the roles of now.
        origin: of the pages, as the browser calls them.
        cookies: how they are set there.
    """

    asked: Asked
    caller: Caller | None
    origin: str
    cookies: Cookies

    @property
    def me(self) -> Caller:
        """Who is logged in.

        Raises:
            PageError: nobody.
        """
        if self.caller is None:
            raise PageError(401, "you are not logged in", code="console.login")
        return self.caller

    @property
    def csrf(self) -> str:
        """The secret of forms of this visit; empty without one."""
        return self.asked.session.csrf if self.asked.session else ""

    def may(self, repository: str, action: str) -> bool:
        """Whether a role allows it."""
        return self.me.role_allows(repository, action)

    def may_read(self, repository: str, standing: Standing) -> bool:
        """Whether content may be shown: what is admitted, and to curators the rest."""
        if not self.may(repository, "pull"):
            return False
        return standing.state in {"", *OPEN} or self.may(repository, "curate")

    @property
    def curates(self) -> bool:
        """Whether there is a repository that the caller curates."""
        from remit.hub.registry.access import ROLES

        return any("curate" in ROLES.get(each.role, ()) for each in self.me.grants)
