"""Admission at load: what is named by reference is verified, on the bytes that run, at every start.

:mod:`settings` is its part of ``remit.toml``, :mod:`shelf` finds an artifact and what refers to it,
:mod:`admission` decides and records, :mod:`stage` makes the private copy that runs, :mod:`launch`
says how it is started, :mod:`upstream` is a server that was admitted, or the answer in its place.
"""
