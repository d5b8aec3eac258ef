"""Predicates of attestations about artifacts: one module and one page in ``spec/`` each."""
