"""Asking a person, at a real pseudo-terminal."""

import asyncio
import os
import pty
import time
import tty
from pathlib import Path

import pytest

from remit.core.decision import Obligation
from remit.guard.mcp.confirm import MAX_SHOWN, Terminal, given, question
from tests.unit.guard.helpers import Talk, denied, event, go


@pytest.mark.parametrize(
    ("answer", "yes"),
    [
        ({"action": "accept", "content": {"confirm": True}}, True),
        ({"action": "accept", "content": {"confirm": True, "more": 1}}, True),
        ({"action": "accept", "content": {"confirm": "true"}}, False),
        ({"action": "accept", "content": {"confirm": 1}}, False),
        ({"action": "accept", "content": {"Confirm": True}}, False),
        ({"action": "accept", "content": [True]}, False),
        ({"action": "accept"}, False),
        ({"action": "decline", "content": {"confirm": True}}, False),
        ({"action": ["accept"], "content": {"confirm": True}}, False),
        ({}, False),
        (True, False),
        (None, False),
        ("accept", False),
    ],
)
def test_given(answer, yes):
    assert given(answer) is yes


class Person:
    """The other side of a pseudo-terminal."""

    def __init__(self):
        self.master, self.slave = pty.openpty()
        tty.setraw(self.slave)
        os.set_blocking(self.master, False)
        self.path = Path(os.ttyname(self.slave))
        self.shown = b""

    def look(self):
        try:
            while data := os.read(self.master, 65536):
                self.shown += data
        except BlockingIOError:
            pass
        return self.shown

    async def sees(self, text):
        for _ in range(2000):
            if text in self.look():
                return
            await asyncio.sleep(0.001)
        raise AssertionError(self.shown[-200:])

    def type(self, text):
        os.write(self.master, text)

    def close(self):
        os.close(self.slave)
        os.close(self.master)


@pytest.fixture
def person():
    found = Person()
    yield found
    try:
        found.close()
    except OSError:
        return


@pytest.mark.parametrize(
    ("typed", "yes"),
    [
        (b"yes\n", True),
        (b" YES \n", True),
        (b"no\n", False),
        (b"y\n", False),
        (b"yes please\n", False),
        (b"\n", False),
        (b"\nyes\n", False),
        (b"no\nyes\n", False),
        ("ｙｅｓ\n".encode(), False),
        (b"\xff\n", False),
    ],
)
def test_only_yes_is_yes(person, typed, yes):
    async def play():
        answer = asyncio.ensure_future(Terminal(person.path).ask("May it run?", 5))
        await person.sees(b"Type yes")
        person.type(typed)
        assert await answer is yes

    go(play())


def test_what_was_typed_before_the_question_does_not_count(person):
    async def play():
        person.type(b"yes\n")
        answer = asyncio.ensure_future(Terminal(person.path).ask("May it run?", 0.2))
        assert await answer is False

    go(play())


def test_an_answer_in_pieces(person):
    async def play():
        answer = asyncio.ensure_future(Terminal(person.path).ask("May it run?", 5))
        await person.sees(b"Type yes")
        for letter in (b"y", b"e", b"s"):
            person.type(letter)
            await asyncio.sleep(0.005)
        assert not answer.done()
        person.type(b"\n")
        assert await answer is True

    go(play())


def test_silence_is_no(person):
    async def play():
        start = time.monotonic()
        assert await Terminal(person.path).ask("May it run?", 0.1) is False
        assert time.monotonic() - start < 2

    go(play())


def test_a_terminal_that_hangs_up_is_no_at_once(person):
    async def play():
        answer = asyncio.ensure_future(Terminal(person.path).ask("May it run?", 20))
        await person.sees(b"Type yes")
        start, used = time.monotonic(), time.process_time()
        person.close()
        assert await answer is False
        assert time.monotonic() - start < 2
        assert time.process_time() - used < 1

    go(play())


def test_a_question_that_is_not_shown_in_full_cannot_be_answered(person):
    async def play():
        answer = asyncio.ensure_future(Terminal(person.path).ask("Z" * 200_000, 0.3))
        await asyncio.sleep(0.05)
        person.type(b"yes\n")
        assert await answer is False

    go(play())


def test_a_long_question_is_shown_to_its_end(person):
    async def play():
        answer = asyncio.ensure_future(Terminal(person.path).ask("Z" * 200_000, 5))
        await person.sees(b"Type yes")
        assert person.shown.count(b"Z") == 200_000
        person.type(b"yes\n")
        assert await answer is True

    go(play())


def test_questions_come_one_after_another(person):
    async def play():
        terminal = Terminal(person.path)
        one = asyncio.ensure_future(terminal.ask("first?", 5))
        two = asyncio.ensure_future(terminal.ask("second?", 5))
        await person.sees(b"Type yes")
        assert b"second?" not in person.look()
        person.type(b"yes\n")
        assert await one is True
        await person.sees(b"second?")
        await person.sees(b"second?\nType yes")
        person.type(b"no\n")
        assert await two is False

    go(play())


def test_what_is_no_terminal_is_no(tmp_path):
    file = tmp_path / "file"
    file.write_text("yes\n")

    async def play():
        assert await Terminal(tmp_path / "missing").ask("x", 1) is False
        assert await Terminal(file).ask("x", 1) is False
        assert await Terminal(Path("/dev/null")).ask("x", 1) is False
        assert await Terminal(tmp_path).ask("x", 1) is False

    go(play())


def test_a_call_is_confirmed_at_the_terminal(tmp_path, person):
    async def play():
        async with Talk(tmp_path, terminal=Terminal(person.path)) as talk:
            await talk.open()
            talk.call(1, "pay", amount=50, to="bob")
            await person.sees(b"Type yes")
            assert b'"to":"bob"' in person.shown
            assert not talk.up
            person.type(b"yes\n")
            await talk.arrives("tools/call")
            talk.call(2, "pay", amount=51)
            await person.sees(b'"amount":51')
            await asyncio.sleep(0.02)
            person.type(b"no\n")
            assert denied(await talk.answer(2))
            assert not talk.up

    go(play())


def test_the_question_shows_the_arguments_or_says_what_it_cut():
    owed = Obligation(kind="confirmation", rule="r", reason="Because\x1b[31m")
    asked = question(event("pay", {"to": "\u202eevil\x1b", "x": "y\nPolicy: none"}), owed)
    text = asked["message"]
    assert "\u202e" not in text
    assert "\x1b" not in text
    assert "\nPolicy: none" not in text
    assert text.endswith("Policy: r")
    assert asked["requestedSchema"]["required"] == ["confirm"]
    long = question(event("pay", {"to": "x" * 10_000}), owed)["message"]
    assert "more characters" in long
    assert len(long) < MAX_SHOWN + 1000
