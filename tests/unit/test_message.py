"""DNS messages read as an independent implementation reads them."""

from __future__ import annotations

import dns.exception
import dns.name
import dns.rcode
import dns.rdatatype
import dns.wire
from hypothesis import given
from hypothesis import strategies as st

from lab.evidence import message

NAMES = st.lists(st.binary(min_size=1, max_size=63), max_size=5).map(
    lambda labels: b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
)


def question(payload: bytes) -> tuple[str | None, str | None]:
    """Return the first question as dnspython reads it, where no name is compressed."""
    parser = dns.wire.Parser(payload, 12)
    try:
        name = dns.name.from_wire_parser(parser, decompress=False)
        qtype = dns.rdatatype.RdataType.make(parser.get_uint16())
        return name.to_text(omit_final_dot=True), dns.rdatatype.to_text(qtype)
    except dns.exception.DNSException:
        return None, None


@given(
    st.binary(min_size=4, max_size=4),
    NAMES | st.binary(max_size=90),
    st.binary(max_size=4),
)
def test_a_question_is_read_as_dnspython_reads_it(head: bytes, name: bytes, behind: bytes) -> None:
    """Whatever the bytes: names of every length and character, cut off, too long, or none."""
    payload = head + b"\0\1" + bytes(6) + name + behind
    found = message.parse(payload)

    assert found is not None
    assert (found.name, found.qtype) == question(payload)


@given(st.integers(0, 65535))
def test_an_answers_code_has_its_name(flags: int) -> None:
    """A query has none."""
    found = message.parse(bytes(2) + flags.to_bytes(2, "big") + bytes(8))

    assert found is not None
    assert found.is_answer == bool(flags & 0x8000)
    assert found.rcode == (dns.rcode.to_text(dns.rcode.Rcode(flags & 0xF)) if found.is_answer else None)
