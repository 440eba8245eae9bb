"""Parser of tcpdump's output with any options."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from lab.evidence.capture import WirePacket
from lab.evidence.constants import DNS_PORT
from lab.evidence.flow import Flow
from lab.evidence.printed import dns, times
from lab.evidence.printed.model import Endpoints, PrintedCapture, PrintedDatagram, between, build_printed
from lab.evidence.printed.times import Time
from lab.evidence.refusals import Refusal

_HEAD_MAX = 800
"""Maximum length before the body: time, interface, link addresses, the IP header's fields (-v), two long names."""

_PACKET_MAX = _HEAD_MAX + dns.BODY_MAX

_MULTICAST = frozenset({5353, 5355})
"""Ports of multicast DNS (RFC 6762) and LLMNR (RFC 4795), which are ignored."""

_MAC = r"(?:[0-9a-f]{1,2}:){5}[0-9a-f]{1,2}(?: \([^)]{1,40}\))?"
_HEAD = re.compile(
    rf"\s*(?:{times.STAMP} +)?(?:(?:(?P<interface>[\w.@?-]{{1,15}}) +)?(?P<way>In|Out|P|B|M) +)?"
    rf"(?:ifindex \d{{1,10}} )?(?P<link>(?:{_MAC}(?: > {_MAC})?,? )?(?:ethertype [^,]{{1,40}}, )?"
    r"(?:length \d{1,6}: )?(?:vlan [^:]{1,60}: ?)?)(?P<ip>IP6? )?"
    r"(?P<header>\((?:tos|class|flowlabel|hlim) [^()]{0,120}(?:\([^()]{0,80}\)[^()]{0,120}){0,6}\)? ?)?"
)
_PACKET = re.compile(r"(?P<src>[\w.:%-]{2,280}) > (?P<dst>[\w.:%-]{2,280}): ?(?P<body>.*)", re.DOTALL)
_BODY = re.compile(
    r"(?:\[(?:bad )?udp (?:cksum|sum)[^\]]{0,60}\]|\[no cksum\]|UDP, |udp \d|Flags \[|tcp \d|ICMP6?[, ]|"
    r"\d{1,5}[+%*|$ -]|\[\|domain\])"
)
_OTHER = re.compile(r"ARP, |arp |LLDP|STP |802\.1")
_TTL = re.compile(r"(?:ttl|hlim) (\d{1,3})\b")
_CHECKSUM = re.compile(r"\[(?:(?:bad )?udp (?:cksum|sum)[^\]]{0,60}|no cksum)\] *")
_UDP = re.compile(r"(?:UDP, (?:bad )?length|udp) (?P<length>\d{1,6})")
_TCP = re.compile(r"Flags \[(?P<flags>[^\]]{0,12})\].{0,400}?, length \d{1,6}(?:: ?| |$)(?P<dns>.*)")
_UNREACHABLE = re.compile(r"unreachable|prohibited|filter")
_REFUSED_PORT = re.compile(r"(?:udp|tcp) port (\S{1,40})")
_REFUSED_HOST = re.compile(
    r"ICMP6?,? (?:destination unreachable, )?(?:unreachable )?"
    r"(?:host |net |port, |address |route |prohibited )?(\S{2,280})"
)
_HEX = re.compile(r"\s*0x[0-9a-f]{3,6}: ")
_DROPPED = re.compile(r"\s*(\d{1,12}) packets? dropped by kernel")
_COUNTS = re.compile(r"\s*\d{1,12} packets? (?:captured|received by filter|dropped by (?:kernel|interface))\s*")


@dataclass(frozen=True)
class _Head:
    """The part before a packet; with -v the packet follows on the second line."""

    time: Time
    interface: str | None
    outgoing: bool | None
    ttl: int | None


@dataclass(frozen=True)
class _Body:
    """A packet after its head: its line number, endpoints and text."""

    number: int
    head: _Head
    src: str
    sport: int | None
    dst: str
    dport: int | None
    text: str


@dataclass
class _TcpdumpState:
    """The state of the parser; each item has the index of its time."""

    endpoints: Endpoints = field(default_factory=Endpoints)
    times: list[Time] = field(default_factory=list)
    items: list[tuple[int, WirePacket | Refusal | PrintedDatagram]] = field(default_factory=list)
    dropped: int = 0
    counted: bool = False
    head: _Head | None = None
    quoting: bool = False


def is_line(line: str) -> bool:
    """Return whether a line was printed by tcpdump."""
    head = _HEAD.match(line, 0, _HEAD_MAX)
    if head is None:
        return False
    packet = _PACKET.match(line, head.end(), head.end() + _PACKET_MAX)
    if packet is not None:
        return _is_marked(head) or bool(_BODY.match(packet["body"]))
    rest = line[head.end() : head.end() + _HEAD_MAX]
    stamped = bool(head["clock"] or head["unix"])
    return bool(
        head["header"]
        or (head["ip"] and " > " in rest)
        or _HEX.match(line)
        or _COUNTS.fullmatch(line)
        or (stamped and _OTHER.match(rest))
    )


def _is_marked(head: re.Match[str]) -> bool:
    """Return whether the part before a packet is certainly tcpdump's."""
    stamped = bool(head["clock"] or head["unix"])
    return bool(head["ip"]) or (stamped and ("ethertype" in head["link"] or bool(head["way"])))


def may_begin(line: str) -> bool:
    """Return whether a line may be the beginning of a wrapped tcpdump line."""
    head = _HEAD.match(line, 0, _HEAD_MAX)
    return head is not None and _is_marked(head)


def is_whole(line: str) -> bool:
    """Return whether a line is complete, as far as that can be determined."""
    head = _HEAD.match(line, 0, _HEAD_MAX)
    if head is None or _HEX.match(line) or _COUNTS.fullmatch(line) or _OTHER.match(line, head.end()):
        return True
    packet = _PACKET.match(line, head.end(), head.end() + _PACKET_MAX)
    if packet is None:
        return head["header"] is not None and head["header"].rstrip().endswith(")")
    body = _CHECKSUM.sub("", packet["body"])
    if body.startswith("UDP"):
        return bool(_UDP.match(body))
    if body.startswith("Flags"):
        segment = _TCP.match(body)
        return segment is not None and (not segment["dns"] or dns.is_whole(segment["dns"]))
    return dns.is_whole(body) if dns.is_body(body) else bool(body) and not body[-1:].isspace()


def parse(lines: Iterable[tuple[int, str]]) -> tuple[PrintedCapture, ...]:
    """Parse numbered tcpdump lines; returns several captures if time goes back.

    Packets quoted by ICMP errors (-v) are not counted as packets, and hexadecimal dumps (-x, -X) are skipped.
    """
    state = _TcpdumpState()
    for number, line in lines:
        if _COUNTS.fullmatch(line):
            dropped = _DROPPED.match(line)
            state.dropped += int(dropped[1]) if dropped else 0
            state.counted = True
        elif not _HEX.match(line):
            _line(state, number, line)
    return tuple(_pieces(state))


def _line(state: _TcpdumpState, number: int, line: str) -> None:
    head = _HEAD.match(line, 0, _HEAD_MAX)
    if head is None:
        return
    packet = _PACKET.match(line, head.end(), head.end() + _PACKET_MAX)
    stamped = bool(head["clock"] or head["unix"])
    bare = not stamped and not head["ip"] and packet is not None
    if state.quoting and not stamped and not head["way"] and (bare or head["header"]):
        if packet is not None:
            _quoted(state, packet)
        return
    if state.head is None or not bare:
        state.head = _read_head(head)
        state.times.append(state.head.time)
        state.quoting = False
    if packet is not None:
        (src, sport), (dst, dport) = (state.endpoints.read(packet[name]) for name in ("src", "dst"))
        text = _CHECKSUM.sub("", packet["body"]).strip()
        for item in _items(state.endpoints, _Body(number, state.head, src, sport, dst, dport, text)):
            state.items.append((len(state.times) - 1, item))
            state.quoting = isinstance(item, Refusal) and text.startswith("ICMP")
        state.head = None


def _read_head(head: re.Match[str]) -> _Head:
    ttl = _TTL.search(head["header"] or "")
    way = head["way"]
    outgoing = None if way is None else way == "Out"
    return _Head(times.read(head), head["interface"], outgoing, int(ttl[1]) if ttl else None)


def _items(endpoints: Endpoints, body: _Body) -> Iterator[WirePacket | Refusal | PrintedDatagram]:
    """Yield the DNS message, datagram or refusal that a packet contains."""
    time_s, head = body.head.time.time_s, body.head
    if body.text.startswith("ICMP"):
        yield from _refusal(endpoints, body)
        return
    if body.sport is None or body.dport is None:
        return
    of = Flow(body.src, body.sport, body.dst, body.dport)
    if datagram := _UDP.match(body.text):
        yield PrintedDatagram(time_s, of, int(datagram["length"]), body.number, head.outgoing, head.interface)
        return
    protocol: Literal["udp", "tcp"] = "udp"
    text = body.text
    if segment := _TCP.match(text):
        # Only a reset in reply to a SYN has sequence number 0 (RFC 9293, 3.10.7.1): other resets end a connection.
        if "R" in segment["flags"] and of.sport == DNS_PORT and ", seq 0," in text[:120]:
            yield Refusal(body.number, time_s, body.src, of.reversed, None, "reset")
        protocol, text = "tcp", segment["dns"]
    read = dns.read(text) if not _MULTICAST & {of.sport, of.dport} else None
    if read is not None or text.startswith("[|domain]"):
        message, snapped = read or (None, True)
        where = (body.number, head.ttl, head.outgoing, snapped, head.interface)
        yield WirePacket(time_s, of, protocol, message, *where)


def _refusal(endpoints: Endpoints, body: _Body) -> Iterator[Refusal]:
    """Parse an ICMP error: `ICMP 198.51.100.53 udp port 53 unreachable`, `ICMP host 10.0.0.1 unreachable - ...`."""
    text = body.text[:600]
    port, host = _REFUSED_PORT.search(text), _REFUSED_HOST.match(text)
    if not _UNREACHABLE.search(text) or (port is not None and port[1] not in {str(DNS_PORT), "domain"}):
        return
    server = endpoints.host(host[1].rstrip(",")) if host else body.src
    what = "port" if port is not None or "unreachable port" in text else "unreachable"
    if "prohibited" in text or "filter" in text:
        what = "prohibited"
    # The refused packet is known only if it is quoted (-v).
    yield Refusal(body.number, body.head.time.time_s, body.src, Flow(body.dst, 0, server, DNS_PORT), None, what)


def _quoted(state: _TcpdumpState, packet: re.Match[str]) -> None:
    """Add the quoted packet to the last refusal; remove the refusal if it is not about DNS."""
    at, refusal = state.items[-1]
    (src, sport), (dst, dport) = (state.endpoints.read(packet[name]) for name in ("src", "dst"))
    state.quoting = False
    if not isinstance(refusal, Refusal) or dport is None:
        return
    if dport != DNS_PORT:
        state.items.pop()
        return
    read = dns.read(_CHECKSUM.sub("", packet["body"]).strip())
    dns_id = read[0].dns_id if read and read[0] else None
    state.items[-1] = (at, replace(refusal, flow=Flow(src, sport or 0, dst, dport), dns_id=dns_id))


def _pieces(state: _TcpdumpState) -> Iterator[PrintedCapture]:
    pieces: Sequence[tuple[int, int]] = times.split(state.times) or ([(0, 0)] if state.counted else [])
    for begin, end in pieces:
        made = build_printed("tcpdump", state.times[begin:end], between(state.items, begin, end))
        yield replace(made, names=state.endpoints.names, dropped=state.dropped)
