"""The clock of a trace, the certainty of its times, and 3.10.0-123's number format."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lab.evidence import kernel, trace, trial
from lab.evidence.errors import UnreadableError
from lab.judgement import sightings
from lab.judgement.sightings import Sighting

RECORDED = Path(__file__).parents[1] / "evidence" / "replicas" / "old-nfqueue"

OF_3_10_0_123 = """\
          clocks-841   [001] ...1    94.218179: tracing_mark_write: lab-mark
            curl-846   [001] dN..    94.638710: queued: (nfqnl_enqueue_packet+0x0/0x360 [nfnetlink_queue]) \
skb=ffff8800249e5700 ct=ffff880024dee750 proto=11 sport=ee5 dport=3500 dns=fc9
            curl-846   [001] d...    94.638998: queued: (nfqnl_enqueue_packet+0x0/0x360 [nfnetlink_queue]) \
skb=ffff8800249e5100 ct=ffff880024dee888 proto=11 sport=ee5 dport=3500 dns=d419
        user.out-828   [000] d...    94.640704: reinject: (nf_reinject+0x0/0x180) skb=ffff8800249e5700 \
ct=ffff880024dee750 proto=11 sport=ee5 dport=3500 dns=fc9 verdict=1
        user.out-828   [000] d...    94.640775: confirming: (__nf_conntrack_confirm+0x0/0x4c0 [nf_conntrack]) \
skb=ffff8800249e5700 ct=ffff880024dee750 proto=11 sport=ee5 dport=3500 dns=fc9
        user.out-828   [000] d...    94.640802: confirm: (ipv4_confirm+0xc8/0xf0 [nf_conntrack_ipv4] <- \
__nf_conntrack_confirm) ret=1
        user.out-828   [000] dN..    94.641177: confirming: (__nf_conntrack_confirm+0x0/0x4c0 [nf_conntrack]) \
skb=ffff8800249e5100 ct=ffff880024dee888 proto=11 sport=ee5 dport=3500 dns=d419
        user.out-828   [000] dN..    94.641189: confirm: (ipv4_confirm+0xc8/0xf0 [nf_conntrack_ipv4] <- \
__nf_conntrack_confirm) ret=0
          clocks-859   [000] ...1   100.336307: tracing_mark_write: lab-mark
"""
"""Trace as written by 3.10.0-123.el7."""

CLOCKS = (
    (
        '{"realtime_s": 1795909642.491286629, "monotonic_s": 93.899421320, "within_s": 0.000096544, '
        '"traced_s": 93.903428254, "traced_within_s": 0.000121019}'
    ),
    (
        '{"realtime_s": 1795909648.615315097, "monotonic_s": 100.023450169, "within_s": 0.000096754, '
        '"traced_s": 100.028263951, "traced_within_s": 0.000142943}'
    ),
)


def of_trace(directory: Path) -> list[Sighting]:
    """Return what a trial's trace shows."""
    return [evidence for evidence in sightings.collect_sightings(trial.read(directory)) if evidence.source == "trace"]


@pytest.fixture
def old_kernel(tmp_path: Path) -> Path:
    """Return a trial of 3.10.0-123: its trace and clocks."""
    (tmp_path / "trace").write_text(OF_3_10_0_123)
    for name, content in zip(("before", "after"), CLOCKS, strict=True):
        (tmp_path / f"clocks.{name}").write_text(content)
    return tmp_path


def test_unmarked_numbers_of_3_10_0_123_are_hexadecimal() -> None:
    """UDP is 11 there, and port 53 in network order 3500; read as decimal no packet matched."""
    steps = kernel.extract_steps(trace.parse(OF_3_10_0_123))

    assert [(step.did.value, step.sport, step.dns_id) for step in steps[:2]] == [
        ("queued", 0xE50E, 0xC90F),
        ("queued", 0xE50E, 0x19D4),
    ]
    assert steps[0].ct == 0xFFFF880024DEE750
    assert [step.returned for step in steps if step.did is kernel.Action.CONFIRMED] == [1, 0]


def test_decimal_and_marked_hexadecimal_numbers_are_unchanged() -> None:
    """Kernels from 4.8 on, and 3.10.0-1127."""
    for form in ("skb=18446612132927821568 proto=17 dport=13568", "skb=0xffff8800249e5700 proto=0x11 dport=0x3500"):
        (event,) = trace.parse(f"curl-846 [001] d... 94.638710: queued: (f+0x0/0x360) {form}").events
        assert (event.arguments["proto"], event.arguments["dport"]) == (17, 0x3500)


def test_each_confirm_of_3_10_0_123_has_a_time_by_the_global_clock(old_kernel: Path) -> None:
    """It has no clock `mono`; marks relate the shared clock `global` to the other sources."""
    (old_kernel / "trace_clock").write_text("local [global] counter\n")

    evidence = of_trace(old_kernel)

    assert {one.stage.value for one in evidence} == {"queued at the hook", "confirm returned"}
    assert all(one.time_s is not None and 0 < one.within_s < 0.01 for one in evidence)


def test_with_the_local_clock_only_the_marked_processor_has_times(old_kernel: Path) -> None:
    """Clocks differ per processor by an unknown offset."""
    (old_kernel / "trace_clock").write_text("[local] counter\n")
    (old_kernel / "trace").write_text(OF_3_10_0_123.replace("clocks-859   [000]", "clocks-859   [001]"))

    evidence = of_trace(old_kernel)

    timed = {one.stage.value: one.time_s is not None for one in evidence}
    assert timed == {"queued at the hook": True, "confirm returned": False}


def test_with_the_local_clock_a_mark_is_valid_only_for_its_processor(old_kernel: Path) -> None:
    """With one mark on each processor, events across both have no time."""
    (old_kernel / "trace_clock").write_text("[local] counter\n")
    by_local = of_trace(old_kernel)
    (old_kernel / "trace_clock").write_text("local [global] counter\n")
    by_global = of_trace(old_kernel)

    assert all(one.time_s is not None for one in by_local)
    apart_s = [abs((one.time_s or 0) - (other.time_s or 0)) for one, other in zip(by_local, by_global, strict=True)]
    assert all(0.001 < apart < 0.01 for apart in apart_s)


def test_a_trial_without_the_clocks_name_is_judged_as_before(tmp_path: Path) -> None:
    """Older recordings have no clock name."""
    directory = tmp_path / "trial"
    shutil.copytree(RECORDED, directory)
    before = of_trace(directory)
    (directory / "trace_clock").write_text("local global counter uptime perf [mono] mono_raw boot\n")

    assert before == of_trace(directory)
    assert trial.read(directory).trace_clock.value == "mono"
    assert trial.read(RECORDED).trace_clock.value is None


@pytest.mark.parametrize("text", ["", "local global", "[local] [global]", "[] local"])
def test_a_clock_that_is_not_named_is_not_guessed(text: str) -> None:
    """The name may be missing or ambiguous."""
    with pytest.raises(UnreadableError, match="clock"):
        trace.parse_clock(text)
