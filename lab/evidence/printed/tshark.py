"""Parser of the packet list printed by tshark and exported by Wireshark: one line per packet, without ports."""

from __future__ import annotations

import csv
import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from lab.evidence import message
from lab.evidence.capture import WirePacket
from lab.evidence.constants import DNS_PORT
from lab.evidence.flow import Flow
from lab.evidence.message import Message
from lab.evidence.printed import times
from lab.evidence.printed.model import Endpoints, PrintedCapture, PrintedDatagram, between, build_printed
from lab.evidence.printed.times import Time
from lab.evidence.refusals import Refusal

_LINE_MAX = 2000
_LINE = re.compile(
    rf"\s*(?P<number>\d{{1,9}})\s+{times.STAMP}\s+(?P<src>[\w.:%-]{{2,280}})\s+(?P<arrow>-> |<- )?\s*"
    r"(?P<dst>[\w.:%-]{2,280})\s+(?P<protocol>[A-Z][A-Za-z0-9/.-]{1,19})\s+(?:(?P<length>\d{1,6})\s+)?(?P<info>\S.*)"
)
_HEADER = re.compile(r'\s*"?No\."?[\s,]+"?Time"?[\s,]+"?Source"?.*')
_DNS = re.compile(
    r"Standard query (?P<answer>response )?(?:0x(?P<id>[0-9a-f]{4}) +)?"
    r"(?P<rcode>No such name|Server failure|Refused|Format error|Not implemented)?\s*"
    r"(?:(?P<qtype>[A-Z][A-Z0-9]{0,9}|Unknown \(\d{1,5}\)) (?P<name>[^\s,]{1,1100}))?.*"
)
_RCODES = {
    "No such name": "NXDOMAIN",
    "Server failure": "SERVFAIL",
    "Refused": "REFUSED",
    "Format error": "FORMERR",
    "Not implemented": "NOTIMP",
}
_PORTS = re.compile(r"(?P<sport>\d{1,5}) (?:->|\u2192|>) (?P<dport>\d{1,5}) .*")
_DATAGRAM = re.compile(r".*\bLen(?:gth)?[=:] ?(\d{1,6})")


@dataclass
class _TsharkState:
    endpoints: Endpoints = field(default_factory=Endpoints)
    times: list[Time] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    items: list[tuple[int, WirePacket | Refusal | PrintedDatagram]] = field(default_factory=list)


def is_line(line: str) -> bool:
    """Return whether a line belongs to tshark's list, or to Wireshark's export of it."""
    match = _read(line)
    return bool(_HEADER.fullmatch(line[:_LINE_MAX])) or (
        match is not None and (bool(match["arrow"]) or bool(match["length"])) and not _is_rows(match)
    )


def _is_rows(match: re.Match[str]) -> bool:
    """Return whether a match is another table: hosts contain a dot or a colon."""
    return not any(mark in match["src"] + match["dst"] for mark in ".:_")


def _read(line: str) -> re.Match[str] | None:
    if line.lstrip()[:1] == '"':
        try:
            line = " ".join(next(csv.reader([line[:_LINE_MAX]]), []))
        except csv.Error:
            return None
    return _LINE.fullmatch(line[:_LINE_MAX])


def parse(lines: Iterable[tuple[int, str]]) -> tuple[PrintedCapture, ...]:
    """Parse the numbered lines of the list; returns several captures if time goes back."""
    state = _TsharkState()
    for number, line in lines:
        read = _read(line)
        if read is not None:
            state.times.append(times.read(read))
            state.numbers.append(int(read["number"]))
            state.items += [(len(state.times) - 1, item) for item in [_item(state, number, read)] if item is not None]
    when = times.accumulate_spans(state.times, state.numbers)
    made = (
        build_printed("tshark", when[begin:end], between(state.items, begin, end)) for begin, end in times.split(when)
    )
    return tuple(replace(each, ports=False, names=state.endpoints.names) for each in made)


def _item(state: _TsharkState, number: int, line: re.Match[str]) -> WirePacket | Refusal | PrintedDatagram | None:
    time_s = state.times[-1].time_s
    src, dst = state.endpoints.host(line["src"]), state.endpoints.host(line["dst"])
    info = line["info"]
    if line["protocol"] == "DNS":
        content = _message(info)
        if content is None:
            return None
        ports = (DNS_PORT, 0) if content.is_answer else (0, DNS_PORT)
        return WirePacket(time_s, Flow(src, ports[0], dst, ports[1]), "udp", content, number)
    if line["protocol"] in {"ICMP", "ICMPv6"} and info.startswith("Destination unreachable"):
        what = "port" if "Port unreachable" in info else "unreachable"
        what = "prohibited" if "prohibited" in info or "filtered" in info else what
        return Refusal(number, time_s, src, Flow(dst, 0, src, DNS_PORT), None, what)
    ports_of = _PORTS.fullmatch(info)
    length = _DATAGRAM.match(info[:200])
    if line["protocol"] == "UDP" and ports_of is not None and length is not None:
        of = Flow(src, int(ports_of["sport"]), dst, int(ports_of["dport"]))
        return PrintedDatagram(time_s, of, int(length[1]), number)
    return None


def _message(info: str) -> Message | None:
    match = _DNS.fullmatch(info)
    if match is None or match["id"] is None:
        return None  # before Wireshark 1.8 the list had no id, and messages cannot be distinguished
    is_answer = bool(match["answer"])
    asked = match["qtype"] is not None and not (is_answer and _is_record(match["qtype"], match["name"]))
    rcode = _RCODES.get(match["rcode"] or "", "NOERROR") if is_answer else None
    try:
        qtype = message.normalize_type(match["qtype"]) if asked else None
    except ValueError:
        qtype = None
    name = match["name"].rstrip(".") or "." if asked else None
    return Message(int(match["id"], 16), is_answer, qtype, name, rcode)


def _is_record(qtype: str, name: str) -> bool:
    """Return whether the text in an answer is its first record: old versions omit the question."""
    if qtype in {"CNAME", "SOA", "NS"}:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
