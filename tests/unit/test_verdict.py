"""The rules by which a trial is judged."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from lab.catalogue.client import Client
from lab.catalogue.queue import Queue
from lab.catalogue.scenario import Scenario, TimedLookup
from lab.catalogue.timeouts import RES_TIMEOUT_S
from lab.evidence import trial
from lab.evidence.client import Timing
from lab.evidence.flow import Flow
from lab.evidence.hook import HookPacket
from lab.evidence.message import Message
from lab.evidence.resolver import ResolverEvent
from lab.evidence.trial import Evidence, Source
from lab.evidence.verdict_log import Released, VerdictLog
from lab.judgement.arming import determine_arming
from lab.judgement.outcome import Outcome
from lab.judgement.verdict import judge

NOTHING = trial.read(Path("/nonexistent"))
EVIDENCE = Path(__file__).parents[1] / "evidence" / "replicas"


def scenario(*, arms: bool = True, queue: bool = True, client: str = "curl") -> Scenario:
    """Return a scenario that arms the race or not, and queues or not."""
    steps: list[Queue | TimedLookup] = [Queue(do="queue", by="nfqdns")] if queue else []
    steps.append(TimedLookup(do="lookup", client=Client(client)))
    return Scenario(name="s", title="t", shows="s", arms=arms, step=tuple(steps), expected={})


def packet(dns_id: int, ct: int | None, sport: int = 40000, dst: str = "10.10.10.53") -> HookPacket:
    """Return a packet as the hook logs it."""
    return HookPacket(1.0, Flow("10.10.10.89", sport, dst, 53), 0xFFFF, ct, dns_id)


def released(dns_id: int, ct_id: int | None) -> Released:
    """Return a packet as the verdict program logs it."""
    flow = Flow("10.10.10.89", 40000, "10.10.10.53", 53)
    return Released(1, flow, dns_id, "A", 1.0, 1.1, "accept", ct_id, None if ct_id is None else False)


def evidence(lookup_s: float, *packets: HookPacket, exit_status: int = 0) -> Evidence:
    """Return the evidence of a trial."""
    timing = Timing(lookup_s, lookup_s, exit_status)
    return replace(NOTHING, timing=Source(timing, None), queued=Source(packets, None))


def by_program(lookup_s: float, *packets: Released) -> Evidence:
    """Return the evidence of a trial queued by a rule: only the verdict program logs conntracks."""
    return replace(evidence(lookup_s), verdicts=Source(VerdictLog(packets, ()), None))


ARMED = (packet(1, 0xA), packet(2, 0xB))
ARMED_TWICE = (*ARMED, packet(1, 0xA), packet(2, 0xA))
UNARMED = (packet(1, 0xA), packet(2, 0xA))


def test_two_conntracks_of_one_socket_are_an_armed_race() -> None:
    """The conntracks at the hook decide whether a race is armed."""
    assert determine_arming(evidence(0, *ARMED)) == {"dmesg": True}
    assert determine_arming(evidence(0, *UNARMED)) == {"dmesg": False}


def test_behind_dnat_two_conntracks_to_different_servers_are_an_armed_race() -> None:
    """At POST_ROUTING each packet already has its new destination, but both came from one socket."""
    assert determine_arming(evidence(0, packet(1, 0xA), packet(2, 0xB, dst="10.10.10.54"))) == {"dmesg": True}


def test_two_sockets_are_no_race() -> None:
    """Each socket has a separate conntrack: single-request-reopen avoids the clash in this way."""
    assert determine_arming(evidence(0, packet(1, 0xA), packet(2, 0xB, sport=40001))) == {"dmesg": False}


def test_untracked_packets_are_no_race() -> None:
    """Without a conntrack nothing is confirmed and nothing can clash."""
    assert determine_arming(evidence(0, packet(1, None), packet(2, None))) == {"dmesg": False}
    assert determine_arming(evidence(0, packet(1, 0xA), packet(2, None))) == {"dmesg": False}


def test_where_a_rule_queues_the_verdict_programs_log_decides_armed() -> None:
    """It logs conntrack ids; packets without one decide nothing."""
    assert determine_arming(by_program(0, released(1, 7), released(2, 8))) == {"verdict.jsonl": True}
    assert determine_arming(by_program(0, released(1, 7), released(2, 7))) == {"verdict.jsonl": False}
    assert determine_arming(by_program(0, released(1, None), released(2, None))) == {}


@pytest.mark.parametrize(
    ("counts", "before", "armed"),
    [((1, 2), 0, True), ((2, 2), 0, True), ((1, 1), 0, False), ((4, 5), 3, True), ((4, 4), 3, False)],
)
def test_without_conntrack_ids_their_number_decides(counts: tuple[int, int], before: int, armed: bool) -> None:  # noqa: FBT001
    """Two more entries than before the queries belong to them; the table gives the initial number."""
    packets = [replace(released(dns_id, None), conntracks=count) for dns_id, count in zip((1, 2), counts, strict=True)]
    counted = replace(by_program(0, *packets), table_sizes=Source((before, before + 1), None))

    assert determine_arming(counted) == {"verdict.jsonl": armed}
    assert determine_arming(replace(counted, table_sizes=NOTHING.table_sizes)) == {}


def test_the_number_of_conntracks_decides_nothing_for_two_sockets() -> None:
    """Two sockets normally have two conntracks."""
    one, other = replace(released(1, None), conntracks=1), replace(released(2, None), conntracks=2)
    other = replace(other, flow=Flow("10.10.10.89", 40001, "10.10.10.53", 53))
    counted = replace(by_program(0, one, other), table_sizes=Source((0, 2), None))

    assert determine_arming(counted) == {}


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
def test_time_separates_stalled_from_healthy_only_if_armed(
    lookup_s: float, packets: tuple[HookPacket, ...], outcome: Outcome
) -> None:
    """A fast unarmed trial is no healthy kernel, and a slow one without a retransmit is no stall."""
    assert judge(evidence(lookup_s, *packets), scenario()).outcome is outcome


@pytest.mark.parametrize(("client", "outcome"), [("curl", Outcome.HEALTHY), ("lookup-musl", Outcome.STALLED)])
def test_a_stall_is_measured_by_the_clients_own_timeout(client: str, outcome: Outcome) -> None:
    """2.6 s match musl's timeout, not glibc's."""
    assert judge(evidence(2.6, *ARMED_TWICE), scenario(client=client)).outcome is outcome


def test_a_stall_without_an_armed_race_is_not_blamed_on_conntrack() -> None:
    """It has another cause, and the verdict reports that instead of counting it."""
    verdict = judge(evidence(5.1, *UNARMED), scenario())

    assert verdict.outcome is Outcome.FAILED
    assert "another cause" in verdict.reason


def test_a_scenario_that_arms_nothing_is_judged_by_its_time_alone() -> None:
    """The baseline has no queue and no hook log."""
    plain = scenario(arms=False, queue=False)

    assert judge(evidence(0.03), plain).outcome is Outcome.HEALTHY
    assert judge(evidence(5.1), plain).outcome is Outcome.STALLED


def test_a_retransmit_with_a_new_conntrack_was_not_armed() -> None:
    """If the first packet was lost before confirm, the next one gets a new conntrack; there was no race."""
    assert determine_arming(evidence(0, packet(1, 0xA), packet(1, 0xB))) == {"dmesg": False}
    assert determine_arming(evidence(0, *UNARMED, packet(1, 0xB), packet(2, 0xB))) == {"dmesg": False}
    assert determine_arming(evidence(0, *ARMED, packet(1, 0xA), packet(2, 0xA))) == {"dmesg": True}


def test_a_confirmed_conntrack_is_not_part_of_a_race() -> None:
    """The verdict program logs which ones are confirmed: they cannot clash."""
    confirmed = replace(released(2, 8), confirmed=True)

    assert determine_arming(by_program(0, released(1, 7), confirmed)) == {"verdict.jsonl": False}


@pytest.mark.parametrize(
    ("rises", "armed"), [({"insert_failed": 1}, True), ({"clashres": 0, "insert_failed": 0}, False)]
)
def test_without_a_queue_the_lanes_counters_show_a_clash(rises: dict[str, int], *, armed: bool) -> None:
    """For two threads without evidence a clash proves two conntracks, and every race clashes."""
    counted = replace(NOTHING, timing=Source(Timing(0.03, 0.03, 0), None), counted=Source(rises, None))

    assert determine_arming(counted, queues=False) == {"stat.after": armed}
    assert determine_arming(counted) == {}
    outcome = judge(counted, scenario(queue=False)).outcome
    assert outcome is (Outcome.HEALTHY if armed else Outcome.UNARMED)


def test_a_queue_that_no_packet_passed_is_no_result() -> None:
    """An absent hook must not look like a working workaround, nor an empty log like an absent hook."""
    nothing_queued = replace(evidence(0.03), verdicts=Source(VerdictLog((), ()), None))

    assert judge(nothing_queued, scenario(arms=False)).outcome is Outcome.INCONCLUSIVE


def test_queries_that_left_without_the_queue_are_a_failed_trial(tmp_path: Path) -> None:
    """The trace follows each query to the wire; a missing queue step means there was no queue."""
    shutil.copytree(EVIDENCE / "old-baseline", tmp_path, dirs_exist_ok=True)
    judgement = judge(trial.read(tmp_path), scenario(arms=False))

    assert judgement.outcome is Outcome.FAILED
    assert "without passing the queue" in judgement.reason


def test_a_stall_whose_queries_were_all_answered_is_not_blamed_on_the_clash(tmp_path: Path) -> None:
    """Armed and slow is not enough if packets were traced: one must be lost."""
    shutil.copytree(EVIDENCE / "new-nfqueue", tmp_path, dirs_exist_ok=True)
    (tmp_path / "client.strace").unlink()
    (tmp_path / "dmesg").unlink()
    (tmp_path / "verdict.jsonl").unlink()
    (tmp_path / "client.json").write_text('{"lookup_s": 5.05}')
    judgement = judge(trial.read(tmp_path), scenario())

    assert judgement.outcome is Outcome.INCONCLUSIVE
    assert "no query was lost by the evidence" in judgement.reason


def test_a_query_lost_after_confirm_is_not_blamed_on_the_clash(tmp_path: Path) -> None:
    """Confirm accepted it; another component lost it."""
    shutil.copytree(EVIDENCE / "old-nfqueue", tmp_path, dirs_exist_ok=True)
    trace_file = tmp_path / "trace"
    trace_file.write_text(re.sub(r"ret=0$", "ret=1", trace_file.read_text(), flags=re.MULTILINE))
    judgement = judge(trial.read(tmp_path), scenario())

    assert judgement.outcome is Outcome.FAILED
    assert "another cause" in judgement.reason


def test_a_counter_that_contradicts_a_dropped_packet_is_reported(tmp_path: Path) -> None:
    """Every kernel counts what confirm drops; a difference suggests two namespaces."""
    shutil.copytree(EVIDENCE / "old-nfqueue", tmp_path, dirs_exist_ok=True)
    shutil.copy(tmp_path / "stat.before", tmp_path / "stat.after")
    judgement = judge(trial.read(tmp_path), scenario())

    assert judgement.outcome is Outcome.CONTRADICTORY
    assert "did not rise" in judgement.reason


def test_a_trace_with_lost_events_proves_no_absence(tmp_path: Path) -> None:
    """The missing event may be one that overflowed the kernel's buffer."""
    shutil.copytree(EVIDENCE / "new-nfqueue", tmp_path, dirs_exist_ok=True)
    lines = (tmp_path / "trace").read_text().splitlines()
    last = next(number for number, line in reversed(list(enumerate(lines))) if "xmit" in line and "dport=13568" in line)
    whole = "\n".join(lines[:last] + lines[last + 1 :])
    (tmp_path / "trace").write_text(whole)
    assert judge(trial.read(tmp_path), scenario()).outcome is Outcome.CONTRADICTORY
    (tmp_path / "trace").write_text(re.sub(r"(\d+)/\d+   #P", r"\1/99   #P", whole))

    assert judge(trial.read(tmp_path), scenario()).outcome is Outcome.HEALTHY


def test_a_stall_during_which_the_verdict_program_failed_is_no_result() -> None:
    """A verdict that was not sent loses a packet like a clash does."""
    complaining = replace(
        evidence(5.1, *ARMED_TWICE),
        verdicts=Source(VerdictLog((released(1, 7), released(2, 8)), ("packet 2: no",)), None),
    )

    assert judge(complaining, scenario()).outcome is Outcome.INCONCLUSIVE


def test_a_client_that_failed_is_a_failed_trial() -> None:
    """Curl's exit status 6 (could not resolve) and 28 (timed out) give no lookup time."""
    verdict = judge(evidence(0.03, *ARMED, exit_status=28), scenario())

    assert verdict.outcome is Outcome.FAILED
    assert "28" in verdict.reason


def test_a_trial_without_evidence_is_inconclusive_with_what_is_missing() -> None:
    """Missing evidence never counts as a result."""
    untimed = judge(replace(evidence(0, *ARMED), timing=NOTHING.timing), scenario())
    unseen = judge(replace(evidence(0.03), queued=NOTHING.queued), scenario())

    assert (untimed.outcome, unseen.outcome) == (Outcome.INCONCLUSIVE, Outcome.INCONCLUSIVE)
    assert "client.json" in untimed.reason


def test_two_sources_that_disagree_are_both_shown() -> None:
    """If hook and verdict program disagree on armed, neither is trusted."""
    both = replace(evidence(5.1, *ARMED), verdicts=Source(VerdictLog((released(1, 7), released(2, 7)), ()), None))
    verdict = judge(both, scenario())

    assert verdict.outcome is Outcome.CONTRADICTORY
    assert "dmesg: armed; verdict.jsonl: not armed" in verdict.reason


def calls(gap_s: float) -> tuple[ResolverEvent, ...]:
    """Return the calls of a resolver that sent a query and read its answer this much later."""
    query = Message(1, is_answer=False, qtype="A", name=None, rcode=None)
    sent = ResolverEvent("sent", 100, 1, 7, "10.10.10.53", 53, None, "udp", query, None)
    return sent, replace(sent, kind="read", time_s=100 + gap_s)


@pytest.mark.parametrize(("lookup_s", "gap_s", "whole"), [(5.1, 0.01, False), (0.03, 5.0, True)])
def test_a_client_report_that_contradicts_its_calls_is_detected(lookup_s: float, gap_s: float, *, whole: bool) -> None:
    """A reported stall shows in the calls, unless they are incomplete, and a stall in the calls is reported."""
    resolver = Source(calls(gap_s), None, whole=whole)
    verdict = judge(replace(evidence(lookup_s, *ARMED), resolver=resolver), scenario())

    assert verdict.outcome is Outcome.CONTRADICTORY
    assert f"{gap_s:.2f} s" in verdict.reason


def test_a_client_that_is_slow_by_itself_did_not_stall() -> None:
    """A traced client on a busy host takes seconds to load; its calls show that it waited for no timeout."""
    verdict = judge(replace(evidence(5.6, *ARMED), resolver=Source(calls(0.3), None)), scenario())

    assert verdict.outcome is Outcome.HEALTHY
    assert "the lookup took 5.60 s, but it waited for no timeout: the host was slow" in verdict.reason


def test_a_slow_lookup_whose_query_was_retransmitted_is_not_blamed_on_the_host() -> None:
    """A retransmitted query waited for a timeout, whatever the calls show."""
    sent, read = calls(0.3)
    again = (sent, replace(sent, time_s=100.2), read)
    verdict = judge(replace(evidence(5.6, *ARMED), resolver=Source(again, None)), scenario())

    assert verdict.outcome is Outcome.CONTRADICTORY


def test_an_answer_to_the_other_query_does_not_end_a_wait() -> None:
    """If A's answer is half a second late, the AAAA wait still counts from its own query."""
    message = Message(1, is_answer=False, qtype="AAAA", name=None, rcode=None)
    sent = ResolverEvent("sent", 100, 1, 7, "10.10.10.53", 53, None, "udp", message, None)
    other = replace(sent, kind="read", time_s=100.54, message=replace(message, dns_id=2, qtype="A", is_answer=True))
    again = replace(sent, time_s=102.5)
    waiting = replace(evidence(2.6, *ARMED_TWICE), resolver=Source((sent, other, again), None))
    verdict = judge(waiting, scenario(client="lookup-musl"))

    assert verdict.outcome is Outcome.STALLED
