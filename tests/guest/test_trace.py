"""Tracing with systemtap, as far as it goes without CentOS."""

from __future__ import annotations

from tests.guest.conftest import TestLab

# Stands in for systemtap, which no replica can have: it says what the lab waits for, and goes on until interrupted.
STAND_IN = r"""#!/bin/sh
echo ready
while sleep 0.1; do echo traced "$@"; done
"""


def test_a_machine_without_systemtap_is_said_so(running: TestLab) -> None:
    """Nothing is traced in silence; the next run is as any other."""
    done = running.run("run", "old", "-s", "baseline", "-n", "1", "--trace", "stap")

    assert done.status == 3
    assert "there is no systemtap in this machine" in done.err
    assert running.well("run", "old", "-s", "baseline", "-n", "1").status == 0


def test_what_is_traced_is_stored_with_each_trial_and_the_tracer_ends_with_the_scenario(fresh: TestLab) -> None:
    """Each trial has what was traced during it, and no more; nothing of the tracer stays in the guest."""
    fresh.well("up", "old")
    fresh.ask("old", f"cat >/usr/local/bin/stap <<'EOF'\n{STAND_IN}EOF\nchmod +x /usr/local/bin/stap")
    done = fresh.well("run", "old", "-s", "baseline", "-n", "2", "--trace", "stap", "--json").json
    traces = sorted((fresh.home / "runs" / done["run"]).glob("old/baseline/*/stap.out"))

    assert len(traces) == 2
    for trace in traces:
        lines = trace.read_text().splitlines()
        assert set(lines) == {"traced -g /opt/lab/stap/confirm.stp"}
        assert len(lines) < 100
    assert fresh.run("ssh", "old", "--", "pgrep stap").status == 1
    untraced = fresh.well("run", "old", "-s", "baseline", "-n", "1", "--json").json
    assert not list((fresh.home / "runs" / untraced["run"]).glob("old/baseline/*/stap.out"))
