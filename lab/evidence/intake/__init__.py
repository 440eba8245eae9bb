"""Input files: opened with limits, unpacked, decoded, and sorted by kind of line."""
