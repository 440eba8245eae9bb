"""Why a lookup that `lab watch` saw stalled, computed from the lines of the program."""

from __future__ import annotations

import pytest

from lab.diagnosis.causes import Cause
from lab.diagnosis.conclusion import Answer
from lab.diagnosis.material import Capture
from lab.diagnosis.recognise import recognise
from lab.watch.case import conclude_files
from lab.watch.watcher import Watcher
from tests.watch_lines import AAAA, CLIENT, RECEIVED, SENT, SERVER, A, Lines, clash, message, packet, socket_line, watch


@pytest.mark.parametrize("wait_s", [5.0, 2.5])
def test_a_query_lost_at_confirm_is_this_bug(wait_s: float) -> None:
    """Missing on the wire, sent after the timeout of glibc or musl, and insert_failed rose meanwhile."""
    lines = Lines()
    lines.namespace(0)
    lines.counters(0.9, 0)
    lines.counters(1.9, 0, insert_failed=1, drop=1)
    clash(lines, 1.5, wait_s=wait_s)
    watcher, (stall,) = watch(lines.until(20))

    assert (stall.answer, stall.cause) == (Answer.THIS_BUG, Cause.CLASH)
    assert abs(stall.waited_s - wait_s) < 0.1
    assert stall.rose == {"insert_failed": 1, "drop": 1}
    assert stall.name == "www.lab.test"
    assert watcher.tallies()[0].causes == {Cause.CLASH: 1}


def test_counters_that_did_not_rise_contradict_this_bug() -> None:
    """The same packets, but confirm has dropped nothing in this namespace."""
    lines = Lines()
    lines.namespace(0)
    lines.counters(0.9, 0)
    clash(lines, 1.5)
    _, (stall,) = watch(lines.until(20))

    assert (stall.answer, stall.cause) == (Answer.CANNOT_TELL, None)


def test_a_server_that_does_not_answer_is_another_cause() -> None:
    """Whether the resolver asks again or gives up."""
    lines = Lines()
    lines.namespace(0)
    lines.namespace(1)
    for time_s in (1.5, 6.5):
        lines.query(time_s, 0, 7, A, answered_s=None)
        lines.query(time_s, 0, 8, AAAA, answered_s=None)
    lines.query(1.5, 1, 9, A, answered_s=None)
    _, stalls = watch(lines.until(30))

    assert {(stall.namespace, stall.cause) for stall in stalls} == {
        ("app[1000]", Cause.NO_ANSWER),
        ("app[1001]", Cause.NO_ANSWER),
    }


def test_a_slow_server_is_another_cause() -> None:
    """An answer after 1.6 s, without a retry."""
    lines = Lines()
    lines.namespace(0)
    lines.query(1.5, 0, 7, A, answered_s=1.6)
    lines.query(1.5, 0, 8, AAAA, answered_s=1.6)
    _, (stall,) = watch(lines.until(12))

    assert stall.cause is Cause.SLOW_SERVER


def test_a_single_query_lost_on_a_full_queue_is_not_this_bug() -> None:
    """The queue lost a packet, and insert_failed did not rise."""
    lines = Lines()
    lines.namespace(0)
    lines.counters(0.9, 0)
    lines.queues(0.9, 0, full=0)
    lines.queues(1.9, 0, full=1)
    clash(lines, 1.5)
    _, (stall,) = watch(lines.until(20))

    assert stall.cause is Cause.QUEUE_FULL


@pytest.mark.parametrize(("full", "cause"), [(2, Cause.QUEUE_FULL), (0, Cause.BOTH_LOST)])
def test_a_lookup_without_any_packet_on_the_wire_is_seen_by_its_socket(full: int, cause: Cause) -> None:
    """The resolver opens a second socket for its second attempt: it is one lookup."""
    lines = Lines()
    lines.namespace(0)
    lines.counters(0.9, 0)
    lines.queues(0.2, 0, full=0)
    if full:
        lines.queues(1.9, 0, full=full)
    for inode, since_s in ((5, 2.0), (6, 7.0)):
        for second in range(1, 5):
            lines.add(*socket_line(since_s + second, since_s, inode))
    watcher, (stall,) = watch(lines.until(20))

    assert stall.cause is cause
    assert stall.process == "app[99]"
    assert 8.5 < stall.waited_s < 10
    assert "10.0.0.53" in stall.says or cause is Cause.QUEUE_FULL
    assert watcher.tallies()[0].lookups == 1


def test_the_saved_files_are_those_that_were_judged() -> None:
    """`lab diagnose` comes to the same answer from them."""
    saved: list[dict[str, bytes]] = []

    def save(_number: int, _namespace: str, files: object) -> None:
        assert isinstance(files, dict)
        saved.append(files)

    lines = Lines()
    lines.namespace(0)
    lines.counters(0.9, 0)
    lines.counters(1.9, 0, insert_failed=1)
    clash(lines, 1.5)
    _, (stall,) = watch(lines.until(20), Watcher(save=save))

    assert conclude_files(saved[0]).sentence == stall.says
    assert {name.rpartition(".")[2] for name in saved[0]} == {"pcapng", "before", "after"}
    (capture,) = recognise("x", next(data for name, data in saved[0].items() if name.endswith("pcapng")))
    assert isinstance(capture, Capture)
    assert [packet.message.dns_id for packet in capture.packets if packet.message] == [7, 7, 7, 7, 8, 8]


def test_another_port_is_watched_and_its_files_have_port_53() -> None:
    """The port that `lab diagnose` reads."""
    lines = Lines()
    lines.namespace(0)
    for time_s in (1.5, 6.5):
        for dns_id, qtype in ((7, A), (8, AAAA)):
            data = packet((CLIENT, 40000), (SERVER, 5353), message(dns_id, qtype, "www.lab.test", answer=False))
            lines.packet(time_s, 0, data)
    _, (stall,) = watch(lines.until(20), Watcher(frozenset({5353})))

    assert stall.cause is Cause.NO_ANSWER


def test_ipv6_is_followed_like_ipv4() -> None:
    """The same lookup between IPv6 addresses."""
    lines = Lines()
    lines.namespace(0)
    client, server = ("fd00::9", 40000), ("fd00::53", 53)
    for time_s, dns_id, qtype in ((1.5, 7, A), (6.5, 7, A), (6.502, 8, AAAA)):
        for kind, ends, answer in ((SENT, (client, server), False), (RECEIVED, (server, client), True)):
            lines.packet(
                time_s + 0.001 * answer, 0, packet(*ends, message(dns_id, qtype, "x.test", answer=answer)), kind
            )
    _, (stall,) = watch(lines.until(20))

    assert stall.cause is Cause.CLASH
