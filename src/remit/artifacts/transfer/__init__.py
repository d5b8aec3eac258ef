"""Moving artifacts between registries and image layouts, with all that belongs to them.

A walk over ports: :mod:`tree` finds what there is, :mod:`copy` moves it, children before parents;
:mod:`layouts` and :mod:`registries` are the two kinds of end.
"""
