"""Measures the lab's costs as ratios within one run: `lab bench`."""
