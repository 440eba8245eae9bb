"""The rules by which a trial is judged."""

from __future__ import annotations

import pytest

from lab.catalogue.scenario import Scenario
from lab.evidence.curl import Transfer
from lab.evidence.hook import Flow, Packet
from lab.evidence.trial import Evidence, Source
from lab.verdict import RES_TIMEOUT_S, Outcome, is_armed, judge

FLOW = Flow("10.10.10.89", 40000, "10.10.10.53", 53)
OTHER_FLOW = Flow("10.10.10.89", 40001, "10.10.10.53", 53)


def scenario(*, arms: bool = True, queue: bool = True) -> Scenario:
    """Give a scenario that arms the race or does not, and queues or does not."""
    steps = [{"do": "queue", "by": "nfqdns"}] if queue else []
    return Scenario.model_validate(
        {
            "name": "s",
            "title": "t",
            "shows": "s",
            "arms": arms,
            "step": (*steps, {"do": "lookup"}),
            "expected": {},
        }
    )


def packet(dns_id: int, ct: int | None, flow: Flow = FLOW) -> Packet:
    """Give a packet as the hook saw it."""
    return Packet(1.0, flow, 0xFFFF, ct, dns_id)


def evidence(lookup_s: float, *packets: Packet, exit_status: int = 0) -> Evidence:
    """Give the evidence of a trial."""
    return Evidence(Source(Transfer(lookup_s, lookup_s, 200, exit_status), None), Source(packets, None))


ARMED = (packet(1, 0xA), packet(2, 0xB))
UNARMED = (packet(1, 0xA), packet(2, 0xA))


def test_two_conntracks_in_one_flow_are_an_armed_race() -> None:
    """Armed is read off the conntracks at the hook."""
    assert is_armed(ARMED)
    assert not is_armed(UNARMED)


def test_two_flows_are_no_race() -> None:
    """Each flow has a conntrack of its own by right: that is how single-request-reopen avoids the clash."""
    assert not is_armed([packet(1, 0xA), packet(2, 0xB, OTHER_FLOW)])


def test_untracked_packets_are_no_race() -> None:
    """Without a conntrack there is nothing to confirm, so nothing to clash."""
    assert not is_armed([packet(1, None), packet(2, None)])
    assert not is_armed([packet(1, 0xA), packet(2, None)])


@pytest.mark.parametrize(
    ("lookup_s", "packets", "outcome"),
    [
        (RES_TIMEOUT_S + 0.05, ARMED, Outcome.STALLED),
        (2 * RES_TIMEOUT_S + 0.1, ARMED, Outcome.STALLED),
        (0.03, ARMED, Outcome.HEALTHY),
        (0.03, UNARMED, Outcome.UNARMED),
    ],
)
def test_the_time_tells_stalled_from_healthy_only_when_the_race_was_armed(
    lookup_s: float, packets: tuple[Packet, ...], outcome: Outcome
) -> None:
    """A quick lookup whose race was not armed is never taken for a healthy kernel."""
    assert judge(evidence(lookup_s, *packets), scenario()).outcome is outcome


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


def test_a_queue_that_no_packet_passed_is_a_failed_trial() -> None:
    """A hook that was not there must not look like a workaround that works."""
    assert judge(evidence(0.03), scenario(arms=False)).outcome is Outcome.FAILED


def test_a_client_that_failed_is_a_failed_trial() -> None:
    """Curl's exit status 6 (could not resolve) and 28 (timed out) are no name-lookup time."""
    verdict = judge(evidence(0.03, *ARMED, exit_status=28), scenario())

    assert verdict.outcome is Outcome.FAILED
    assert "28" in verdict.reason
