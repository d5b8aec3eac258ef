import io
import sys
import types

from remit.guard.mcp.pipes import StderrRelay


def relayed(monkeypatch, *pieces):
    shown = io.BytesIO()
    monkeypatch.setattr(sys, "stderr", types.SimpleNamespace(buffer=shown))
    relay = StderrRelay()
    for piece in pieces:
        relay.write(piece)
    relay.close()
    return shown.getvalue()


def test_no_control_of_a_terminal_passes(monkeypatch):
    got = relayed(monkeypatch, b"a\x1b[2Jb\rc\x7fd\n\te", "\x9b2J".encode(), b"\x9b2J").decode()
    assert got.startswith("a?[2Jb?c?d\n\te?2J")
    assert not any((ord(c) < 32 and c not in "\n\t") or 127 <= ord(c) < 160 for c in got)


def test_text_cut_between_two_reads_stays_text(monkeypatch):
    data = "é€\U0001d400".encode()
    assert relayed(monkeypatch, *(data[i : i + 1] for i in range(len(data)))) == data
