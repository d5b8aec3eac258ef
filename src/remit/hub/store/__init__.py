"""Adapters of the Hub's ports: databases, files and object stores."""
