"""What a caller sees in lists is what their roles allow for each name."""

import itertools

import pytest

from remit.hub.api.sight import pulls, sees
from remit.hub.registry.access import ROLES, Caller, Grant, Scope

NAMES = ("a", "a/b", "a/b/c", "ab", "b", "b/a", "a.b", "axb", "team/a-b", "team/a/b")
PATTERNS = ("a", "a/*", "a/**", "*", "**", "a.b", "te*/a-*", "*/b")


@pytest.mark.parametrize("patterns", list(itertools.combinations(PATTERNS, 2)))
@pytest.mark.parametrize("role", [*ROLES, "nothing"])
def test_one_pattern_for_all_grants_is_the_same_as_each(patterns, role):
    grants = tuple(Grant(pattern=each, role=role) for each in patterns)
    caller = Caller(name="ann", grants=grants)
    for action, sight in (("list", sees(caller)), ("pull", pulls(caller))):
        for name in NAMES:
            allowed = True if sight is None else sight(name)
            assert allowed == caller.role_allows(name, action)


def test_without_grants_nothing_is_seen():
    nobody = Caller(name="anonymous")
    assert not any(sees(nobody)(name) or pulls(nobody)(name) for name in NAMES)


def test_a_token_narrows_what_is_given_out():
    scope = Scope(type="repository", name="a/b", actions=("pull",))
    caller = Caller(name="ann", grants=(Grant(pattern="**", role="admin"),), scopes=(scope,))
    assert [name for name in NAMES if pulls(caller)(name)] == ["a/b"]
    empty = Caller(name="ann", grants=caller.grants, scopes=())
    assert not any(pulls(empty)(name) for name in NAMES)
