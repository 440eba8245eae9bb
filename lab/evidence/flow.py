"""A packet's addresses and ports."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Flow:
    """The addresses and ports of a packet: with the protocol this is the 5-tuple."""

    src: str
    sport: int
    dst: str
    dport: int

    @property
    def reversed(self) -> Flow:
        """The flow of the answer."""
        return Flow(self.dst, self.dport, self.src, self.sport)
