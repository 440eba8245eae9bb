"""Routes by which a forwarding machine sent the queries of one flow: after a clash they may differ."""

from __future__ import annotations

from collections.abc import Iterable

from lab.diagnosis.material import Citation
from lab.diagnosis.questions import Attempt, Hop, Question


def find_astray(question: Question, beside: Iterable[Question]) -> tuple[str, tuple[Citation, ...]] | None:
    """Return how a query's route differs from that of an answered one of its flow, with the packets; None when equal.

    With DNAT to several servers, each of the two conntracks of a flow has a server and a route. At the clash the second
    packet gets the first one's conntrack and translation, but its own route is already chosen: it leaves for one server
    on the route to the other (netfilter bugzilla 1766).
    """
    first = question.asked[0]
    for other in beside:
        if other is question or other.reply(0) is None or not first.sockets & other.asked[0].sockets:
            continue
        own, others = _sent(first), _sent(other.asked[0])
        server = next(iter({hop.dst for hop in own} & {hop.dst for hop in others}), None)
        if server is None or server in {first.hops[0].dst, other.asked[0].hops[0].dst}:
            continue
        by, others_by = _interfaces(own), _interfaces(others)
        if by and others_by and not by & others_by:
            ways = f"{other} by {_names(others_by)}, {question} by {_names(by)}"
        elif _came_back(first) and not _came_back(other.asked[0]):
            ways = f"{other} once, while {question} came back in after it had left"
        else:
            continue
        words = f"both were translated to one server ({server}) and left by different routes: {ways}"
        return words, (others[0].place, *(hop.place for hop in own[:1]))
    return None


def _sent(ask: Attempt) -> tuple[Hop, ...]:
    """Return the packets sent by a machine that had also received the query."""
    return tuple(hop for hop in ask.hops if hop.outgoing) if False in ask.ways else ()


def _interfaces(hops: Iterable[Hop]) -> frozenset[str]:
    return frozenset(hop.interface for hop in hops if hop.interface is not None)


def _came_back(ask: Attempt) -> bool:
    """Return whether a query was received again after it had been sent."""
    left = [number for number, hop in enumerate(ask.hops) if hop.outgoing]
    return bool(left) and any(hop.outgoing is False for hop in ask.hops[left[0] :])


def _names(interfaces: Iterable[str]) -> str:
    """Return a list of interface names; an index where a capture has no name."""
    return ", ".join(f"interface {name}" if name.startswith("#") else name for name in sorted(interfaces))
