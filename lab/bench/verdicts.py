"""Measures the verdict program's rate and added latency, compared with libnetfilter_queue's own example."""

from __future__ import annotations

import shlex
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from lab.bench import nfqnl_test
from lab.bench.figure import Figure, Figures, median
from lab.bench.tools import REPEATS, new_session, replicas
from lab.endpoint.ssh import Shell
from lab.foundation.errors import BrokenEnvironment
from lab.foundation.home import PROVISION
from lab.provision.facts import REMOTE
from lab.runs import experiment

AT_ONCE = 100
"""Packets queued at the start of a burst, or outstanding in a flow. The example's small buffer would lose more."""

ROUNDS = 50
"""Bursts of that many packets."""

FLOW = 500
"""Multiples of that many packets in a flow."""

ROUND_TRIPS = 1000
"""Single packets for measuring the latency."""

LOAD_BOUND_S = 120.0

DIRECTORY = "/run/lab-bench"

SERVER, NEXT, SECOND_SERVER, SECOND_NEXT = (f"10.10.10.{number}" for number in (60, 61, 62, 63))
"""Temporary addresses of the server, two for each sender, none of those on which dnsmasq listens (network.sh)."""

_PREPARE = f"""
cd {DIRECTORY}
gcc -O2 -D_GNU_SOURCE -o load load.c
gcc -O2 -w -o nfqnl_test nfqnl_test.c -lnetfilter_queue -lnfnetlink
for address in {SERVER} {NEXT} {SECOND_SERVER} {SECOND_NEXT}; do
	ip netns exec lab-server ip addr replace $address/32 dev lo
done
"""

# The program's log is kept in memory, as in a trial. A program is ready once it has set the copy mode.
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
load="ip netns exec lab-lane0 ./load /run/netns/lab-server"
$load {SERVER} {FLOW} {AT_ONCE} flow ${{program:-}}
$load {SECOND_SERVER} {FLOW} {AT_ONCE // 2} flow >second &
$load {SERVER} {FLOW} {AT_ONCE // 2} flow
wait $!
cat second
$load {SERVER} {ROUND_TRIPS} 1
"""


OURS, EXAMPLE, NO_QUEUE = "user_out", "nfqnl_test", "no_queue"

ALIKE = "user_out_no_conntrack"
"""Requests of the kernel what the example requests: the packets, without a description of their conntrack."""

LISTENING = (OURS, ALIKE, EXAMPLE)


@dataclass(frozen=True)
class FlowCosts:
    """Average costs of `AT_ONCE` packets in a continuous flow, in seconds.

    Attributes:
        took_s: Elapsed time.
        sender_s: Processor time of sender and receiver, including the kernel's path to the queue.
        program_s: Processor time of the program, including the kernel's path from the queue on; 0 without one.
    """

    took_s: float
    sender_s: float
    program_s: float


@dataclass(frozen=True)
class Measured:
    """Measured times by program, one per repetition; bursts are not measured without a queue.

    Attributes:
        burst_s: Time for `AT_ONCE` packets that were queued when the program resumed, in seconds.
        flow: Costs of as many packets in a flow.
        two_flows_s: Time for as many packets in the flows of two senders, in seconds.
        alone_s: Round-trip time of a single packet, in seconds.
    """

    burst_s: dict[str, list[float]]
    flow: dict[str, list[FlowCosts]]
    two_flows_s: dict[str, list[float]]
    alone_s: dict[str, list[float]]


def verdicts(directory: Path) -> Figures:
    """Compare the programs giving verdicts on the same packets in the same guest, alternately."""
    ours = f"{REMOTE}/build/user.out"
    programs = {OURS: [ours], ALIKE: [ours, "--no-conntrack"], EXAMPLE: ["./nfqnl_test"]}
    source = nfqnl_test.source(directory)
    with new_session(directory) as session:
        (machine,) = replicas(session, "today")
        session.bring_up([machine])
        shell = session.shell(machine)
        shell.ask(["mkdir", "-p", DIRECTORY])
        shell.put(source.encode(), f"{DIRECTORY}/nfqnl_test.c")
        shell.put((PROVISION / "bench/load.c").read_bytes(), f"{DIRECTORY}/load.c")
        shell.ask(["sh", "-eu", "-c", _PREPARE], bound_s=LOAD_BOUND_S)
        measured = Measured(defaultdict(list), defaultdict(list), defaultdict(list), defaultdict(list))
        for _ in range(REPEATS):
            shell.ask([experiment.SCRIPT, "end"])
            _measure(shell, NO_QUEUE, [], measured)
            shell.ask([experiment.SCRIPT, "begin", "1", "queue=nftables", "listeners=0"])
            for name, argv in programs.items():
                _measure(shell, name, argv, measured)
        shell.ask([experiment.SCRIPT, "end"])
    return figures(measured)


def figures(measured: Measured) -> Figures:
    """Return rates and added latencies, the ratios of the two programs, and the load of sender and program."""
    values: dict[str, Figure] = {}
    flow_s = {name: [one.took_s for one in flows] for name, flows in measured.flow.items()}
    for kind, times_s in (("burst", measured.burst_s), ("flow", flow_s), ("two_flows", measured.two_flows_s)):
        rate = {name: median(AT_ONCE / one_s for one_s in all_s) for name, all_s in times_s.items()}
        values |= {f"{name}_{kind}_packets_per_second": figure for name, figure in rate.items()}
        values |= {f"{name}_{kind}_rate_per_nfqnl_test": rate[name] / rate[EXAMPLE] for name in (OURS, ALIKE)}
    for name, flows in measured.flow.items():
        values[f"{name}_flow_sender_busy"] = median(one.sender_s / one.took_s for one in flows)
    own_us = {name: median(one.program_s / AT_ONCE * 1e6 for one in measured.flow[name]) for name in LISTENING}
    values |= {f"{name}_flow_processor_us": figure for name, figure in own_us.items()}
    values["nfqnl_test_flow_processor_per_user_out"] = own_us[EXAMPLE] / own_us[OURS]
    added = {name: median(measured.alone_s[name]) - median(measured.alone_s[NO_QUEUE]) for name in LISTENING}
    values |= {f"{name}_added_us": figure * 1e6 for name, figure in added.items()}
    return values | {"user_out_added_per_nfqnl_test": added[OURS] / added[EXAMPLE]}


def _measure(shell: Shell, name: str, argv: list[str], measured: Measured) -> None:
    """Measure a program's times; without one, the times of packets that are not queued."""
    shell.ask([f"{REMOTE}/guest/processors.sh", "all"])
    output = shell.ask(["sh", "-eu", "-c", _MEASURE, "sh", *argv], bound_s=LOAD_BOUND_S)
    times_s = []
    for line in output.splitlines():
        sent, received, *times = line.split()
        if sent != received:
            raise BrokenEnvironment(f"{shlex.join(argv)} lost packets: {received} of {sent} arrived")
        times_s.append([float(one) for one in times])
    *burst, flow, one, other, (alone_s,) = times_s
    for (burst_s,) in burst:
        measured.burst_s[name].append(burst_s)
    measured.flow[name].append(FlowCosts(*flow))
    # Each has half of the packets on their way, and the slower one takes the time.
    measured.two_flows_s[name].append(max(one[0], other[0]))
    measured.alone_s[name].append(alone_s)
