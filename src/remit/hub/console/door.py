"""The door of the console: who is there, and how they come in and go.

Rules:

1. A form comes from a page of ours: exact ``Origin``, and the secret of the visit (CSRF).
2. A password is looked at by the same doorkeeper as the registry's, which slows down who guesses;
   an address from which too many attempts fail is turned away for the rest of a minute.
3. Logging in begins a new visit, so nobody can prepare one for somebody else.
4. Who is there is asked at every request: an account that is removed, disabled, or has another
   password is out.
5. A provider names an account that an operator made; it makes none.
"""

import hmac
from collections.abc import Awaitable, Callable
from typing import Protocol

from remit.core.clock import Clock
from remit.core.errors import RemitError
from remit.hub.console.pages import page
from remit.hub.console.words import Look
from remit.hub.ledger import Ledger
from remit.hub.registry.access import Caller
from remit.hub.registry.errors import RegistryError
from remit.web.errors import PageError
from remit.web.exchange import Asked, Cookies, Reply, see
from remit.web.openid import Leaving, OpenId
from remit.web.visits import Attempts, Visit, Visits

HOME = "/ui/artifacts"
LOGIN = "/ui/login"
BACK = "/ui/openid/back"
COOKIE = "remit-hub"
SESSION_S, MAX_SESSIONS = 1800.0, 10_000
GUEST_S, MAX_GUESTS = 900.0, 10_000
MAX_FAILED, MAX_NOTED = 10, 60
MAX_PLACE = 2000
Handler = Callable[[Look], Awaitable[Reply]]


class Keeper(Protocol):
    """Knows accounts."""

    async def basic(self, name: str, password: str, peer: str) -> Caller:
        """The account with this password.

        Raises:
            RegistryError: there is none, or too many wrong ones were tried.
        """
        ...

    async def known(self, name: str) -> tuple[Caller, bytes] | None:
        """A person's account, if it is there now, and a mark that changes with the password."""
        ...


class Door:
    """See the module's text. Belongs to the event loop's thread.

    Args:
        keeper: knows accounts.
        ledger, clock: records and time.
        openid: says who people are, besides passwords.

    Attributes:
        sessions: visits of people who are logged in.
        routes: what it answers.
    """

    def __init__(
        self, keeper: Keeper, ledger: Ledger, clock: Clock, openid: OpenId | None = None
    ) -> None:
        self._keeper = keeper
        self._ledger = ledger
        self._openid = openid
        self.sessions = Visits(clock, SESSION_S, MAX_SESSIONS)
        self._guests = Visits(clock, GUEST_S, MAX_GUESTS)
        self._away = Visits(clock, GUEST_S, MAX_GUESTS)
        self._attempts = Attempts(clock, MAX_FAILED)
        self.routes: dict[tuple[str, str], Handler] = {
            ("GET", LOGIN): self._login_page,
            ("POST", LOGIN): self._login,
            ("POST", "/ui/logout"): self._logout,
            ("GET", "/ui/openid"): self._leave,
            ("GET", BACK): self._back,
        }

    async def look(self, asked: Asked, cookie: str, origin: str) -> Look:
        """Find out who asks, by a browser's cookies."""
        cookies = Cookies(origin, COOKIE)
        asked.token, asked.guest_token, asked.away_token = cookies.read(cookie)
        visit = self.sessions.find(asked.token, by_person=asked.by_person) if asked.token else None
        caller = None
        if visit is not None:
            known = await self._keeper.known(visit.user)
            if known is None or not hmac.compare_digest(known[1], visit.key):
                self.sessions.end(asked.token)
                visit = None
            else:
                caller = known[0]
        asked.session = visit
        asked.guest = self._guests.find(asked.guest_token) if asked.guest_token else None
        return Look(asked=asked, caller=caller, origin=origin, cookies=cookies)

    def check_form(self, look: Look) -> None:
        """Rule 1, of a form that was read.

        Raises:
            PageError: the form is of another page, or of a visit that ended.
        """
        asked = look.asked
        # A guest's secret never opens what is for somebody who is logged in.
        visit = asked.guest if asked.path == LOGIN else asked.session
        given = asked.form.get("csrf", "").encode()
        if visit is None or not hmac.compare_digest(visit.csrf.encode(), given):
            raise PageError(
                403, "your visit has ended",
                hint="go back to the page, load it again, and repeat", code="web.csrf",
            )  # fmt: skip

    # --- passwords ------------------------------------------------------------------------------

    def _guest(self, look: Look) -> tuple[Visit, dict[str, str]]:
        """The guest's visit, and the header that says so if it is new."""
        if look.asked.guest is not None:
            return look.asked.guest, {}
        token, visit = self._guests.begin()
        return visit, {"set-cookie": look.cookies.guest(token)}

    async def _login_page(self, look: Look) -> Reply:
        to = place_of(look.asked.query.get("to", ""))
        if look.caller is not None:
            return see(to)
        visit, more = self._guest(look)
        return self._form(visit.csrf, to, more)

    def _form(self, csrf: str, to: str, more: dict[str, str], name: str = "", why: str = "",
              status: int = 200) -> Reply:  # fmt: skip
        return page(
            "login", status=status, more=more, look=None, csrf=csrf, to=to, name=name, why=why,
            provider=self._openid.issuer if self._openid else "",
        )  # fmt: skip

    async def _login(self, look: Look) -> Reply:
        asked = look.asked
        self._not_too_often(asked.address)
        name, to = asked.form.get("name", "").strip(), place_of(asked.form.get("to", ""))
        try:
            await self._keeper.basic(name, asked.form.get("password", ""), asked.address)
            known = await self._keeper.known(name)
        except RegistryError as error:
            await self._count_failure(asked.address, name, error)
            if error.status >= 500:  # noqa: PLR2004 - HTTP's own classes
                raise
            visit, more = self._guest(look)
            return self._form(visit.csrf, to, more, name, error.message, error.status)
        if known is None:
            robot = PageError(403, "this account has no pages", code="console.account")
            await self._count_failure(asked.address, name, robot)
            raise robot
        return see(to, **await self._let_in(look, known, "password"))

    async def _let_in(self, look: Look, known: tuple[Caller, bytes], how: str) -> dict[str, str]:
        """Begin a new visit of somebody who has shown who they are; the header that says so."""
        caller, mark = known
        await self._ledger.note(
            "console.login",
            {"actor": {"user": caller.name, "peer": look.asked.address}, "how": how},
        )
        self._guests.end(look.asked.guest_token)
        self.sessions.end(look.asked.token)
        token, _ = self.sessions.begin(caller.name, mark)
        return {"set-cookie": look.cookies.session(token)}

    async def _logout(self, look: Look) -> Reply:
        if look.caller is not None:
            actor = {"user": look.caller.name, "peer": look.asked.address}
            await self._ledger.note("console.logout", {"actor": actor})
        self.sessions.end(look.asked.token)
        return see(LOGIN, **{"set-cookie": look.cookies.session("")})

    # --- a provider -----------------------------------------------------------------------------

    async def _leave(self, look: Look) -> Reply:
        provider = self._provider()
        self._not_too_often(look.asked.address)
        place, leaving = await provider.begin(place_of(look.asked.query.get("to", "")))
        token, visit = self._away.begin()
        self._away.give(visit, b"", leaving)
        return see(place, **{"set-cookie": look.cookies.away(token)})

    async def _back(self, look: Look) -> Reply:
        provider = self._provider()
        asked = look.asked
        self._not_too_often(asked.address)
        visit = self._away.find(asked.away_token) if asked.away_token else None
        task = self._away.take(visit) if visit else None
        self._away.end(asked.away_token)
        user = ""
        try:
            if task is None or not isinstance(task.about, Leaving):
                raise PageError(
                    403, "this browser was not sent there, or too long ago", code="openid.state"
                )
            identity = await provider.finish(task.about, asked.query)
            user = identity.user
            known = await self._keeper.known(user)
            if known is None:
                raise PageError(
                    403, f"the Hub has no account `{user[:100]}`",
                    hint="whoever runs the Hub makes one: `remit hub account add`",
                    code="console.account",
                )  # fmt: skip
        except RemitError as error:
            await self._count_failure(asked.address, user, error)
            raise
        # A page of the provider sent the browser here, so it would not bring the new cookie along
        # to where a redirect points: a page of ours has to lead there.
        more = await self._let_in(look, known, f"openid {identity.issuer}"[:300])
        return page("landed", more=more, look=None, csrf="", to=task.about.to)

    def _provider(self) -> OpenId:
        if self._openid is None:
            raise PageError(404, "there is no such page", code="web.unknown")
        return self._openid

    # --- attempts -------------------------------------------------------------------------------

    def _not_too_often(self, who: str) -> None:
        if self._attempts.blocked(who):
            raise PageError(
                429, "too many attempts failed", hint="wait a minute", code="console.too_many"
            )

    async def _count_failure(self, address: str, user: str, error: RemitError) -> None:
        # What a stranger can make happen at will is not recorded without end.
        if self._attempts.failed(address) <= MAX_NOTED:
            actor = {"user": user[:100], "peer": address}
            await self._ledger.note("console.refuse", {"actor": actor, "code": error.code})


def place_of(text: str) -> str:
    """Where somebody goes after logging in: to a page of ours, whatever a link says."""
    ours = text.startswith("/ui/") and not text.startswith(("/ui/login", "/ui/openid"))
    legal = text.isascii() and text.isprintable() and len(text) <= MAX_PLACE
    plain = "\\" not in text and ".." not in text.partition("?")[0].split("/")
    return text if ours and legal and plain else HOME
