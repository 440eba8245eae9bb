"""The 5-tuple, by which conntrack identifies a flow."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from lab.evidence.fields import PORT_MAX, parse_integer


@dataclass(frozen=True)
class Flow:
    """The addresses and ports of a packet; the protocol is stored elsewhere where it is not always UDP."""

    src: str
    sport: int
    dst: str
    dport: int

    @property
    def reversed(self) -> Flow:
        """The flow of the reply direction."""
        return Flow(self.dst, self.dport, self.src, self.sport)


def parse(src: object, sport: object, dst: object, dport: object) -> Flow:
    """Parse a flow: addresses as text, ports as numbers or decimal text.

    Raises:
        ValueError: an address or a port is invalid.
    """
    return Flow(
        normalize_address(src), parse_integer(sport, PORT_MAX), normalize_address(dst), parse_integer(dport, PORT_MAX)
    )


def normalize_address(text: object) -> str:
    """Return an IPv4 or IPv6 address in canonical form, so that all sources compare equal.

    Raises:
        ValueError: the text is not an address.
    """
    if not isinstance(text, str):  # ipaddress would accept a number, too
        raise ValueError(f"not an address: {text!r:.40}")  # noqa: TRY004  every invalid value is a ValueError
    return str(ipaddress.ip_address(text))
