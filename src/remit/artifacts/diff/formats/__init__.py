"""Formats of models and data, read within bounds and without running anything of them."""
