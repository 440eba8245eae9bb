"""Runs trials in a guest and stores their raw files."""
