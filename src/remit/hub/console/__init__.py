"""The console: what is in the Hub, what became of it, and what people have to decide, as pages."""
