"""Providers: each knows one way to bring a machine up, and yields an SSH endpoint."""
