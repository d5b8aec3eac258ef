from remit.content._views_map import Piece, joined
from remit.content.base import View


def test_places_of_pieces_that_are_joined():
    pieces = [Piece("ab", [3, 4], [4, 5]), Piece("", [], []), Piece("c", [9], [12])]
    view = joined(View("original", "x" * 20), "made", pieces)
    assert view.text == "ab\nc"
    # The line break belongs to the last character before it.
    assert (list(view.starts), list(view.ends)) == ([3, 4, 4, 9], [4, 5, 5, 12])
    assert joined(View("original", "x"), "made", pieces[1:2]) is None
