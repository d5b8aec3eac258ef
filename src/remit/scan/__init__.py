"""Scanners: what artifacts hold before anybody runs them. Hostile bytes are read in a sandbox."""
