"""What Cedar cannot compute: typed values derived from arguments and history."""
