"""Cedar policy: bundles, schema, requests, decisions, lint, tests, pins."""
