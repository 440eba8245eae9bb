"""The few fields of a packet by which lookups are followed; much faster than the parsers of evidence."""

from __future__ import annotations

from typing import NamedTuple

from lab.evidence.packets import IPV4_BYTES, IPV6_BYTES, TCP, UDP

_UDP_BYTES, _TCP_BYTES, _DNS_BYTES, _TYPE_AND_CLASS = 8, 20, 12, 4
_LENGTH_BYTES = 2
"""Before a DNS message over TCP (RFC 1035, 4.2.2)."""


class Glance(NamedTuple):
    """A DNS message.

    Attributes:
        client: Address of the side that asks.
        port: Its port.
        dns_id: The message's id.
        is_answer: Whether it is an answer.
        name: The name in wire format, in lower case; empty if the question is cut off.
        qtype: The query type and class, as bytes.
        tcp: Whether it is over TCP.
    """

    client: bytes
    port: int
    dns_id: int
    is_answer: bool
    name: bytes
    qtype: bytes
    tcp: bool


class Ports(NamedTuple):
    """Ports of a packet without a DNS message."""

    source: int
    destination: int


def glance(data: bytes) -> Glance | Ports | None:
    """Return the DNS message of an IP packet, or its ports without one; None for anything else. Never raises."""
    version = data[0] >> 4 if data else 0
    if version == 4 and len(data) >= IPV4_BYTES:  # noqa: PLR2004
        at, protocol, addresses, size = (data[0] & 0xF) * 4, data[9], 12, 4
    elif version == 6 and len(data) >= IPV6_BYTES:  # noqa: PLR2004
        at, protocol, addresses, size = IPV6_BYTES, data[6], 8, 16
    else:
        return None
    if len(data) < at + _UDP_BYTES or protocol not in {UDP, TCP}:
        return None
    source, destination = data[at] << 8 | data[at + 1], data[at + 2] << 8 | data[at + 3]
    begin = at + _UDP_BYTES
    if protocol == TCP:
        if len(data) < at + _TCP_BYTES:
            return None
        begin = at + (data[at + 12] >> 4) * 4 + _LENGTH_BYTES
    if len(data) < begin + _DNS_BYTES:
        return Ports(source, destination)
    is_answer = bool(data[begin + 2] & 0x80)
    where = addresses + size if is_answer else addresses
    question = data[begin + _DNS_BYTES :]
    return Glance(
        data[where : where + size],
        destination if is_answer else source,
        data[begin] << 8 | data[begin + 1],
        is_answer,
        question[:-_TYPE_AND_CLASS].lower(),
        question[-_TYPE_AND_CLASS:],
        protocol == TCP,
    )
