"""`lab watch` over SSH: lookups of the lanes of a guest, stalled by the real race, while another lab watches it."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.guest.conftest import Done, TestLab, interrupt, wait_for
from tests.guest.test_check import Host

WATCHES = "cat /proc/[0-9]*/comm | grep -cx watch; ls -d /run/five* /tmp/five* /var/tmp/five* 2>/dev/null; true"
"""Shell command that lists what a watch could leave behind."""

KILLS = 3
TRIALS = 3


@dataclass(frozen=True)
class Watch:
    """A watch of a guest that has begun.

    Attributes:
        process: The lab.
        metrics: The file of its counts.
    """

    process: subprocess.Popen[str]
    metrics: Path

    def catch_up(self) -> None:
        """Wait until it has taken what was on the wire by now: on a loaded machine it is behind."""
        now_s = time.time()
        wait_for(lambda: self.process.poll() is not None or self.metrics.stat().st_mtime > now_s + 2)

    def end(self) -> tuple[Done, list[dict[str, Any]]]:
        """End it by Ctrl-C, and return its result and the documents that it printed."""
        done = interrupt(self.process)
        return done, [json.loads(line) for line in done.out.splitlines()]


def begin(host: Host, tmp_path: Path, *more: str) -> Watch:
    """Start a watch, and wait until it sees packets."""
    metrics = tmp_path / "lab.prom"
    arguments = ("watch", *host.arguments[1:], "--json", "--metrics", str(metrics), *more)
    process = host.visitor(host.host_key).start(*arguments)
    wait_for(lambda: process.poll() is not None or (metrics.exists() and metrics.stat().st_size))
    assert process.poll() is None, process.communicate()
    return Watch(process, metrics)


@pytest.fixture(scope="module")
def guests(shared: TestLab) -> TestLab:
    """Return a lab with a guest that drops and one that resolves."""
    shared.well("up", "old", "new")
    return shared


def trials(lab: TestLab, machine: str, *scenarios: str) -> Sequence[dict[str, Any]]:
    """Make trials and return the outcome of each scenario."""
    chosen = [part for scenario in scenarios for part in ("-s", scenario)]
    cells: Sequence[dict[str, Any]] = lab.run("run", machine, *chosen, "-n", str(TRIALS), "--json").json["cells"]
    return cells


def test_each_stall_of_the_race_is_named_where_it_happens_and_no_healthy_lookup(
    guests: TestLab, tmp_path: Path
) -> None:
    """Lanes with a queue stall, those without do not; the saved files bring `lab diagnose` to the same answer."""
    host = Host(guests, "old")
    saved = tmp_path / "stalls"
    watch = begin(host, tmp_path, "--save", str(saved))
    cells = trials(guests, "old", "baseline", "nfqueue")
    watch.catch_up()
    done, documents = watch.end()
    stalls = [document["stall"] for document in documents[:-1]]
    result = documents[-1]
    by_trials = sum(cell["stalled"] for cell in cells)

    assert done.status == 1, done.err
    assert by_trials > 0
    assert result["stalled"] == len(stalls) == by_trials, done.out
    assert {stall["answer"] for stall in stalls} == {"this bug"}, done.out
    assert all(stall["rose"].get("insert_failed") for stall in stalls), done.out
    assert all(stall["namespace"].startswith("lab-lane") for stall in stalls), done.out
    assert sum(each["lookups"] for each in result["namespaces"] if each["stalled"]) >= by_trials
    assert result["lookups"] >= 2 * TRIALS
    assert "this bug" in result["sentence"]
    for stall in stalls:
        again = guests.run("diagnose", stall["saved"], "--json")
        assert again.json["answer"] == "this bug", again.out


def test_a_kernel_that_resolves_the_clash_has_no_stall(guests: TestLab, tmp_path: Path) -> None:
    """Although `insert_failed` rises there."""
    host = Host(guests, "new")
    watch = begin(host, tmp_path)
    cells = trials(guests, "new", "nfqueue")
    done, documents = watch.end()

    assert done.status == 0, done.err
    assert sum(cell["stalled"] for cell in cells) == 0
    assert [document for document in documents if "stall" in document] == []
    assert documents[-1]["lookups"] >= TRIALS


CLOCK = (
    "ip netns exec lab-lane0 sh -c 'for i in $(seq 30); do getent ahosts www$i.lab.test; sleep 0.1; done' >/dev/null & "
    "sleep 1; date -s @$(($(date +%s) + 3600)); sleep 1; date -s @$(($(date +%s) - 3600)); wait"
)
"""Make lookups in a lane while the wall clock is set an hour ahead and back."""


def test_a_wall_clock_that_is_set_makes_no_stall(guests: TestLab, tmp_path: Path) -> None:
    """Packets have timestamps of the wall clock; durations are by the monotonic one."""
    host = Host(guests, "new")
    watch = begin(host, tmp_path)
    host.ask(CLOCK)
    _, documents = watch.end()

    assert [document for document in documents if "stall" in document] == []
    assert documents[-1]["lookups"] >= 20


def test_a_watch_that_is_killed_leaves_nothing_on_the_machine(guests: TestLab, tmp_path: Path) -> None:
    """At random moments, and its machine is left as it was."""
    host = Host(guests, "new")
    before = host.ask(WATCHES)
    for _ in range(KILLS):
        watch = begin(host, tmp_path)
        time.sleep(random.uniform(0, 1))  # noqa: S311  nothing secret
        watch.process.send_signal(signal.SIGKILL)
        watch.process.communicate()
        (tmp_path / "lab.prom").unlink()

        wait_for(lambda: host.ask(WATCHES) == before)


TRACES = (
    "mkdir -p /run/seen; mountpoint -q /run/seen || mount -t tracefs nodev /run/seen; "
    "ls /run/seen/instances; grep lab_watch_ /run/seen/kprobe_events; true"
)
"""Shell command that lists what a trace could leave behind."""

ENDS = ("here", "watch", "tracer")
"""What is killed: the lab, and on the machine the program, and its process that traces."""

OLDEST = "pkill -KILL -o -x watch; true"
"""Shell command that kills the program."""

TRACER = (
    "for pid in $(pgrep -x watch); do read -r _ _ _ parent _ session _ </proc/$pid/stat; "
    '[ "$session" != "$pid" ] || [ "$(cat /proc/$parent/comm)" != watch ] || kill -KILL "$pid"; done; true'
)
"""Shell command that kills the process that traces: a child of the program, with a separate session."""

ALL = "while pkill -KILL -x watch; do :; done; true"


def test_what_confirm_drops_is_seen_named_and_stored(guests: TestLab, tmp_path: Path) -> None:
    """Each stall of the race rests on a traced packet; the trace is gone at the end."""
    host = Host(guests, "old")
    before = host.ask(TRACES)
    watch = begin(host, tmp_path, "--trace", "--save", str(tmp_path / "stalls"))
    during = host.ask(TRACES)
    cells = trials(guests, "old", "baseline", "nfqueue")
    watch.catch_up()
    done, documents = watch.end()
    stalls, result = [document["stall"] for document in documents[:-1]], documents[-1]

    assert done.status == 1, done.err
    assert len(stalls) == sum(cell["stalled"] for cell in cells) > 0, done.out
    assert {(stall["answer"], stall["certain"]) for stall in stalls} == {("this bug", True)}, done.out
    assert all(stall["dropped_at_confirm"] >= 1 for stall in stalls), done.out
    assert all("confirm dropped it" in stall["says"] for stall in stalls)
    assert result["trace"]["dropped"] >= len(stalls)
    assert result["trace"]["confirms"] >= 2 * len(stalls)
    assert (result["trace"]["lost"], result["trace"]["why_not"]) == (0, None)
    assert result["dropped_at_confirm"] == len(stalls)
    assert "dropped at confirm" in result["sentence"]
    for stall in stalls:
        again = guests.run("diagnose", stall["saved"], "--json")
        assert (again.json["answer"], again.json["certain"]) == ("this bug", True), again.out
    assert "lab_watch_" in during
    assert host.ask(TRACES) == before


def test_a_trace_on_a_kernel_that_resolves_the_clash_sees_no_drop(guests: TestLab, tmp_path: Path) -> None:
    """Confirm accepts both queries, although `insert_failed` rises."""
    host = Host(guests, "new")
    watch = begin(host, tmp_path, "--trace")
    trials(guests, "new", "nfqueue")
    _, documents = watch.end()

    assert documents[-1]["trace"]["confirms"] >= 2 * TRIALS
    assert documents[-1]["trace"]["dropped"] == 0
    assert [document for document in documents if "stall" in document] == []


def test_a_traced_watch_that_is_killed_leaves_neither_instance_nor_events(guests: TestLab, tmp_path: Path) -> None:
    """Either end, or the process that traces; what remains if all are killed at once is removed by the next trace."""
    host = Host(guests, "old")
    before = host.ask(TRACES)
    for end in ENDS * KILLS:
        watch = begin(host, tmp_path, "--trace")
        assert "lab_watch_" in host.ask(TRACES)
        time.sleep(random.uniform(0, 1))  # noqa: S311  nothing secret
        if end == "tracer":
            host.ask(TRACER)
            wait_for(lambda: host.ask(TRACES) == before)
            _, documents = watch.end()
            assert "killed" in documents[-1]["trace"]["why_not"]
        elif end == "watch":
            host.ask(OLDEST)
        else:
            watch.process.send_signal(signal.SIGKILL)
        watch.process.communicate()
        (tmp_path / "lab.prom").unlink()
        wait_for(lambda: host.ask(TRACES) == before)

    watch = begin(host, tmp_path, "--trace")
    host.ask(ALL)
    watch.process.communicate()
    (tmp_path / "lab.prom").unlink()
    begin(host, tmp_path, "--trace").end()
    wait_for(lambda: host.ask(TRACES) == before)


def test_lookups_by_the_machine_s_own_resolver_are_made_and_watched(guests: TestLab) -> None:
    """Exit status 0: none stalls; that none reached the wire would be reported."""
    host = Host(guests, "new")
    done = host.visitor(host.host_key).run("watch", *host.arguments[1:], "--lookup", "localhost", "-n", "3", "--json")
    document = json.loads(done.out.splitlines()[-1])

    assert done.status == 0, done.err
    assert [made["found"] for made in document["made"]] == [True] * 3
