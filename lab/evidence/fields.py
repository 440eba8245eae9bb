"""Parsers of single values; each checks its range, so that a damaged file yields no wrong number."""

from __future__ import annotations

PORT_MAX = 0xFFFF
"""Ports have 16 bits (RFC 768), and so have DNS ids and types (RFC 1035, 4.1)."""

ID_MAX = 0xFFFFFFFF
"""The kernel's ids of queued packets and of conntracks have 32 bits (linux/netfilter/nfnetlink_queue.h)."""

SECONDS_MAX = 1e11
"""Upper limit of any clock or duration; greater values come from a damaged file."""


def parse_integer(value: object, most: int) -> int:
    """Parse an integer from 0 to `most`, given as decimal text or as a JSON number.

    Raises:
        ValueError: the value is anything else.
    """
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= len(str(most)):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise ValueError(f"not an integer from 0 to {most}: {value!r:.40}")
    return value


def parse_seconds(value: object) -> float:
    """Parse a time or a duration, given as a JSON number of seconds.

    Raises:
        ValueError: the value is anything else; also nan and infinity, which Python's JSON parser accepts.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < SECONDS_MAX:
        raise ValueError(f"not a number of seconds: {value!r:.40}")
    return float(value)
