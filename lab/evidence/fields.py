"""Single values as sources give them: each is checked, so that no wrong number comes out of a damaged file."""

from __future__ import annotations

PORT_MAX = 0xFFFF
"""Ports have 16 bits (RFC 768), and so have DNS ids and types (RFC 1035, 4.1)."""

ID_MAX = 0xFFFFFFFF
"""The kernel's ids of queued packets and of conntracks have 32 bits (linux/netfilter/nfnetlink_queue.h)."""

SECONDS_MAX = 1e11
"""No clock of a machine goes that far; what does is damaged."""


def whole(value: object, most: int) -> int:
    """Give a whole number from 0 to `most`, told in decimal or as JSON's number.

    Raises:
        ValueError: it is anything else.
    """
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= len(str(most)):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise ValueError(f"no whole number from 0 to {most}: {value!r:.40}")
    return value


def seconds(value: object) -> float:
    """Give a time or a span, told as JSON's number of seconds.

    Raises:
        ValueError: it is anything else; also nan and infinity, which Python's JSON takes.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < SECONDS_MAX:
        raise ValueError(f"no number of seconds: {value!r:.40}")
    return float(value)
