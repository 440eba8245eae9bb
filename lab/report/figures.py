"""How figures are written, everywhere the same."""

from __future__ import annotations


def seconds(value_s: float | None) -> str:
    """Write a time: milliseconds below a tenth of a second, else seconds with two decimals; a dash for none."""
    if value_s is None:
        return "-"
    return f"{value_s * 1000:.0f} ms" if value_s < 0.1 else f"{value_s:.2f} s"  # noqa: PLR2004


def interval(shares: tuple[float, float] | None) -> str:
    """Write an interval of shares in percent; a dash for none."""
    return "-" if shares is None else f"{shares[0] * 100:.0f}-{shares[1] * 100:.0f} %"


def peak(near_s: float | None) -> str:
    """Write what a lookup took, by the peak it is near; None for none."""
    return "other" if near_s is None else f"{near_s:g} s"
