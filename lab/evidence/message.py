"""Parser of DNS messages: the header and the first question only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.foundation.later import Later

if TYPE_CHECKING:
    from dns import exception, rcode, rdatatype
else:
    exception, rcode, rdatatype = map(Later, ("dns.exception", "dns.rcode", "dns.rdatatype"))

_HEADER_BYTES = 12
"""RFC 1035, 4.1.1: the id, flags, four counts."""

_LABEL_MAX, _NAME_MAX = 63, 255
"""RFC 1035, 2.3.4."""

_SPECIAL = frozenset(b'"().;\\@$')
"""Characters escaped by a backslash; unprintable ones are escaped as a decimal number (RFC 1035, 5.1)."""


@dataclass(frozen=True)
class Message:
    """One DNS message.

    Attributes:
        dns_id: The message id, which matches an answer to its query.
        is_answer: Whether it is an answer (RFC 1035: QR).
        qtype: The queried type's name (`A`, `AAAA`, `HTTPS`; `TYPE1234` for unnamed types); None when there is no
            question, or it was truncated.
        name: The queried name, without the last dot; None when there is no question, or it was truncated.
        rcode: The answer's code from the header (`NOERROR`, `NXDOMAIN`); None for a query.
    """

    dns_id: int
    is_answer: bool
    qtype: str | None
    name: str | None
    rcode: str | None


def parse(payload: bytes) -> Message | None:
    """Parse a DNS message from its first bytes; the rest may be truncated, as in strace output.

    Returns None without a complete header. Never raises.
    """
    if len(payload) < _HEADER_BYTES:
        return None
    dns_id, flags, questions = (int.from_bytes(payload[at : at + 2], "big") for at in (0, 2, 4))
    is_answer = bool(flags & 0x8000)
    name, qtype = _question(payload) if questions else (None, None)
    code = rcode.to_text(rcode.Rcode.make(flags & 0xF)) if is_answer else None
    return Message(dns_id, is_answer, qtype, name, code)


def _question(payload: bytes) -> tuple[str | None, str | None]:
    labels, at = [], _HEADER_BYTES
    while at < len(payload) and (length := payload[at]):
        # The first name cannot contain a compression pointer, so any greater value is invalid.
        if length > _LABEL_MAX:
            return None, None
        labels.append(payload[at + 1 : at + 1 + length])
        at += 1 + length
    qtype = payload[at + 1 : at + 3]
    if len(qtype) < 2 or at - _HEADER_BYTES >= _NAME_MAX:  # noqa: PLR2004  truncated
        return None, None
    name = ".".join(map(_escape, labels)) or "."
    return name, rdatatype.to_text(rdatatype.RdataType.make(int.from_bytes(qtype, "big")))


def _escape(label: bytes) -> str:
    return "".join(
        f"\\{chr(byte)}" if byte in _SPECIAL else chr(byte) if 0x20 < byte < 0x7F else f"\\{byte:03d}"  # noqa: PLR2004
        for byte in label
    )


def normalize_type(text: object) -> str:
    """Return a type's canonical name for any spelling: `TYPE65` (RFC 3597) is `HTTPS`.

    Raises:
        ValueError: the text is not a type.
    """
    try:
        return rdatatype.to_text(rdatatype.from_text(str(text)))
    except exception.DNSException as error:
        raise ValueError(f"no DNS type: {text!r:.40}") from error
