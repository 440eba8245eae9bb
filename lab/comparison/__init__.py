"""Compares trials across machines, scenarios and hold times, with statistics."""
