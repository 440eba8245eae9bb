"""How figures are written, everywhere the same."""

from __future__ import annotations


def seconds(value_s: float | None) -> str:
    """Write a time: milliseconds below a tenth of a second, else seconds with two decimals; a dash for none."""
    if value_s is None:
        return "-"
    return f"{value_s * 1000:.0f} ms" if value_s < 0.1 else f"{value_s:.2f} s"  # noqa: PLR2004
