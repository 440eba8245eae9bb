"""Provisions a reachable machine for trials: inspects it first and changes only what differs."""
