"""Scans of models that are served: programs that ask them, and what their reports are worth."""
