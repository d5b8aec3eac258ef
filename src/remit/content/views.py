"""Readings of a text: what it says once disguises are taken off."""

from remit.content.base import View, Views


def read(text: str) -> Views:
    """Every reading of ``text``."""
    return Views(text, (View("original", text),))
