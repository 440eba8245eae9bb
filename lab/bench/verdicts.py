"""The verdict program: its rate and the latency it adds, against libnetfilter_queue's own example."""

from __future__ import annotations

import shlex
import statistics
from pathlib import Path

from lab import experiment
from lab.bench import nfqnl_test
from lab.bench.tools import REPEATS, Figures, new_session, replicas
from lab.errors import BrokenEnvironment
from lab.home import PROVISION
from lab.provision.facts import REMOTE
from lab.ssh import Shell

AT_ONCE = 100
"""Packets that wait when a program goes on. The example, with its small buffer, would lose more."""

ROUNDS = 50
"""Of so many packets each."""

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
	ip netns exec lab-lane0 ./load /run/netns/lab-server {SERVER} {ROUNDS} {AT_ONCE} $program
fi
ip netns exec lab-lane0 ./load /run/netns/lab-server {SERVER} {ROUND_TRIPS} 1
"""


def verdicts(directory: Path) -> Figures:
    """Let both programs give verdicts to the same packets in the same guest, in turns, and compare."""
    programs = {"user_out": [f"{REMOTE}/build/user.out"], "nfqnl_test": ["./nfqnl_test"]}
    source = nfqnl_test.source(directory)
    with new_session(directory) as session:
        (machine,) = replicas(session, "today")
        session.bring_up([machine])
        shell = session.shell(machine)
        shell.ask(["mkdir", "-p", DIRECTORY])
        shell.put(source.encode(), f"{DIRECTORY}/nfqnl_test.c")
        shell.put((PROVISION / "bench/load.c").read_bytes(), f"{DIRECTORY}/load.c")
        shell.ask(["sh", "-eu", "-c", _PREPARE], bound_s=LOAD_BOUND_S)
        rate: dict[str, list[float]] = {name: [] for name in programs}
        trip_s: dict[str, list[float]] = {name: [] for name in ("no_queue", *programs)}
        for _ in range(REPEATS):
            shell.ask([experiment.SCRIPT, "end"])
            trip_s["no_queue"].append(_measured(shell, [])[0])
            shell.ask([experiment.SCRIPT, "begin", "1", "queue=nftables", "listener=no"])
            for name, argv in programs.items():
                round_s, alone_s = _measured(shell, argv)
                rate[name].append(AT_ONCE / round_s)
                trip_s[name].append(alone_s)
        shell.ask([experiment.SCRIPT, "end"])
    per_s = {name: statistics.median(rates) for name, rates in rate.items()}
    added_s = {name: statistics.median(trip_s[name]) - statistics.median(trip_s["no_queue"]) for name in programs}
    return {
        "user_out_packets_per_second": per_s["user_out"],
        "nfqnl_test_packets_per_second": per_s["nfqnl_test"],
        "user_out_rate_per_nfqnl_test": per_s["user_out"] / per_s["nfqnl_test"],
        "user_out_latency_per_nfqnl_test": added_s["user_out"] / added_s["nfqnl_test"],
        **{f"{name}_added_us": value * 1e6 for name, value in added_s.items()},
    }


def _measured(shell: Shell, argv: list[str]) -> list[float]:
    """Give the median time of each kind of round, in seconds: through a program, or without a queue for none."""
    said = shell.ask(["sh", "-eu", "-c", _MEASURE, "sh", *argv], bound_s=LOAD_BOUND_S)
    times_s = []
    for line in said.splitlines():
        sent, received, median_s = line.split()
        if sent != received:
            raise BrokenEnvironment(f"{shlex.join(argv)} lost packets: {received} of {sent} came")
        times_s.append(float(median_s))
    return times_s
