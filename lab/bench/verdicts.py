"""The verdict program: its rate and the latency it adds, against libnetfilter_queue's own example."""

from __future__ import annotations

import shlex
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from lab import experiment
from lab.bench import nfqnl_test
from lab.bench.figure import Figure, Figures, median
from lab.bench.tools import REPEATS, new_session, replicas
from lab.errors import BrokenEnvironment
from lab.home import PROVISION
from lab.provision.facts import REMOTE
from lab.ssh import Shell

AT_ONCE = 100
"""Packets that wait when a program goes on, or are on their way at once. The example's small buffer would lose more."""

ROUNDS = 50
"""Of so many packets each."""

FLOW = 500
"""Times as many packets, in a flow."""

ROUND_TRIPS = 1000
"""Of a packet alone, for the latency."""

LOAD_BOUND_S = 120.0

DIRECTORY = "/run/lab-bench"

SERVER, NEXT = "10.10.10.55", "10.10.10.56"
"""They are the server's for the time of the measurement: dnsmasq has those it listens at."""

_PREPARE = f"""
cd {DIRECTORY}
gcc -O2 -D_GNU_SOURCE -o load load.c
gcc -O2 -w -o nfqnl_test nfqnl_test.c -lnetfilter_queue -lnfnetlink
ip netns exec lab-server ip addr replace {SERVER}/32 dev lo
ip netns exec lab-server ip addr replace {NEXT}/32 dev lo
"""

# The program's own log goes to memory, as in a trial. Ready is who has the copy mode set.
_MEASURE = f"""
cd {DIRECTORY}
queue=/proc/net/netfilter/nfnetlink_queue
if [ $# -gt 0 ]; then
	ip netns exec lab-lane0 "$@" </dev/null >log 2>&1 &
	program=$!
	trap 'kill $program; wait $program || :; rm log' EXIT
	tries=0
	until ip netns exec lab-lane0 grep -q ' 2 ' $queue; do
		tries=$((tries + 1))
		[ $tries -le 100 ] || exit 1
		sleep 0.1
	done
	ip netns exec lab-lane0 ./load /run/netns/lab-server {SERVER} {ROUNDS} {AT_ONCE} burst $program
fi
ip netns exec lab-lane0 ./load /run/netns/lab-server {SERVER} {FLOW} {AT_ONCE} flow ${{program:-}}
ip netns exec lab-lane0 ./load /run/netns/lab-server {SERVER} {ROUND_TRIPS} 1
"""


OURS, EXAMPLE, NO_QUEUE = "user_out", "nfqnl_test", "no_queue"


@dataclass(frozen=True)
class Flow:
    """What `AT_ONCE` packets took on the average while there was no end of them, in seconds.

    Attributes:
        took_s: By the clock.
        sender_s: Of a processor, for who sent and received them, the kernel's way to the queue included.
        program_s: Of a processor, for the program, the kernel's way from the queue on included; 0 without one.
    """

    took_s: float
    sender_s: float
    program_s: float


@dataclass(frozen=True)
class Measured:
    """Times by program, one of each time it was measured; those without a queue among them, but for bursts.

    Attributes:
        burst_s: What `AT_ONCE` packets took that waited when the program went on, in seconds.
        flow: What as many took in a flow.
        alone_s: What a packet alone took, in seconds.
    """

    burst_s: dict[str, list[float]]
    flow: dict[str, list[Flow]]
    alone_s: dict[str, list[float]]


def verdicts(directory: Path) -> Figures:
    """Let both programs give verdicts to the same packets in the same guest, in turns, and compare."""
    programs = {OURS: [f"{REMOTE}/build/user.out"], EXAMPLE: ["./nfqnl_test"]}
    source = nfqnl_test.source(directory)
    with new_session(directory) as session:
        (machine,) = replicas(session, "today")
        session.bring_up([machine])
        shell = session.shell(machine)
        shell.ask(["mkdir", "-p", DIRECTORY])
        shell.put(source.encode(), f"{DIRECTORY}/nfqnl_test.c")
        shell.put((PROVISION / "bench/load.c").read_bytes(), f"{DIRECTORY}/load.c")
        shell.ask(["sh", "-eu", "-c", _PREPARE], bound_s=LOAD_BOUND_S)
        measured = Measured({name: [] for name in programs}, defaultdict(list), defaultdict(list))
        for _ in range(REPEATS):
            shell.ask([experiment.SCRIPT, "end"])
            _measure(shell, NO_QUEUE, [], measured)
            shell.ask([experiment.SCRIPT, "begin", "1", "queue=nftables", "listener=no"])
            for name, argv in programs.items():
                _measure(shell, name, argv, measured)
        shell.ask([experiment.SCRIPT, "end"])
    return figures(measured)


def figures(measured: Measured) -> Figures:
    """Give rates and added latencies, the ratios of the two programs' own, and what bounds a flow."""
    found: dict[str, Figure] = {}
    flow_s = {name: [one.took_s for one in flows] for name, flows in measured.flow.items()}
    for kind, times_s in (("burst", measured.burst_s), ("flow", flow_s)):
        rate = {name: median(AT_ONCE / one_s for one_s in all_s) for name, all_s in times_s.items()}
        found |= {f"{name}_{kind}_packets_per_second": figure for name, figure in rate.items()}
        found[f"user_out_{kind}_rate_per_nfqnl_test"] = rate[OURS] / rate[EXAMPLE]
    for name, flows in measured.flow.items():
        found[f"{name}_flow_sender_busy"] = median(one.sender_s / one.took_s for one in flows)
    own_us = {name: median(one.program_s / AT_ONCE * 1e6 for one in measured.flow[name]) for name in (OURS, EXAMPLE)}
    found |= {f"{name}_flow_processor_us": figure for name, figure in own_us.items()}
    found["nfqnl_test_flow_processor_per_user_out"] = own_us[EXAMPLE] / own_us[OURS]
    added = {name: median(measured.alone_s[name]) - median(measured.alone_s[NO_QUEUE]) for name in (OURS, EXAMPLE)}
    found |= {f"{name}_added_us": figure * 1e6 for name, figure in added.items()}
    return found | {"user_out_added_per_nfqnl_test": added[OURS] / added[EXAMPLE]}


def _measure(shell: Shell, name: str, argv: list[str], measured: Measured) -> None:
    """Measure a program's times, or for none what packets take without a queue."""
    said = shell.ask(["sh", "-eu", "-c", _MEASURE, "sh", *argv], bound_s=LOAD_BOUND_S)
    times_s = []
    for line in said.splitlines():
        sent, received, *times = line.split()
        if sent != received:
            raise BrokenEnvironment(f"{shlex.join(argv)} lost packets: {received} of {sent} came")
        times_s.append([float(one) for one in times])
    *burst, flow, (alone_s,) = times_s
    for (burst_s,) in burst:
        measured.burst_s[name].append(burst_s)
    measured.flow[name].append(Flow(*flow))
    measured.alone_s[name].append(alone_s)
