"""Providers: each brings machines up in one way and returns an SSH endpoint."""
