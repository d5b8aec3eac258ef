"""Scanners of others: each in an environment and a sandbox of its own, none imported into Remit."""
