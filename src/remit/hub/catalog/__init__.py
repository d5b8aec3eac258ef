"""The catalogue: what is in the registry, what it is made of, and what uses what."""
