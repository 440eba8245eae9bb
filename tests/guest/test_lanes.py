"""Parallel trials: none affects another, and none is lost."""

from __future__ import annotations

from pathlib import Path

from lab.catalogue import find
from lab.evidence import trial
from lab.foundation.home import MACHINES, SCENARIOS, Home
from lab.foundation.work import Work
from lab.runs import experiment
from lab.runs.trial_stream import Begun
from lab.session.session import Session
from tests.guest.conftest import COMMAND_BOUND_S, TestLab, trials_of, wait_for


def sources(path: Path) -> set[str]:
    """Return the source addresses of a trial's queries, by the hook and by the verdict program."""
    evidence = trial.read(path)
    hooked = {str(packet.flow.src) for packet in evidence.queued.value or ()}
    packets = evidence.verdicts.value.packets if evidence.verdicts.value else ()
    held = {str(packet.flow.src) for packet in packets if packet.flow}
    return hooked | held


def test_parallel_trials_share_no_socket_counter_queue_or_log_line(running: TestLab) -> None:
    """Another trial's packet would make this one look armed or stalled."""
    result = running.run("run", "old", "-s", "nfqueue", "-n", "40", "--json")
    assert result.status in (0, 1), result.err
    trials = trials_of(Path(result.json["path"]) / "old" / "nfqueue")

    assert [path.name for path in trials] == [f"{number:04d}" for number in range(1, 41)]
    lanes, stalled = set(), 0
    for path in trials:
        evidence = trial.read(path)
        (lane,) = sources(path)
        lanes.add(lane)
        assert evidence.verdicts.value is not None
        assert evidence.counted.value is not None
        # Both queries, and both retransmits after five seconds if an insert failed.
        packets, failed = len(evidence.verdicts.value.packets), evidence.counted.value["insert_failed"]
        assert len(evidence.queued.value or ()) == packets, path.name
        assert packets in ((4,) if failed else (2, 4)), path.name
        assert failed <= 1, path.name
        stalled += failed
    # On a busy host some trials are unarmed, and some lanes are free before the last trials begin.
    assert stalled > 20
    assert len(lanes) > 10


def test_more_trials_than_lanes_are_all_made(running: TestLab) -> None:
    """A lane is reused when its trial has ended and leaves nothing to the next one."""
    result = running.run("run", "new", "-s", "nfqueue", "-n", "25", "--lanes", "4", "--json")
    assert result.status == 0, result.err
    trials = trials_of(Path(result.json["path"]) / "new" / "nfqueue")

    assert len(trials) == 25
    assert all(len(trial.read(path).queued.value or ()) == 2 for path in trials)
    assert 1 < len({source for path in trials for source in sources(path)}) <= 4


def test_a_reduction_of_lanes_takes_effect_immediately(running: TestLab) -> None:
    """Otherwise an overloaded machine would keep failing to arm the race."""
    at_once: list[int] = []
    reduced_at = 0
    (scenario,) = find.scenarios(SCENARIOS, ["nfqueue"])
    with Session(Home(running.home, running.home, running.home / "config.toml"), Work()) as session:
        (old,) = session.current(find.machines(MACHINES, ["old"]))
        shell = session.shell(old)
        with experiment.prepare(shell, scenario, 4):
            being_made = 0
            for trial in experiment.trials(shell, scenario, 4, 1, 8):
                being_made += 1 if isinstance(trial, Begun) else -1
                if isinstance(trial, Begun):
                    at_once.append(being_made)
                if not reduced_at and being_made == 4:
                    experiment.limit(shell, 2)
                    reduced_at = len(at_once)

    assert reduced_at == 4
    assert at_once[:4] == [1, 2, 3, 4]
    assert max(at_once[4:]) == 2


def test_a_guest_uses_its_second_processor_only_while_many_trials_run(running: TestLab) -> None:
    """Emulated processors disturb each other where the kernel patches itself, and two machines share the host's."""
    online = "cat /sys/devices/system/cpu/online"
    assert running.ask("old", online) == "0\n"
    run = running.start("run", "old", "-s", "nfqueue", "-n", "16", "--json")
    wait_for(lambda: running.ask("old", online) == "0-1\n")
    _, err = run.communicate(timeout=COMMAND_BOUND_S)

    assert run.returncode == 0, err
    assert running.ask("old", online) == "0\n"


def test_one_lane_makes_one_trial_after_another(running: TestLab) -> None:
    """A user who observes a single trial with other tools needs an idle machine."""
    result = running.run("run", "new", "-s", "nfqueue", "-n", "3", "--lanes", "1", "--json")
    assert result.status == 0, result.err
    trials = trials_of(Path(result.json["path"]) / "new" / "nfqueue")

    assert {source for path in trials for source in sources(path)} == {"10.10.10.89"}


def test_rules_of_one_scenario_are_gone_from_every_lane_before_the_next(running: TestLab) -> None:
    """A leftover rule would queue the next scenario's queries as well."""
    scenarios = ("nfqueue-iptables", "nfqueue-nftables", "baseline")
    result = running.run("run", "old", *(part for name in scenarios for part in ("-s", name)), "-n", "8", "--json")

    assert result.status == 0, result.err
    baseline = Path(result.json["path"]) / "old" / "baseline"
    assert all((path / "verdict.jsonl").read_text() == "" for path in trials_of(baseline))


def test_the_server_namespace_has_no_conntrack(running: TestLab) -> None:
    """Its processors would run the race again and drop what the lane had accepted."""
    running.well("run", "old", "-s", "baseline", "-n", "2")
    held = running.well("ssh", "old", "--", "ip", "netns", "exec", "lab-server", "conntrack", "-L")
    own = running.well("ssh", "old", "--", "ip", "netns", "exec", "lab-lane0", "conntrack", "-L")

    assert held.out.strip() == ""
    assert "dport=53" in own.out


def held_s(path: Path) -> list[float]:
    """Return how long each packet of a cell's trials was held, in seconds, by the verdict program's log."""
    logs = [trial.read(one).verdicts.value for one in trials_of(path)]
    return [packet.released_s - packet.queued_s for log in logs if log for packet in log.packets]


def test_a_longer_hold_arms_the_race_more_often(running: TestLab, tmp_path: Path) -> None:
    """At 50 ms the second query always arrives while the first one waits."""
    plot = tmp_path / "dial.svg"
    result = running.run("sweep", "old", "new", "--hold", "0,50ms", "-n", "6", "-o", str(plot), "--json")
    assert result.status == 0, result.err
    armed = {(point["machine"], point["hold_s"]): point["armed"]["count"] for point in result.json["points"]}
    stalled = {(point["machine"], point["hold_s"]): point["stalled"]["count"] for point in result.json["points"]}

    for machine in ("old", "new"):
        cells = Path(result.json["path"]) / machine
        at_once, held = held_s(cells / "nfqueue-held-0ms"), held_s(cells / "nfqueue-held-50ms")
        assert len(at_once) >= 12
        assert min(at_once) < 0.05
        assert len(held) >= 12
        assert min(held) >= 0.05
        assert armed[machine, 0.0] <= armed[machine, 0.05] == 6
    assert (stalled["old", 0.05], stalled["new", 0.0], stalled["new", 0.05]) == (6, 0, 0)
    assert "old (replica): armed" in plot.read_text()
