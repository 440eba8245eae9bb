"""Format figures, the same everywhere."""

from __future__ import annotations


def seconds(value_s: float | None) -> str:
    """Format a time: milliseconds below 0.1 s, otherwise seconds with two decimals; a dash for None."""
    if value_s is None:
        return "-"
    return f"{value_s * 1000:.0f} ms" if value_s < 0.1 else f"{value_s:.2f} s"  # noqa: PLR2004


def interval(shares: tuple[float, float] | None) -> str:
    """Format an interval of shares in percent; a dash for None."""
    return "-" if shares is None else f"{shares[0] * 100:.0f}-{shares[1] * 100:.0f} %"


def peak(near_s: float) -> str:
    """Format the sum of the timeouts that a lookup waited for."""
    return f"{near_s:g} s"


def cost(value_s: float | None) -> str:
    """Format a difference of times with its sign, in milliseconds; a dash for None."""
    return "-" if value_s is None else f"{value_s * 1000:+.0f} ms"


def share(count: int, of: int) -> str:
    """Format a share in percent: with a decimal below 10 %; a dash for a share of nothing."""
    return "-" if not of else percent(count / of)


def percent(part: float) -> str:
    """Format a share in percent: with a decimal below 10 %, if it is not 0."""
    return f"{part * 100:.0f} %" if part == 0 or part >= 0.0995 else f"{part * 100:.1f} %"  # noqa: PLR2004


def fine_interval(shares: tuple[float, float] | None) -> str:
    """Format an interval of shares that may be small, in percent; a dash for None."""
    return "-" if shares is None else f"{percent(shares[0]).removesuffix(' %')}-{percent(shares[1])}"
