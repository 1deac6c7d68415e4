"""Servers for tests. Each module starts one kind of server."""
