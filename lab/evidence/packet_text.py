"""Formats a captured DNS message as one line of text, like tcpdump(8) -n."""

from __future__ import annotations

from datetime import UTC, datetime

from lab.evidence.capture import WirePacket


def with_time_of_day(packet: WirePacket) -> str:
    """Format a packet with its time of day in UTC."""
    return f"{datetime.fromtimestamp(packet.time_s, UTC).strftime('%H:%M:%S.%f')} {_line(packet)}"


def with_timestamp(packet: WirePacket) -> str:
    """Format a packet with its timestamp in seconds since the epoch, as with -tt."""
    return f"{packet.time_s:.6f} {_line(packet)}"


def _line(packet: WirePacket) -> str:
    """Format addresses with ports, the protocol, the DNS id, and the question with its answer's code."""
    flow, content = packet.flow, packet.message
    prefix = f"IP {flow.src}.{flow.sport} > {flow.dst}.{flow.dport}: {packet.protocol}"
    if content is None:
        return f"{prefix} too short for a DNS message"
    question = f"{content.qtype or 'unknown'}? {content.name or 'unknown'}."
    return f"{prefix} {content.dns_id} {f'answer, {content.rcode}, to {question}' if content.is_answer else question}"
