"""Tracing: with systemtap as far as possible without CentOS, and what a guest does for any tracer."""

from __future__ import annotations

from tests.guest.conftest import TestLab

# Stand-in for systemtap, which replicas lack: it prints the line the lab waits for and runs until interrupted.
STAND_IN = r"""#!/bin/sh
echo ready
while sleep 0.1; do echo traced "$@"; done
"""


SET = "mkdir -p /run/seen && mount -t tracefs nodev /run/seen && cat /run/seen/set_event && umount /run/seen"
"""Shell command that lists the trace events that are enabled outside of instances."""


def test_a_guest_has_an_event_enabled_from_its_boot(running: TestLab) -> None:
    """Without one, each trace patches the scheduler when it begins and ends, at which an emulated guest may hang."""
    for machine in ("old", "new", "today"):
        assert running.ask(machine, SET).split() == ["vsyscall:emulate_vsyscall"], machine


def test_a_machine_without_systemtap_is_an_error(running: TestLab) -> None:
    """Tracing never fails silently; the next run is unaffected."""
    result = running.run("run", "old", "-s", "baseline", "-n", "1", "--trace", "stap")

    assert result.status == 3
    assert "there is no systemtap in this machine" in result.err
    assert running.well("run", "old", "-s", "baseline", "-n", "1").status == 0


def test_the_trace_is_stored_per_trial_and_the_tracer_ends_with_the_scenario(fresh: TestLab) -> None:
    """Each trial has only its own part, and no tracer remains in the guest."""
    fresh.well("up", "old")
    fresh.ask("old", f"cat >/usr/local/bin/stap <<'EOF'\n{STAND_IN}EOF\nchmod +x /usr/local/bin/stap")
    result = fresh.well("run", "old", "-s", "baseline", "-n", "2", "--trace", "stap", "--json").json
    traces = sorted((fresh.home / "runs" / result["run"]).glob("old/baseline/*/stap.out"))

    assert len(traces) == 2
    for trace in traces:
        lines = trace.read_text().splitlines()
        assert set(lines) == {"traced -g /opt/lab/stap/confirm.stp"}
        assert len(lines) < 100
    assert fresh.run("ssh", "old", "--", "pgrep stap").status == 1
    untraced = fresh.well("run", "old", "-s", "baseline", "-n", "1", "--json").json
    assert not list((fresh.home / "runs" / untraced["run"]).glob("old/baseline/*/stap.out"))
