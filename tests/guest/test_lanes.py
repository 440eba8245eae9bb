"""Trials side by side: none takes anything from another, and none is lost."""

from __future__ import annotations

from pathlib import Path

from lab import experiment
from lab.catalogue import find
from lab.evidence import trial
from lab.home import MACHINES, SCENARIOS, Home
from lab.raw_files import Begun
from lab.session import Session
from lab.work import Work
from tests.guest.conftest import TestLab


def sources(path: Path) -> set[str]:
    """Give the addresses that a trial's queries came from, by the hook and by the verdict program."""
    evidence = trial.read(path)
    hooked = {str(packet.flow.src) for packet in evidence.queued.value or ()}
    packets = evidence.verdicts.value.packets if evidence.verdicts.value else ()
    held = {str(packet.flow.src) for packet in packets if packet.flow}
    return hooked | held


def test_trials_side_by_side_share_no_socket_counter_queue_or_line_of_a_log(running: TestLab) -> None:
    """A packet of another trial's would arm or stall this one on paper."""
    done = running.run("run", "old", "-s", "nfqueue", "-n", "40", "--json")
    assert done.status in (0, 1), done.err
    trials = sorted((Path(done.json["path"]) / "old" / "nfqueue").iterdir())

    assert [path.name for path in trials] == [f"{number:04d}" for number in range(1, 41)]
    lanes, stalled = set(), 0
    for path in trials:
        evidence = trial.read(path)
        (lane,) = sources(path)
        lanes.add(lane)
        assert evidence.verdicts.value is not None
        assert evidence.counted.value is not None
        # Both queries; and both once more after five seconds, if one of the first two failed to be inserted.
        packets, failed = len(evidence.verdicts.value.packets), evidence.counted.value["insert_failed"]
        assert len(evidence.queued.value or ()) == packets, path.name
        assert packets in ((4,) if failed else (2, 4)), path.name
        assert failed <= 1, path.name
        stalled += failed
    # On a busy host some are not armed, and some lanes are free again before the last trials begin.
    assert stalled > 20
    assert len(lanes) > 10


def test_more_trials_than_lanes_are_made_all_the_same(running: TestLab) -> None:
    """A lane is used again as soon as its trial has ended; that of the one before leaves nothing in it."""
    done = running.run("run", "new", "-s", "nfqueue", "-n", "25", "--lanes", "4", "--json")
    assert done.status == 0, done.err
    trials = list((Path(done.json["path"]) / "new" / "nfqueue").iterdir())

    assert len(trials) == 25
    assert all(len(trial.read(path).queued.value or ()) == 2 for path in trials)
    assert 1 < len({source for path in trials for source in sources(path)}) <= 4


def test_fewer_lanes_are_used_from_the_moment_the_guest_is_told(running: TestLab) -> None:
    """Else a machine that cannot keep the race armed goes on in as many as before, whatever the lab says."""
    at_once: list[int] = []
    told_at = 0
    (scenario,) = find.scenarios(SCENARIOS, ["nfqueue"])
    with Session(Home(running.home, running.home, running.home / "config.toml"), Work()) as session:
        (old,) = session.as_they_are(find.machines(MACHINES, ["old"]))
        shell = session.shell(old)
        with experiment.prepared(shell, scenario, 4):
            being_made = 0
            for trial in experiment.trials(shell, scenario, 4, 1, 8):
                being_made += 1 if isinstance(trial, Begun) else -1
                if isinstance(trial, Begun):
                    at_once.append(being_made)
                if not told_at and being_made == 4:
                    experiment.limit(shell, 2)
                    told_at = len(at_once)

    assert told_at == 4
    assert at_once[:4] == [1, 2, 3, 4]
    assert max(at_once[4:]) == 2


def test_one_lane_makes_one_trial_after_another(running: TestLab) -> None:
    """Who wants to look at a single one with tools of his own needs the rest of the machine to be still."""
    done = running.run("run", "new", "-s", "nfqueue", "-n", "3", "--lanes", "1", "--json")
    assert done.status == 0, done.err
    trials = list((Path(done.json["path"]) / "new" / "nfqueue").iterdir())

    assert {source for path in trials for source in sources(path)} == {"10.10.10.89"}


def test_rules_of_one_scenario_are_gone_from_every_lane_before_the_next(running: TestLab) -> None:
    """A rule left in a lane would send the next scenario's queries to a queue as well."""
    scenarios = ("nfqueue-iptables", "nfqueue-nftables", "baseline")
    done = running.run("run", "old", *(part for name in scenarios for part in ("-s", name)), "-n", "8", "--json")

    assert done.status == 0, done.err
    baseline = Path(done.json["path"]) / "old" / "baseline"
    assert all((path / "verdict.jsonl").read_text() == "" for path in baseline.iterdir())


def test_the_server_tracks_no_connection(running: TestLab) -> None:
    """Its processors would run the race a second time, and drop what the lane had let through."""
    running.well("run", "old", "-s", "baseline", "-n", "2")
    held = running.well("ssh", "old", "--", "ip", "netns", "exec", "lab-server", "conntrack", "-L")
    own = running.well("ssh", "old", "--", "ip", "netns", "exec", "lab-lane0", "conntrack", "-L")

    assert held.out.strip() == ""
    assert "dport=53" in own.out


def held_s(path: Path) -> list[float]:
    """Give for how long each packet of a cell's trials was held, in seconds, by the verdict program's log."""
    logs = [trial.read(one).verdicts.value for one in sorted(path.iterdir())]
    return [packet.released_s - packet.queued_s for log in logs if log for packet in log.packets]


def test_a_longer_hold_arms_the_race_more_often(running: TestLab, tmp_path: Path) -> None:
    """The dial turns: each query is held for so long, and at 50 ms the second always comes while the first waits."""
    plot = tmp_path / "dial.svg"
    done = running.run("sweep", "old", "new", "--hold", "0,50ms", "-n", "6", "-o", str(plot), "--json")
    assert done.status == 0, done.err
    armed = {(point["machine"], point["hold_s"]): point["armed"]["count"] for point in done.json["points"]}
    stalled = {(point["machine"], point["hold_s"]): point["stalled"]["count"] for point in done.json["points"]}

    for machine in ("old", "new"):
        cells = Path(done.json["path"]) / machine
        at_once, held = held_s(cells / "nfqueue-held-0ms"), held_s(cells / "nfqueue-held-50ms")
        assert len(at_once) >= 12
        assert min(at_once) < 0.05
        assert len(held) >= 12
        assert min(held) >= 0.05
        assert armed[machine, 0.0] <= armed[machine, 0.05] == 6
    assert (stalled["old", 0.05], stalled["new", 0.0], stalled["new", 0.05]) == (6, 0, 0)
    assert "old (replica): armed" in plot.read_text()
