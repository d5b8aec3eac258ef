"""The Hub's HTTP API beside the registry: the catalogue, and the MCP registry."""
