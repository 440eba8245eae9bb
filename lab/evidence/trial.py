"""All that is known of one trial, from its directory of raw files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from lab.evidence import (
    capture,
    client,
    clocks,
    counters,
    events,
    hook,
    resolver,
    server_log,
    stap,
    strace,
    trace,
    verdict_log,
)
from lab.evidence.errors import UnreadableError

T = TypeVar("T")

CURL = "curl"


@dataclass(frozen=True)
class Source(Generic[T]):
    """One source of evidence: what it says, or why it says nothing.

    Attributes:
        value: What it says; None when it is missing or unreadable.
        problem: Why it says nothing, in one line; None when it does.
        whole: Whether it goes on to its end, as far as it has one: what was cut off proves nothing by its silence.
    """

    value: T | None
    problem: str | None
    whole: bool = True


@dataclass(frozen=True)
class Evidence:
    """The sources of one trial.

    Attributes:
        gathered: Whether evidence was gathered beside it, or only what every trial leaves.
        timing: What the client says (`client.json`, `client.status`).
        queued: What the hook saw (`dmesg`).
        verdicts: What the verdict program was handed (`verdict.jsonl`).
        again: What it was handed once more: packets that came back from the queue and went through the hook again
            (`again.jsonl`).
        resolver: What the resolver did (`client.strace`).
        traced: The kernel's own trace (`trace`).
        tapped: What systemtap traced of confirm (`stap.out`).
        wire: DNS packets on the client's end of the lane (`client.pcap`).
        server_wire: ... and on the server's (`server.pcap`).
        served: What the server was asked (`dnsmasq.log`).
        entries: Conntrack's events (`events`).
        counted: By how much conntrack's counters rose (`stat.before`, `stat.after`).
        table_sizes: How many entries conntrack's table had before and after (`entries` in `stat.before`, `stat.after`).
        tool_counted: ... and as `conntrack -S` has them (`conntrack-S.before`, `conntrack-S.after`).
        marks: The clocks before and after (`clocks.before`, `clocks.after`).
        modules: The modules of netfilter that were loaded (`modules`).
        not_gathered: What the machine could not gather, and why (`missing`).
    """

    gathered: bool
    timing: Source[client.Timing]
    queued: Source[tuple[hook.Packet, ...]]
    verdicts: Source[verdict_log.VerdictLog]
    again: Source[verdict_log.VerdictLog]
    resolver: Source[tuple[resolver.ResolverEvent, ...]]
    traced: Source[trace.Trace]
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


def read(directory: Path) -> Evidence:
    """Read a trial's raw files; whatever is in them, this gives a result."""
    calls = directory / f"{_client(directory)}.strace"
    return Evidence(
        gathered=calls.exists() or (directory / "client.pcap").exists(),
        timing=_source(lambda: _timing(directory)),
        queued=_source(lambda: hook.parse(_text(directory / "dmesg"))),
        verdicts=_source(lambda: verdict_log.parse(_text(directory / "verdict.jsonl"))),
        again=_source(lambda: verdict_log.parse(_text(directory / "again.jsonl"))),
        resolver=_source(lambda: resolver.events(strace.parse(_text(calls))), lambda: strace.is_whole(_text(calls))),
        traced=_source(lambda: trace.parse(_text(directory / "trace"))),
        tapped=_source(lambda: stap.parse(_text(directory / "stap.out"))),
        wire=_source(lambda: capture.parse((directory / "client.pcap").read_bytes())),
        server_wire=_source(lambda: capture.parse((directory / "server.pcap").read_bytes())),
        served=_source(lambda: server_log.parse(_text(directory / "dnsmasq.log"))),
        entries=_source(lambda: events.parse(_text(directory / "events"))),
        counted=_source(lambda: _rises(directory, "stat", counters.stat), lambda: _is_whole(directory, "stat")),
        table_sizes=_source(lambda: _table_sizes(directory)),
        tool_counted=_source(lambda: _rises(directory, "conntrack-S", counters.tool)),
        marks=(
            _source(lambda: clocks.parse(_text(directory / "clocks.before"))),
            _source(lambda: clocks.parse(_text(directory / "clocks.after"))),
        ),
        modules=_source(lambda: tuple(_text(directory / "modules").split())),
        not_gathered=_source(lambda: tuple(_text(directory / "missing").splitlines())),
    )


def _timing(directory: Path) -> client.Timing:
    """Read what the client left; curl's own timings hold its exit status, where nobody wrote that down apart."""
    name = _client(directory)
    status = directory / f"{name}.status"
    no_status = name == CURL and not status.exists()
    return client.parse(_text(directory / f"{name}.json"), None if no_status else _text(status))


def _client(directory: Path) -> str:
    """Give how the client's files are called: after curl in recordings made before there were other clients."""
    return CURL if any(directory.glob(f"{CURL}.*")) else "client"


def _readings(directory: Path, name: str) -> tuple[str, str]:
    return _text(directory / f"{name}.before"), _text(directory / f"{name}.after")


def _is_whole(directory: Path, name: str) -> bool:
    """Tell whether two readings have all their lines: a missing one is a processor whose counts are missing."""
    before, after = _readings(directory, name)
    return before.endswith("\n") and after.endswith("\n") and before.count("\n") == after.count("\n")


def _table_sizes(directory: Path) -> tuple[int, int]:
    before, after = (counters.stat(text)[counters.ENTRIES] for text in _readings(directory, "stat"))
    return before, after


def _rises(directory: Path, name: str, parse: Callable[[str], dict[str, int]]) -> dict[str, int]:
    before, after = (parse(text) for text in _readings(directory, name))
    return counters.rises(before, after)


def _source(read_it: Callable[[], T], is_whole: Callable[[], bool] = lambda: True) -> Source[T]:
    try:
        return Source(read_it(), None, is_whole())
    except FileNotFoundError as error:
        return Source(None, f"there is no {Path(error.filename).name}")
    except (OSError, UnreadableError) as error:
        return Source(None, str(error))


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")
