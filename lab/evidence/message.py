"""A DNS message as far as a trial's evidence has it."""

from __future__ import annotations

from dataclasses import dataclass

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype

ID_BYTES = 2
"""A message begins with its id (RFC 1035, 4.1.1)."""

_ANSWER_BIT_AT = 2
_ANSWER_BIT = 0x80


@dataclass(frozen=True)
class Message:
    """The head of a DNS message.

    Attributes:
        dns_id: Its id.
        is_answer: Whether it is an answer.
        qtype: The type asked for, such as "AAAA"; None when the question is cut off.
        rcode: Of an answer, how it turned out, such as "NOERROR"; None when it cannot be told.
    """

    dns_id: int
    is_answer: bool
    qtype: str | None
    rcode: str | None


def parse(payload: bytes) -> Message | None:
    """Read a message whose end may be missing; None when it is too short for an id and for what tells an answer."""
    if len(payload) <= _ANSWER_BIT_AT:
        return None
    dns_id = int.from_bytes(payload[:ID_BYTES], "big")
    is_answer = bool(payload[_ANSWER_BIT_AT] & _ANSWER_BIT)
    try:
        # Only as far as the question: whoever recorded it may have cut it off behind that.
        whole = dns.message.from_wire(payload, question_only=True)
        qtype = dns.rdatatype.to_text(whole.question[0].rdtype) if whole.question else None
    except (dns.exception.DNSException, ValueError, IndexError):
        return Message(dns_id, is_answer, None, None)
    return Message(dns_id, is_answer, qtype, dns.rcode.to_text(whole.rcode()) if is_answer else None)
