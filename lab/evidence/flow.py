"""The 5-tuple: what conntrack tells packets apart by."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from lab.evidence.fields import PORT_MAX, whole


@dataclass(frozen=True)
class Flow:
    """The addresses and ports of a packet; its protocol, the fifth, is kept where it is not always UDP."""

    src: str
    sport: int
    dst: str
    dport: int

    @property
    def reversed(self) -> Flow:
        """The flow of the answer."""
        return Flow(self.dst, self.dport, self.src, self.sport)


def read(src: object, sport: object, dst: object, dport: object) -> Flow:
    """Make a flow of what a source says: addresses as text, ports as numbers or in decimal.

    Raises:
        ValueError: one of them is no address, or no port.
    """
    return Flow(address(src), whole(sport, PORT_MAX), address(dst), whole(dport, PORT_MAX))


def address(text: object) -> str:
    """Give an IPv4 or IPv6 address in its usual form, so that all sources spell it alike.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(text, str):  # ipaddress would make an address of a number, too
        raise ValueError(f"no address: {text!r:.40}")  # noqa: TRY004  all that a source says wrongly is a ValueError
    return str(ipaddress.ip_address(text))
