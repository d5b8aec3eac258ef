import asyncio
import json

from remit.guard.http import conversations
from remit.guard.http.conversations import (
    MAX_FINISHED,
    MAX_FINISHED_BYTES,
    MAX_PENDING,
    Conversation,
    SharedConversation,
)
from remit.guard.mcp.framing import Line
from remit.guard.mcp.messages import Notification, Request, Response
from remit.guard.mcp.methods import META_SUBSCRIPTION
from remit.guard.mcp.session import Limits
from tests.unit.guard.helpers import AGENT, LEGACY, SERVER, Talk, meta
from tests.unit.guard.http.helpers import until


class Server:
    """The upstream as a list; it answers Guard's own requests by itself."""

    def __init__(self, on_line, on_exit, tools):
        self.on_line, self.on_exit, self.tools = on_line, on_exit, tools
        self.sent, self.held, self.stopped = [], [], False
        self.on_pressure = lambda _full: None
        self.backlog = 0

    async def start(self):
        pass

    def send(self, message):
        if isinstance(message, Request) and str(message.id).startswith("remit-"):
            asyncio.get_running_loop().call_soon(self.say, message.id, {"tools": self.tools})
        else:
            self.sent.append(message)

    def hold(self, why, *, full):
        self.held.append((why, full))

    async def stop(self):
        self.stopped = True

    def say(self, number, result):
        self.line({"id": number, "result": result})

    def line(self, message):
        self.on_line(Line(json.dumps({"jsonrpc": "2.0", **message}).encode()))

    async def request(self, count=1):
        """Wait until so many requests arrived and return the last one."""
        await until(lambda: len(self.requests) >= count)
        return self.requests[count - 1]

    @property
    def requests(self):
        return [message for message in self.sent if isinstance(message, Request)]


class Stage:
    """A conversation over :class:`Server`; use inside a running loop."""

    def __init__(self, directory, kind=Conversation):
        self.talk = Talk(directory)
        self.conversation = kind(
            self.talk.mcp.parties, AGENT, Limits(call_s=5), self._connect, "ann"
        )
        self._ids = 0

    def _connect(self, on_line, on_exit):
        self.server = Server(on_line, on_exit, self.talk.tools)
        return self.server

    async def open(self):
        params = {"protocolVersion": LEGACY, "capabilities": {"roots": {}}}
        stream = self.conversation.request(Request(0, "initialize", params))
        number = (await self.server.request()).id
        self.server.say(
            number,
            {
                "protocolVersion": LEGACY,
                "capabilities": {},
                "serverInfo": {"name": "s", "version": "1"},
            },
        )
        stream.attach("opening")
        await stream.next("opening")
        stream.detach("opening")
        self.conversation.settled(stream)
        self.conversation.other(Notification("notifications/initialized", {}))
        self.server.sent.clear()

    def call(self, number=1, token=None):
        modern = isinstance(self.conversation, SharedConversation)
        extra = {**(meta() if modern else {}), **({"progressToken": token} if token else {})}
        params = {"name": "get", "arguments": {"key": "k"}, **({"_meta": extra} if extra else {})}
        return self.conversation.request(Request(number, "tools/call", params))


async def first(stream, reader="me"):
    if stream.reader is None:
        stream.attach(reader)
    item = await stream.next(reader)
    return json.loads(item.data) if item else None


DONE = {"content": [{"type": "text", "text": "done"}]}
MODERN_DONE = {**DONE, "resultType": "complete"}


def play(tmp_path, body, kind=Conversation):
    async def all_of_it():
        stage = Stage(tmp_path, kind)
        try:
            if kind is Conversation:
                await stage.open()
            await body(stage)
        finally:
            await stage.conversation.close()
            stage.talk.close()
        assert stage.server.stopped

    asyncio.run(asyncio.wait_for(all_of_it(), 10))


def test_the_version_is_what_the_server_said(tmp_path):
    async def body(stage):
        assert stage.conversation.version == LEGACY

    play(tmp_path, body)


def test_an_answer_goes_to_its_stream_and_may_be_said_again(tmp_path):
    async def body(stage):
        one, two = stage.call(1), stage.call(2)
        await stage.server.request(2)
        stage.server.say(2, DONE)
        stage.server.say(1, DONE)
        assert (await first(two))["id"] == 2
        assert (await first(one))["id"] == 1
        again = stage.conversation.resume(one.name, 0)
        assert again is one
        assert stage.conversation.resume(one.name, 5) is None
        assert stage.conversation.resume("999", 0) is None
        stage.conversation.settled(one)
        assert stage.conversation.resume(one.name, 0) is None

    play(tmp_path, body)


def test_an_id_in_use_keeps_its_stream(tmp_path):
    async def body(stage):
        one = stage.call(1)
        await stage.server.request()
        assert "in use" in (await first(stage.call(1)))["error"]["message"]
        stage.server.say(1, DONE)
        assert "result" in await first(one)

    play(tmp_path, body)


def test_unread_answers_hold_nobody_up(tmp_path, monkeypatch):
    async def body(stage):
        monkeypatch.setattr(conversations, "HIGH_BYTES", 1000)
        monkeypatch.setattr(conversations, "LOW_BYTES", 100)
        for number in range(1, 4):
            stage.call(number)
            await stage.server.request(number)
            stage.server.say(number, {"content": [{"type": "text", "text": "x" * 900}]})
        assert stage.server.held == []
        read = stage.call(9)
        read.attach("me")
        await stage.server.request(4)
        for _ in range(2):
            read.put(b"x" * 900)
        assert stage.server.held == [("client", True)]
        for _ in range(2):
            await read.next("me")
        assert stage.server.held == [("client", True), ("client", False)]

    play(tmp_path, body)


def test_finished_answers_are_bounded(tmp_path):
    async def body(stage):
        for number in range(1, MAX_FINISHED + 10):
            stage.call(number)
            await stage.server.request(number)
            stage.server.say(number, {"content": [{"type": "text", "text": "x" * 400_000}]})
            await asyncio.sleep(0)
        kept = stage.conversation._finished.values()
        assert 0 < len(kept) <= MAX_FINISHED
        assert sum(stream.size for stream in kept) <= MAX_FINISHED_BYTES

    play(tmp_path, body)


def test_an_answer_nobody_can_come_back_for_is_not_kept(tmp_path):
    async def body(stage):
        stream = stage.call(1)
        await stage.server.request()
        stage.conversation.settled(stream)
        stage.server.say(1, DONE)
        await asyncio.sleep(0.01)
        assert not stage.conversation._finished
        assert stage.conversation.idle

    play(tmp_path, body)


def log_note(text):
    return {"method": "notifications/message", "params": {"level": "info", "data": text}}


def test_where_notes_go(tmp_path):
    async def body(stage):
        general = stage.conversation.listen()
        one = stage.call(1, token="t")
        two = stage.call(2)
        await stage.server.request(2)
        one.attach("me")
        stage.server.line(log_note("to the one that is read"))
        assert (await first(one))["params"]["data"] == "to the one that is read"
        one.detach("me")
        general.attach("me")
        await asyncio.sleep(0)
        assert stage.conversation.listen() is None
        stage.server.line(log_note("to the listener"))
        assert (await first(general))["params"]["data"] == "to the listener"
        general.detach("me")
        stage.server.line(log_note("to who may come back"))
        assert (await first(two))["params"]["data"] == "to who may come back"
        for token in ("t", "none"):
            params = {"progressToken": token, "progress": 1}
            stage.server.line({"method": "notifications/progress", "params": params})
        assert (await first(one))["params"]["progressToken"] == "t"
        assert (one.unread, two.unread, general.unread) == (0, 0, 0)

    play(tmp_path, body)


def test_what_waits_for_a_listener_is_bounded(tmp_path):
    async def body(stage):
        for number in range(MAX_PENDING + 50):
            stage.server.line(log_note(number))
        stage.server.line({"id": 5, "method": "roots/list"})
        await asyncio.sleep(0.01)
        assert stage.conversation.listen().unread == MAX_PENDING
        (refusal,) = [m for m in stage.server.sent if isinstance(m, Response)]
        assert (refusal.id, refusal.error["message"]) == (5, "the client does not listen")

    play(tmp_path, body)


def test_an_answer_to_nothing_is_refused(tmp_path):
    async def body(stage):
        assert stage.conversation.other(Response(5, result={})).error
        stage.server.line({"id": 5, "method": "roots/list"})
        await asyncio.sleep(0.01)
        assert stage.conversation.other(Response(5, result={"roots": []})) is None
        assert stage.conversation.other(Response(5, result={"roots": []})).error

    play(tmp_path, body)


def test_cancel_ends_the_stream(tmp_path):
    async def body(stage):
        stream = stage.call(1)
        await stage.server.request()
        for number in (True, 2, "1", None):
            cancel = Notification("notifications/cancelled", {"requestId": number})
            stage.conversation.other(cancel)
        assert not stream.ended
        stage.conversation.other(Notification("notifications/cancelled", {"requestId": 1}))
        assert await first(stream) is None
        stage.server.say(1, DONE)
        await asyncio.sleep(0.01)
        assert stream.unread == 0

    play(tmp_path, body)


def test_the_end_is_said(tmp_path):
    async def body(stage):
        stream = stage.call(1)
        stream.attach("me")
        await stage.server.request()
        await stage.conversation.close()
        assert "ended" in (await first(stream))["error"]["message"]

    play(tmp_path, body)


def test_a_server_that_is_gone_ends_it(tmp_path, monkeypatch):
    async def body(stage):
        monkeypatch.setattr(conversations, "GRACE_S", 0.05)
        stream = stage.call(1)
        await stage.server.request()
        stage.server.on_exit("ended")
        assert "ended" in (await first(stream))["error"]["message"]
        assert not stage.conversation.done.is_set()
        await stage.conversation.done.wait()

    play(tmp_path, body)


# --- the modern era ---------------------------------------------------------------------------


def test_two_clients_count_alike(tmp_path):
    async def body(stage):
        one, two = stage.call(1, token="t"), stage.call(1, token="t")
        seen = [(await stage.server.request(n)) for n in (1, 2)]
        assert len({m.id for m in seen}) == 2
        for place, message in enumerate(seen):
            token = message.params["_meta"]["progressToken"]
            params = {"progressToken": token, "progress": place}
            stage.server.line({"method": "notifications/progress", "params": params})
            stage.server.say(message.id, MODERN_DONE)
        for place, stream in enumerate((one, two)):
            progress, answer = await first(stream), await first(stream)
            assert progress["params"] == {"progressToken": "t", "progress": place}
            assert answer["id"] == 1
        assert not stage.conversation._outer

    play(tmp_path, body, SharedConversation)


def test_subscriptions_are_told_by_their_own_id(tmp_path):
    async def body(stage):
        streams = []
        for _ in range(2):
            params = {"notifications": {"toolsListChanged": True}, "_meta": meta()}
            streams.append(stage.conversation.request(Request(1, "subscriptions/listen", params)))
        seen = [await stage.server.request(n) for n in (1, 2)]
        for number in (seen[1].id, "http-999", 1):
            params = {"_meta": {META_SUBSCRIPTION: number}}
            stage.server.line({"method": "notifications/tools/list_changed", "params": params})
        note = await first(streams[1])
        assert note["params"]["_meta"][META_SUBSCRIPTION] == 1
        assert streams[0].unread == streams[1].unread == 0

    play(tmp_path, body, SharedConversation)


def test_the_server_ends_a_subscription(tmp_path):
    async def body(stage):
        await answered_call(stage)
        params = {"notifications": {}, "_meta": meta()}
        stream = stage.conversation.request(Request(1, "subscriptions/listen", params))
        number = (await stage.server.request(2)).id
        stage.server.line({"method": "notifications/cancelled", "params": {"requestId": number}})
        assert (await first(stream))["params"]["requestId"] == 1
        assert await first(stream) is None
        assert stage.conversation.idle

    play(tmp_path, body, SharedConversation)


async def answered_call(stage):
    stream = stage.call(7)
    stage.server.say((await stage.server.request()).id, MODERN_DONE)
    assert (await first(stream))["id"] == 7


def test_leaving_is_the_cancel(tmp_path):
    async def body(stage):
        await answered_call(stage)
        stream, other = stage.call(1), stage.call(1)
        number = (await stage.server.request(2)).id
        await stage.server.request(3)
        stage.conversation.abandoned(stream)
        stage.conversation.abandoned(stream)
        cancels = [m for m in stage.server.sent if isinstance(m, Notification)]
        assert [m.params["requestId"] for m in cancels] == [number]
        assert not other.ended
        assert stage.conversation.resume(stream.name, 0) is None

    play(tmp_path, body, SharedConversation)


def test_notes_to_nobody_are_dropped(tmp_path):
    async def body(stage):
        await answered_call(stage)
        stage.server.line(log_note("x"))
        await asyncio.sleep(0.01)
        assert stage.conversation.listen() is None
        assert stage.conversation.idle

    play(tmp_path, body, SharedConversation)


def test_refusals_carry_the_callers_id(tmp_path):
    async def body(stage):
        params = {"name": 7, "_meta": meta()}
        stream = stage.conversation.request(Request("mine", "tools/call", params))
        answer = await first(stream)
        assert answer["id"] == "mine"
        assert answer["error"]["code"] == -32602

    play(tmp_path, body, SharedConversation)


def test_the_name_of_the_server(tmp_path):
    async def body(stage):
        assert stage.conversation.session.parties.catalog.server == SERVER
        assert stage.conversation.identity == "ann"

    play(tmp_path, body, SharedConversation)
