"""Servers for tests. Each module in this package starts one kind of server."""
