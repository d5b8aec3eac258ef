import asyncio

from remit.core.digest import sha256
from remit.hub.admission.desk import OVERLAP_US, Desk, Withdrawal
from tests.unit.hub.admission.support import NOW


class People:
    """What was withdrawn, the oldest first."""

    def __init__(self, times, repository="team/x"):
        self.rows = [
            Withdrawal(
                repository=repository, digest=sha256(str(number).encode()), state="withdrawn",
                reason="", policy="", summary="", changed_us=at,
            )
            for number, at in enumerate(sorted(times))
        ]  # fmt: skip

    async def withdrawals(self, since_us, count):
        return [each for each in self.rows if each.changed_us >= since_us][:count]


class Clock:
    def now_us(self):
        return NOW


def asked(people, since=0, count=10, sees=None):
    desk = Desk(people, None, "hub", None, Clock(), None)
    found, following, more = asyncio.run(desk.withdrawals(since, count, sees))
    return found, following, more, desk.mark(found, following, more=more)


def test_pages_follow_each_other_and_the_last_one_goes_back_half_a_minute():
    people = People([NOW - 5 - at for at in range(25)])
    since, seen = 0, []
    for wanted in (True, True, False):
        found, since, more, _ = asked(people, since)
        seen += [each.digest for each in found]
        assert more is wanted
        assert since == found[-1].changed_us or not more
    assert set(seen) == {each.digest for each in people.rows}
    # A change that was dated a moment ago and committed just now is not missed.
    assert since == NOW - OVERLAP_US


def test_what_the_caller_may_not_see_hides_nothing_behind_it():
    hidden = People([NOW - 1000 + at for at in range(10)], "secret/x")
    found, following, more, tag = asked(hidden, sees=lambda name: name.startswith("team/"))
    assert (found, more, following) == ([], True, NOW - 991)
    # Nor does the entity tag of a page that shows nothing say that nothing follows.
    assert tag != asked(People([]))[3]


def test_nothing():
    found, following, more, tag = asked(People([]), since=NOW - 10)
    assert (found, following, more) == ([], NOW - OVERLAP_US, False)
    assert tag == asked(People([]), since=NOW - 60_000_000)[3]
