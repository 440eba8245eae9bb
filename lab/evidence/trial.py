"""Reads all evidence of one trial from its directory of raw files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Generic, TypeVar

from lab.evidence import (
    capture,
    client,
    clocks,
    counters,
    events,
    hook,
    lane,
    product,
    resolver,
    server_log,
    stap,
    strace,
    trace,
    verdict_log,
)
from lab.evidence.errors import UnreadableError
from lab.evidence.kernel import mark_arrivals
from lab.foundation import regular

T = TypeVar("T")

CURL = "curl"

BEHIND = ("forwarded", "bridged")
"""How a lane can treat the packets of a client behind it (provision/guest/shape.sh)."""

LOOPBACK = ("127.", "::1")
"""Beginnings of loopback addresses (RFC 1122, 3.2.1.3; RFC 4291, 2.5.3)."""


@dataclass(frozen=True)
class Source(Generic[T]):
    """One source of evidence: its parsed value, or the problem with it.

    Attributes:
        value: The parsed value; None when the file is missing or unreadable.
        problem: Why there is no value, in one line; None when there is one.
        whole: Whether the source is complete: a truncated source does not prove that an event is absent.
    """

    value: T | None
    problem: str | None
    whole: bool = True


@dataclass(frozen=True)
class Evidence:
    """The sources of one trial.

    Attributes:
        gathered: Whether the trial was traced and captured, or has only the files of an untraced trial.
        timing: The client's timing (`client.json`, `client.status`).
        queued: The hook's packets (`dmesg`).
        verdicts: The verdict program's log (`verdict.jsonl`).
        again: The log of packets that were reinjected with NF_REPEAT and passed the hook again (`again.jsonl`).
        resolver: The resolver's events (`client.strace`).
        traced: The kernel's trace (`trace`).
        trace_clock: The name of the trace's clock (`trace_clock`).
        tapped: Systemtap's returns of confirm (`stap.out`).
        wire: DNS packets on the client's end of the lane (`client.pcap`).
        server_wire: ... and on the server's (`server.pcap`).
        served: The queries that the server received (`dnsmasq.log`).
        entries: Conntrack's events (`events`).
        counted: The increase of conntrack's counters (`stat.before`, `stat.after`).
        table_sizes: The size of conntrack's table before and after (`entries` in `stat.before`, `stat.after`).
        tool_counted: The increase of `conntrack -S` counters (`conntrack-S.before`, `conntrack-S.after`).
        marks: The clocks before and after (`clocks.before`, `clocks.after`).
        modules: The loaded netfilter modules (`modules`).
        not_gathered: The evidence that the machine could not gather, with reasons (`missing`).
        addresses: The lane's addresses (`addresses`).
        product: What a product did (`agent.failed`, `agent.status`, `agent.log`, `queues.before`, `queues.after`).
        strangers: Number of foreign queries that were left out, by raw file.
        network: How the lane treats the packets of a client behind it, `forwarded` or `bridged` (`network`); without
            a value the client is in the lane.
        arrived: DNS packets between the lane and a client behind it (`inside.pcap`).
    """

    gathered: bool
    timing: Source[client.Timing]
    queued: Source[tuple[hook.HookPacket, ...]]
    verdicts: Source[verdict_log.VerdictLog]
    again: Source[verdict_log.VerdictLog]
    resolver: Source[tuple[resolver.ResolverEvent, ...]]
    traced: Source[trace.Trace]
    trace_clock: Source[str]
    tapped: Source[tuple[stap.Return, ...]]
    wire: Source[tuple[capture.WirePacket, ...]]
    server_wire: Source[tuple[capture.WirePacket, ...]]
    served: Source[tuple[server_log.ServedQuery, ...]]
    entries: Source[tuple[events.ConntrackEvent, ...]]
    counted: Source[Mapping[str, int]]
    table_sizes: Source[tuple[int, int]]
    tool_counted: Source[Mapping[str, int]]
    marks: tuple[Source[clocks.Clocks], Source[clocks.Clocks]]
    modules: Source[tuple[str, ...]]
    not_gathered: Source[tuple[str, ...]]
    addresses: Source[frozenset[str]]
    product: Source[product.ProductLook] = field(default_factory=lambda: Source(None, "there is no agent.log"))
    strangers: Mapping[str, int] = field(default_factory=dict)
    network: Source[str] = Source(None, "there is no network")
    arrived: Source[tuple[capture.WirePacket, ...]] = Source(None, "there is no inside.pcap")

    @property
    def is_behind(self) -> bool:
        """Whether the client is behind the lane."""
        return self.network.value is not None or self.arrived.value is not None


def read(directory: Path) -> Evidence:
    """Read a trial's raw files. Never raises on their content: problems are in each `Source`."""
    evidence = _select_lane(_read_all(directory))
    if not evidence.is_behind or evidence.traced.value is None:
        return evidence
    return replace(evidence, traced=replace(evidence.traced, value=mark_arrivals(evidence.traced.value)))


def _select_lane(evidence: Evidence) -> Evidence:
    """Leave out queries of other processes and lanes of the machine.

    Loopback addresses are shared: queries from them are kept only if the lane itself uses the loopback.
    """
    addresses = evidence.addresses.value
    if addresses is None:
        return evidence
    if not _asks_over_loopback(evidence):
        addresses = frozenset(address for address in addresses if not address.startswith(LOOPBACK))
    own = lane.select_lane(addresses, evidence.queued.value, evidence.traced.value, evidence.tapped.value)
    return replace(
        evidence,
        queued=replace(evidence.queued, value=own.queued),
        traced=replace(evidence.traced, value=own.traced),
        tapped=replace(evidence.tapped, value=own.tapped),
        strangers=own.strangers,
    )


def _asks_over_loopback(evidence: Evidence) -> bool:
    verdicts = evidence.verdicts.value.packets if evidence.verdicts.value else ()
    asked = [event.server for event in evidence.resolver.value or () if event.server]
    asked += [packet.flow.src for packet in verdicts if packet.flow]
    return any(address.startswith(LOOPBACK) for address in asked)


def _read_all(directory: Path) -> Evidence:
    calls = directory / f"{_client(directory)}.strace"
    return Evidence(
        gathered=calls.exists() or (directory / "client.pcap").exists(),
        timing=_source(lambda: _timing(directory)),
        queued=_source(lambda: hook.parse(_text(directory / "dmesg"))),
        verdicts=_source(lambda: verdict_log.parse(_text(directory / "verdict.jsonl"))),
        again=_source(lambda: verdict_log.parse(_text(directory / "again.jsonl"))),
        resolver=_source(
            lambda: resolver.extract_events(strace.parse(_text(calls))), lambda: strace.is_whole(_text(calls))
        ),
        traced=_source(lambda: trace.parse(_text(directory / "trace"))),
        trace_clock=_source(lambda: trace.parse_clock(_text(directory / "trace_clock"))),
        tapped=_source(lambda: stap.parse(_text(directory / "stap.out"))),
        wire=_source(lambda: capture.parse(regular.read(directory / "client.pcap"))),
        server_wire=_source(lambda: capture.parse(regular.read(directory / "server.pcap"))),
        served=_source(lambda: server_log.parse(_text(directory / "dnsmasq.log"))),
        entries=_source(lambda: events.parse(_text(directory / "events"))),
        counted=_source(lambda: _rises(directory, "stat", counters.parse_stat), lambda: _is_whole(directory, "stat")),
        table_sizes=_source(lambda: _table_sizes(directory)),
        tool_counted=_source(lambda: _rises(directory, "conntrack-S", counters.parse_tool)),
        marks=(
            _source(lambda: clocks.parse(_text(directory / "clocks.before"))),
            _source(lambda: clocks.parse(_text(directory / "clocks.after"))),
        ),
        modules=_source(lambda: tuple(_text(directory / "modules").split())),
        not_gathered=_source(lambda: tuple(_text(directory / "missing").splitlines())),
        addresses=_source(lambda: lane.parse(_text(directory / "addresses"))),
        product=_source(lambda: _product(directory)),
        network=_source(lambda: _network(_text(directory / "network"))),
        arrived=_source(lambda: capture.parse(regular.read(directory / "inside.pcap"))),
    )


def _network(text: str) -> str:
    name = text.strip()
    if name not in BEHIND:
        raise UnreadableError(f"cannot parse the lane's network: {name[:80]!r}")
    return name


def _product(directory: Path) -> product.ProductLook:
    return product.parse(
        failure=_optional(directory / "agent.failed"),
        status=_optional(directory / "agent.status"),
        output=_text(directory / "agent.log"),
        before=_optional(directory / "queues.before"),
        after=_optional(directory / "queues.after"),
    )


def _optional(path: Path) -> str | None:
    """Return a file's text; None when there is no such file."""
    return _text(path) if path.exists() else None


def _timing(directory: Path) -> client.Timing:
    """Parse the client's files; without a status file curl's timings contain the exit status."""
    name = _client(directory)
    status = directory / f"{name}.status"
    no_status = name == CURL and not status.exists()
    return client.parse(_text(directory / f"{name}.json"), None if no_status else _text(status))


def _client(directory: Path) -> str:
    """Return the prefix of the client's files: `curl` in old recordings, else `client`."""
    return CURL if any(directory.glob(f"{CURL}.*")) else "client"


def _readings(directory: Path, name: str) -> tuple[str, str]:
    return _text(directory / f"{name}.before"), _text(directory / f"{name}.after")


def _is_whole(directory: Path, name: str) -> bool:
    """Return whether two readings are complete: a missing line is a processor whose counts are missing."""
    before, after = _readings(directory, name)
    return before.endswith("\n") and after.endswith("\n") and before.count("\n") == after.count("\n")


def _table_sizes(directory: Path) -> tuple[int, int]:
    before, after = (counters.parse_stat(text)[counters.ENTRIES] for text in _readings(directory, "stat"))
    return before, after


def _rises(directory: Path, name: str, parse: Callable[[str], dict[str, int]]) -> dict[str, int]:
    before, after = (parse(text) for text in _readings(directory, name))
    return counters.compute_rises(before, after)


def _source(read_value: Callable[[], T], is_whole: Callable[[], bool] = lambda: True) -> Source[T]:
    try:
        return Source(read_value(), None, is_whole())
    except FileNotFoundError as error:
        return Source(None, f"there is no {Path(error.filename).name}")
    except (OSError, UnreadableError) as error:
        return Source(None, str(error))


def _text(path: Path) -> str:
    return regular.text(path)
