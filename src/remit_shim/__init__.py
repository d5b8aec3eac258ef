"""The tiny programs that clients start. Standard library only."""
