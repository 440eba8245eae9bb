"""How the sources combine into the path of each query."""

from __future__ import annotations

from dataclasses import replace

from lab.judgement.lifeline import Lifeline, Status
from lab.judgement.lifelines import Route, build_lifelines
from lab.judgement.sightings import Sighting, Stage

SENT = Sighting("client.strace", Stage.SENT, 7, "A", None, 100.0)
WIRE = Sighting("client.pcap", Stage.WIRE, 7, "A", 4000, 100.01)
SERVED = Sighting("dnsmasq.log", Stage.SERVER, None, "A", 4000, 100.5, 0.5)


def status(line: Lifeline, stage: Stage) -> Status:
    """Return what is known of a query at a stage."""
    return next(point.status for point in line.points if point.stage is stage)


def later(sighting: Sighting, by_s: float, sport: int | None = None) -> Sighting:
    """Return the same sightings later, from another port where the source records one."""
    return replace(sighting, time_s=(sighting.time_s or 0) + by_s, sport=sport if sighting.sport else None)


def test_each_attempt_has_only_its_own_sightings() -> None:
    """A retransmit's packet on the wire is not taken for the lost one's."""
    other = replace(WIRE, dns_id=8)
    first, again = (
        line
        for line in build_lifelines([SENT, later(SENT, 5), later(WIRE, 5, 4000), other], Route(queues=False))
        if line.dns_id == 7
    )

    assert (status(first, Stage.WIRE), status(again, Stage.WIRE)) == (Status.NOT_SEEN, Status.SEEN)
    assert (first.lost_at, again.lost_at) == (Stage.WIRE, None)


def test_one_id_from_two_sockets_matches_a_log_without_ids() -> None:
    """Two lookups may draw one id: the server's log has both, which is no contradiction."""
    once = [SENT, WIRE, SERVED, replace(SERVED, source="server.pcap", dns_id=7)]
    lines = build_lifelines([*once, *(later(sighting, 9, 5000) for sighting in once)], Route(queues=False))

    assert [line.sport for line in lines] == [4000, 5000]
    assert all(line.contradictions == () for line in lines)


def test_a_query_that_was_dropped_and_is_seen_later_is_a_contradiction() -> None:
    """If confirm dropped it and the wire has it, both sources are named."""
    dropped = Sighting("trace", Stage.CONFIRM, 7, None, 4000, 100.005, dropped=True)
    (line,) = build_lifelines([SENT, dropped, WIRE], Route(queues=True))

    assert line.contradictions == ("trace has it dropped at confirm, client.pcap has it on the wire",)


def test_over_tcp_a_query_passes_neither_queue_nor_confirm() -> None:
    """Its connection passed them earlier, so nothing is missing."""
    (line,) = build_lifelines([replace(SENT, detail="tcp"), replace(WIRE, detail="tcp")], Route(queues=True))

    assert status(line, Stage.QUEUED) is Status.NOT_ON_WAY
    assert status(line, Stage.CONFIRM) is Status.NOT_ON_WAY
    assert line.lost_at is None


def test_a_stage_without_a_source_is_not_traced_and_proves_no_loss() -> None:
    """Silence of an empty source is no proof."""
    (line,) = build_lifelines([SENT], Route(queues=True))

    assert status(line, Stage.WIRE) is Status.NOT_TRACED
    assert line.lost_at is None


def test_an_old_server_log_without_ports_is_no_contradiction() -> None:
    """Dnsmasq before 2.73 logs type and name only, which is enough where one query has the type."""
    portless = replace(SERVED, sport=None)
    seen_by_server = replace(SERVED, source="server.pcap", dns_id=7)
    whole = (SENT, WIRE, portless, seen_by_server)
    aaaa = [replace(sighting, dns_id=sighting.dns_id and 8, qtype="AAAA") for sighting in whole]
    first, second = build_lifelines([SENT, WIRE, portless, seen_by_server, *aaaa], Route(queues=False))
    assert status(first, Stage.SERVER) is status(second, Stage.SERVER) is Status.SEEN
    assert first.contradictions == second.contradictions == ()

    another = [replace(sighting, dns_id=9, sport=sighting.sport and 5000) for sighting in (SENT, WIRE)]
    lines = build_lifelines([SENT, WIRE, portless, seen_by_server, *another], Route(queues=False))
    assert [line.contradictions for line in lines] == [(), ()]
    assert status(lines[1], Stage.SERVER) is not Status.SEEN


def test_a_query_missing_in_an_old_server_log_is_lost() -> None:
    """The other type in the log shows that the server was listening."""
    portless = replace(SERVED, sport=None, time_s=109.0)
    answered = [replace(SENT, dns_id=8, qtype="AAAA"), replace(WIRE, dns_id=8, qtype="AAAA")]
    first, _ = build_lifelines([SENT, WIRE, *answered, replace(portless, qtype="AAAA")], Route(queues=False))

    assert first.lost_at is Stage.SERVER
