"""The secure runtime: it decides and enforces."""
