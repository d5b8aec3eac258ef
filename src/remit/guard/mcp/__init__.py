"""The MCP surface: framing, sessions, both protocol eras."""
