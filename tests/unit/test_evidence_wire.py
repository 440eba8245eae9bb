"""Parsers of captures, the server's query log and conntrack events."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import dpkt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.evidence import capture, events, server_log
from lab.evidence.capture import WirePacket
from lab.evidence.errors import UnreadableError
from lab.evidence.events import ConntrackEvent
from lab.evidence.flow import Flow
from lab.evidence.message import Message
from lab.evidence.server_log import ServedQuery

EVIDENCE = Path(__file__).parents[1] / "evidence"
FLOW = Flow("10.10.10.89", 48758, "10.10.10.53", 53)
DROPPED = (EVIDENCE / "3.10.0-123.el7" / "1" / "client.pcap").read_bytes()
QUERY = b"\x42\xbe\1\0\0\1\0\0\0\0\0\0\3www\3lab\4test\0\0\1\0\1"
A = Message(17086, is_answer=False, qtype="A", name="www.lab.test", rcode=None)


def packet(payload: object, *, protocol: int = 17, fragment: int = 0) -> bytes:
    """Return an IPv4 packet from 10.10.10.89 to 10.10.10.53."""
    return bytes(
        dpkt.ip.IP(
            src=bytes([10, 10, 10, 89]), dst=bytes([10, 10, 10, 53]), p=protocol, _flags_offset=fragment, data=payload
        )
    )


def datagram(payload: bytes = QUERY, dport: int = 53) -> bytes:
    """Return a UDP packet."""
    return packet(dpkt.udp.UDP(sport=48758, dport=dport, ulen=8 + len(payload), data=payload))


def segment(seq: int, payload: bytes, flags: int = dpkt.tcp.TH_ACK) -> bytes:
    """Return a TCP packet."""
    return packet(dpkt.tcp.TCP(sport=48758, dport=53, seq=seq, flags=flags, data=payload), protocol=6)


def ethernet(payload: bytes, before: bytes = b"") -> bytes:
    """Return a frame that holds an IPv4 packet."""
    return bytes(12) + before + b"\x08\0" + payload


def pcap(*frames: bytes, link: int = 1, nano: bool = False, start_s: float = 1000000000.5) -> bytes:
    """Return a capture of these frames, a quarter of a second apart."""
    file = io.BytesIO()
    writer = dpkt.pcap.Writer(file, linktype=link, nano=nano)
    for count, frame in enumerate(frames):
        writer.writepkt(frame, start_s + count / 4)
    return file.getvalue()


def test_the_captured_stall_has_one_query_and_five_seconds_later_both() -> None:
    """As in the article's tcpdump, the AAAA query is not on the wire until its retransmit."""
    packets = capture.parse(DROPPED)

    assert [(each.message.qtype, each.message.dns_id, each.message.is_answer) for each in packets if each.message] == [
        ("A", 17086, False),
        ("A", 17086, True),
        ("A", 17086, False),
        ("A", 17086, True),
        ("AAAA", 46936, False),
        ("AAAA", 46936, True),
    ]
    assert packets[0] == WirePacket(1795447503.478173, FLOW, "udp", A)
    assert packets[1].flow == FLOW.reversed


@pytest.mark.parametrize(("trial", "count"), [("3.10.0-1127.el7/1", 4), ("3.10.0-1127.el7/2", 0), ("4.9.229/1", 4)])
def test_an_empty_capture_is_no_error(trial: str, count: int) -> None:
    """One recorded capture has no packet though packets flowed; that proves nothing."""
    assert len(capture.parse((EVIDENCE / trial / "client.pcap").read_bytes())) == count


def test_a_truncated_last_record_is_ignored() -> None:
    """Tcpdump is killed at a trial's end; complete records stay, half a packet is ignored."""
    whole = capture.parse(DROPPED)
    size = len(DROPPED)
    last = 16 + 100

    for cut in (1, 40, last - 16, last - 1, last):
        assert capture.parse(DROPPED[: size - cut]) == whole[:-1]


@pytest.mark.parametrize(
    ("link", "frame"),
    [
        (1, ethernet(datagram())),
        (1, ethernet(datagram(), b"\x81\0\0\5")),
        (113, struct.pack("!HHH8sH", 0, 1, 6, bytes(8), 0x0800) + datagram()),
        (276, struct.pack("!HHIHBB8s", 0x0800, 0, 1, 1, 0, 6, bytes(8)) + datagram()),
        (101, datagram()),
        (228, datagram()),
    ],
)
def test_every_link_type_is_parsed(link: int, frame: bytes) -> None:
    """The packet's offset in a frame depends on the capturing interface; tcpdump -i any differs."""
    assert capture.parse(pcap(frame, link=link)) == (WirePacket(1000000000.5, FLOW, "udp", A),)


def test_packets_other_than_dns_over_ipv4_are_ignored() -> None:
    """A later fragment has no ports; the bytes at their offset must not be read as ports."""
    others = (
        ethernet(datagram(dport=80)),
        ethernet(packet(b"\0\x35" * 30, fragment=100)),
        ethernet(packet(b"\0\x35" * 30, protocol=1)),
        bytes(12) + b"\x86\xdd" + bytes(60),
        ethernet(datagram()[:24]),
        b"",
    )

    assert capture.parse(pcap(*others, ethernet(datagram()))) == (WirePacket(1000000002.0, FLOW, "udp", A),)


def test_both_byte_orders_are_read() -> None:
    """The file has the byte order of the machine that wrote it."""
    swapped = struct.pack(">IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 2000, 101)
    swapped += struct.pack(">IIII", 1000000000, 500000, len(datagram()), len(datagram())) + datagram()

    assert capture.parse(swapped) == capture.parse(pcap(datagram(), link=101))


def test_messages_over_tcp_are_reassembled_from_segments() -> None:
    """Out of order, duplicated, across sequence wrap-around: each message appears once."""
    stream = (len(QUERY).to_bytes(2, "big") + QUERY) * 2
    begin = 0xFFFFFFF0
    at = (begin + 1) & 0xFFFFFFFF
    frames = (
        segment(begin, b"", dpkt.tcp.TH_SYN),
        segment(at, stream[:1]),
        segment((at + 40) & 0xFFFFFFFF, stream[40:]),
        segment(at, stream[:1]),
        segment((at + 1) & 0xFFFFFFFF, stream[1:40]),
    )

    packets = capture.parse(pcap(*frames, link=101))

    assert packets == (WirePacket(1000000001.5, FLOW, "tcp", A),) * 2


def test_a_lost_segment_never_yields_a_wrong_message() -> None:
    """Data after a gap begins at an unknown place in a message."""
    stream = (len(QUERY).to_bytes(2, "big") + QUERY) * 2

    assert capture.parse(pcap(segment(1, stream[:20]), segment(25, stream[24:]), link=101)) == ()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "the capture is empty"),
        (b"\x0a\x0d\x0d\x0a" + bytes(60), "no byte order"),
        (b"tcpdump: no such device", "not a capture"),
        (DROPPED[:20], "truncated"),
        (pcap(link=127), "link type 127"),
        (pcap(datagram(), link=101)[:28] + b"\xff" * 40, "invalid record"),
    ],
)
def test_what_is_no_capture_is_an_error(data: bytes, why: str) -> None:
    """An unreadable capture must not pass for an empty one."""
    with pytest.raises(UnreadableError, match=why):
        capture.parse(data)


@given(
    payload=st.binary(max_size=600),
    nanoseconds=st.integers(0, 4 * 10**18),
    ports=st.tuples(st.integers(0, 65535), st.just(53)),
    addresses=st.tuples(st.ip_addresses(v=4), st.ip_addresses(v=4)),
)
def test_packets_round_trip(
    payload: bytes, nanoseconds: int, ports: tuple[int, int], addresses: tuple[object, object]
) -> None:
    """Numbers are parsed exactly, in every capture format."""
    source, target = (bytes(int(part) for part in str(address).split(".")) for address in addresses)
    udp = dpkt.udp.UDP(sport=ports[0], dport=ports[1], ulen=8 + len(payload), data=payload)
    frame = bytes(dpkt.ip.IP(src=source, dst=target, p=17, data=udp))
    for magic, ticks in ((0xA1B2C3D4, 10**6), (0xA1B23C4D, 10**9)):
        time = (nanoseconds // 10**9, nanoseconds % 10**9 * ticks // 10**9)
        for order in "<>":
            header = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 2000, 101)
            record = struct.pack(order + "IIII", *time, len(frame), len(frame))

            (captured,) = capture.parse(header + record + frame)

            assert captured.flow == Flow(str(addresses[0]), ports[0], str(addresses[1]), ports[1])
            assert captured.time_s == pytest.approx(time[0] + time[1] / ticks, abs=1e-6)
            assert (captured.message.dns_id if captured.message else None) == (
                int.from_bytes(payload[:2], "big") if len(payload) >= 12 else None
            )


def test_the_server_never_saw_the_query_that_was_dropped() -> None:
    """The AAAA query arrives once, five seconds late."""
    log = (EVIDENCE / "3.10.0-123.el7" / "1" / "dnsmasq.log").read_text()

    assert server_log.parse(log) == (
        ServedQuery(55503.0, "10.10.10.89", 48758, "A", "www.lab.test"),
        ServedQuery(55508.0, "10.10.10.89", 48758, "A", "www.lab.test"),
        ServedQuery(55508.0, "10.10.10.89", 48758, "AAAA", "www.lab.test"),
    )


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "Nov  3 00:00:01 dnsmasq[6]: query[AAAA] www.lab.test from 10.10.10.89",
            ServedQuery(1.0, "10.10.10.89", None, "AAAA", "www.lab.test"),
        ),
        (
            "Nov 23 23:59:59 server dnsmasq[6]: 7 fd00::1/5353 query[type=65] . from fd00::1",
            ServedQuery(86399.0, "fd00::1", 5353, "HTTPS", "."),
        ),
        ("Nov 23 23:59:59 dnsmasq[6]: 7 10.0.0.1/1 config www.lab.test is NODATA-IPv6", None),
    ],
)
def test_every_format_of_the_servers_log_is_parsed(line: str, expected: ServedQuery | None) -> None:
    """Old dnsmasq prints no port, and numbers for types that it does not know."""
    assert server_log.parse(line + "\n") == ((expected,) if expected else ())


@pytest.mark.parametrize(
    "line",
    [
        "Nov 23 15:25:03 dnsmasq[603]: 1 10.10.10.89/48758 query[A] www.lab.test fr",
        "Nov 23 15:25:03 dnsmasq[603]: 1 10.10.10.89/70000 query[A] www.lab.test from 10.10.10.89",
        "Nov 23 15:25:03 dnsmasq[603]: 1 10.10.10.88/48758 query[A] www.lab.test from 10.10.10.89",
        "Nov 23 25:25:03 dnsmasq[603]: 1 10.10.10.89/48758 query[A] www.lab.test from 10.10.10.89",
        "Nov 23 15:25:03 dnsmasq[603]: 1 10.10.10.89/48758 query[A4] www.lab.test from 10.10.10.89",
        "no log at all",
    ],
)
def test_a_damaged_server_log_line_is_an_error(line: str) -> None:
    """A skipped query would look like a dropped one."""
    with pytest.raises(UnreadableError):
        server_log.parse(line)


REPLY = "src=10.10.10.53 dst=10.10.10.89 sport=53 dport=48758"
NEW = (
    "[1700000000.123456]\t    [NEW] udp      17 30 src=10.10.10.89 dst=10.10.10.53 sport=48758 dport=53"
    f" [UNREPLIED] {REPLY} id=4026531842"
)


def test_conntracks_events_are_read_in_full() -> None:
    """An entry keeps its id from confirmation to its end; NAT shows in the reply's flow."""
    update = NEW.replace("    [NEW]", " [UPDATE]").replace(" [UNREPLIED]", "").replace("src=10.10.10.53", "src=8.8.8.8")
    destroy = (
        "[1700000009.123456]\t[DESTROY] tcp      6 TIME_WAIT src=10.10.10.89 dst=10.10.10.53 sport=48758 dport=53"
        f" packets=2 bytes=116 {REPLY} packets=1 bytes=74 [ASSURED] mark=0"
    )
    other = "[1700000000.1]\t    [NEW] icmp     1 30 src=10.0.0.1 dst=10.0.0.2 type=8 code=0 id=7 src=10.0.0.2"

    assert events.parse(f"{NEW}\n{update}\n{other}\n{destroy}") == (
        ConntrackEvent(1700000000.123456, "NEW", "udp", FLOW, FLOW.reversed, answered=False, ct_id=4026531842),
        ConntrackEvent(
            1700000000.123456,
            "UPDATE",
            "udp",
            FLOW,
            Flow("8.8.8.8", 53, "10.10.10.89", 48758),
            answered=True,
            ct_id=4026531842,
        ),
        ConntrackEvent(1700000009.123456, "DESTROY", "tcp", FLOW, FLOW.reversed, answered=True, ct_id=None),
    )


@pytest.mark.parametrize(
    "line",
    [
        NEW[:60],
        NEW.replace("dport=53", "dport=65536"),
        NEW.replace("sport=53", "sport="),
        NEW.replace("id=", "id=9"),
        NEW + " id=3",
        f"{NEW} {REPLY}",
        NEW.replace("[NEW]", "[NEWS]"),
    ],
)
def test_a_damaged_conntrack_event_is_an_error(line: str) -> None:
    """An entry without its confirmation event would look like one that was never confirmed."""
    with pytest.raises(UnreadableError, match="conntrack's event"):
        events.parse(line)
