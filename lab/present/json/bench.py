"""Formats measurements as JSON."""

from __future__ import annotations

from dataclasses import asdict

from lab.bench.run import Benched


def bench(data: Benched) -> dict[str, object]:
    """Return the members of measurements."""
    return {**asdict(data), "path": str(data.path)}
