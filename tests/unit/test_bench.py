"""Benchmark figures: how measurements become figures, and how they are stored."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from lab.bench import booting, commands, demonstration, history, lanes, memory, run, surroundings, trials, verdicts
from lab.bench.figure import Figure, FigureGroup, median
from lab.bench.verdicts import FlowCosts
from lab.present.text import dispatch
from tests.command_line import lab


def values(figures: object) -> dict[str, float]:
    """Return figures without their ranges."""
    assert isinstance(figures, dict)
    return {name: figure.value for name, figure in figures.items()}


def test_a_figure_is_a_median_with_its_range_and_number() -> None:
    """A mean would follow one disturbed run, and without the range that would stay hidden."""
    assert median([3.0, 1.0, 100.0]) == Figure(3.0, 3, 1.0, 100.0)
    assert median([4.0, 2.0]) / median([1.0, 2.0, 3.0]) == Figure(1.5, 2)
    assert (median([5.0]) - median([3.0])) * 1e6 == Figure(2e6, 1)
    assert median([1.0, 2.0, 4.0]) * 10 == Figure(20.0, 3, 10.0, 40.0)


def ran(took_s: float, *, armed: int, stalled: int, machine_mb: float = 500.0) -> lanes.Ran:
    """Return the cost of a run."""
    return lanes.Ran(took_s, 80.0 + took_s / 100, machine_mb, 0.2 * armed, armed, stalled)


def test_a_hundred_sequential_trials_are_extrapolated_by_cost_per_trial() -> None:
    """A run's fixed cost counts once; scaling five trials by twenty would count it twenty times."""
    # Two seconds for the run, and 5.1 for each trial.
    grown = {1: [ran(7.1, armed=1, stalled=1)] * 5, 100: [ran(16.0, armed=100, stalled=100)] * 5}
    figures = values(lanes.figures([27.5] * 5, [0.1], grown))

    assert figures["one_by_one_trial_s"] == pytest.approx(5.1)
    assert figures["one_by_one_100_s"] == pytest.approx(512.0)
    assert figures["one_by_one_per_lanes_100"] == pytest.approx(32.0)


def test_armed_trials_are_counted_apart_from_stalled_ones() -> None:
    """Arming is the lab's doing, stalling is the kernel's."""
    grown = {
        1: [ran(7.0, armed=1, stalled=1)],
        100: [ran(15.0 + more, armed=97 + more, stalled=96, machine_mb=500 + more) for more in range(3)],
    }
    figures = lanes.figures([27.0], [0.14], grown)

    assert figures["lanes_100_s"] == Figure(16.0, 3, 15.0, 17.0)
    assert figures["lanes_100_armed"] == Figure(98, 3, 97, 99)
    assert figures["lanes_100_armed_and_stalled"] == Figure(96, 3, 96, 96)
    assert figures["lanes_100_machine_memory_mb"] == Figure(501, 3, 500, 502)
    assert figures["lanes_1_lab_memory_mb"].value == pytest.approx(80.07)
    # 98 armed trials of 0.2 s processor time each in a hundred trials, by the client's 0.14 s.
    assert figures["lanes_100_processor_per_bare_curl"].value == pytest.approx(1.4)


def test_rates_count_packets_and_latency_is_the_queues_share() -> None:
    """A packet also takes time without a queue."""
    measured = verdicts.Measured(
        burst_s={"user_out": [0.002], "user_out_no_conntrack": [0.001], "nfqnl_test": [0.004]},
        flow={
            "user_out": [FlowCosts(took_s=0.004, sender_s=0.004, program_s=0.003)],
            "user_out_no_conntrack": [FlowCosts(took_s=0.0025, sender_s=0.0025, program_s=0.002)],
            "nfqnl_test": [FlowCosts(took_s=0.005, sender_s=0.004, program_s=0.0045)],
            "no_queue": [FlowCosts(took_s=0.002, sender_s=0.002, program_s=0)],
        },
        two_flows_s={"user_out": [0.004], "user_out_no_conntrack": [0.002], "nfqnl_test": [0.006], "no_queue": [0.001]},
        alone_s={"no_queue": [10e-6], "user_out": [130e-6], "user_out_no_conntrack": [90e-6], "nfqnl_test": [110e-6]},
    )
    figures = values(verdicts.figures(measured))

    assert figures["user_out_burst_packets_per_second"] == pytest.approx(50_000)
    assert figures["user_out_burst_rate_per_nfqnl_test"] == pytest.approx(2)
    assert figures["user_out_flow_rate_per_nfqnl_test"] == pytest.approx(1.25)
    assert figures["user_out_no_conntrack_flow_rate_per_nfqnl_test"] == pytest.approx(2)
    assert figures["user_out_two_flows_rate_per_nfqnl_test"] == pytest.approx(1.5)
    assert figures["no_queue_two_flows_packets_per_second"] == pytest.approx(100_000)
    assert figures["no_queue_flow_packets_per_second"] == pytest.approx(50_000)
    assert figures["nfqnl_test_flow_sender_busy"] == pytest.approx(0.8)
    assert figures["user_out_flow_processor_us"] == pytest.approx(30)
    assert figures["nfqnl_test_flow_processor_per_user_out"] == pytest.approx(1.5)
    assert figures["user_out_added_us"] == pytest.approx(120)
    assert figures["user_out_added_per_nfqnl_test"] == pytest.approx(1.2)


def test_ratios_are_computed_from_medians() -> None:
    """Each ratio compares medians within one run."""
    boots = {"bare_kernel_boot": [1.0, 2.0, 3.0], "first_command": [4.0], "up_one": [5.0], "up_both": [6.0]}
    figures = values(booting.figures_of_booting(boots))
    assert (figures["first_command_per_bare_boot"], figures["up_both_per_up_one"]) == (2.0, 1.2)

    times_s = {"warm_up": [1.0], "cold_up": [5.0], "warm_command": [2.0], "cold_command": [8.0]}
    figures = values(booting.figures_of_warm(times_s, [0.5]))
    assert (figures["warm_up_per_cold_up"], figures["warm_command_per_cold_command"]) == (0.2, 0.25)
    assert figures["saving_s"] == 0.5

    untraced = [trials.TimedTrial(*times) for times in ((0.5, 0.1, 0.04), (0.3, 0.1, 0.05), (0.9, 0.2, 0.06))]
    traced = [trials.TimedTrial(1.5, 0.4, 0.1)]
    figures = values(trials.figures(untraced, traced, [0.25]))
    assert figures["trial_beyond_curl_s"] == pytest.approx(0.4)
    assert figures["trial_per_bare_curl"] == 2.0
    assert figures["traced_lookup_per_untraced"] == pytest.approx(2)

    figures = values(demonstration.figures([(40.0, 25.0), (41.0, 26.0), (90.0, 30.0)]))
    assert (figures["demo_s"], figures["stalls_s"]) == (41.0, 26.0)


def test_the_peak_of_memory_is_read_as_the_kernel_writes_it() -> None:
    """Currently resident memory says nothing about the peak."""
    status = "Name:\tqemu-system-x86\nVmPeak:\t 2641020 kB\nVmHWM:\t 1460056 kB\nVmRSS:\t 1000 kB\n"

    assert memory.peak_in(status) == pytest.approx(1495.1, abs=0.1)
    assert memory.peak_in("Name:\tgone\nState:\tZ (zombie)\n") == 0


def test_a_memory_peak_can_be_reset() -> None:
    """Otherwise the figure for ten trials would include everything the machine did before."""
    pid = int(Path("/proc/self").resolve().name)
    memory.begin(pid)
    without_mb = memory.peak_mb(pid)
    needed = b"x" * 200_000_000
    del needed
    with_mb = memory.peak_mb(pid)
    memory.begin(pid)

    assert with_mb > without_mb + 100
    assert memory.peak_mb(pid) < with_mb - 100


def test_a_processor_without_a_name_is_named_by_its_architecture() -> None:
    """On some machines /proc/cpuinfo has no model name."""
    assert surroundings.cpu_in("processor\t: 0\nmodel name\t: A Processor @ 2 GHz\nmodel name\t: B\n") == (
        "A Processor @ 2 GHz"
    )
    assert surroundings.cpu_in("processor\t: 0\n") != ""


PART = FigureGroup(
    measured="2026-11-24T06:03:41Z",
    version="0.1.0",
    machine={"cores": 2, "guest": {"cpus": 2}},
    load=0.4,
    figures={"saving_s": Figure(0.367, 5, 0.3, 0.5), "warm_up_per_cold_up": Figure(0.2, 5)},
)


def test_each_part_keeps_its_own_machine_and_date(tmp_path: Path) -> None:
    """A part measured alone must not change the machine or date of the others."""
    later = replace(PART, measured="2026-11-25T00:00:00Z", machine={"cores": 64})
    path = tmp_path / "latest.json"
    path.write_text(run.document({"lanes": later, "warm": PART}))

    assert run.read(path) == {"warm": PART, "lanes": later}
    assert list(json.loads(path.read_text())["parts"]) == ["warm", "lanes"]
    assert '"saving_s": {"value": 0.367, "of": 5, "least": 0.3, "most": 0.5}' in path.read_text()


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"schema": 2, "figures": {}}', '{"schema": 3, "parts": {"warm": 1}}']
)
def test_figures_in_an_older_format_are_measured_again(tmp_path: Path, text: str) -> None:
    """Results of an older lab must not pass for today's."""
    path = tmp_path / "latest.json"
    path.write_text(text)

    assert run.read(path) == {}
    assert run.read(tmp_path / "none") == {}


def test_a_table_of_figures_shows_range_and_count() -> None:
    """A median alone looks the same on a busy machine."""
    console = Console(width=100, file=io.StringIO())
    console.print(
        dispatch.render(run.Benched({"warm": PART}, Path("bench/latest.json"), {"warm": {"saving_s": 0.875}}))
    )
    text = console.file.getvalue()  # type: ignore[attr-defined]

    assert "0.367" in text
    assert "0.3 - 0.5" in text
    assert "0.875" in text
    assert "load 0.4" in text


def test_an_unknown_part_is_named_with_the_known_ones(tmp_path: Path) -> None:
    """Nothing is measured then."""
    result = lab(tmp_path, "bench", "speed")

    assert result.returncode == 2
    assert "'speed'" in result.stderr
    assert "verdicts" in result.stderr


def test_each_run_adds_one_line_and_the_newest_value_of_each_figure_counts(tmp_path: Path) -> None:
    """A part that was not measured again keeps its value from the run in which it was."""
    path = tmp_path / "bench" / "history.jsonl"
    assert history.newest(path) == {}
    history.add(path, {"warm": PART, "lanes": PART})
    history.add(path, {})
    history.add(path, {"warm": replace(PART, load=1.5, figures={"saving_s": Figure(0.2, 5)})})

    first, second = map(json.loads, path.read_text().splitlines())
    assert (list(first["parts"]), list(second["parts"])) == (["warm", "lanes"], ["warm"])
    assert (second["version"], second["parts"]["warm"]["load"], second["parts"]["warm"]["cores"]) == ("0.1.0", 1.5, 2)
    assert history.newest(path) == {
        "warm": {"saving_s": 0.2, "warm_up_per_cold_up": 0.2},
        "lanes": {"saving_s": 0.367, "warm_up_per_cold_up": 0.2},
    }


@pytest.mark.parametrize(
    "text", ["{", "[]", "7", '{"parts": 1}', '{"parts": {"warm": {"figures": {"a_s": "x"}}}}', "\0"]
)
def test_a_damaged_line_of_the_history_is_passed_over(tmp_path: Path, text: str) -> None:
    """Such as one that was cut off when a disk was full."""
    path = tmp_path / "history.jsonl"
    path.write_text(f"{history.line({'warm': PART})}\n{text}\n")

    assert history.newest(path)["warm"]["saving_s"] == 0.367


def test_the_measured_commands_succeed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stored run that is not as its scenario expects would end the measurement."""
    monkeypatch.setattr(commands, "REPEATS", 1)

    measured = values(commands.commands(tmp_path))

    assert {f"{name}_processor_s" for name in commands.COMMANDS} <= measured.keys()
    assert all(value > 0 for value in measured.values())


def test_commands_are_compared_with_a_python_that_does_nothing() -> None:
    """A ratio holds on a slower machine, too."""
    figures = values(commands.figures({"python": [0.01, 0.02, 0.03], "status": [0.2, 0.3, 0.1]}))

    assert figures["status_processor_s"] == 0.2
    assert figures["status_per_python"] == pytest.approx(10)
    assert "python_per_python" not in figures
