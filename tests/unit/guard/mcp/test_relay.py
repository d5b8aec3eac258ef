import asyncio
import io

from remit.guard.mcp.pipes import StderrRelay


def relayed(*pieces):
    shown = io.BytesIO()

    async def play():
        relay = StderrRelay(shown)
        for piece in pieces:
            relay.write(piece)
        await relay.close()

    asyncio.run(play())
    return shown.getvalue()


def test_no_control_of_a_terminal_passes():
    got = relayed(b"a\x1b[2Jb\rc\x7fd\n\te", "\x9b2J".encode(), b"\x9b2J").decode()
    assert got.startswith("a?[2Jb?c?d\n\te?2J")
    assert not any((ord(c) < 32 and c not in "\n\t") or 127 <= ord(c) < 160 for c in got)


def test_text_cut_between_two_reads_stays_text():
    data = "é€\U0001d400".encode()
    assert relayed(*(data[i : i + 1] for i in range(len(data)))) == data


def test_without_a_sink_it_goes_nowhere():
    async def play():
        relay = StderrRelay(None)
        relay.write(b"x")
        await relay.close()

    asyncio.run(play())
