"""The figures: what is made of measurements, and how it is written down."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from lab.bench import booting, demonstration, lanes, memory, run, surroundings, trials, verdicts
from lab.bench.figure import Figure, median
from lab.bench.run import Part
from lab.bench.verdicts import Flow
from lab.report import as_text
from tests.command_line import lab


def values(figures: object) -> dict[str, float]:
    """Give figures without their ranges."""
    assert isinstance(figures, dict)
    return {name: figure.value for name, figure in figures.items()}


def test_a_figure_is_a_median_with_its_range_and_number() -> None:
    """A mean would follow the one run that something disturbed; without the range nobody could tell that it was."""
    assert median([3.0, 1.0, 100.0]) == Figure(3.0, 3, 1.0, 100.0)
    assert median([4.0, 2.0]) / median([1.0, 2.0, 3.0]) == Figure(1.5, 2)
    assert (median([5.0]) - median([3.0])) * 1e6 == Figure(2e6, 1)
    assert median([1.0, 2.0, 4.0]) * 10 == Figure(20.0, 3, 10.0, 40.0)


def ran(took_s: float, *, armed: int, stalled: int, machine_mb: float = 500.0) -> lanes.Ran:
    """Give what a run cost."""
    return lanes.Ran(took_s, 80.0 + took_s / 100, machine_mb, armed, stalled)


def test_a_hundred_one_by_one_are_extrapolated_by_what_each_more_takes() -> None:
    """What a run costs beyond its trials is there once; a fifth of five would count it twenty times in a hundred."""
    # Two seconds for the run, and 5.1 for each trial.
    grown = {1: [ran(7.1, armed=1, stalled=1)] * 5, 100: [ran(16.0, armed=100, stalled=100)] * 5}
    found = values(lanes.figures([27.5] * 5, grown))

    assert found["one_by_one_trial_s"] == pytest.approx(5.1)
    assert found["one_by_one_100_s"] == pytest.approx(512.0)
    assert found["one_by_one_per_lanes_100"] == pytest.approx(32.0)


def test_armed_trials_are_told_apart_from_those_that_also_stalled() -> None:
    """The one is the lab's doing, the other the kernel's."""
    grown = {
        1: [ran(7.0, armed=1, stalled=1)],
        100: [ran(15.0 + more, armed=97 + more, stalled=96, machine_mb=500 + more) for more in range(3)],
    }
    found = lanes.figures([27.0], grown)

    assert found["lanes_100_s"] == Figure(16.0, 3, 15.0, 17.0)
    assert found["lanes_100_armed"] == Figure(98, 3, 97, 99)
    assert found["lanes_100_armed_and_stalled"] == Figure(96, 3, 96, 96)
    assert found["lanes_100_machine_memory_mb"] == Figure(501, 3, 500, 502)
    assert found["lanes_1_lab_memory_mb"].value == pytest.approx(80.07)


def test_rates_are_of_packets_and_latency_is_what_a_queue_adds() -> None:
    """A packet takes its time without any queue, too."""
    measured = verdicts.Measured(
        burst_s={"user_out": [0.002], "nfqnl_test": [0.004]},
        flow={
            "user_out": [Flow(took_s=0.004, sender_s=0.004, program_s=0.003)],
            "nfqnl_test": [Flow(took_s=0.005, sender_s=0.004, program_s=0.0045)],
            "no_queue": [Flow(took_s=0.002, sender_s=0.002, program_s=0)],
        },
        alone_s={"no_queue": [10e-6], "user_out": [130e-6], "nfqnl_test": [110e-6]},
    )
    found = values(verdicts.figures(measured))

    assert found["user_out_burst_packets_per_second"] == pytest.approx(50_000)
    assert found["user_out_burst_rate_per_nfqnl_test"] == pytest.approx(2)
    assert found["user_out_flow_rate_per_nfqnl_test"] == pytest.approx(1.25)
    assert found["no_queue_flow_packets_per_second"] == pytest.approx(50_000)
    assert found["nfqnl_test_flow_sender_busy"] == pytest.approx(0.8)
    assert found["user_out_flow_processor_us"] == pytest.approx(30)
    assert found["nfqnl_test_flow_processor_per_user_out"] == pytest.approx(1.5)
    assert found["user_out_added_us"] == pytest.approx(120)
    assert found["user_out_added_per_nfqnl_test"] == pytest.approx(1.2)


def test_ratios_of_machines_trials_and_demos_are_of_their_medians() -> None:
    """Each is within one run."""
    boots = {"bare_kernel_boot": [1.0, 2.0, 3.0], "first_command": [4.0], "up_one": [5.0], "up_both": [6.0]}
    found = values(booting.figures_of_booting(boots))
    assert (found["first_command_per_bare_boot"], found["up_both_per_up_one"]) == (2.0, 1.2)

    times_s = {"warm_up": [1.0], "cold_up": [5.0], "warm_command": [2.0], "cold_command": [8.0]}
    found = values(booting.figures_of_warm(times_s, [0.5]))
    assert (found["warm_up_per_cold_up"], found["warm_command_per_cold_command"]) == (0.2, 0.25)
    assert found["saving_s"] == 0.5

    found = values(trials.figures([(0.5, 0.1), (0.3, 0.1), (0.9, 0.2)], [0.25]))
    assert found["trial_beyond_curl_s"] == pytest.approx(0.4)
    assert found["trial_per_bare_curl"] == 2.0

    found = values(demonstration.figures([(40.0, 25.0), (41.0, 26.0), (90.0, 30.0)]))
    assert (found["demo_s"], found["stalls_s"]) == (41.0, 26.0)


def test_the_peak_of_memory_is_read_as_the_kernel_writes_it() -> None:
    """What is resident now says nothing of what was needed."""
    status = "Name:\tqemu-system-x86\nVmPeak:\t 2641020 kB\nVmHWM:\t 1460056 kB\nVmRSS:\t 1000 kB\n"

    assert memory.peak_in(status) == pytest.approx(1495.1, abs=0.1)
    assert memory.peak_in("Name:\tgone\nState:\tZ (zombie)\n") == 0


def test_a_peak_begins_anew_when_it_is_told_to() -> None:
    """Else the figure of ten trials would be that of whatever a machine did before."""
    pid = int(Path("/proc/self").resolve().name)
    memory.begin(pid)
    without_mb = memory.peak_mb(pid)
    needed = b"x" * 200_000_000
    del needed
    with_mb = memory.peak_mb(pid)
    memory.begin(pid)

    assert with_mb > without_mb + 100
    assert memory.peak_mb(pid) < with_mb - 100


def test_a_processor_without_a_name_is_called_by_its_kind() -> None:
    """On some machines /proc/cpuinfo has none."""
    assert surroundings.cpu_in("processor\t: 0\nmodel name\t: A Processor @ 2 GHz\nmodel name\t: B\n") == (
        "A Processor @ 2 GHz"
    )
    assert surroundings.cpu_in("processor\t: 0\n") != ""


PART = Part(
    measured="2026-11-24T06:03:41Z",
    version="0.1.0",
    machine={"cores": 2, "guest": {"cpus": 2}},
    load=0.4,
    figures={"saving_s": Figure(0.367, 5, 0.3, 0.5), "warm_up_per_cold_up": Figure(0.2, 5)},
)


def test_parts_are_read_as_they_were_written_each_with_its_own_machine(tmp_path: Path) -> None:
    """One that is measured alone must not lend its date and its machine to the others."""
    later = replace(PART, measured="2026-11-25T00:00:00Z", machine={"cores": 64})
    path = tmp_path / "latest.json"
    path.write_text(run.document({"lanes": later, "warm": PART}))

    assert run.read(path) == {"warm": PART, "lanes": later}
    assert list(json.loads(path.read_text())["parts"]) == ["warm", "lanes"]
    assert '"saving_s": {"value": 0.367, "of": 5, "least": 0.3, "most": 0.5}' in path.read_text()


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"schema": 2, "figures": {}}', '{"schema": 3, "parts": {"warm": 1}}']
)
def test_figures_of_another_form_are_measured_anew(tmp_path: Path, text: str) -> None:
    """What an older lab wrote must not pass for today's."""
    path = tmp_path / "latest.json"
    path.write_text(text)

    assert run.read(path) == {}
    assert run.read(tmp_path / "none") == {}


def test_a_table_of_figures_shows_how_far_apart_they_were_and_of_how_many() -> None:
    """A median alone looks the same on a busy machine."""
    console = Console(width=100, file=io.StringIO())
    console.print(as_text.render(run.Benched({"warm": PART}, Path("bench/latest.json"))))
    text = console.file.getvalue()  # type: ignore[attr-defined]

    assert "0.367" in text
    assert "0.3 - 0.5" in text
    assert "load 0.4" in text


def test_a_part_that_is_not_measured_is_named_with_those_that_are(tmp_path: Path) -> None:
    """Nothing is measured then."""
    done = lab(tmp_path, "bench", "speed")

    assert done.returncode == 2
    assert "'speed'" in done.stderr
    assert "verdicts" in done.stderr
