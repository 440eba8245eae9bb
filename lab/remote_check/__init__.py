"""`lab check` on machines of the user: inspects a machine, runs trials, and restores its state."""
