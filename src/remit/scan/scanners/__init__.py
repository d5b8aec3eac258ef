"""One module for each scanner; each registers itself."""
