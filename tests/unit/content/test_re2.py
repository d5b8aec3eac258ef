import re2

from remit.content import _re2


def test_what_lies_below_the_public_interface_is_still_there():
    assert _re2._is_direct(), "the slower public interface would be used"


def test_both_ways_give_the_same():
    for regex in ("a(b)?(c)?", r"\b[a-c]+\b", "(?i)X", "^c|b$"):
        compiled = re2.compile(regex)
        direct, public = _re2._direct(compiled), _re2._public(compiled)
        for data in (b"", b"abc ab x", "é abc".encode(), b"ccb"):
            for start in range(len(data) + 1):
                for end in range(start, len(data) + 1):
                    assert list(direct(data, start, end)) == list(public(data, start, end))


def test_a_prefix_begins_where_it_is_looked_for():
    direct = _re2.prefix(re2.compile("(?:ab)+"))
    public = _re2._public(re2.compile("(?:ab)+"), "match")
    for find in (direct, public):
        assert list(find(b"xababa", 1, 6)) == [(1, 5)]
        assert list(find(b"xababa", 1, 4)) == [(1, 3)]
        assert list(find(b"xababa", 0, 6)) == [(-1, -1)]


def test_the_public_interface_where_the_other_is_gone(monkeypatch):
    def gone(_compiled):
        raise AttributeError("Match")

    for other in (gone, lambda _compiled: lambda _data, _start, _end: [(0, 0)]):
        _re2._is_direct.cache_clear()
        with monkeypatch.context() as patched:
            patched.setattr(_re2, "_direct", other)
            search = _re2.searcher(re2.compile("b(c)?"))
            assert list(search(b"abc", 0, 3)) == [(1, 3), (2, 3)]
            assert list(search(b"aaa", 0, 3)) == [(-1, -1), (-1, -1)]
        _re2._is_direct.cache_clear()
