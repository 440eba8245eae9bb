"""How what all sources show becomes the way of each query."""

from __future__ import annotations

from dataclasses import replace

from lab.lifeline import Lifeline, Status, of_sightings
from lab.sightings import Sighting, Stage

SENT = Sighting("client.strace", Stage.SENT, 7, "A", None, 100.0)
WIRE = Sighting("client.pcap", Stage.WIRE, 7, "A", 4000, 100.01)
SERVED = Sighting("dnsmasq.log", Stage.SERVER, None, "A", 4000, 100.5, 0.5)


def status(line: Lifeline, stage: Stage) -> Status:
    """Give what is known of a query at a place."""
    return next(point.status for point in line.points if point.stage is stage)


def later(sighting: Sighting, by_s: float, sport: int | None = None) -> Sighting:
    """Give the same again, later, from another port where the source knows one."""
    return replace(sighting, time_s=(sighting.time_s or 0) + by_s, sport=sport if sighting.sport else None)


def test_each_sending_has_what_was_seen_after_it_and_before_the_next() -> None:
    """A retry's packet on the wire is not taken for the lost one's."""
    other = replace(WIRE, dns_id=8)
    first, again = (
        line
        for line in of_sightings([SENT, later(SENT, 5), later(WIRE, 5, 4000), other], queues=False)
        if line.dns_id == 7
    )

    assert (status(first, Stage.WIRE), status(again, Stage.WIRE)) == (Status.NOT_SEEN, Status.SEEN)
    assert (first.lost_at, again.lost_at) == (Stage.WIRE, None)


def test_an_id_that_comes_twice_from_two_sockets_is_found_in_a_log_without_ids() -> None:
    """Two lookups may draw one id: the server's log has both, and contradicts nothing."""
    once = [SENT, WIRE, SERVED, replace(SERVED, source="server.pcap", dns_id=7)]
    lines = of_sightings([*once, *(later(sighting, 9, 5000) for sighting in once)], queues=False)

    assert [line.sport for line in lines] == [4000, 5000]
    assert all(line.contradictions == () for line in lines)


def test_a_query_that_was_dropped_and_is_seen_later_is_a_contradiction() -> None:
    """One source has confirm drop it, another has it on the wire: both are named."""
    dropped = Sighting("trace", Stage.CONFIRM, 7, None, 4000, 100.005, dropped=True)
    (line,) = of_sightings([SENT, dropped, WIRE], queues=True)

    assert line.contradictions == ("trace has it dropped at confirm, client.pcap has it on the wire",)


def test_over_tcp_a_query_passes_neither_queue_nor_confirm() -> None:
    """Its connection did, long before: nothing is missing there."""
    (line,) = of_sightings([replace(SENT, detail="tcp"), replace(WIRE, detail="tcp")], queues=True)

    assert status(line, Stage.QUEUED) is Status.NOT_ON_WAY
    assert status(line, Stage.CONFIRM) is Status.NOT_ON_WAY
    assert line.lost_at is None


def test_what_nobody_looked_at_is_not_traced_and_loses_nothing() -> None:
    """Silence of a source that shows nothing at all is no proof."""
    (line,) = of_sightings([SENT], queues=True)

    assert status(line, Stage.WIRE) is Status.NOT_TRACED
    assert line.lost_at is None
