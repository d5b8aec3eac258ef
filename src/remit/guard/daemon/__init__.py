"""One Guard for a machine: many servers, many sessions, one log."""
