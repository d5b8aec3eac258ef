"""MCP over Streamable HTTP: Guard as a server of callers, and as a client of servers."""
