"""Kinds of artifacts, and how a directory is recognised as one: a new kind is one new module."""
