"""The processor counter's rate that a guest is given, and how a wrong clock is detected."""

from __future__ import annotations

import platform
import time

import pytest

from lab.foundation.errors import BrokenEnvironment
from lab.provider import tsc
from lab.provision.pace import Moment, check


@pytest.mark.skipif(platform.machine() != "x86_64", reason="only there is such a counter")
def test_the_counters_rate_is_measured_the_same_each_time() -> None:
    """A guest with a wrong counter rate has a clock that runs too fast or too slow."""
    rates = []
    for _ in range(3):
        tsc.khz.cache_clear()
        rates.append(tsc.khz())

    assert all(rate is not None and 100_000 < rate < 10_000_000 for rate in rates)
    assert max(filter(None, rates)) - min(filter(None, rates)) < 0.001 * max(filter(None, rates))
    assert f"tsc_early_khz={round(rates[-1] or 0, -3)}" in tsc.kernel_arguments("quiet")


@pytest.mark.parametrize(("host_s", "guest_s"), [(10.0, 10.1), (10.0, 8.9), (0.2, 1.7), (0.2, 0.1)])
def test_a_correct_clock_passes_despite_slow_answers(host_s: float, guest_s: float) -> None:
    """A busy guest answers late; that is no wrong clock."""
    begun = time.monotonic()

    check("old", Moment(begun, 5.0, "a"), Moment(begun + host_s, 5.0 + guest_s, "a"))


@pytest.mark.parametrize(("host_s", "guest_s"), [(14.0, 1079.0), (10.0, 1.0), (6.0, 10.0)])
def test_a_wrong_clock_is_detected_before_any_trial(host_s: float, guest_s: float) -> None:
    """Five seconds in such a guest are not five seconds."""
    with pytest.raises(BrokenEnvironment, match=f"its clock advanced by {guest_s:.1f} s in {host_s:.1f} s"):
        check("old", Moment(0.0, 5.0, "a"), Moment(host_s, 5.0 + guest_s, "a"))


def test_a_reboot_is_not_taken_for_a_wrong_clock() -> None:
    """CentOS reboots into its exact kernel during provisioning, and its clock starts at 0 again."""
    check("old", Moment(0.0, 300.0, "a"), Moment(600.0, 40.0, "b"))
