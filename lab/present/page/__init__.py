"""A report as one HTML page, made only from the JSON that `lab report --json` prints."""
