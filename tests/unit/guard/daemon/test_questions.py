"""Only an explicit yes, in time, to a question that is open, is a yes."""

import asyncio

import pytest

from remit.guard.daemon import questions as module
from remit.guard.daemon.questions import Questions
from tests.unit.guard.helpers import START_US, TestClock, go


async def asked(questions, text="May it?", timeout_s=10.0):
    """A question that is open: the waiting task, and its id."""
    task = asyncio.create_task(questions.ask(text, timeout_s))
    await asyncio.sleep(0)
    return task, questions.listing()[-1]["id"]


@pytest.mark.parametrize("yes", [True, False])
def test_the_answer_is_the_persons(yes):
    async def scenario():
        questions = Questions(TestClock())
        task, name = await asked(questions)
        assert questions.answer(name, yes=yes)
        assert not questions.answer(name, yes=True), "a word counts once"
        assert await task is yes
        assert questions.listing() == []
        assert not questions.answer(name, yes=True)

    go(scenario())


def test_silence_is_a_no_and_then_it_is_too_late():
    async def scenario():
        questions = Questions(TestClock())
        task, name = await asked(questions, timeout_s=0.01)
        assert await task is False
        assert not questions.answer(name, yes=True)

    go(scenario())


def test_an_unknown_question_has_no_answer():
    async def scenario():
        questions = Questions(TestClock())
        task, name = await asked(questions)
        for other in ("", "00000000", name.upper() + "x", name[:-1]):
            assert not questions.answer(other, yes=True)
        assert questions.answer(name, yes=False)
        assert await task is False

    go(scenario())


def test_an_answer_settles_its_question_alone():
    async def scenario():
        questions = Questions(TestClock())
        tasks = [await asked(questions, f"q{number}") for number in range(3)]
        assert [q["text"] for q in questions.listing()] == ["q0", "q1", "q2"]
        assert questions.answer(tasks[1][1], yes=True)
        assert await tasks[1][0] is True
        assert [q["text"] for q in questions.listing()] == ["q0", "q2"]
        for task, name in (tasks[0], tasks[2]):
            assert questions.answer(name, yes=False)
            assert await task is False

    go(scenario())


def test_too_many_at_once_are_a_no_without_asking(monkeypatch):
    async def scenario():
        monkeypatch.setattr(module, "MAX_OPEN", 2)
        questions = Questions(TestClock())
        tasks = [await asked(questions) for _ in range(2)]
        assert await questions.ask("one more", 10) is False
        assert len(questions.listing()) == 2
        for task, name in tasks:
            questions.answer(name, yes=True)
            assert await task

    go(scenario())


def test_who_asks_no_more_has_no_question():
    """A session that ends takes its questions along: nobody confirms a call of the past."""

    async def scenario():
        questions = Questions(TestClock())
        task, name = await asked(questions)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert questions.listing() == []
        assert not questions.answer(name, yes=True)

    go(scenario())


def test_what_is_listed():
    async def scenario():
        questions = Questions(TestClock())
        task, name = await asked(questions, "Pay 10?", 2.5)
        assert questions.listing() == [
            {"id": name, "text": "Pay 10?", "asked_us": START_US, "expires_us": START_US + 2_500_000}
        ]  # fmt: skip
        task.cancel()

    go(scenario())
