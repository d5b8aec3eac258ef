import asyncio

import pytest

from remit.guard.http.streams import (
    MAX_KEPT,
    MAX_KEPT_BYTES,
    MAX_UNREAD_BYTES,
    Item,
    Stream,
    event,
    event_id,
)


class Book:
    """A stream, and what it says of its size."""

    def __init__(self, *, keep=True):
        self.held = 0
        self.stream = Stream("7", self._count, keep=keep)

    def _count(self, by):
        self.held += by

    async def take(self, count, reader="me"):
        return [(await self.stream.next(reader)).number for _ in range(count)]


def play(body):
    asyncio.run(asyncio.wait_for(body(), 5))


def test_in_order_and_to_the_end():
    async def body():
        book = Book()
        book.stream.attach("me")
        book.stream.put(b"a")
        book.stream.put(b"bc", last=True)
        book.stream.put(b"too late")
        assert (book.held, book.stream.unread, book.stream.ended) == (3, 2, True)
        assert await book.stream.next("me") == Item(1, b"a", last=False)
        assert await book.stream.next("me") == Item(2, b"bc", last=True)
        assert await book.stream.next("me") is None
        assert book.held == 0

    play(body)


def test_only_what_a_reader_leaves_counts():
    async def body():
        book = Book()
        book.stream.put(b"abc")
        assert book.held == 0
        book.stream.attach("me")
        assert book.held == 3
        book.stream.put(b"de")
        assert book.held == 5
        book.stream.detach("somebody")
        assert book.held == 5
        book.stream.detach("me")
        assert (book.held, book.stream.size) == (0, 5)
        book.stream.drop()
        assert (book.held, book.stream.size) == (0, 0)

    play(body)


def test_a_reader_waits_and_loses_nothing_when_cancelled():
    async def body():
        book = Book()
        book.stream.attach("me")
        waiting = asyncio.ensure_future(book.stream.next("me"))
        await asyncio.sleep(0)
        book.stream.put(b"a")
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await book.take(1) == [1]

    play(body)


def test_taking_over():
    async def body():
        book = Book()
        book.stream.attach("old")
        old = asyncio.ensure_future(book.stream.next("old"))
        await asyncio.sleep(0)
        book.stream.attach("new")
        new = asyncio.ensure_future(book.stream.next("new"))
        await asyncio.sleep(0)
        book.stream.put(b"a")
        assert await old is None
        assert (await new).data == b"a"
        book.stream.detach("old")
        assert book.stream.reader == "new"

    play(body)


def test_end_wakes():
    async def body():
        book = Book()
        book.stream.attach("me")
        waiting = asyncio.ensure_future(book.stream.next("me"))
        await asyncio.sleep(0)
        book.stream.end()
        assert await waiting is None

    play(body)


def test_saying_it_again():
    async def body():
        book = Book()
        book.stream.attach("me")
        for n in range(5):
            book.stream.put(b"%d" % n)
        assert await book.take(3) == [1, 2, 3]
        assert book.stream.rewind(1)
        assert await book.take(4) == [2, 3, 4, 5]
        assert book.stream.rewind(5)
        assert book.stream.unread == 0
        assert book.stream.rewind(0)
        assert await book.take(5) == [1, 2, 3, 4, 5]
        assert not book.stream.rewind(6)
        assert not book.stream.rewind(-1)
        assert book.held == 0

    play(body)


def test_what_is_not_kept_is_not_said_again():
    async def body():
        book = Book(keep=False)
        book.stream.attach("me")
        book.stream.put(b"a")
        await book.take(1)
        assert not book.stream.rewind(0)
        assert book.stream.size == 0

    play(body)


@pytest.mark.parametrize(("count", "size"), [(MAX_KEPT + 10, 1), (6, MAX_KEPT_BYTES // 4)])
def test_what_is_kept_is_bounded(count, size):
    async def body():
        book = Book()
        book.stream.attach("me")
        for _ in range(count):
            book.stream.put(b"x" * size)
        await book.take(count)
        assert book.stream.size <= MAX_KEPT_BYTES
        assert not book.stream.rewind(0)
        assert book.stream.rewind(count - 2)

    play(body)


def test_what_nobody_reads_is_bounded_and_a_gap_is_seen():
    async def body():
        book = Book()
        book.stream.attach("me")
        book.stream.put(b"a")
        await book.take(1)
        book.stream.detach("me")
        for _ in range(5):
            book.stream.put(b"x" * (MAX_UNREAD_BYTES // 3))
        assert book.stream.size <= MAX_UNREAD_BYTES
        assert not book.stream.rewind(0)
        assert not book.stream.rewind(1)
        assert book.stream.rewind(3)
        book.stream.put(b"y" * (MAX_UNREAD_BYTES + 1))
        assert book.stream.unread == 1

    play(body)


def test_event():
    async def body():
        stream = Book().stream
        assert event(stream, Item(3, b"{}", last=False), resumable=True) == (
            b"id: 7:3\nevent: message\ndata: {}\n\n"
        )
        assert b"id:" not in event(stream, Item(3, b"{}", last=False), resumable=False)

    play(body)


@pytest.mark.parametrize("text", ["7:3", ":1", "a:000000000001"])
def test_event_ids(text):
    assert event_id(text) == (text.partition(":")[0], int(text.partition(":")[2]))


@pytest.mark.parametrize(
    "text", ["", "7", "7:", "7:-1", "7:1:2", "7: 1", "7:٣", "7:²", "7:" + "9" * 13]
)
def test_event_ids_that_are_none(text):
    assert event_id(text) is None
