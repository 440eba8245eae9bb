"""What told a client on the wire that nobody will answer: ICMP errors that quote a DNS query, and TCP resets."""

from __future__ import annotations

from dataclasses import dataclass

import dpkt

from lab.evidence import frames, message, packets
from lab.evidence.capture import DNS_PORT
from lab.evidence.flow import Flow
from lab.evidence.frames import Frame
from lab.evidence.packets import Packet

_ICMP_BYTES = 8
"""Type, code, checksum, four bytes more (RFC 792, RFC 4443); what is quoted follows."""

_UNREACHABLE = {packets.ICMP: 3, packets.ICMP6: 1}

_PORT = {packets.ICMP: {3}, packets.ICMP6: {4}}
_PROHIBITED = {packets.ICMP: {9, 10, 13}, packets.ICMP6: {1, 5, 6}}
"""Codes of "unreachable": a port that nobody listens on, and what an administrator forbade."""


@dataclass(frozen=True)
class Refusal:
    """One refusal.

    Attributes:
        number: The number of its frame in the file, from 1.
        time_s: When, by CLOCK_REALTIME in seconds.
        by: Who sent it.
        flow: The flow of what was refused.
        dns_id: The refused query's id; None where it was not quoted so far, and over TCP.
        what: `port`: nobody listens there, or a rule says so (REJECT's default); `prohibited`: an administrator's rule;
            `unreachable`: there is no way; `reset`: over TCP.
    """

    number: int
    time_s: float
    by: str
    flow: Flow
    dns_id: int | None
    what: str


def parse(data: bytes) -> tuple[Refusal, ...]:
    """Give what refused something that was sent to port 53, in the file's order.

    Raises:
        UnreadableError: it is no capture, or damaged.
    """
    found = []
    for frame in frames.read(data):
        packet = packets.packet(frame)
        refusal = _refusal(frame, packet) if packet else None
        if refusal:
            found.append(refusal)
    return tuple(found)


def _refusal(frame: Frame, packet: Packet) -> Refusal | None:
    if packet.protocol == packets.TCP:
        return _reset(frame, packet)
    if packet.protocol not in _UNREACHABLE or len(packet.payload) < _ICMP_BYTES:
        return None
    kind, code = packet.payload[:2]
    refused = packets.quoted(packet.payload[_ICMP_BYTES:])
    if kind != _UNREACHABLE[packet.protocol] or refused is None or len(refused.payload) < 4:  # noqa: PLR2004
        return None
    sport, dport = (int.from_bytes(refused.payload[at : at + 2], "big") for at in (0, 2))
    if dport != DNS_PORT or refused.protocol not in {packets.UDP, packets.TCP}:
        return None
    told = message.parse(refused.payload[8:]) if refused.protocol == packets.UDP else None
    flow = Flow(refused.src, sport, refused.dst, dport)
    what = "port" if code in _PORT[packet.protocol] else "unreachable"
    if code in _PROHIBITED[packet.protocol]:
        what = "prohibited"
    return Refusal(frame.number, frame.time_s, packet.src, flow, told.dns_id if told else None, what)


def _reset(frame: Frame, packet: Packet) -> Refusal | None:
    """Give the reset of a connection that was never made: one that ends a connection is a way to close it."""
    try:
        segment = dpkt.tcp.TCP(packet.payload)
    except dpkt.Error:
        return None
    # Only the answer to a SYN acknowledges without a sequence number of its own (RFC 9293, 3.10.7.1).
    if segment.sport != DNS_PORT or not segment.flags & dpkt.tcp.TH_RST or segment.seq != 0:
        return None
    flow = Flow(packet.dst, segment.dport, packet.src, segment.sport)
    return Refusal(frame.number, frame.time_s, packet.src, flow, None, "reset")
