"""Collects the sightings of each DNS query from every source of evidence, on one clock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from lab.evidence import kernel, server_log
from lab.evidence.capture import WirePacket
from lab.evidence.clocks import Clocks
from lab.evidence.constants import DAY_S, DNS_PORT, NF_DROP
from lab.evidence.trace import Trace
from lab.evidence.trial import Evidence
from lab.foundation.language import N_
from lab.judgement.clock import Clock, marks_in, monotonic_clock, trace_clock

LOCAL_CLOCK = "local"
"""The trace clock that is not coherent between processors (Documentation/trace/ftrace.rst)."""

STRACE_WITHIN_S = 0.005
"""Maximum delay of strace's timestamps, in seconds: it takes them when it is scheduled, under emulation this late."""


class Stage(StrEnum):
    """The stages of a query's path, in order."""

    SENT = N_("sent by the resolver")
    ARRIVED = N_("arrived at the gateway")
    """Only of a client behind the lane: a lifeline of a client in the lane has no such point."""
    QUEUED = N_("queued at the hook")
    VERDICT = N_("verdict given")
    CONFIRM = N_("confirm returned")
    WIRE = N_("on the wire")
    SERVER = N_("seen by the server")
    ANSWER = N_("answer on the wire")
    READ = N_("read by the resolver")


@dataclass(frozen=True)
class Sighting:
    """One query, seen by one source at one stage.

    Attributes:
        source: The raw file that shows it.
        stage: The stage.
        dns_id: The query's DNS id; None where the source does not have it.
        qtype: The queried type; None where the source does not have it.
        sport: The source port; None where the source does not have it.
        time_s: When, CLOCK_REALTIME in seconds; None where the source's clock cannot be converted.
        within_s: Maximum error of `time_s`, in seconds.
        detail: Other details from the source.
        dropped: Whether the source shows that the query was dropped here.
        server: The server's address; None where the source does not have it.
        ct: The address of its conntrack here; None where the source does not have it, or there is none.
        returned: Confirm's return value; None at other stages.
        clashed: Whether confirm hit a clash.
        lines: Line numbers in the source, from 1; in a capture, the packet number.
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


def collect_sightings(evidence: Evidence) -> tuple[Sighting, ...]:
    """Collect the sightings of a trial's queries from all sources, each source in its own order."""
    marks = [mark.value for mark in evidence.marks if mark.value]
    monotonic = monotonic_clock(marks)
    return (
        *_by_resolver(evidence),
        *_by_hook(evidence, monotonic),
        *_by_verdict_program(evidence, monotonic),
        *_by_kernel(evidence, marks, monotonic),
        *_by_systemtap(evidence),
        *_on_wire("inside.pcap", evidence.arrived.value or (), {False: Stage.ARRIVED}),
        *_on_wire("client.pcap", evidence.wire.value or (), {False: Stage.WIRE, True: Stage.ANSWER}),
        *_on_wire("server.pcap", evidence.server_wire.value or (), {False: Stage.SERVER}),
        *_by_server(evidence),
    )


def cut_off(evidence: Evidence) -> frozenset[str]:
    """Return the truncated sources: they cannot prove that an event is absent."""
    sources = set()
    if not evidence.resolver.whole:
        sources.add("client.strace")
    marks = [mark.value for mark in evidence.marks if mark.value and mark.value.traced_s is not None]
    trace = evidence.traced.value
    if trace and (trace.lost or len(marks_in(trace)) < len(marks)):
        sources.add("trace")
    return frozenset(sources)


def _by_resolver(evidence: Evidence) -> Iterator[Sighting]:
    stages = {"sent": Stage.SENT, "read": Stage.READ}
    for event in evidence.resolver.value or ():
        if event.message is not None and event.kind in stages:
            content = event.message
            rcode = content.rcode or ("refused (EPERM)" if event.refused else None)
            detail = f"{event.protocol}, {rcode}" if rcode else event.protocol
            stage, sport = stages[event.kind], event.local_port
            yield Sighting(
                "client.strace",
                stage,
                content.dns_id,
                content.qtype,
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
            N_(f"packet {packet.skb:016x}, {_describe_conntrack(packet.ct)}"),
            server=packet.flow.dst,
            ct=packet.ct,
            lines=_lines(packet.line),
        )


def _by_verdict_program(evidence: Evidence, clock: Clock) -> Iterator[Sighting]:
    if evidence.verdicts.value is None:
        return
    for packet in evidence.verdicts.value.packets:
        sport = packet.flow.sport if packet.flow else None
        confirmed = {True: N_("confirmed"), False: N_("not confirmed"), None: ""}[packet.confirmed]
        named = N_(f"conntrack id {packet.ct_id}, {confirmed}") if packet.ct_id is not None else ""
        after_s = packet.released_s - packet.queued_s
        for stage, time_s, detail in (
            (Stage.QUEUED, packet.queued_s, named),
            (Stage.VERDICT, packet.released_s, N_(f"{packet.verdict}, after {after_s:.3f} s")),
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
    # Each processor has its own local clock: a mark on one processor is not valid for another.
    by_cpu = evidence.trace_clock.value == LOCAL_CLOCK
    clocks = {cpu: trace_clock(trace, marks, monotonic, cpu if by_cpu else None) for cpu in _cpus_of(trace)}
    stages = {
        kernel.Action.ARRIVED: Stage.ARRIVED,
        kernel.Action.QUEUED: Stage.QUEUED,
        kernel.Action.CONFIRMED: Stage.CONFIRM,
        kernel.Action.SENT: Stage.WIRE,
    }
    before: dict[int, kernel.PacketStep] = {}
    for step in kernel.extract_steps(trace):
        clock = clocks[step.cpu]
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
        if step.did is kernel.Action.SENT and previous and previous.did is kernel.Action.REINJECTED:
            # When it was reinjected: the kernel's event of sending comes after the captures have seen the packet
            # (xmit_one in net/core/dev.c), and the hooks before both.
            earlier = clocks[previous.cpu]
            yield replace(
                seen,
                time_s=earlier.realtime_s(previous.time_s),
                within_s=earlier.within_s,
                detail=N_(f"not needed: {_describe_conntrack(step.ct)} is confirmed already"),
            )
        # A confirm without a known return value is skipped.
        if step.did in stages and not (step.did is kernel.Action.CONFIRMED and step.returned is None):
            yield replace(
                seen,
                stage=stages[step.did],
                detail=_describe_step(step),
                dropped=step.returned == NF_DROP,
                returned=step.returned,
                clashed=step.clashed,
            )
        before[step.dns_id] = step
    yield from _by_trace_without_packets(evidence, trace)


def _cpus_of(trace: Trace) -> set[int]:
    return {event.cpu for event in trace.events}


def _by_trace_without_packets(evidence: Evidence, trace: Trace) -> Iterator[Sighting]:
    """Yield confirm's returns of a trace without packet addresses, in the order in which the hook queued."""
    packets = evidence.queued.value or ()
    returns = kernel.match_returns(trace, len(packets)) if packets else None
    for packet, returned in zip(packets, returns or (), strict=bool(returns)):
        no_need = N_("not needed: its conntrack is confirmed already")
        detail = no_need if returned is None else _describe_return(returned)
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
    for returned in evidence.tapped.value or ():
        if returned.flow.dport == DNS_PORT:
            detail = f"{_describe_return(returned.returned)}, {_describe_conntrack(returned.ct)}"
            seen = (
                returned.dns_id,
                None,
                returned.flow.sport,
                returned.time_s,
                0,
                detail,
                returned.returned == NF_DROP,
            )
            yield Sighting(
                "stap.out", Stage.CONFIRM, *seen, server=returned.flow.dst, ct=returned.ct, returned=returned.returned
            )


def _lines(*lines: int) -> tuple[int, ...]:
    """Return the unique line numbers; 0 stands for no line."""
    return tuple(dict.fromkeys(line for line in lines if line))


def _describe_step(step: kernel.PacketStep) -> str:
    if step.did is not kernel.Action.CONFIRMED:
        return _describe_conntrack(step.ct)
    returned, conntrack = _describe_return(step.returned), _describe_conntrack(step.ct)
    return N_(f"{returned} after a clash, {conntrack}") if step.clashed else f"{returned}, {conntrack}"


def _describe_return(value: int | None) -> str:
    return f"{value} (NF_DROP)" if value == NF_DROP else f"{value} (NF_ACCEPT)"


def _describe_conntrack(address: int | None) -> str:
    return N_("no conntrack") if address is None else f"conntrack {address:016x}"


def _on_wire(source: str, packets: Iterable[WirePacket], stages: dict[bool, Stage]) -> Iterator[Sighting]:
    for packet in packets:
        content = packet.message
        if content is None or content.is_answer not in stages:
            continue
        flow = packet.flow.reversed if content.is_answer else packet.flow
        detail = f"{packet.protocol}, {packet.flow.src} to {packet.flow.dst}"
        stage, sport, time_s, lines = stages[content.is_answer], flow.sport, packet.time_s, _lines(packet.number)
        yield Sighting(
            source, stage, content.dns_id, content.qtype, sport, time_s, 0, detail, server=flow.dst, lines=lines
        )


def _by_server(evidence: Evidence) -> Iterator[Sighting]:
    """Yield the server's sightings; its time of day, in UTC, is combined with the date of the trial."""
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
