import asyncio

import pytest

from remit.artifacts.oci.errors import NotFoundError, UnreachableError
from remit.artifacts.oci.review import Withdrawals
from remit.guard.admission import poll
from remit.guard.admission.poll import Asked, Poller
from remit.guard.errors import GuardError

HOST = "hub.example"


class Clock:
    us = 1_000

    def now_us(self):
        self.us += 1
        return self.us

    def monotonic_ns(self):
        return self.us * 1000


class Scene:
    """A poller whose Hub answers what the test says."""

    def __init__(self, *answers, every=60.0, heard=None):
        self.answers = list(answers)
        self.asked, self.taken, self.notes = [], [], []
        self.places = {HOST: frozenset({"team/b", "team/a"})}
        self.every = every
        self.fails = heard
        self.poller = Poller(
            lambda: self.places, lambda: self.every, self.ask, self.heard, self.note, Clock(),
            lambda: 0.5,
        )  # fmt: skip
        self.hub = Asked(host=HOST)

    async def ask(self, host, repository, since, tag, limit):
        self.asked.append((since, tag, limit))
        assert (host, repository) == (HOST, "team/a")
        answer = self.answers.pop(0) if self.answers else page()
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def heard(self, host, said):
        self.taken.extend(said)
        if self.fails:
            raise self.fails

    def note(self, kind, **body):
        self.notes.append((kind, body.get("code", "")))

    def rounds(self, count=1):
        async def work():
            for _ in range(count):
                await self.poller.round(self.hub)

        asyncio.run(work())
        return self


def page(*digests, following="7", tag="t", more=False):
    return Withdrawals(
        found=tuple({"digest": each} for each in digests), following=following, tag=tag, more=more
    )


def test_it_goes_on_where_it_was():
    scene = Scene(page("a", following="5"), page("b", following="6", tag="u"), page()).rounds(3)
    assert scene.asked == [("0", "", 200), ("5", "t", 200), ("6", "u", 200)]
    assert [each["digest"] for each in scene.taken] == ["a", "b"]
    assert scene.hub.heard_us > 0
    assert not scene.notes


def test_all_pages_are_read_at_once():
    scene = Scene(page("a", following="1", more=True), page(following="2", more=True), page("b"))
    scene.rounds()
    assert [each[0] for each in scene.asked] == ["0", "1", "2"]
    assert len(scene.taken) == 2


def test_all_is_asked_for_again_from_time_to_time():
    scene = Scene().rounds(poll.FULL_EVERY + 1)
    assert [each[0] for each in scene.asked].count("0") == 2


def test_silence_is_told_once_and_so_is_its_end():
    gone = [UnreachableError("it is gone") for _ in range(3)]
    scene = Scene(*gone).rounds(5)
    assert [kind for kind, _ in scene.notes] == ["hub.silent", "hub.heard"]
    assert (scene.hub.problem, scene.hub.failures) == ("", 0)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotFoundError("it is no Hub"), "registry.not_found"),
        (OSError(5, "Input/output error"), "registry.unreachable"),
        (ValueError("?"), "registry.protocol"),
        (RecursionError(), "registry.protocol"),
        (TimeoutError(), "registry.unreachable"),
    ],
)
def test_whatever_goes_wrong_ends_nothing(error, code):
    scene = Scene(error).rounds()
    assert scene.notes == [("hub.silent", code)]
    assert scene.hub.problem
    scene.rounds()
    assert not scene.hub.problem


def test_who_does_not_answer_is_asked_later_and_later():
    scene = Scene(every=60.0)
    waits = []
    for failures in (0, 1, 2, 3, 4, 5, 1000):
        scene.hub.failures = failures
        waits.append(scene.poller.pause_s(scene.hub))
    assert waits == [60, 120, 240, 480, 900, 900, 900]
    scene.every = 3600.0
    assert scene.poller.pause_s(scene.hub) == 3600


def test_an_endless_list_ends_and_goes_on_the_next_time():
    pages = [page(f"{at}", following=f"{at}", more=True) for at in range(1, 100)]
    scene = Scene(*pages).rounds()
    assert len(scene.asked) == poll.MAX_PAGES
    assert "longer than" in scene.hub.problem
    scene.rounds()
    assert scene.asked[poll.MAX_PAGES][0] == str(poll.MAX_PAGES)


def test_a_list_that_stands_still_is_asked_for_in_larger_pages_and_left():
    scene = Scene(*(page("a", following="3", more=True) for _ in range(20))).rounds()
    assert [(each[0], each[2]) for each in scene.asked] == [("0", 200), ("3", 200), ("3", 1000)]
    assert "does not go on" in scene.hub.problem


def test_what_is_not_on_disk_is_asked_for_again():
    scene = Scene(page("a"), page("a"), heard=GuardError("the disk is full", code="guard.memory"))
    scene.rounds()
    assert scene.hub.since == "0"
    assert scene.notes == [("hub.silent", "guard.memory")]
    scene.fails = None
    scene.rounds()
    assert [each[0] for each in scene.asked] == ["0", "0"]


def test_hubs_come_and_go_with_the_configuration(monkeypatch):
    monkeypatch.setattr(poll, "LOOK_S", 0.01)
    scene = Scene(every=0.02)

    async def work():
        running = asyncio.ensure_future(scene.poller.run())
        await asyncio.sleep(0.2)
        assert len(scene.asked) > 2
        scene.places = {}
        await asyncio.sleep(0.05)
        assert not scene.poller.hubs
        before = len(scene.asked)
        await asyncio.sleep(0.1)
        assert len(scene.asked) == before
        scene.places = {HOST: frozenset({"team/a"})}
        scene.every = 0
        await asyncio.sleep(0.1)
        assert len(scene.asked) == before
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(work())
