"""Remit: an AI agent governance platform. An agent acts only within its remit."""

__version__ = "0.1.0"
