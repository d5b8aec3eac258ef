"""One module for each scanner: what it reads, how it is called, and what its answers mean."""
