"""Formats every command's result as text for a terminal."""
