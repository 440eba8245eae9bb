"""Which resolver on the path lost a query, from the logs of systemd-resolved, dnsmasq, unbound and CoreDNS."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from lab.diagnosis.causes import Cause, Finding, Grade
from lab.diagnosis.fates import RETRY_S, Fate, Fated
from lab.diagnosis.material import Daemon
from lab.diagnosis.questions import FORGOTTEN_S
from lab.evidence.daemon_log import DaemonEvent

PLACES_MAX = 5
"""Most lines cited as evidence."""

_LOST = {Fate.NOT_ON_WIRE, Fate.NO_ANSWER, Fate.UNANSWERED}
_IN_VAIN = frozenset({"timeout", "failed"})


def trace_along(finding: Finding, daemons: Sequence[Daemon]) -> Finding:
    """Add how far a lost query got, from the log of a resolver that contains its sibling."""
    for daemon in daemons:
        for lost in (each for each in finding.fated if each.fate in _LOST):
            extended = _trace_along(finding, lost, daemon)
            if extended is not None:
                return extended
    return finding


def _trace_along(finding: Finding, lost: Fated, daemon: Daemon) -> Finding | None:
    siblings = [each for each in finding.fated if each is not lost and each.fate is Fate.ANSWERED]
    covered = any(len(_received(daemon, each)) >= len(each.question.asked) for each in siblings)
    received = _received(daemon, lost)
    attempts = len(lost.question.asked)
    # An inferred query has one attempt more than is seen.
    attempts += lost.inferred
    if covered and len(received) < attempts:
        says = (
            f"{finding.says}; it reached {daemon.program} {len(received)} of {attempts} times, the other one each time"
        )
        places = tuple(daemon.place(event.line) for event in received[:PLACES_MAX])
        return replace(finding, says=f"{says}: it was lost before", places=(*finding.places, *places))
    if len(received) < attempts or not received:
        return None
    failed = [event for event in daemon.events if event.kind in _IN_VAIN and _is_about(event, lost)]
    places = tuple(daemon.place(event.line) for event in (*received, *failed)[:PLACES_MAX])
    if failed:
        says = f"{finding.says}; it reached {daemon.program}, whose own server did not answer: it was lost beyond"
        grade = min(finding.grade, Grade.FITS) if finding.cause is Cause.NO_ANSWER else Grade.FITS
        return replace(finding, cause=Cause.NO_ANSWER, grade=grade, says=says, places=(*finding.places, *places))
    says = f"{finding.says}; it reached {daemon.program} each time: its answer was lost, or came too late"
    return replace(finding, says=says, places=(*finding.places, *places))


def _received(daemon: Daemon, one: Fated) -> list[DaemonEvent]:
    """Return a resolver's log lines about receiving a question; CoreDNS logs a query once it has answered it."""
    asked = [event for event in daemon.events if event.kind == "asked" and _is_about(event, one)]
    if asked:
        return asked
    return [event for event in daemon.events if event.kind == "answered" and event.client and _is_about(event, one)]


def _is_about(event: DaemonEvent, one: Fated) -> bool:
    """Return whether a log line is about a question, by the id, type and name that both have."""
    question = one.question
    pairs = (
        (event.qname and event.qname.rstrip(".").lower(), question.name and question.name.rstrip(".").lower()),
        (event.qtype, question.qtype),
    )
    if event.qname is None and event.dns_id is None:
        return False
    if event.client and event.dns_id is not None and event.dns_id != question.dns_id:
        return False
    return all(None in pair or pair[0] == pair[1] for pair in pairs)


def find_timeouts(daemons: Sequence[Daemon]) -> Iterator[Finding]:
    """Find resolvers whose own servers did not answer, and clients that retried.

    Each resolver sends every query from a separate socket (systemd-resolved: dns_transaction_emit_udp; dnsmasq: random
    ports; unbound: outgoing ports; CoreDNS: one query at a time on a connection), so no two queries share a flow.
    """
    for daemon in daemons:
        failed = [event for event in daemon.events if event.kind in _IN_VAIN]
        degraded = [event for event in daemon.events if event.kind in {"degraded", "limit"}]
        if failed:
            yield _failed(daemon, failed)
        elif degraded:
            servers = _servers(daemon)
            says = (
                f"{daemon.program} fell back to fewer protocol features{servers}, or met a limit, as it does after "
                "missing answers; the loss is on its upstream side: capture there"
            )
            yield _open(daemon, says, degraded)
        else:
            yield from _asked_again(daemon)


def _failed(daemon: Daemon, failed: Sequence[DaemonEvent]) -> Finding:
    most = max(Counter(event.dns_id for event in failed).values())
    twice = "; one of them timed out twice, alone" if most > 1 and failed[0].dns_id is not None else ""
    says = (
        f"{daemon.program} timed out {len(failed)} times waiting for its server{_servers(daemon)}{twice}: it sends "
        "every query from a separate socket, so they do not clash; the loss is on its upstream side: capture there"
    )
    return _open(daemon, says, failed)


def _asked_again(daemon: Daemon) -> Iterator[Finding]:
    """Find a client that retried after a wait: the resolver's answer to its first attempt did not reach it."""
    first: dict[tuple[str | None, str | None, str | None], DaemonEvent] = {}
    for event in daemon.events:
        if event.kind != "asked" or event.time_s is None or event.qname is None:
            continue
        before = first.setdefault((event.client, event.qname, event.qtype), event)
        waited_s = event.time_s - (before.time_s or 0.0)
        if RETRY_S <= waited_s <= FORGOTTEN_S:
            says = (
                f"a client asked {daemon.program} for {event.qname} again after {waited_s:.1f} s, as after a missing "
                f"answer: a capture of both sides of {daemon.program} shows whether it had no answer or the answer was "
                "lost on its way back"
            )
            yield _open(daemon, says, (before, event))
            return


def _servers(daemon: Daemon) -> str:
    servers = sorted({event.server for event in daemon.events if event.server and event.kind != "asked"})
    return f" ({', '.join(servers[:3])})" if servers else ""


def _open(daemon: Daemon, says: str, events: Sequence[DaemonEvent]) -> Finding:
    places = tuple(daemon.place(event.line) for event in events[:PLACES_MAX])
    return Finding(Cause.LOST_SOMEWHERE, Grade.OPEN, says, places)
