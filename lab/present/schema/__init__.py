"""JSON Schemas of what every command prints with --json."""
