"""A Hub in front of another registry, which keeps the bytes.

The Hub keeps accounts, roles, tokens, rules, its log and a catalogue of what it has seen. It talks
to the other registry, the *upstream*, with credentials of its own; those of a caller end here.
"""
