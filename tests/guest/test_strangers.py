"""Queries of the machine itself during a trial: the hook and the trace see them, no trial may include them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.guest.conftest import TestLab

RESOLVER = "10.0.2.3"
"""Resolver of QEMU's user network, which does not answer here; no lane uses it."""


@pytest.fixture
def asking(running: TestLab) -> Iterator[TestLab]:
    """Make the machine query a resolver outside of the lanes repeatedly, in its initial namespace."""
    loop = "while :; do getent hosts chrony.example; done"
    running.ask(
        "old",
        f"cp /etc/resolv.conf /tmp/resolv.conf; echo 'nameserver {RESOLVER}\noptions timeout:1 attempts:1' "
        f">/etc/resolv.conf; setsid sh -c '{loop}' >/dev/null 2>&1 </dev/null & echo $! >/tmp/asking.pid",
    )
    try:
        yield running
    finally:
        running.ask("old", "kill -- -$(cat /tmp/asking.pid); cp /tmp/resolv.conf /etc/resolv.conf")


def test_the_machines_own_queries_do_not_change_a_verdict(asking: TestLab) -> None:
    """Every trial was contradictory: dmesg had queries unknown to the verdict program."""
    result = asking.well("run", "old", "-s", "nfqueue", "-n", "2", "--evidence", "--lanes", "1", "--json").json

    output = [asking.well("show", result["run"], f"old/nfqueue/{number}", "--json").json for number in range(1, 5)]
    assert [one["outcome"] for one in output] == ["stalled"] * 4
    # A stall of five seconds includes such queries; a traced one was excluded from the trial.
    assert all(one["strangers"].get("dmesg", 0) >= 2 for one in output)
    assert any(one["strangers"].get("trace", 0) >= 2 for one in output if one["evidence"])
    assert "did not come from this lane" in asking.well("show", result["run"], "old/nfqueue/1").out
