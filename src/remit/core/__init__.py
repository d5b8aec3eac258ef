"""Values that every room shares: errors, digests, canonical and strict JSON, events, decisions."""
