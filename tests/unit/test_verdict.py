"""The rules by which a trial is judged."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from lab.arming import arming
from lab.catalogue.client import RES_TIMEOUT_S, Client
from lab.catalogue.scenario import Lookup, Queue, Scenario
from lab.evidence import trial
from lab.evidence.client import Timing
from lab.evidence.flow import Flow
from lab.evidence.hook import Packet
from lab.evidence.message import Message
from lab.evidence.resolver import ResolverEvent
from lab.evidence.trial import Evidence, Source
from lab.evidence.verdict_log import Released, VerdictLog
from lab.verdict import Outcome, judge

NOTHING = trial.read(Path("/nonexistent"))
EVIDENCE = Path(__file__).parents[1] / "evidence" / "replicas"


def scenario(*, arms: bool = True, queue: bool = True, client: str = "curl") -> Scenario:
    """Give a scenario that arms the race or does not, and queues or does not."""
    steps: list[Queue | Lookup] = [Queue(do="queue", by="nfqdns")] if queue else []
    steps.append(Lookup(do="lookup", client=Client(client)))
    return Scenario(name="s", title="t", shows="s", arms=arms, step=tuple(steps), expected={})


def packet(dns_id: int, ct: int | None, sport: int = 40000, dst: str = "10.10.10.53") -> Packet:
    """Give a packet as the hook saw it."""
    return Packet(1.0, Flow("10.10.10.89", sport, dst, 53), 0xFFFF, ct, dns_id)


def released(dns_id: int, ct_id: int | None) -> Released:
    """Give a packet as the verdict program saw it."""
    flow = Flow("10.10.10.89", 40000, "10.10.10.53", 53)
    return Released(1, flow, dns_id, "A", 1.0, 1.1, "accept", ct_id, None if ct_id is None else False)


def evidence(lookup_s: float, *packets: Packet, exit_status: int = 0) -> Evidence:
    """Give the evidence of a trial."""
    timing = Timing(lookup_s, lookup_s, exit_status)
    return replace(NOTHING, timing=Source(timing, None), queued=Source(packets, None))


def by_program(lookup_s: float, *packets: Released) -> Evidence:
    """Give the evidence of a trial whose hook is a rule: only the verdict program tells the conntracks."""
    return replace(evidence(lookup_s), verdicts=Source(VerdictLog(packets, ()), None))


ARMED = (packet(1, 0xA), packet(2, 0xB))
ARMED_TWICE = (*ARMED, packet(1, 0xA), packet(2, 0xA))
UNARMED = (packet(1, 0xA), packet(2, 0xA))


def test_two_conntracks_of_one_socket_are_an_armed_race() -> None:
    """Armed is read off the conntracks at the hook."""
    assert arming(evidence(0, *ARMED)) == {"dmesg": True}
    assert arming(evidence(0, *UNARMED)) == {"dmesg": False}


def test_behind_dnat_two_conntracks_are_an_armed_race_although_the_servers_differ() -> None:
    """At POST_ROUTING each packet has its new destination already, but both came from one socket."""
    assert arming(evidence(0, packet(1, 0xA), packet(2, 0xB, dst="10.10.10.54"))) == {"dmesg": True}


def test_two_sockets_are_no_race() -> None:
    """Each has a conntrack of its own by right: that is how single-request-reopen avoids the clash."""
    assert arming(evidence(0, packet(1, 0xA), packet(2, 0xB, sport=40001))) == {"dmesg": False}


def test_untracked_packets_are_no_race() -> None:
    """Without a conntrack there is nothing to confirm, so nothing to clash."""
    assert arming(evidence(0, packet(1, None), packet(2, None))) == {"dmesg": False}
    assert arming(evidence(0, packet(1, 0xA), packet(2, None))) == {"dmesg": False}


def test_the_verdict_program_tells_armed_where_a_rule_queues() -> None:
    """Without the hook's log there are still the conntracks' ids; packets without any tell nothing."""
    assert arming(by_program(0, released(1, 7), released(2, 8))) == {"verdict.jsonl": True}
    assert arming(by_program(0, released(1, 7), released(2, 7))) == {"verdict.jsonl": False}
    assert arming(by_program(0, released(1, None), released(2, None))) == {}


@pytest.mark.parametrize(
    ("counts", "before", "armed"),
    [((1, 2), 0, True), ((2, 2), 0, True), ((1, 1), 0, False), ((4, 5), 3, True), ((4, 4), 3, False)],
)
def test_where_no_conntrack_is_told_their_number_is(counts: tuple[int, int], before: int, armed: bool) -> None:  # noqa: FBT001
    """Two more than before the queries were sent are theirs; how many there were before is known from the table."""
    packets = [replace(released(dns_id, None), conntracks=count) for dns_id, count in zip((1, 2), counts, strict=True)]
    counted = replace(by_program(0, *packets), table_sizes=Source((before, before + 1), None))

    assert arming(counted) == {"verdict.jsonl": armed}
    assert arming(replace(counted, table_sizes=NOTHING.table_sizes)) == {}


def test_the_number_of_conntracks_tells_nothing_of_two_sockets() -> None:
    """Each has one of its own by right."""
    one, other = replace(released(1, None), conntracks=1), replace(released(2, None), conntracks=2)
    other = replace(other, flow=Flow("10.10.10.89", 40001, "10.10.10.53", 53))
    counted = replace(by_program(0, one, other), table_sizes=Source((0, 2), None))

    assert arming(counted) == {}


@pytest.mark.parametrize(
    ("lookup_s", "packets", "outcome"),
    [
        (RES_TIMEOUT_S + 0.05, ARMED_TWICE, Outcome.STALLED),
        (2 * RES_TIMEOUT_S + 0.1, ARMED_TWICE, Outcome.STALLED),
        (RES_TIMEOUT_S + 0.05, ARMED, Outcome.INCONCLUSIVE),
        (0.03, ARMED, Outcome.HEALTHY),
        (0.03, UNARMED, Outcome.UNARMED),
    ],
)
def test_the_time_tells_stalled_from_healthy_only_when_the_race_was_armed(
    lookup_s: float, packets: tuple[Packet, ...], outcome: Outcome
) -> None:
    """Quick and not armed is no healthy kernel, and slow without anything asked again is no stall."""
    assert judge(evidence(lookup_s, *packets), scenario()).outcome is outcome


@pytest.mark.parametrize(("client", "outcome"), [("curl", Outcome.HEALTHY), ("lookup-musl", Outcome.STALLED)])
def test_a_stall_is_measured_by_the_clients_own_waiting_time(client: str, outcome: Outcome) -> None:
    """2.6 s are musl's time-out, and no time-out of glibc's."""
    assert judge(evidence(2.6, *ARMED_TWICE), scenario(client=client)).outcome is outcome


def test_a_stall_without_an_armed_race_is_not_blamed_on_conntrack() -> None:
    """It has another cause, and the verdict says so instead of counting it."""
    verdict = judge(evidence(5.1, *UNARMED), scenario())

    assert verdict.outcome is Outcome.FAILED
    assert "another cause" in verdict.reason


def test_a_scenario_that_arms_nothing_is_judged_by_its_time_alone() -> None:
    """The baseline has no queue, so no hook's log either."""
    plain = scenario(arms=False, queue=False)

    assert judge(evidence(0.03), plain).outcome is Outcome.HEALTHY
    assert judge(evidence(5.1), plain).outcome is Outcome.STALLED


def test_a_query_asked_again_with_a_new_conntrack_was_not_armed() -> None:
    """Whatever lost the first packet before confirm, the next one gets a conntrack by right: no two raced."""
    assert arming(evidence(0, packet(1, 0xA), packet(1, 0xB))) == {"dmesg": False}
    assert arming(evidence(0, *UNARMED, packet(1, 0xB), packet(2, 0xB))) == {"dmesg": False}
    assert arming(evidence(0, *ARMED, packet(1, 0xA), packet(2, 0xA))) == {"dmesg": True}


def test_a_conntrack_that_is_in_the_table_races_with_nothing() -> None:
    """The verdict program is told which are confirmed: what was found there cannot clash."""
    found = replace(released(2, 8), confirmed=True)

    assert arming(by_program(0, released(1, 7), found)) == {"verdict.jsonl": False}


@pytest.mark.parametrize(
    ("rises", "armed"), [({"insert_failed": 1}, True), ({"clashres": 0, "insert_failed": 0}, False)]
)
def test_without_a_queue_the_lanes_own_counters_tell_whether_anything_clashed(
    rises: dict[str, int], *, armed: bool
) -> None:
    """Two threads' trial without evidence: a clash proves two conntracks, and where no queue is every race clashes."""
    counted = replace(NOTHING, timing=Source(Timing(0.03, 0.03, 0), None), counted=Source(rises, None))

    assert arming(counted, queues=False) == {"stat.after": armed}
    assert arming(counted) == {}
    outcome = judge(counted, scenario(queue=False)).outcome
    assert outcome is (Outcome.HEALTHY if armed else Outcome.UNARMED)


def test_a_queue_that_no_packet_passed_is_no_result() -> None:
    """A hook that was not there must not look like a workaround that works; nor an empty log like a missing hook."""
    nothing_queued = replace(evidence(0.03), verdicts=Source(VerdictLog((), ()), None))

    assert judge(nothing_queued, scenario(arms=False)).outcome is Outcome.INCONCLUSIVE


def test_queries_that_left_without_the_queue_are_a_failed_trial(tmp_path: Path) -> None:
    """The trace follows each from socket to wire: where it shows no queue on the way, there was none."""
    shutil.copytree(EVIDENCE / "old-baseline", tmp_path, dirs_exist_ok=True)
    found = judge(trial.read(tmp_path), scenario(arms=False))

    assert found.outcome is Outcome.FAILED
    assert "leave without" in found.reason


def test_a_stall_whose_queries_were_all_answered_is_not_blamed_on_the_clash(tmp_path: Path) -> None:
    """Armed and slow is not enough where the packets were followed: one must have been lost."""
    shutil.copytree(EVIDENCE / "new-nfqueue", tmp_path, dirs_exist_ok=True)
    (tmp_path / "client.strace").unlink()
    (tmp_path / "dmesg").unlink()
    (tmp_path / "verdict.jsonl").unlink()
    (tmp_path / "client.json").write_text('{"lookup_s": 5.05}')
    found = judge(trial.read(tmp_path), scenario())

    assert found.outcome is Outcome.INCONCLUSIVE
    assert "no query is seen to be lost" in found.reason


def test_a_query_lost_behind_confirm_is_not_blamed_on_the_clash(tmp_path: Path) -> None:
    """Confirm let it through: who lost it is somebody else."""
    shutil.copytree(EVIDENCE / "old-nfqueue", tmp_path, dirs_exist_ok=True)
    trace_file = tmp_path / "trace"
    trace_file.write_text(re.sub(r"ret=0$", "ret=1", trace_file.read_text(), flags=re.MULTILINE))
    found = judge(trial.read(tmp_path), scenario())

    assert found.outcome is Outcome.FAILED
    assert "another cause" in found.reason


def test_a_counter_that_contradicts_a_dropped_packet_is_shown(tmp_path: Path) -> None:
    """Every kernel counts what confirm drops: a trace and a counter of two minds are of two namespaces, or worse."""
    shutil.copytree(EVIDENCE / "old-nfqueue", tmp_path, dirs_exist_ok=True)
    shutil.copy(tmp_path / "stat.before", tmp_path / "stat.after")
    found = judge(trial.read(tmp_path), scenario())

    assert found.outcome is Outcome.CONTRADICTORY
    assert "did not rise" in found.reason


def test_a_trace_that_lost_events_proves_nothing_by_its_silence(tmp_path: Path) -> None:
    """What did not fit into the kernel's buffer may be just the event that is missing."""
    shutil.copytree(EVIDENCE / "new-nfqueue", tmp_path, dirs_exist_ok=True)
    lines = (tmp_path / "trace").read_text().splitlines()
    last = next(number for number, line in reversed(list(enumerate(lines))) if "xmit" in line and "dport=13568" in line)
    whole = "\n".join(lines[:last] + lines[last + 1 :])
    (tmp_path / "trace").write_text(whole)
    assert judge(trial.read(tmp_path), scenario()).outcome is Outcome.CONTRADICTORY
    (tmp_path / "trace").write_text(re.sub(r"(\d+)/\d+   #P", r"\1/99   #P", whole))

    assert judge(trial.read(tmp_path), scenario()).outcome is Outcome.HEALTHY


def test_a_stall_during_which_the_verdict_program_failed_is_no_result() -> None:
    """A verdict that was not sent loses a packet as surely as a clash does."""
    complaining = replace(
        evidence(5.1, *ARMED_TWICE),
        verdicts=Source(VerdictLog((released(1, 7), released(2, 8)), ("packet 2: no",)), None),
    )

    assert judge(complaining, scenario()).outcome is Outcome.INCONCLUSIVE


def test_a_client_that_failed_is_a_failed_trial() -> None:
    """Curl's exit status 6 (could not resolve) and 28 (timed out) are no name-lookup time."""
    verdict = judge(evidence(0.03, *ARMED, exit_status=28), scenario())

    assert verdict.outcome is Outcome.FAILED
    assert "28" in verdict.reason


def test_nothing_to_judge_by_is_inconclusive_and_says_what_is_missing() -> None:
    """Missing evidence is never taken for a result."""
    untimed = judge(replace(evidence(0, *ARMED), timing=NOTHING.timing), scenario())
    unseen = judge(replace(evidence(0.03), queued=NOTHING.queued), scenario())

    assert (untimed.outcome, unseen.outcome) == (Outcome.INCONCLUSIVE, Outcome.INCONCLUSIVE)
    assert "client.json" in untimed.reason


def test_two_sources_that_disagree_are_both_shown() -> None:
    """The hook says armed, the verdict program says not: nobody is believed."""
    both = replace(evidence(5.1, *ARMED), verdicts=Source(VerdictLog((released(1, 7), released(2, 7)), ()), None))
    verdict = judge(both, scenario())

    assert verdict.outcome is Outcome.CONTRADICTORY
    assert "dmesg: armed; verdict.jsonl: not armed" in verdict.reason


@pytest.mark.parametrize(("lookup_s", "gap_s"), [(5.1, 0.01), (0.03, 5.0)])
def test_a_client_whose_calls_say_otherwise_is_contradicted(lookup_s: float, gap_s: float) -> None:
    """A stall that the client reports shows in its calls, and one that shows there is reported."""
    sent = ResolverEvent(
        "sent",
        100,
        1,
        7,
        "10.10.10.53",
        53,
        None,
        "udp",
        Message(1, is_answer=False, qtype="A", name=None, rcode=None),
        None,
    )
    read = replace(sent, kind="read", time_s=100 + gap_s)
    verdict = judge(replace(evidence(lookup_s, *ARMED), resolver=Source((sent, read), None)), scenario())

    assert verdict.outcome is Outcome.CONTRADICTORY
    assert f"{gap_s:.2f} s" in verdict.reason


def test_an_answer_to_the_other_query_is_no_end_of_a_wait() -> None:
    """On a busy machine A's answer comes half a second late: the wait for AAAA's goes on from when that was sent."""
    message = Message(1, is_answer=False, qtype="AAAA", name=None, rcode=None)
    sent = ResolverEvent("sent", 100, 1, 7, "10.10.10.53", 53, None, "udp", message, None)
    other = replace(sent, kind="read", time_s=100.54, message=replace(message, dns_id=2, qtype="A", is_answer=True))
    again = replace(sent, time_s=102.5)
    waiting = replace(evidence(2.6, *ARMED_TWICE), resolver=Source((sent, other, again), None))
    verdict = judge(waiting, scenario(client="lookup-musl"))

    assert verdict.outcome is Outcome.STALLED
