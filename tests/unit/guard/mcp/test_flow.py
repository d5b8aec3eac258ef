import asyncio

from remit.guard.mcp.flow import Flow


class Peer:
    def __init__(self):
        self.holds = set()

    def hold(self, why, *, full):
        (self.holds.add if full else self.holds.discard)(why)


def play(script, patience_s=0.02):
    async def run():
        client, server, flow = Peer(), Peer(), Flow(patience_s)
        await script(client, server, flow, *flow.connect(client, server))

    asyncio.run(run())


def test_a_client_that_does_not_read_is_not_read_and_neither_is_the_server():
    async def script(client, server, flow, client_full, _server_full):
        client_full(True)
        assert client.holds == server.holds == {"client"}
        client_full(False)
        assert not client.holds
        assert not server.holds
        assert not flow.stalled

    play(script)


def test_a_slow_server_makes_the_client_wait():
    async def script(client, server, flow, _client_full, server_full):
        server_full(True)
        assert client.holds == {"server"}
        assert not server.holds
        server_full(False)
        await asyncio.sleep(0.05)
        assert not client.holds
        assert not flow.stalled

    play(script)


def test_a_server_that_reads_nothing_is_stalled_until_it_reads():
    async def script(client, _server, flow, _client_full, server_full):
        server_full(True)
        await asyncio.sleep(0.05)
        assert flow.stalled
        assert not client.holds
        server_full(False)
        assert not flow.stalled

    play(script)


def test_reasons_are_independent():
    async def script(client, _server, _flow, client_full, server_full):
        server_full(True)
        client_full(True)
        server_full(False)
        assert client.holds == {"client"}

    play(script)
