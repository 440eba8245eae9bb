"""A report as one HTML page: everything on it is read from the JSON that `lab report --json` prints."""
