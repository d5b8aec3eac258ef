"""Our own training text, CC0-1.0, and what collects more."""
