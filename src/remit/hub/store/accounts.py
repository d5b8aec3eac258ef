"""Accounts, roles, rules and settings in the database."""

import secrets
from collections.abc import Sequence

from sqlalchemy import Connection, delete, select, update

from remit.core.clock import Clock
from remit.hub.registry.access import ANONYMOUS, ROLES, Grant
from remit.hub.registry.accounts import Account
from remit.hub.store import rows
from remit.hub.store.database import Database
from remit.hub.store.rows import Rule
from remit.hub.store.tables import accounts, grants, rules, settings


def add(connection: Connection, account: Account, by: str, now_us: int) -> bool:
    """Make an account, with an identity that none had; ``False`` if the name is taken."""
    done = connection.execute(
        rows.insert_into(connection, accounts)
        .values(
            name=account.name,
            kind=account.kind,
            secret=account.secret,
            expires_us=account.expires_us,
            disabled_us=0,
            made_by=by,
            made_us=now_us,
            id=secrets.token_hex(16),
        )
        .on_conflict_do_nothing(index_elements=["name"])
    )
    return done.rowcount > 0


def add_first(connection: Connection, account: Account, now_us: int) -> bool:
    """Make an administrator where there is nobody yet."""
    if everybody(connection):
        return False
    grant(connection, account.name, "**", "admin", now_us)
    return add(connection, account, "first start", now_us)


def change_secret(connection: Connection, name: str, secret: bytes) -> bool:
    """Give an account another password."""
    done = connection.execute(update(accounts).where(accounts.c.name == name).values(secret=secret))
    return done.rowcount > 0


def remove(connection: Connection, name: str) -> bool:
    """Forget an account and its roles."""
    connection.execute(delete(grants).where(grants.c.account == name))
    return connection.execute(delete(accounts).where(accounts.c.name == name)).rowcount > 0


def find(connection: Connection, name: str) -> tuple[Account | None, tuple[Grant, ...]]:
    """An account and its roles."""
    row = connection.execute(select(accounts).where(accounts.c.name == name)).one_or_none()
    account = None
    if row is not None:
        account = Account(
            name=row.name,
            kind=row.kind,
            secret=bytes(row.secret),
            expires_us=row.expires_us,
            disabled_us=row.disabled_us,
        )
    found = connection.execute(
        select(grants.c.pattern, grants.c.role).where(grants.c.account == name)
    )
    roles = tuple(Grant(pattern=each.pattern, role=each.role) for each in found)
    return account, roles if account or name == ANONYMOUS else ()


def identity(connection: Connection, name: str) -> str:
    """Which account has the name now; empty if none has.

    It is random, and goes with the account: another one that is made under the same name has
    another.
    """
    found = connection.execute(select(accounts.c.id).where(accounts.c.name == name))
    return found.scalar_one_or_none() or ""


def everybody(connection: Connection) -> list[tuple[Account, tuple[Grant, ...]]]:
    """All accounts with their roles, without their secrets."""
    names = [*connection.scalars(select(accounts.c.name).order_by(accounts.c.name)), ANONYMOUS]
    found = []
    for name in names:
        account, roles = find(connection, name)
        if account or roles:
            shown = account or Account(name=name, kind="anonymous", secret=b"")
            found.append((shown, roles))
    return found


def grant(connection: Connection, account: str, pattern: str, role: str, now_us: int) -> None:
    """Give a role."""
    assert role in ROLES
    connection.execute(
        rows.insert_into(connection, grants)
        .values(account=account, pattern=pattern, role=role, granted_us=now_us)
        .on_conflict_do_update(
            index_elements=["account", "pattern"], set_={"role": role, "granted_us": now_us}
        )
    )


def revoke(connection: Connection, account: str, pattern: str) -> bool:
    """Take a role away."""
    done = connection.execute(
        delete(grants).where(grants.c.account == account, grants.c.pattern == pattern)
    )
    return done.rowcount > 0


def set_rule(connection: Connection, rule: Rule) -> None:
    """Let ``rule`` hold for its pattern."""
    values = {name: getattr(rule, name) for name in rule.__struct_fields__}
    connection.execute(
        rows.insert_into(connection, rules)
        .values(**values)
        .on_conflict_do_update(index_elements=["pattern"], set_=values)
    )


def drop_rule(connection: Connection, pattern: str) -> bool:
    """Let no rule hold for a pattern."""
    return connection.execute(delete(rules).where(rules.c.pattern == pattern)).rowcount > 0


def all_rules(connection: Connection) -> list[Rule]:
    """Every rule, by pattern."""
    found = connection.execute(select(rules).order_by(rules.c.pattern)).mappings()
    return [Rule(**row) for row in found]


def setting(connection: Connection, name: str, fresh: bytes) -> bytes:
    """A setting; ``fresh`` becomes it if there is none."""
    connection.execute(
        rows.insert_into(connection, settings)
        .values(name=name, value=fresh)
        .on_conflict_do_nothing(index_elements=["name"])
    )
    return bytes(
        connection.execute(select(settings.c.value).where(settings.c.name == name)).scalar_one()
    )


class SqlAccounts:
    """The :class:`~remit.hub.registry.accounts.Accounts` port over a database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def account(self, name: str) -> tuple[Account | None, tuple[Grant, ...]]:
        """An account and its roles."""
        return await self._database.look(lambda connection: find(connection, name))

    async def names(self) -> Sequence[str]:
        """Names of all accounts."""
        return await self._database.look(
            lambda connection: list(connection.scalars(select(accounts.c.name)))
        )
