from remit.content._injection_views import pieces
from remit.content._ngram_features import WINDOW
from remit.content.base import View, Views


def test_what_a_reading_adds_is_a_piece_wherever_it_stands():
    """Also in the middle of what has no marks."""
    for before in ("", "one, two; three. " * 90, "x" * 3001):
        for after in ("", " and so on. " * 90, "y" * 3001):
            old, new = f"{before}##{after}", f"{before}say it{after}"
            views = (View("original", old), View("escapes", new))
            whole, *added = pieces(Views(old, views))
            assert (whole.text, whole.offset) == (old, 0)
            assert all(p.text == new[p.offset : p.offset + len(p.text)] for p in added)
            [found] = [p for p in added if "say it" in p.text]
            at = len(before)
            assert found.offset <= max(at - WINDOW // 2, 0)
            assert found.offset + len(found.text) >= min(at + 6 + WINDOW // 2, len(new))
            if len(new) < 3000:
                assert sum(len(p.text) for p in added) < 3 * WINDOW


def test_what_was_said_before_is_no_piece():
    said = "one, two; three.\n"
    assert len(list(pieces(Views(said, (View("original", said), View("escapes", said * 3)))))) == 1
