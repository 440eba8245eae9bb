"""Where each DNS query was seen, by every source of evidence, on one clock."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from lab.evidence import kernel, server_log
from lab.evidence.capture import WirePacket
from lab.evidence.clocks import Clocks
from lab.evidence.resolver import DNS_PORT
from lab.evidence.trace import MARK, Trace
from lab.evidence.trial import Evidence

DAY_S = 86400

NF_DROP = 0
"""linux/netfilter.h"""

STRACE_WITHIN_S = 0.005
"""strace stamps a call when it is told of it and gets a processor: under emulation up to so much later."""


class Stage(StrEnum):
    """The places on a query's way, in order."""

    SENT = "sent by the resolver"
    QUEUED = "queued at the hook"
    VERDICT = "verdict given"
    CONFIRM = "confirm returned"
    WIRE = "on the wire"
    SERVER = "seen by the server"
    ANSWER = "answer on the wire"
    READ = "read by the resolver"


@dataclass(frozen=True)
class Sighting:
    """One query, seen by one source at one place.

    Attributes:
        source: The raw file that shows it.
        stage: The place.
        dns_id: The query's DNS id; None where the source does not have it.
        qtype: The type asked for, likewise.
        sport: The port it comes from, likewise.
        time_s: When, by CLOCK_REALTIME, in seconds; None where the source's clock cannot be put on that.
        within_s: How far off that may be, in seconds.
        detail: What else the source says of it.
        dropped: Whether it ended there, by what the source says.
        server: The address of the server that is asked; None where the source does not say.
        ct: The address of its conntrack there; None where the source does not have it, or it has none.
        returned: What confirm returned for it; None elsewhere.
        clashed: Whether confirm met a clash.
        lines: The lines of the source that say so, from 1; of a capture, the packet.
    """

    source: str
    stage: Stage
    dns_id: int | None
    qtype: str | None
    sport: int | None
    time_s: float | None
    within_s: float = 0.0
    detail: str = ""
    dropped: bool = False
    server: str | None = None
    ct: int | None = None
    returned: int | None = None
    clashed: bool = False
    lines: tuple[int, ...] = ()


@dataclass(frozen=True)
class Clock:
    """How a source's clock is put on CLOCK_REALTIME.

    Attributes:
        ahead_s: What is added to it, in seconds; None when that is not known.
        within_s: How far off that may be, in seconds.
    """

    ahead_s: float | None
    within_s: float = 0.0

    def realtime_s(self, time_s: float | None) -> float | None:
        """Give a moment of this clock as one of CLOCK_REALTIME."""
        return None if time_s is None or self.ahead_s is None else time_s + self.ahead_s


def of_trial(evidence: Evidence) -> tuple[Sighting, ...]:
    """Give everything that the sources of a trial show of its queries, each source in its own order."""
    marks = [mark.value for mark in evidence.marks if mark.value]
    monotonic = _monotonic(marks)
    return (
        *_by_resolver(evidence),
        *_by_hook(evidence, monotonic),
        *_by_verdict_program(evidence, monotonic),
        *_by_kernel(evidence, marks, monotonic),
        *_by_systemtap(evidence),
        *_on_wire("client.pcap", evidence.wire.value or (), {False: Stage.WIRE, True: Stage.ANSWER}),
        *_on_wire("server.pcap", evidence.server_wire.value or (), {False: Stage.SERVER}),
        *_by_server(evidence),
    )


def cut_off(evidence: Evidence) -> frozenset[str]:
    """Name the sources of which a part is missing: that they do not show something proves nothing."""
    found = set()
    if not evidence.resolver.whole:
        found.add("client.strace")
    left = [mark.value for mark in evidence.marks if mark.value and mark.value.traced_s is not None]
    trace = evidence.traced.value
    if trace and (trace.lost or len(_marks_in(trace)) < len(left)):
        found.add("trace")
    return frozenset(found)


def _monotonic(marks: list[Clocks]) -> Clock:
    """CLOCK_MONOTONIC: by how much the two marks of a trial differ, the clock was set in between."""
    if not marks:
        return Clock(None)
    ahead_s = [mark.realtime_s - mark.monotonic_s for mark in marks]
    middle_s = (max(ahead_s) + min(ahead_s)) / 2
    return Clock(middle_s, max(mark.within_s for mark in marks) + max(ahead_s) - middle_s)


def _of_trace(trace: Trace, marks: list[Clocks], monotonic: Clock) -> Clock:
    """The trace's clock: each mark left a line in the trace, too."""
    lines = _marks_in(trace)
    traced = [mark for mark in marks if mark.traced_s is not None]
    if monotonic.ahead_s is None or not lines or len(lines) != len(traced):
        return Clock(None)
    ahead_s = [(mark.traced_s or math.nan) - line for mark, line in zip(traced, lines, strict=True)]
    middle_s = (max(ahead_s) + min(ahead_s)) / 2
    within_s = max(mark.traced_within_s or 0.0 for mark in traced) + max(ahead_s) - middle_s
    return Clock(monotonic.ahead_s + middle_s, monotonic.within_s + within_s)


def _marks_in(trace: Trace) -> list[float]:
    return [event.time_s for event in trace.events if event.name == MARK]


def _by_resolver(evidence: Evidence) -> Iterator[Sighting]:
    stages = {"sent": Stage.SENT, "read": Stage.READ}
    for event in evidence.resolver.value or ():
        if event.message is not None and event.kind in stages:
            told = event.message
            said = told.rcode or ("refused (EPERM)" if event.refused else None)
            detail = f"{event.protocol}, {said}" if said else event.protocol
            stage, sport = stages[event.kind], event.local_port
            yield Sighting(
                "client.strace",
                stage,
                told.dns_id,
                told.qtype,
                sport,
                event.time_s,
                STRACE_WITHIN_S,
                detail,
                server=event.server,
                lines=_lines(event.line, event.last_line),
            )


def _by_hook(evidence: Evidence, clock: Clock) -> Iterator[Sighting]:
    for packet in evidence.queued.value or ():
        yield Sighting(
            "dmesg",
            Stage.QUEUED,
            packet.dns_id,
            None,
            packet.flow.sport,
            clock.realtime_s(packet.monotonic_s),
            clock.within_s,
            f"packet {packet.skb:016x}, {_conntrack(packet.ct)}",
            server=packet.flow.dst,
            ct=packet.ct,
            lines=_lines(packet.line),
        )


def _by_verdict_program(evidence: Evidence, clock: Clock) -> Iterator[Sighting]:
    if evidence.verdicts.value is None:
        return
    for packet in evidence.verdicts.value.packets:
        sport = packet.flow.sport if packet.flow else None
        confirmed = {True: "confirmed", False: "not confirmed", None: ""}[packet.confirmed]
        named = f"conntrack id {packet.ct_id}, {confirmed}" if packet.ct_id is not None else ""
        for stage, time_s, detail in (
            (Stage.QUEUED, packet.queued_s, named),
            (Stage.VERDICT, packet.released_s, f"{packet.verdict}, after {packet.released_s - packet.queued_s:.3f} s"),
        ):
            yield Sighting(
                "verdict.jsonl",
                stage,
                packet.dns_id,
                packet.qtype,
                sport,
                clock.realtime_s(time_s),
                clock.within_s,
                detail,
                server=packet.flow.dst if packet.flow else None,
                lines=_lines(packet.line),
            )


def _by_kernel(evidence: Evidence, marks: list[Clocks], monotonic: Clock) -> Iterator[Sighting]:
    trace = evidence.traced.value
    if trace is None:
        return
    clock = _of_trace(trace, marks, monotonic)
    stages = {kernel.Did.QUEUED: Stage.QUEUED, kernel.Did.CONFIRMED: Stage.CONFIRM, kernel.Did.SENT: Stage.WIRE}
    before: dict[int, kernel.Step] = {}
    for step in kernel.steps(trace):
        time_s = clock.realtime_s(step.time_s)
        seen = Sighting(
            "trace",
            Stage.CONFIRM,
            step.dns_id,
            None,
            step.sport,
            time_s,
            clock.within_s,
            ct=step.ct,
            lines=_lines(step.line, *step.ended),
        )
        previous = before.get(step.dns_id)
        if step.did is kernel.Did.SENT and previous and previous.did is kernel.Did.REINJECTED:
            yield replace(seen, detail=f"not needed: {_conntrack(step.ct)} is confirmed already")
        # A confirm whose return is not known, returned nothing that could be told.
        if step.did in stages and not (step.did is kernel.Did.CONFIRMED and step.returned is None):
            yield replace(
                seen,
                stage=stages[step.did],
                detail=_told(step),
                dropped=step.returned == NF_DROP,
                returned=step.returned,
                clashed=step.clashed,
            )
        before[step.dns_id] = step
    yield from _by_older_trace(evidence, trace)


def _by_older_trace(evidence: Evidence, trace: Trace) -> Iterator[Sighting]:
    """A trace without addresses of packets: confirm's returns, in the order in which the hook queued."""
    packets = evidence.queued.value or ()
    returns = kernel.returns_in_order(trace, len(packets)) if packets else None
    for packet, returned in zip(packets, returns or (), strict=bool(returns)):
        detail = "not needed: its conntrack is confirmed already" if returned is None else _returned(returned)
        yield Sighting(
            "trace",
            Stage.CONFIRM,
            packet.dns_id,
            None,
            packet.flow.sport,
            None,
            0,
            detail,
            dropped=returned == NF_DROP,
            returned=returned,
        )


def _by_systemtap(evidence: Evidence) -> Iterator[Sighting]:
    for done in evidence.tapped.value or ():
        if done.flow.dport == DNS_PORT:
            detail = f"{_returned(done.returned)}, {_conntrack(done.ct)}"
            seen = (done.dns_id, None, done.flow.sport, done.time_s, 0, detail, done.returned == NF_DROP)
            yield Sighting("stap.out", Stage.CONFIRM, *seen, server=done.flow.dst, ct=done.ct, returned=done.returned)


def _lines(*lines: int) -> tuple[int, ...]:
    """Give the numbers of lines, each once; what was not read from a file has none."""
    return tuple(dict.fromkeys(line for line in lines if line))


def _told(step: kernel.Step) -> str:
    if step.did is not kernel.Did.CONFIRMED:
        return _conntrack(step.ct)
    clash = " after a clash" if step.clashed else ""
    return f"{_returned(step.returned)}{clash}, {_conntrack(step.ct)}"


def _returned(value: int | None) -> str:
    return f"{value} (NF_DROP)" if value == NF_DROP else f"{value} (NF_ACCEPT)"


def _conntrack(address: int | None) -> str:
    return "no conntrack" if address is None else f"conntrack {address:016x}"


def _on_wire(source: str, packets: Iterable[WirePacket], stages: dict[bool, Stage]) -> Iterator[Sighting]:
    for packet in packets:
        told = packet.message
        if told is None or told.is_answer not in stages:
            continue
        flow = packet.flow.reversed if told.is_answer else packet.flow
        detail = f"{packet.protocol}, {packet.flow.src} to {packet.flow.dst}"
        stage, sport, time_s, lines = stages[told.is_answer], flow.sport, packet.time_s, _lines(packet.number)
        yield Sighting(source, stage, told.dns_id, told.qtype, sport, time_s, 0, detail, server=flow.dst, lines=lines)


def _by_server(evidence: Evidence) -> Iterator[Sighting]:
    """Put the server's time of day, which it has in UTC, on the day of the trial."""
    times_s = [mark.value.realtime_s for mark in evidence.marks if mark.value]
    times_s += [event.time_s for event in evidence.resolver.value or ()]
    for query in evidence.served.value or ():
        time_s = None
        if times_s:
            time_s = min(times_s) // DAY_S * DAY_S + query.day_s + server_log.RESOLUTION_S / 2
            if time_s < min(times_s) - server_log.RESOLUTION_S:
                time_s += DAY_S
        yield Sighting(
            "dnsmasq.log",
            Stage.SERVER,
            None,
            query.qtype,
            query.sport,
            time_s,
            server_log.RESOLUTION_S / 2,
            query.name,
            lines=_lines(query.line),
        )
