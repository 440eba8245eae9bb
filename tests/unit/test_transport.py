"""UDP and TCP headers, read as an independent implementation reads them."""

from __future__ import annotations

import dpkt
from hypothesis import given
from hypothesis import strategies as st

from lab.evidence import transport

DAMAGED = st.binary(max_size=80)


@given(DAMAGED)
def test_a_udp_header_is_read_as_dpkt_reads_it(payload: bytes) -> None:
    """Whatever the bytes: the same fields, or none where the header is cut off."""
    try:
        expected = dpkt.udp.UDP(payload)
    except dpkt.Error:
        assert transport.parse_datagram(payload) is None
        return

    carried = bytes(expected.data)[: max(expected.ulen - 8, 0)]
    assert transport.parse_datagram(payload) == transport.Datagram(expected.sport, expected.dport, carried)


@given(
    DAMAGED
    | st.builds(
        lambda head, offset, rest: head + bytes([offset << 4]) + rest,
        st.binary(min_size=12, max_size=12),
        st.integers(0, 15),
        st.binary(min_size=7, max_size=80),
    )
)
def test_a_tcp_header_is_read_as_dpkt_reads_it(payload: bytes) -> None:
    """Whatever the bytes: the same fields, or none where the header is cut off or shorter than it can be."""
    try:
        expected = dpkt.tcp.TCP(payload)
    except dpkt.Error:
        assert transport.parse_segment(payload) is None
        return

    assert transport.parse_segment(payload) == transport.Segment(
        expected.sport,
        expected.dport,
        expected.seq,
        syn=bool(expected.flags & dpkt.tcp.TH_SYN),
        rst=bool(expected.flags & dpkt.tcp.TH_RST),
        header_bytes=expected.off * 4,
        data=bytes(expected.data),
    )
