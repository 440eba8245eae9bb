"""Measures what watching costs on the watched machine, beside tcpdump on the same packets, in a new namespace."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from lab.bench.figure import Figure, Figures, median
from lab.bench.tools import REPEATS, new_session
from lab.foundation import process
from lab.foundation.errors import BrokenEnvironment
from lab.foundation.home import PROVISION
from lab.remote_check.program import WATCH, built

RATE = 1000
"""DNS packets a second. The loopback shows each packet twice, on its way out and in."""

SECONDS = 10

BOUND_S = 120.0


@dataclass(frozen=True)
class WatchCost:
    """Costs of one measurement.

    Attributes:
        watch_s: Processor time of the program of `lab watch`, in seconds.
        tcpdump_s: That of tcpdump.
        watch_mb: Peak memory of the program, in millions of bytes.
        tcpdump_mb: That of tcpdump.
        packets: Packets that the program printed, each seen twice.
        captured: Packets that tcpdump wrote.
    """

    watch_s: float
    tcpdump_s: float
    watch_mb: float
    tcpdump_mb: float
    packets: int
    captured: int


def watching(directory: Path) -> Figures:
    """Watch and capture the same packets, side by side.

    Raises:
        BrokenEnvironment: this is not root, or a program is missing.
    """
    unshare, _ = process.require("unshare", "util-linux"), process.require("tcpdump", "tcpdump")
    with new_session(directory) as session:
        program = built(session.home, session.work, WATCH)
    place = PROVISION / "bench"
    more: list[str | Path] = [program, sys.executable, place / "questions.py", str(RATE), str(SECONDS)]
    command: list[str | Path] = [unshare, "--net", "sh", place / "watching.sh", *more]
    return figures([parse(process.output_of(command, bound_s=BOUND_S)) for _ in range(REPEATS)])


def parse(text: str) -> WatchCost:
    """Parse the output of watching.sh.

    Raises:
        BrokenEnvironment: a program saw other packets than were sent.
    """
    watch_ns, tcpdump_ns, watch_kb, tcpdump_kb, packets, captured = map(int, text.split())
    if packets != 2 * RATE * SECONDS:
        raise BrokenEnvironment(f"the program of lab watch saw {packets} packets of {2 * RATE * SECONDS}")
    return WatchCost(
        watch_ns / 1e9, tcpdump_ns / 1e9, watch_kb * 1024 / 1e6, tcpdump_kb * 1024 / 1e6, packets, captured
    )


def figures(costs: list[WatchCost]) -> Figures:
    """Return shares of a processor and memory, and their ratios."""
    values: dict[str, Figure] = {
        "watch_processor_percent": median(100 * one.watch_s / SECONDS for one in costs),
        "tcpdump_processor_percent": median(100 * one.tcpdump_s / SECONDS for one in costs),
        "watch_memory_mb": median(one.watch_mb for one in costs),
        "tcpdump_memory_mb": median(one.tcpdump_mb for one in costs),
    }
    values["watch_processor_per_tcpdump"] = values["watch_processor_percent"] / values["tcpdump_processor_percent"]
    values["watch_memory_per_tcpdump"] = values["watch_memory_mb"] / values["tcpdump_memory_mb"]
    return values
