"""Locks, quotas and rules in SQLite; PostgreSQL is held to the same by the suite over stores."""

import pytest
from sqlalchemy import create_engine

from remit.hub.registry.errors import Denied
from remit.hub.store import accounts, rows
from remit.hub.store.rows import NO_RULE, Rule
from remit.hub.store.tables import metadata


@pytest.fixture
def connection():
    engine = create_engine("sqlite://")
    with engine.begin() as found:
        metadata.create_all(found)
        yield found
    engine.dispose()


def test_a_repository_is_made_when_it_is_needed(connection):
    assert rows.hold(connection, "a") is None
    row = rows.hold(connection, "a", create_us=5)
    assert (
        rows.hold(connection, "a", create_us=6).id == row.id == rows.repository_id(connection, "a")
    )
    assert rows.repository_id(connection, "b") is None


def test_the_longest_rule_holds(connection):
    assert rows.rule_for(connection, "a/b") == NO_RULE
    for pattern, quota in (("**", 1), ("a/**", 2), ("a/b", 3)):
        accounts.set_rule(connection, Rule(pattern=pattern, quota_bytes=quota))
    assert [rows.rule_for(connection, each).quota_bytes for each in ("z", "a/c", "a/b")] == [
        1,
        2,
        3,
    ]
    accounts.drop_rule(connection, "a/b")
    assert rows.rule_for(connection, "a/b").quota_bytes == 2


def test_a_quota(connection):
    accounts.set_rule(connection, Rule(pattern="a", quota_bytes=100))
    row = rows.hold(connection, "a", create_us=1)
    rows.use(connection, "a", row, 100)
    row = rows.hold(connection, "a")
    assert row.used_bytes == 100
    with pytest.raises(Denied) as refused:
        rows.use(connection, "a", row, 1)
    assert refused.value.detail == {"quota": 100, "used": 100, "asked": 1}
    rows.use(connection, "a", row, -30)
    rows.use(connection, "a", rows.hold(connection, "a"), 30)
    rows.use(connection, "a", rows.hold(connection, "a"), -1000)
    assert rows.hold(connection, "a").used_bytes == 0


def test_tags_that_must_not_move():
    rule = Rule(pattern="a", immutable="v* release-*")
    assert rule.fixes("v1")
    assert rule.fixes("release-x")
    assert not rule.fixes("latest")
    assert not NO_RULE.fixes("v1")
