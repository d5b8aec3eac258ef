"""Importing: an artifact from elsewhere, with a signed statement of where it came from."""
