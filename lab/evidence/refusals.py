"""Refusals of DNS queries on the wire: ICMP errors that quote a query, and TCP resets."""

from __future__ import annotations

from dataclasses import dataclass

from lab.evidence import frames, message, packets, transport
from lab.evidence.constants import DNS_PORT
from lab.evidence.flow import Flow
from lab.evidence.frames import Frame
from lab.evidence.packets import Packet

_ICMP_BYTES = 8
"""Type, code, checksum, four more bytes (RFC 792, RFC 4443); the quoted packet follows."""

_UNREACHABLE = {packets.ICMP: 3, packets.ICMP6: 1}

_PORT = {packets.ICMP: {3}, packets.ICMP6: {4}}
_PROHIBITED = {packets.ICMP: {9, 10, 13}, packets.ICMP6: {1, 5, 6}}
"""Codes of "unreachable": closed ports, and administratively prohibited."""


@dataclass(frozen=True)
class Refusal:
    """One refusal of a DNS query.

    Attributes:
        number: Frame number in the file, from 1.
        time_s: Timestamp, CLOCK_REALTIME in seconds.
        by: Address of the sender of the refusal.
        flow: The flow of the refused packet.
        dns_id: The refused query's id; None where the quote is too short, and over TCP.
        what: `port`: closed port, or a REJECT rule with its default; `prohibited`: administratively prohibited;
            `unreachable`: no route; `reset`: TCP reset.
    """

    number: int
    time_s: float
    by: str
    flow: Flow
    dns_id: int | None
    what: str


def parse(data: bytes) -> tuple[Refusal, ...]:
    """Parse the refusals of packets to port 53 from a capture, in file order.

    Raises:
        UnreadableError: the file is not a capture, or damaged.
    """
    refusals = []
    for frame in frames.read(data):
        packet = packets.extract_packet(frame) if packets.may_have_port(frame, DNS_PORT) else None
        refusal = _refusal(frame, packet) if packet else None
        if refusal:
            refusals.append(refusal)
    return tuple(refusals)


def _refusal(frame: Frame, packet: Packet) -> Refusal | None:
    if packet.protocol == packets.TCP:
        return _reset(frame, packet)
    if packet.protocol not in _UNREACHABLE or len(packet.payload) < _ICMP_BYTES:
        return None
    kind, code = packet.payload[:2]
    refused = packets.parse_packet(packet.payload[_ICMP_BYTES:])
    if kind != _UNREACHABLE[packet.protocol] or refused is None or len(refused.payload) < 4:  # noqa: PLR2004
        return None
    sport, dport = (int.from_bytes(refused.payload[at : at + 2], "big") for at in (0, 2))
    if dport != DNS_PORT or refused.protocol not in {packets.UDP, packets.TCP}:
        return None
    query = message.parse(refused.payload[8:]) if refused.protocol == packets.UDP else None
    flow = Flow(refused.src, sport, refused.dst, dport)
    what = "port" if code in _PORT[packet.protocol] else "unreachable"
    if code in _PROHIBITED[packet.protocol]:
        what = "prohibited"
    return Refusal(frame.number, frame.time_s, packet.src, flow, query.dns_id if query else None, what)


def _reset(frame: Frame, packet: Packet) -> Refusal | None:
    """Return a reset that refuses a connection; None for one that closes an established connection."""
    segment = transport.parse_segment(packet.payload)
    # Only a reset in reply to a SYN has sequence number 0 (RFC 9293, 3.10.7.1).
    if segment is None or segment.sport != DNS_PORT or not segment.rst or segment.seq != 0:
        return None
    flow = Flow(packet.dst, segment.dport, packet.src, segment.sport)
    return Refusal(frame.number, frame.time_s, packet.src, flow, None, "reset")
