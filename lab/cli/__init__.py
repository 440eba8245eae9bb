"""The command line: parses arguments, calls commands, and ends with their exit status."""
