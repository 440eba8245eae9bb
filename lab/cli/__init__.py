"""The command line: turns words into calls of commands, and their results into an exit status."""
