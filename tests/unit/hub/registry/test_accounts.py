"""Passwords, secrets, and what guesses cost."""

import asyncio

import pytest

from remit.hub.registry import accounts
from remit.hub.registry.access import ANONYMOUS, Grant
from remit.hub.registry.accounts import (
    FREE_TRIES,
    GRANTS_US,
    MAX_WAIT_US,
    REMEMBER_US,
    Account,
    Doorkeeper,
    keep,
    new_secret,
    same,
)
from remit.hub.registry.errors import TooMany, Unauthorized
from remit.hub.registry.tokens import Tokens
from tests.unit.hub.support import Clock

ANN = Account(name="ann", kind="user", secret=keep("user", "right"))
BOT = Account(name="robot$ci", kind="robot", secret=keep("robot", "rht_x"))
PEER = "10.0.0.1"


class Book:
    """Accounts in memory; counts how often it is asked."""

    def __init__(self, *known):
        self.known = {each.name: each for each in known}
        self.grants = {each.name: (Grant(pattern="a", role="reader"),) for each in known}
        self.asked = 0

    async def account(self, name):
        self.asked += 1
        return self.known.get(name), self.grants.get(name, ())


class Door:
    def __init__(self, *known):
        self.clock = Clock()
        self.book = Book(*(known or (ANN, BOT)))
        self.tokens = Tokens(bytes(32), self.clock)
        self.keeper = Doorkeeper(self.book, self.tokens, self.clock)

    async def status(self, name, password, peer=PEER):
        try:
            await self.keeper.basic(name, password, peer)
        except Unauthorized:
            return 401
        except TooMany as error:
            return 429 if int(dict(error.headers)["retry-after"]) > 0 else 0
        return 200


def run(work, *known):
    door = Door(*known)
    asyncio.run(work(door))


@pytest.fixture
def quick(monkeypatch):
    """Passwords that cost nothing to compare; counts comparisons."""
    seen = []

    def compared(kept, password):
        seen.append(password)
        return kept == ANN.secret and password == "right"

    monkeypatch.setattr(accounts, "same", compared)
    return seen


def test_what_is_kept_is_not_the_password():
    one, two = keep("user", "secret"), keep("user", "secret")
    assert one != two
    assert b"secret" not in one + keep("robot", "secret")
    assert same(one, "secret")
    assert not same(one, "Secret")
    assert not same(b"", "secret")
    assert not same(b"unknown$x", "secret")
    assert same(keep("robot", "s"), "s")
    assert new_secret() != new_secret()


def test_right_and_wrong():
    async def work(door):
        found = await door.keeper.basic("ann", "right", PEER)
        assert (found.name, found.grants, found.scopes) == ("ann", door.book.grants["ann"], None)
        assert await door.status("ann", "wrong") == 401
        assert await door.status("robot$ci", "rht_x") == 200
        assert await door.status("nobody", "right") == 401
        assert await door.status(ANONYMOUS, "") == 401

    run(work)


@pytest.mark.parametrize("name", ["a\0b", "a\n", "x" * 256, "\u202e"])
def test_names_that_no_account_has_are_not_looked_up(name):
    async def work(door):
        assert await door.status(name, "x") == 401
        assert door.book.asked == 0

    run(work)


def test_the_right_password_is_compared_once_in_a_while(quick):
    async def work(door):
        for _ in range(5):
            assert await door.status("ann", "right") == 200
        assert len(quick) == 1
        door.clock.us += REMEMBER_US + 1
        assert await door.status("ann", "right") == 200
        assert len(quick) == 2
        assert await door.status("ann", "righ") == 401

    run(work)


def test_a_changed_password_counts_at_once_after_roles_are_looked_up(quick):
    async def work(door):
        assert await door.status("ann", "right") == 200
        door.book.known["ann"] = Account(name="ann", kind="user", secret=b"other")
        door.clock.us += GRANTS_US + 1
        assert await door.status("ann", "right") == 401

    run(work)


def test_guesses_wait_longer_and_longer(quick):
    async def work(door):
        for _ in range(FREE_TRIES):
            assert await door.status("ann", "wrong") == 401
        assert await door.status("ann", "wrong") == 401
        waits = []
        for _ in range(12):
            before = door.clock.us
            while await door.status("ann", "wrong") == 429:
                door.clock.us += 250_000
            waits.append(door.clock.us - before)
        assert waits == sorted(waits)
        assert waits[0] <= 1_000_000
        assert MAX_WAIT_US <= waits[-1] <= MAX_WAIT_US + 500_000

    run(work)


def test_who_waits_is_not_compared_even_with_the_right_password(quick):
    async def work(door):
        for _ in range(FREE_TRIES + 1):
            await door.status("ann", "wrong")
        compared = len(quick)
        assert await door.status("ann", "right") == 429
        assert len(quick) == compared
        assert await door.status("ann", "right", "10.9.9.9") == 200
        door.clock.us += MAX_WAIT_US
        assert await door.status("ann", "right") == 200
        assert await door.status("ann", "wrong") == 401

    run(work)


def test_guesses_that_come_together_count_like_those_one_by_one(quick):
    async def work(door):
        seen = await asyncio.gather(*(door.status("ann", f"wrong {n}") for n in range(50)))
        assert seen.count(401) <= FREE_TRIES + 1
        assert set(seen) == {401, 429}

    run(work)


def test_somebody_unknown_costs_as_much_as_somebody_known(quick):
    async def work(door):
        for name in ("nobody", "ann"):
            await door.status(name, "wrong")
        assert len(quick) == 2

    run(work)


@pytest.mark.parametrize("field", ["expires_us", "disabled_us"])
def test_an_account_that_has_ended(field):
    ended = Account(name="eve", kind="robot", secret=keep("robot", "s"), **{field: 5})

    async def work(door):
        assert await door.status("eve", "s") == 401
        with pytest.raises(Unauthorized):
            await door.keeper.bearer(door.tokens.make("eve", ()))

    run(work, ended)


def test_tokens_of_accounts():
    async def work(door):
        found = await door.keeper.bearer(door.tokens.make("ann", ()))
        assert (found.name, found.scopes) == ("ann", ())
        with pytest.raises(Unauthorized):
            await door.keeper.bearer(door.tokens.make("nobody", ()))
        with pytest.raises(Unauthorized):
            await door.keeper.bearer("nonsense")
        assert (await door.keeper.bearer(door.tokens.make(ANONYMOUS, ()))).name == ANONYMOUS

    run(work)


def test_roles_are_remembered_for_a_moment():
    async def work(door):
        for _ in range(10):
            await door.keeper.anonymous()
        assert door.book.asked == 1
        door.clock.us += GRANTS_US + 1
        await door.keeper.anonymous()
        assert door.book.asked == 2

    run(work)
