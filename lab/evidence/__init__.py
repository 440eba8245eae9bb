"""Parsers of one trial's raw files: pure functions, one module per source of evidence."""
