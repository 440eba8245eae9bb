"""What the lab costs, measured as ratios within one run: `lab bench`."""
