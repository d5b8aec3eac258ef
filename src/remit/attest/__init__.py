"""Keys, signed notes and ciphers. The only package that imports ``cryptography``."""
