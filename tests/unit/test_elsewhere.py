"""Clients behind a gateway, queries over IPv6, and verdict programs that lose packets: what each source shows."""

from __future__ import annotations

import contextlib
import ipaddress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.catalogue import find
from lab.catalogue.queue import Queue
from lab.catalogue.scenario import Resolver, Scenario, TimedLookup
from lab.evidence import hook, kernel, lane, trace, trial, verdict_log
from lab.evidence.client import Timing
from lab.evidence.errors import UnreadableError
from lab.evidence.flow import Flow
from lab.evidence.hook import HookPacket
from lab.evidence.kernel import Action
from lab.evidence.trial import Evidence, Source
from lab.evidence.verdict_log import Released, VerdictLog
from lab.foundation.home import SCENARIOS
from lab.judgement.arming import determine_arming
from lab.judgement.lifelines import Route, build_lifelines
from lab.judgement.outcome import Outcome
from lab.judgement.sightings import Sighting, Stage
from lab.judgement.verdict import judge
from lab.runs.experiment import UnsupportedScenario, adapt

NOTHING = trial.read(Path("/nonexistent"))

# The header's fields as a little-endian machine reads them: 10.10.10.90 and .89, port 40000, port 53, ids 1 and 2.
CLIENT, GATEWAY = (f"saddr={address}" for address in (0x5A0A0A0A, 0x590A0A0A))
SPORT, OTHER_SPORT, DPORT = 0x409C, 0x419C, 0x3500


ADDRESS6 = ipaddress.IPv6Address("fd00:10:10:a::89")


def event(name: str, at_s: float, dns: int, *, sport: int = SPORT, more: str = CLIENT) -> str:
    """Return a line of the kernel's trace; by default the client's address is its source."""
    fields = f"proto=17 sport={sport} dport={DPORT} dns={dns << 8}"
    return (
        f"  curl-7  [000] d..1  {at_s:.6f}: {name}: (f+0x0/0x1) skb=18446612682070000000 ct=0x1{dns}0 {fields} {more}"
    )


def steps(*lines: str) -> list[tuple[Action, int]]:
    """Return the actions and DNS ids in a trace of a lane with a client behind it."""
    traced = kernel.mark_arrivals(trace.parse("\n".join(lines)))
    return [(step.did, step.dns_id) for step in kernel.extract_steps(traced)]


def test_what_the_client_transmits_arrives_and_what_the_gateway_transmits_is_sent() -> None:
    """The interface tells both apart, also where a query is lost in between and retransmitted."""
    assert steps(
        event("xmit", 1, 1, more=f"{CLIENT} dev=100"),
        event("xmit", 1.1, 2, more=f"{CLIENT} dev=100"),
        event("queued", 1.2, 1),
        event("queued", 1.2, 2),
        event("reinject", 1.3, 1),
        event("confirming", 1.3, 1, more=GATEWAY),
        event("xmit", 1.3, 1, more=f"{GATEWAY} dev=200"),
        event("xmit", 6, 2, more=f"{CLIENT} dev=100"),
        event("queued", 6.1, 2),
        event("xmit", 6.2, 2, sport=OTHER_SPORT, more=f"{GATEWAY} dev=200"),
    ) == [
        (Action.ARRIVED, 1),
        (Action.ARRIVED, 2),
        (Action.QUEUED, 1),
        (Action.QUEUED, 2),
        (Action.REINJECTED, 1),
        (Action.CONFIRMED, 1),
        (Action.SENT, 1),
        (Action.ARRIVED, 2),
        (Action.QUEUED, 2),
        (Action.SENT, 2),
    ]


def test_a_trace_without_interfaces_has_no_arrivals() -> None:
    """Older recordings do not have the interface; nothing is guessed."""
    assert steps(event("xmit", 1, 1), event("xmit", 2, 1)) == [(Action.SENT, 1), (Action.SENT, 1)]


@pytest.mark.parametrize(("sport", "armed"), [(SPORT, True), (OTHER_SPORT, False)])
def test_two_clients_race_only_where_the_gateway_gives_them_one_port(sport: int, armed: bool) -> None:  # noqa: FBT001
    """From two addresses two conntracks of one port are normal; behind masquerading they are one flow at confirm."""
    lines = [
        event("confirming", 1, 1, more=GATEWAY),
        event("confirming", 1, 2, more=GATEWAY, sport=sport),
    ]
    traced = replace(NOTHING, traced=Source(trace.parse("\n".join(lines)), None))

    assert determine_arming(traced, queues=False) == {"trace": armed}


def test_a_query_over_ipv6_is_read_where_ipv6_has_its_fields() -> None:
    """At the offsets of IPv4 it has other bytes: the version decides."""
    high, low = (int.from_bytes(ADDRESS6.packed[at : at + 8], "little") for at in (0, 8))
    fields = f"proto=0 saddr=0 sport=1 dport=2 dns=3 version=96 proto6=17 saddr6={high} low6={low}"
    line = (
        "  curl-7  [000] d..1  1.000000: queued: (f+0x0/0x1) skb=18446612682070000000 ct=0x10 "
        f"{fields} sport6={SPORT} dport6={DPORT} dns6=256"
    )
    (step,) = kernel.extract_steps(trace.parse(line))

    assert (step.did, step.sport, step.dns_id, step.src) == (Action.QUEUED, 40000, 1, str(ADDRESS6))


def test_the_hooks_line_of_a_query_over_ipv6_is_parsed() -> None:
    """Addresses are in brackets, as %pI6c prints them."""
    line = (
        "[   12.5] [nfqdns] [fd00:10:10:a::89]:40000->[fd00:10:10:10::53]:53 skb ffff888000000001 "
        "ct ffff888000000002 tid 7 at 12.500000000\n"
    )
    (packet,) = hook.parse(line)

    assert (packet.flow.src, packet.flow.sport) == ("fd00:10:10:a::89", 40000)
    assert (packet.flow.dst, packet.dns_id) == ("fd00:10:10:10::53", 7)
    assert hook.is_line(line.split("] ", 1)[1].strip())
    for wrong in (line.replace("[fd00:10:10:a::89]", "fd00:10:10:a::89"), line.replace("a::89", "a:::89")):
        with pytest.raises(UnreadableError):
            hook.parse(wrong)


@given(st.text(alphabet="[]:0123456789abcdef->. ", max_size=60))
def test_any_flow_in_the_hooks_line_is_parsed_or_refused(flow: str) -> None:
    """Nothing else may come out of it."""
    with contextlib.suppress(UnreadableError):
        hook.parse(f"[   12.5] [nfqdns] {flow}-> skb ffff888000000001 ct ffff888000000002 tid 7\n")


def test_a_lanes_addresses_are_of_both_families() -> None:
    """As ip(8) prints them in one line each."""
    text = (
        "1: lo    inet 127.0.0.1/8 scope host lo\n1: lo    inet6 ::1/128 scope host \n"
        "2: lane    inet 10.10.10.89/32 scope global lane\n2: lane    inet6 fd00:10:10:a::89/128 scope global nodad\n"
    )

    assert lane.parse(text) == {"127.0.0.1", "::1", "10.10.10.89", "fd00:10:10:a::89"}
    with pytest.raises(UnreadableError):
        lane.parse("2: lane    inet6 a:::b/128 scope global\n")


def dies(**more: object) -> Scenario:
    """Return a scenario whose verdict program dies."""
    queue = Queue.model_validate({"do": "queue", "by": "iptables", "dies_after": 2, **more})
    steps = (queue, TimedLookup(do="lookup"))
    return Scenario(name="s", title="t", shows="s", step=steps, expected={})


def untraced(lookup_s: float, log: VerdictLog, exit_status: int = 0) -> Evidence:
    """Return the evidence of a trial without tracing."""
    timing = Timing(lookup_s, lookup_s, exit_status)
    return replace(NOTHING, timing=Source(timing, None), verdicts=Source(log, None))


def test_a_program_that_died_says_how_many_packets_waited() -> None:
    """They were queued, so the trial can be judged; without that line it cannot."""
    log = verdict_log.parse('{"event":"died","packets":0,"waiting":2}\n')

    assert (log.packets, log.problems, log.unreleased) == ((), (), 2)
    assert judge(untraced(5.1, log), dies(bypass=True)).outcome is Outcome.STALLED
    assert judge(untraced(10.2, log, exit_status=6), dies()).outcome is Outcome.FAILED
    assert judge(untraced(5.1, VerdictLog((), ())), dies()).outcome is Outcome.INCONCLUSIVE
    assert verdict_log.parse('{"event":"died","waiting":"x"}\n').problems


def test_one_packet_in_the_log_of_a_program_that_loses_some_proves_nothing() -> None:
    """The other one may have passed a full queue with another conntrack, as the hook's log shows."""
    flow = Flow("10.10.10.89", 40000, "10.10.10.53", 53)
    log = VerdictLog((Released(1, flow, 1, "A", 1.0, 1.1, "accept", 7, confirmed=False),), ())
    packets = tuple(HookPacket(1.0, flow, 0xFFFF, ct, ct) for ct in (1, 2))

    assert determine_arming(untraced(0, log)) == {"verdict.jsonl": False}
    assert determine_arming(untraced(0, log), loses=True) == {}
    hooked = replace(untraced(0, log), queued=Source(packets, None))
    assert determine_arming(hooked, loses=True) == {"dmesg": True}


def test_a_rule_cannot_replace_the_module_where_only_the_module_sees_all_packets() -> None:
    """The scenario is left out there, with the reason."""
    ipv6, full, plain = find.scenarios(SCENARIOS, ["nfqueue-ipv6", "verdict-fail-open", "nfqueue"])

    for scenario, reason in ((ipv6, "IPv6"), (full, "full queue")):
        with pytest.raises(UnsupportedScenario, match=reason):
            adapt(scenario, "iptables")
    assert adapt(plain, "iptables").hook is None


QUEUED = Sighting("dmesg", Stage.QUEUED, 7, "A", 4000, 100.0)
RELEASED = Sighting("verdict.jsonl", Stage.VERDICT, 8, "AAAA", 4000, 105.0)


def test_a_packet_that_the_program_never_had_was_lost_before_its_verdict() -> None:
    """The program's log does not contradict the hook there; where nothing can be lost, it does."""
    seen = [QUEUED, replace(QUEUED, dns_id=8, qtype="AAAA"), replace(RELEASED, stage=Stage.QUEUED), RELEASED]
    lossy, plain = (
        next(line for line in build_lifelines(seen, Route(queues=True, loses=loses)) if line.dns_id == 7)
        for loses in (True, False)
    )

    assert (lossy.lost_at, lossy.contradictions) == (Stage.VERDICT, ())
    assert plain.contradictions == ("dmesg has it queued at the hook, verdict.jsonl has not",)


def test_only_a_client_behind_the_lane_has_a_point_at_the_gateway() -> None:
    """All other lifelines stay as they were."""
    behind, host = (build_lifelines([QUEUED], Route(queues=True, behind=behind))[0] for behind in (True, False))

    assert [point.stage for point in behind.points] == list(Stage)
    assert Stage.ARRIVED not in {point.stage for point in host.points}


@pytest.mark.parametrize(("servers", "retry_s"), [(1, 5.0), (2, 5.0), (3, 3.0)])
def test_with_rotate_the_shortest_timeout_of_any_server_is_a_stall(servers: int, retry_s: float) -> None:
    """send_dg in glibc's res_send.c: 5 s of the first, 10 s shared by all for the second, 20 s for the third."""
    (rotating,) = find.scenarios(SCENARIOS, ["nfqueue-rotate"])
    addresses = tuple(f"10.10.10.{53 + number}" for number in range(servers))
    steps = tuple(
        step.model_copy(update={"nameservers": addresses}) if isinstance(step, Resolver) else step
        for step in rotating.step
    )

    assert rotating.model_copy(update={"step": steps}).retry_s == retry_s


def test_the_timeout_of_resolv_conf_is_glibcs_only() -> None:
    """Clients with another resolver do not read it."""
    (tuned,) = find.scenarios(SCENARIOS, ["nfqueue-timeout-1"])
    steps = tuple(step for step in tuned.step if not isinstance(step, TimedLookup))
    musl = TimedLookup.model_validate_json('{"do": "lookup", "client": "lookup-musl"}')

    assert tuned.retry_s == 1.0
    assert tuned.model_copy(update={"step": (*steps, musl)}).retry_s == 2.5
