"""Logs of local resolvers and forwarders: systemd-resolved, dnsmasq, unbound, CoreDNS."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from lab.evidence import flow, log_line, message
from lab.evidence.fields import PORT_MAX
from lab.evidence.log_line import Logged

Kind = Literal["asked", "sent", "answered", "timeout", "retry", "degraded", "limit", "failed"]

_TEXT_MAX = 2000
_SERVER = r"(?P<server>[0-9a-fA-F.:]{1,44}[0-9a-fA-F:])(?:%\S{1,16})?"
_TYPE = r"(?P<qtype>[A-Z][A-Z0-9-]{0,15}|type=\d{1,5}|TYPE\d{1,5})"


@dataclass(frozen=True)
class DaemonEvent:
    """One logged action of a resolver.

    Attributes:
        kind: `asked`: a client sent a query; `sent`: a query to an upstream server; `answered`; `timeout` and `retry`
            of an upstream query; `degraded`: fewer protocol features are used, as after timeouts; `limit`: a limit
            of the resolver was reached; `failed`: a query failed.
        time_s: Time by the log's clock, in seconds; None where the line has no time.
        client: The client's address; None where it is not logged.
        port: The client's port.
        server: The upstream server's address.
        dns_id: The message's DNS id.
        qtype: The queried type.
        qname: The queried name, without the last dot.
        rcode: The response code.
        took_s: How long the answer took, in seconds.
        line: Line number, from 1.
    """

    kind: Kind
    time_s: float | None = None
    client: str | None = None
    port: int | None = None
    server: str | None = None
    dns_id: int | None = None
    qtype: str | None = None
    qname: str | None = None
    rcode: str | None = None
    took_s: float | None = None
    line: int = field(default=0, compare=False)


@dataclass(frozen=True)
class DaemonLog:
    """The log of one program: its name and its events."""

    program: str
    events: tuple[DaemonEvent, ...]


def _rule(kind: Kind, pattern: str) -> tuple[Kind, re.Pattern[str]]:
    return kind, re.compile(pattern)


_RESOLVED = (
    _rule(
        "sent",
        rf"Using DNS server {_SERVER}(?:#\S{{1,255}})? for transaction (?P<id>\d{{1,5}})\..*",
    ),
    _rule(
        "sent", r"Sending query (?:packet )?(?:with|via TCP).{0,40}?(?: id (?P<id>\d{1,5}))?(?: of size \d{1,6})?\..*"
    ),
    _rule("timeout", r"Timeout reached on transaction (?P<id>\d{1,5})\..*"),
    _rule("retry", r"Retrying transaction (?P<id>\d{1,5}).*"),
    _rule(
        "answered",
        r"Processing incoming packet (?:of size \d{1,6} )?on transaction (?P<id>\d{1,5})"
        r"(?: \(rcode=(?P<rcode>[A-Z]{2,12})\))?.*",
    ),
    _rule(
        "failed",
        r"Regular transaction (?P<id>\d{1,5}) for <\S{1,300} IN [A-Z0-9]{1,10}> .{0,80}now complete with "
        r"<(?:timeout|attempts-max-reached|no-servers)>.*",
    ),
    _rule(
        "degraded",
        rf"Using degraded feature set \S{{1,40}}(?: \S{{1,20}}){{0,4}} for DNS server {_SERVER}.*",
    ),
    _rule("degraded", rf"Server {_SERVER} does not support .*"),
)
_DNSMASQ_NAME = r"(?P<name>\S{1,1100})"
_DNSMASQ_EXTRA = r"(?:\d{1,10} (?:(?P<client>[0-9a-fA-F.:]{2,45})/(?P<port>\d{1,5}) )?)?"
_DNSMASQ = (
    _rule("asked", rf"{_DNSMASQ_EXTRA}query\[{_TYPE}\] {_DNSMASQ_NAME} from (?P<from>[0-9a-fA-F.:%\w]{{2,64}}).*"),
    _rule("sent", rf"{_DNSMASQ_EXTRA}forwarded {_DNSMASQ_NAME} to (?P<server>[0-9a-fA-F.:]{{2,45}}).*"),
    _rule("answered", rf"{_DNSMASQ_EXTRA}(?:reply|cached|config|/\S{{1,80}}) {_DNSMASQ_NAME} is .*"),
    _rule("limit", r"Maximum number of concurrent DNS queries reached.*"),
    _rule("failed", r"nameserver (?P<server>[0-9a-fA-F.:]{2,45})(?:#\d{1,5})? refused to do a recursive query.*"),
)
_UNBOUND_FLOW = (
    r"(?P<client>[0-9a-fA-F.:]{2,45})(?:@(?P<port>\d{1,5}))? (?P<name>\S{1,1100}) " + _TYPE + r" (?:IN|CH|ANY)"
)
_UNBOUND = (
    _rule("answered", rf"(?:reply|info): {_UNBOUND_FLOW} (?P<rcode>[A-Z]{{2,12}}) (?P<took>\d{{1,6}}\.\d{{1,9}}) .*"),
    _rule("asked", rf"(?:query|info): {_UNBOUND_FLOW}"),
    _rule("failed", r"error: SERVFAIL <(?P<name>\S{1,1100}) [A-Z0-9]{1,10} IN>.*"),
)
_COREDNS_ADDRESS = r"\[?(?P<client>[0-9a-fA-F.:]{2,45}?)\]?:(?P<port>\d{1,5})"
_COREDNS = (
    _rule(
        "answered",
        rf'(?:\[INFO\] )?{_COREDNS_ADDRESS} - (?P<id>\d{{1,5}}) "{_TYPE} [A-Z]{{2,4}} (?P<name>\S{{1,1100}}) '
        r'(?:udp|tcp) \d{1,6} (?:true|false) \d{1,6}" '
        r"(?P<rcode>[A-Z]{2,12}|-) \S{0,40} \d{1,6} (?P<took>\d{1,6}(?:\.\d{1,9})?)s.*",
    ),
    _rule(
        "timeout",
        rf"(?:\[ERROR\] )?plugin/errors: \d{{1,5}} (?P<name>\S{{1,1100}}) {_TYPE}: "
        r"(?:read udp \S{3,60}->\[?(?P<server>[0-9a-fA-F.:]{2,45}?)\]?:\d{1,5}: )?i/o timeout.*",
    ),
    _rule("failed", rf"(?:\[ERROR\] )?plugin/errors: \d{{1,5}} (?P<name>\S{{1,1100}}) {_TYPE}: .*"),
    _rule("limit", r".{0,60}?plugin/(?:forward|loop): (?:Loop|concurrent queries exceeded).*"),
)
_PROGRAMS = {"systemd-resolved": _RESOLVED, "dnsmasq": _DNSMASQ, "unbound": _UNBOUND, "coredns": _COREDNS}
_UNBOUND_LINE = re.compile(
    r"(?:\[(?P<time>\d{9,11})\] |\S{3} {1,2}\d{1,2} [\d:]{8} )?unbound\[\d{1,10}:\d{1,3}\] "
    r"(?P<text>(?:info|reply|query|error): .*)"
)
_COREDNS_LINE = re.compile(r"(?:\[(?:INFO|ERROR|WARNING)\] |plugin/errors: )")
_RESOLVED_TEXT = re.compile(
    r"(?:Using DNS server|Sending query|Timeout reached on transaction|Retrying transaction|Processing incoming packet|"
    r"Regular transaction|Using degraded feature set)"
)


_QUICK = re.compile(r"resolved|dnsmasq|unbound|\[INFO\]|plugin/|transaction|Sending query|degraded feature set")
"""A quick prefilter that every relevant line matches; most lines of a log do not."""


def is_line(line: str) -> bool:
    """Return whether a line is a known event of a resolver's log."""
    return _QUICK.search(line[:_TEXT_MAX]) is not None and next(iter(_read(line, 0)), None) is not None


def parse(lines: Iterable[tuple[int, str]]) -> tuple[DaemonLog, ...]:
    """Parse resolvers' logs from numbered lines, grouped by program."""
    events_by_program: dict[str, list[DaemonEvent]] = {}
    for number, line in lines:
        for program, event in _read(line, number):
            events_by_program.setdefault(program, []).append(event)
    return tuple(DaemonLog(program, tuple(events)) for program, events in events_by_program.items())


def _read(line: str, number: int) -> Iterator[tuple[str, DaemonEvent]]:
    line = line[:_TEXT_MAX]
    program, text, time_s = _program(line)
    for kind, pattern in _PROGRAMS.get(program or "", ()):
        match = pattern.fullmatch(text)
        if match is not None:
            yield program or "", _event(kind, match, time_s, number)
            return


def _program(line: str) -> tuple[str | None, str, float | None]:
    """Return a line's program, message and time."""
    if own := _UNBOUND_LINE.match(line):
        return "unbound", own["text"], float(own["time"]) if own["time"] else None
    logged = log_line.split(line)
    ident = (logged.ident or "").lower()
    if ident in _PROGRAMS:
        return ident, logged.text, _time(logged)
    if _COREDNS_LINE.match(logged.text):
        return "coredns", logged.text, _time(logged)
    if _RESOLVED_TEXT.match(logged.text):
        return "systemd-resolved", logged.text, _time(logged)
    return None, logged.text, None


def _time(logged: Logged) -> float | None:
    return logged.uptime_s if logged.time_s is None else logged.time_s


def _event(kind: Kind, match: re.Match[str], time_s: float | None, line: int) -> DaemonEvent:
    parts = match.groupdict()
    name = parts.get("name")
    return DaemonEvent(
        kind,
        time_s,
        client=_checked(flow.normalize_address, parts.get("client") or parts.get("from")),
        port=_number(parts.get("port")),
        server=_checked(flow.normalize_address, parts.get("server")),
        dns_id=_number(parts.get("id")),
        qtype=_checked(message.normalize_type, _type(parts.get("qtype"))),
        qname=None if name is None else name.rstrip(".") or ".",
        rcode=parts.get("rcode") or None,
        took_s=None if parts.get("took") is None else float(parts["took"] or 0),
        line=line,
    )


def _type(text: str | None) -> str | None:
    return None if text is None else text.replace("type=", "TYPE")


def _checked(read: Callable[[object], str], text: str | None) -> str | None:
    try:
        return None if text is None else read(text)
    except ValueError:
        return None


def _number(text: str | None) -> int | None:
    return int(text) if text and int(text) <= PORT_MAX else None
