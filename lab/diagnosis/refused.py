"""Refused queries: ICMP errors and TCP resets on the wire, and errors returned by sockets."""

from __future__ import annotations

from collections.abc import Iterator

from lab.diagnosis.causes import Cause, Finding, Grade
from lab.diagnosis.material import Calls, Capture, Citation

_CAUSES = {
    "port": Cause.NOT_LISTENING,
    "prohibited": Cause.FIREWALL,
    "unreachable": Cause.UNREACHABLE,
    "reset": Cause.NOT_LISTENING,
    # Socket errors by ICMP message (net/ipv4/icmp.c: icmp_err_convert). A rule that rejects as prohibited also causes
    # EHOSTUNREACH or ENETUNREACH, so a missing route is not certain.
    "ECONNREFUSED": Cause.NOT_LISTENING,
    "EHOSTUNREACH": Cause.UNREACHABLE,
    "ENETUNREACH": Cause.UNREACHABLE,
    "EACCES": Cause.FIREWALL,
    "ENOBUFS": Cause.LOST_LOCALLY,
    "POLLERR": Cause.UNREACHABLE,
}
_VAGUE = frozenset({"EHOSTUNREACH", "ENETUNREACH", "POLLERR"})
_WORDS = {
    "port": "ICMP reports that nothing listens on the port (REJECT sends this by default, too)",
    "prohibited": "ICMP reports that an administrator's rule forbids it",
    "unreachable": "ICMP reports that it cannot be reached",
    "reset": "TCP connections to it are reset",
    "ECONNREFUSED": "the socket returned that nothing listens on the port (so it does for REJECT by default)",
    "EHOSTUNREACH": "the socket returned that it cannot be reached, which a prohibiting rule causes, too",
    "ENETUNREACH": "the socket returned that its network cannot be reached, which a prohibiting rule causes, too",
    "EACCES": "the socket returned permission denied: a prohibiting route, or a security module",
    "POLLERR": "the socket has an error: an ICMP message that refuses the query came back, and is not shown",
    "ENOBUFS": "the queueing discipline of the interface dropped it",
}


def find_on_wire(capture: Capture) -> Iterator[Finding]:
    """Return findings of refused queries on the wire."""
    places: dict[tuple[str, str], list[Citation]] = {}
    for refusal in capture.refusals:
        text = f"{refusal.by} to {refusal.flow.src}.{refusal.flow.sport}: {_WORDS[refusal.what]}"
        places.setdefault((refusal.what, refusal.flow.dst), []).append(capture.place(refusal.number, text))
    yield from _findings(places)


def find_at_socket(calls: Calls) -> Iterator[Finding]:
    """Return findings of errors returned by the resolver's sockets."""
    places: dict[tuple[str, str], list[Citation]] = {}
    for refusal in calls.refusals:
        if refusal.call == "connect" and ":" in (refusal.server or ""):
            continue  # a resolver that tries IPv6 where there is none
        places.setdefault((refusal.error, refusal.server or "a server"), []).append(calls.place(refusal.line))
    yield from _findings(places)


def _findings(refused: dict[tuple[str, str], list[Citation]]) -> Iterator[Finding]:
    for (what, server), places in refused.items():
        grade = Grade.FITS if what in _VAGUE else Grade.CERTAIN
        says = f"{server} was asked, and {_WORDS[what]}"
        yield Finding(_CAUSES[what], grade, says, tuple(places[:5]))
