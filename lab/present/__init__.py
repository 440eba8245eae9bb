"""Presents every command's result: as text, as JSON, as a page; all from the same data."""
