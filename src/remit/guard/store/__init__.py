"""Guard's adapters to disk."""
