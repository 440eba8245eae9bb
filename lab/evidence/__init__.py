"""Reads the raw files of one trial: pure functions over what a guest gathered, each source on its own."""
