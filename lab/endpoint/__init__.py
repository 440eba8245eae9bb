"""Access to a machine: its endpoint, and SSH connections."""
