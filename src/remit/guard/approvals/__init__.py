"""Approvals at a Guard: requests are kept, people's words are taken, and each is used once."""
