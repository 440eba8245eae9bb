"""Captures, hook's logs and counters made for tests of `lab diagnose`, and their judgement."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from pathlib import Path

import dns.message
import dpkt

from lab.diagnosis.causes import Cause
from lab.diagnosis.conclusion import Answer, Conclusion, conclude
from lab.diagnosis.recognise import recognise

EVIDENCE = Path(__file__).parents[1] / "evidence"
STALLED = EVIDENCE / "3.10.0-123.el7" / "1"
CLIENT, SERVER = bytes([10, 0, 0, 1]), bytes([10, 0, 0, 53])
COUNTS = "entries  found insert insert_failed drop\n{:08x}  {:08x} {:08x} {:08x} {:08x}\n"
A, AAAA = (1, "A"), (2, "AAAA")


@dataclass(frozen=True)
class Sent:
    """A DNS message on the wire: a query, or the answer to one."""

    time_s: float
    query: tuple[int, str]
    answers: bool = False
    sport: int = 40000
    src: bytes = CLIENT
    way: int = 4
    ttl: int = 64
    name: str = "www.lab.test"


def packet(sent: Sent) -> bytes:
    """Return the message's IPv4 packet."""
    dns_id, qtype = sent.query
    query = dns.message.make_query(sent.name, qtype, id=dns_id)
    message: dns.message.Message = query
    src, dst, ports = sent.src, SERVER, (sent.sport, 53)
    if sent.answers:
        message, src, dst, ports = dns.message.make_response(query), dst, src, ports[::-1]
    payload = message.to_wire()
    udp = dpkt.udp.UDP(sport=ports[0], dport=ports[1], ulen=8 + len(payload), data=payload)
    return bytes(dpkt.ip.IP(src=src, dst=dst, p=17, ttl=sent.ttl, data=udp))


def pcap(*packets: Sent) -> bytes:
    """Return a capture of tcpdump -i any, which records each packet's direction."""
    file = io.BytesIO()
    writer = dpkt.pcap.Writer(file, linktype=113, nano=True)
    for sent in packets:
        header = struct.pack("!HHH8sH", sent.way, 1, 6, bytes(8), 0x0800)
        writer.writepkt(header + packet(sent), 1700000000 + sent.time_s)
    return file.getvalue()


def judged(*files: bytes | str) -> Conclusion:
    """Judge files named 0, 1, 2 and so on."""
    contents = [file if isinstance(file, bytes) else file.encode() for file in files]
    return conclude([one for number, content in enumerate(contents) for one in recognise(str(number), content)])


def brief(conclusion: Conclusion) -> tuple[Answer, Cause | None, bool]:
    """Return a conclusion in brief."""
    return conclusion.answer, conclusion.finding.cause if conclusion.finding else None, conclusion.certain


LOST = (
    Sent(0, A),
    Sent(0.001, A, answers=True, way=0),
    Sent(5, A),
    Sent(5.001, A, answers=True, way=0),
    Sent(5.002, AAAA),
    Sent(5.003, AAAA, answers=True, way=0),
)
"""glibc's stall on the wire: the first AAAA query is missing."""

FITS = (Answer.THIS_BUG, Cause.CLASH, False)


def hooked(*packets: tuple[float, int, int]) -> str:
    """Return the hook's log of packets: time, DNS id, conntrack."""
    return "".join(
        f"[{time_s:12.6f}] [nfqdns] 10.0.0.1:40000->10.0.0.53:53 skb ffff000000000001 ct {ct:016x} tid {dns_id}\n"
        for time_s, dns_id, ct in packets
    )


ARMED = hooked((10, 1, 0xA), (10.001, 2, 0xB), (15, 1, 0xA), (15.002, 2, 0xA))
UNARMED = hooked((10, 1, 0xA), (10.001, 2, 0xA), (15, 1, 0xA), (15.002, 2, 0xA))
ROSE, FLAT = (COUNTS.format(2, 5, 2, 0, 0), COUNTS.format(2, 9, 4, 1, 0)), (COUNTS.format(2, 5, 2, 0, 0),) * 2
