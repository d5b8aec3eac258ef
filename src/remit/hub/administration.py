"""What an operator does to a Hub: accounts, roles, rules. Each is one change and one record.

It works on the database, whether a Hub runs or not; the record waits in the outbox until one does.
A running Hub sees a change within seconds.
"""

import os
from collections.abc import Callable
from typing import Any, TypeVar

from remit.core.clock import Clock
from remit.core.ids import ulid
from remit.hub.errors import HubError
from remit.hub.patterns import check_pattern
from remit.hub.registry.access import ANONYMOUS, ROLES, Grant
from remit.hub.registry.accounts import ROBOT_PREFIX, Account, keep, new_secret
from remit.hub.registry.ports import Record
from remit.hub.store import accounts, outbox
from remit.hub.store.database import Connection, Database
from remit.hub.store.rows import Rule

_R = TypeVar("_R")
MIN_PASSWORD = 12
MAX_ACCOUNT = 100


class Administration:
    """Changes by ``by``, the operating system's user at the command line.

    Args:
        database: of the Hub.
        clock: times of the changes.
        by: who makes them.
    """

    def __init__(self, database: Database, clock: Clock, by: str) -> None:
        self._database = database
        self._clock = clock
        self._by = by

    async def _do(
        self, work: Callable[[Connection, int], _R], kind: str, body: dict[str, Any]
    ) -> _R:
        record = Record(kind=kind, body={"actor": {"user": self._by}, **body})

        def change(connection: Connection) -> _R:
            now = self._clock.now_us()
            result = work(connection, now)
            if result is not False:
                id_ = ulid(now, os.urandom(10))
                outbox.write(connection, record, id_=id_, node="", now_us=now)
            return result

        return await self._database.change(change)

    async def add_user(self, name: str, password: str) -> None:
        """Make a person's account.

        Raises:
            HubError: the name is malformed or taken, or the password too short.
        """
        if name.startswith(ROBOT_PREFIX):
            raise HubError(f"`{ROBOT_PREFIX}` begins names of robots", code="hub.account")
        _check_name(name)
        _check_password(password)
        account = Account(name=name, kind="user", secret=keep("user", password))
        await self._add(account)

    async def add_robot(self, name: str, days: int) -> tuple[str, str]:
        """Make an account for a program; its full name and its secret, which is shown only now.

        Raises:
            HubError: the name is malformed or taken.
        """
        full = f"{ROBOT_PREFIX}{name.removeprefix(ROBOT_PREFIX)}"
        _check_name(full.removeprefix(ROBOT_PREFIX))
        secret = new_secret()
        expires = self._clock.now_us() + days * 86_400_000_000 if days else 0
        account = Account(name=full, kind="robot", secret=keep("robot", secret), expires_us=expires)
        await self._add(account)
        return full, secret

    async def _add(self, account: Account) -> None:
        body = {"account": {"name": account.name, "kind": account.kind}}
        added = await self._do(
            lambda c, now: accounts.add(c, account, self._by, now), "account.add", body
        )
        if not added:
            raise HubError(
                f"there is an account `{account.name}` already",
                code="hub.account",
                hint="`remit hub account list` shows all",
            )

    async def set_password(self, name: str, password: str) -> None:
        """Give a person another password.

        Raises:
            HubError: there is no such account, or the password is too short.
        """
        _check_password(password)
        secret = keep("user", password)
        await self._known(
            name, lambda c, _: accounts.change_secret(c, name, secret), "account.password"
        )

    async def remove(self, name: str) -> None:
        """Forget an account and its roles.

        Raises:
            HubError: there is none.
        """
        await self._known(name, lambda c, _: accounts.remove(c, name), "account.remove")

    async def _known(self, name: str, work: Callable[[Connection, int], bool], kind: str) -> None:
        if not await self._do(work, kind, {"account": {"name": name}}):
            raise HubError(
                f"there is no account `{name}`",
                code="hub.account",
                hint="`remit hub account list` shows all",
            )

    async def grant(self, name: str, role: str, pattern: str) -> None:
        """Give an account a role for the repositories that ``pattern`` means.

        Raises:
            HubError: there is no such account or role, or the pattern is malformed.
        """
        check_pattern(pattern)
        if role not in ROLES:
            raise HubError(f"`{role}` is no role", code="hub.role", hint=", ".join(ROLES))
        if name == ANONYMOUS and role not in {"reader", "auditor"}:
            raise HubError("nobody can change anything without logging in", code="hub.role")

        def work(connection: Connection, now: int) -> bool:
            if name != ANONYMOUS and accounts.find(connection, name)[0] is None:
                return False
            accounts.grant(connection, name, pattern, role, now)
            return True

        body = {"account": {"name": name}, "grant": {"role": role, "pattern": pattern}}
        if not await self._do(work, "account.grant", body):
            raise HubError(f"there is no account `{name}`", code="hub.account")

    async def revoke(self, name: str, pattern: str) -> None:
        """Take a role away.

        Raises:
            HubError: the account has none for exactly this pattern.
        """
        body = {"account": {"name": name}, "grant": {"pattern": pattern}}
        done = await self._do(
            lambda c, _: accounts.revoke(c, name, pattern), "account.revoke", body
        )
        if not done:
            raise HubError(f"`{name}` has no role for `{pattern}`", code="hub.role")

    async def set_rule(self, rule: Rule) -> None:
        """Let a rule hold for the repositories that its pattern means.

        Raises:
            HubError: the pattern is malformed.
        """
        check_pattern(rule.pattern)
        fields = {name: getattr(rule, name) for name in rule.__struct_fields__}

        def work(connection: Connection, _: int) -> bool:
            accounts.set_rule(connection, rule)
            return True

        await self._do(work, "rule.set", {"rule": fields})

    async def drop_rule(self, pattern: str) -> None:
        """Let no rule hold for a pattern.

        Raises:
            HubError: none did.
        """
        body = {"rule": {"pattern": pattern}}
        if not await self._do(lambda c, _: accounts.drop_rule(c, pattern), "rule.drop", body):
            raise HubError(f"there is no rule for `{pattern}`", code="hub.rule")

    async def accounts(self) -> list[tuple[Account, tuple[Grant, ...]]]:
        """All accounts with their roles."""
        return await self._database.look(accounts.everybody)

    async def rules(self) -> list[Rule]:
        """All rules."""
        return await self._database.look(accounts.all_rules)


def _check_name(name: str) -> None:
    legal = name.isascii() and name.replace("-", "").replace("_", "").replace(".", "").isalnum()
    if not legal or len(name) > MAX_ACCOUNT or name == ANONYMOUS:
        raise HubError(
            f"`{name[:60]}` cannot name an account",
            code="hub.account",
            hint="names have letters, digits, `-`, `_` and `.`",
        )


def _check_password(password: str) -> None:
    if len(password) < MIN_PASSWORD:
        raise HubError(
            f"a password has at least {MIN_PASSWORD} characters",
            code="hub.password",
            hint="a few words that do not belong together are easy to remember",
        )
