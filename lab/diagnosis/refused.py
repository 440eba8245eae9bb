"""What refused queries: by ICMP errors and resets on the wire, or by what a socket was told of them."""

from __future__ import annotations

from collections.abc import Iterator

from lab.diagnosis.findings import Cause, Finding, Grade
from lab.diagnosis.material import Calls, Capture, Place

_CAUSES = {
    "port": Cause.NOT_LISTENING,
    "prohibited": Cause.FIREWALL,
    "unreachable": Cause.UNREACHABLE,
    "reset": Cause.NOT_LISTENING,
    # What a socket is told of each (net/ipv4/icmp.c: icmp_err_convert): a rule that rejects as prohibited says
    # EHOSTUNREACH or ENETUNREACH as well, so that a route is missing is not certain.
    "ECONNREFUSED": Cause.NOT_LISTENING,
    "EHOSTUNREACH": Cause.UNREACHABLE,
    "ENETUNREACH": Cause.UNREACHABLE,
    "EACCES": Cause.FIREWALL,
    "ENOBUFS": Cause.LOST_LOCALLY,
    "POLLERR": Cause.UNREACHABLE,
}
_VAGUE = frozenset({"EHOSTUNREACH", "ENETUNREACH", "POLLERR"})
_WORDS = {
    "port": "ICMP says that nobody listens on the port (so does REJECT, if not told otherwise)",
    "prohibited": "ICMP says that an administrator's rule forbids it",
    "unreachable": "ICMP says that it cannot be reached",
    "reset": "TCP connections to it are reset",
    "ECONNREFUSED": "the socket was told that nobody listens on the port (so does REJECT, if not told otherwise)",
    "EHOSTUNREACH": "the socket was told that it cannot be reached, as a rule that prohibits it says, too",
    "ENETUNREACH": "the socket was told that its network cannot be reached, as a rule that prohibits it says, too",
    "EACCES": "the socket was told that it may not: a route that prohibits, or a security module",
    "POLLERR": "the socket was told of an error: an ICMP message that refuses it came back, and is not shown",
    "ENOBUFS": "the queueing discipline of the interface dropped it",
}


def on_wire(capture: Capture) -> Iterator[Finding]:
    """Give what refused queries on the wire."""
    told: dict[tuple[str, str], list[Place]] = {}
    for refusal in capture.refusals:
        text = f"{refusal.by} to {refusal.flow.src}.{refusal.flow.sport}: {_WORDS[refusal.what]}"
        told.setdefault((refusal.what, refusal.flow.dst), []).append(Place(capture.name, None, refusal.number, text))
    yield from _findings(told)


def at_socket(calls: Calls) -> Iterator[Finding]:
    """Give what the resolver's sockets were told."""
    told: dict[tuple[str, str], list[Place]] = {}
    for refusal in calls.refusals:
        if refusal.call == "connect" and ":" in (refusal.server or ""):
            continue  # a resolver that tries IPv6 where there is none
        told.setdefault((refusal.error, refusal.server or "a server"), []).append(calls.place(refusal.line))
    yield from _findings(told)


def _findings(told: dict[tuple[str, str], list[Place]]) -> Iterator[Finding]:
    for (what, server), places in told.items():
        grade = Grade.FITS if what in _VAGUE else Grade.CERTAIN
        says = f"{server} was asked, and {_WORDS[what]}"
        yield Finding(_CAUSES[what], grade, says, tuple(places[:5]))
