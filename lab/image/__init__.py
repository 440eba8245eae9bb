"""The guest image: one Debian root disk, built once and shared by all replicas."""
