"""Formats every command's result as JSON."""
