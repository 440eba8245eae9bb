"""DNS messages, as far as the lab looks into them: the header and the first question."""

from __future__ import annotations

from dataclasses import dataclass

import dns.exception
import dns.rcode
import dns.rdatatype
import dns.wire

_HEADER_BYTES = 12
"""RFC 1035, 4.1.1: the id, flags, four counts."""


@dataclass(frozen=True)
class Message:
    """One DNS message.

    Attributes:
        dns_id: What tells the answers to one socket apart.
        is_answer: Whether it is an answer (RFC 1035: QR).
        qtype: The type that is asked for, by its name (`A`, `AAAA`, `HTTPS`; `TYPE1234` where it has none); None when
            there is no question, or it was cut off.
        name: The name that is asked for, without the last dot; None likewise.
        rcode: An answer's code (`NOERROR`, `NXDOMAIN`), of the header alone; None for a query.
    """

    dns_id: int
    is_answer: bool
    qtype: str | None
    name: str | None
    rcode: str | None


def parse(payload: bytes) -> Message | None:
    """Read a DNS message from its first bytes; the rest of it may be cut off, as strace does.

    Gives None for what has no whole header: such bytes are no DNS message, though the first two could pass for an id.
    Never raises.
    """
    if len(payload) < _HEADER_BYTES:
        return None
    dns_id, flags, questions = (int.from_bytes(payload[at : at + 2], "big") for at in (0, 2, 4))
    is_answer = bool(flags & 0x8000)
    name, qtype = _question(payload) if questions else (None, None)
    rcode = dns.rcode.to_text(dns.rcode.Rcode.make(flags & 0xF)) if is_answer else None
    return Message(dns_id, is_answer, qtype, name, rcode)


def _question(payload: bytes) -> tuple[str | None, str | None]:
    parser = dns.wire.Parser(payload, _HEADER_BYTES)
    try:
        name = parser.get_name().to_text(omit_final_dot=True)
        return name, dns.rdatatype.to_text(dns.rdatatype.RdataType.make(parser.get_uint16()))
    except dns.exception.DNSException:
        return None, None


def type_named(text: object) -> str:
    """Give a type's usual name for any spelling: `TYPE65` (RFC 3597) is `HTTPS`; all sources shall spell it alike.

    Raises:
        ValueError: it is no type.
    """
    try:
        return dns.rdatatype.to_text(dns.rdatatype.from_text(str(text)))
    except dns.exception.DNSException as error:
        raise ValueError(f"no DNS type: {text!r:.40}") from error
