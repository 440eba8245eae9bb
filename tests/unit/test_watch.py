"""`lab watch`: which lookups stall, where and why, computed from the lines of the program."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.diagnosis.causes import Cause
from lab.diagnosis.conclusion import Answer
from lab.diagnosis.recognise import recognise
from lab.watch import labels
from lab.watch.case import conclude_files
from lab.watch.ended import GONE_MAX, OLDER, EndedNamespaces
from lab.watch.events import NamespaceFound, SocketWaits
from lab.watch.exchanges import OPEN_MAX
from lab.watch.namespaces import NamespaceWatch
from lab.watch.protocol import parse
from lab.watch.watcher import Watcher
from tests.watch_lines import AAAA, CLIENT, RECEIVED, SENT, SERVER, A, Lines, message, ns, packet, tick, watch

RECORDED = Path(__file__).parents[1] / "evidence" / "watch"


def pair(lines: Lines, time_s: float, number: int = 0, *, port: int = 40000, dns_id: int = 100) -> None:
    """Add a healthy lookup."""
    lines.query(time_s, number, dns_id, A, port=port)
    lines.query(time_s + 0.0001, number, dns_id + 1, AAAA, port=port)


def clash(lines: Lines, time_s: float, number: int = 0, *, wait_s: float = 5.0) -> None:
    """Add a lookup whose AAAA query is lost before the wire, and is sent after the client's timeout."""
    lines.query(time_s, number, 7, A)
    if wait_s == 5.0:  # glibc asks both again
        lines.query(time_s + wait_s, number, 7, A)
    lines.query(time_s + wait_s + 0.002, number, 8, AAAA)


def test_a_healthy_lookup_is_counted_and_is_no_stall() -> None:
    """Both queries answered at once."""
    lines = Lines()
    lines.namespace(0)
    pair(lines, 1.5)
    watcher, stalls = watch(lines.until(12))

    assert stalls == []
    assert [(each.lookups, each.stalled) for each in watcher.tallies()] == [(1, 0)]


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


def socket_line(time_s: float, since_s: float, inode: int, pid: int = 99) -> tuple[float, str]:
    """Return the line of a socket of which no packet was captured."""
    at, since = (10**9 + round(each * 10**9) for each in (time_s, since_s))
    return time_s, f"s 0 {at} {since} 41000 {inode} 3500000A {pid} {b'app'.hex()} -"


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


def test_a_query_that_a_queue_held_for_long_is_one_lookup_and_the_socket_is_no_second_stall() -> None:
    """Its socket was seen without any packet, until the verdict came."""
    lines = Lines()
    lines.namespace(0)
    for second in (3.0, 4.0, 5.0):
        lines.add(*socket_line(second, 2.0, 5))
    pair(lines, 5.5, port=41000)
    watcher, stalls = watch(lines.until(20))

    assert stalls == []
    assert watcher.tallies()[0].lookups == 1


@pytest.mark.parametrize(
    ("options", "open_s", "stalled"),
    [
        ("timeout:1", 1.0, True),
        ("timeout:0", 1.0, True),
        ("timeout:1", 0.8, False),
        ("timeout:3", 1.0, False),
        ("", 1.9, False),
    ],
)
def test_a_silent_lookup_is_a_stall_after_the_timeout_of_its_namespace(
    options: str, open_s: float, *, stalled: bool
) -> None:
    """Glibc waits a second at least; without options the shortest timeout is musl's."""
    lines = Lines()
    lines.namespace(0)
    lines.add(0.5, f"conf 0 {f'nameserver 10.0.0.53{chr(10)}options {options}{chr(10)}'.encode().hex()}")
    lines.add(*socket_line(2.0 + open_s, 2.0, 5))
    _, stalls = watch(lines.until(20))

    assert len(stalls) == stalled


def test_a_process_whose_name_has_a_line_feed_is_named_on_one_line() -> None:
    """Its stall is judged by the file that has its name."""
    unit = rb"0::/c\x0ad.service".hex()
    lines = Lines()
    lines.namespace(0, comm="x\ny")
    lines.queues(0.2, 0, full=0)
    for second in (3.0, 4.0, 5.0):
        lines.add(second, f"s 0 {ns(second)} {ns(2.0)} 41000 5 3500000A 99 {bytes(b'a%sb' % bytes([10])).hex()} {unit}")
    watcher, (stall,) = watch(lines.until(20))

    assert stall.process == r"a\nb[99] in c\nd.service"
    assert stall.cause is Cause.BOTH_LOST
    assert watcher.tallies()[0].namespace == r"x\ny[1000]"


def test_a_socket_that_is_closed_before_any_timeout_is_no_stall() -> None:
    """Programs open one to find the address by which they reach a server."""
    lines = Lines()
    lines.namespace(0)
    lines.add(*socket_line(3.2, 2.0, 5))
    _, stalls = watch(lines.until(20))

    assert stalls == []


def test_a_program_that_asks_by_one_socket_every_five_seconds_does_not_stall() -> None:
    """A proxy that refreshes a name at the resolver's own timeout: each time is a lookup."""
    lines = Lines()
    lines.namespace(0)
    for number in range(12):
        pair(lines, 1.5 + 5 * number, dns_id=100 + 2 * number)
    watcher, stalls = watch(lines.until(80))

    assert stalls == []
    assert watcher.tallies()[0].lookups == 12


def test_many_lookups_of_one_name_are_distinguished_although_ids_repeat() -> None:
    """Ids are 16 bits: with 200 lookups a second for 60 s each is used again within a lookup's time."""
    generator = random.Random(1)  # noqa: S311  nothing secret
    lines = Lines()
    lines.namespace(0)
    for number in range(12000):
        pair(lines, 1.0 + number / 200, port=32768 + generator.randrange(28000), dns_id=generator.randrange(65535))
    watcher, stalls = watch(lines.until(75))

    assert stalls == []
    assert watcher.tallies()[0].lookups + watcher.unfinished >= 11900


ONE_LOST = ((1.5, 7, A, False), (1.5001, 8, AAAA, True), (6.5, 7, A, False), (6.51, 8, AAAA, False))
"""Time, id and type of each query of a lookup, and whether it is lost: the resolver asks both again."""


def forwarded(lines: Lines, time_s: float, dns_id: int, qtype: int, *, lost: bool) -> None:
    """Add a query of a container as its node sees it: received, translated, sent, answered."""
    query = message(dns_id, qtype, "www.lab.test", answer=False)
    lines.packet(time_s, 1, packet((CLIENT, 40000), (SERVER, 53), query), RECEIVED, interface=3)
    if lost:
        return
    reply = message(dns_id, qtype, "www.lab.test", answer=True)
    lines.packet(time_s + 0.0001, 1, packet(("192.0.2.1", 61000), ("192.0.2.53", 53), query), SENT)
    lines.packet(time_s + 0.0005, 1, packet(("192.0.2.53", 53), ("192.0.2.1", 61000), reply), RECEIVED)
    lines.packet(time_s + 0.0006, 1, packet((SERVER, 53), (CLIENT, 40000), reply), SENT, interface=3)


def test_a_container_s_query_that_its_node_loses_is_one_stall_of_the_container() -> None:
    """The node sees it come in and not leave, with its own counters; it is no lookup of the node."""
    lines = Lines()
    lines.namespace(0, "container")
    lines.namespace(1, "node")
    lines.counters(0.9, 0)
    lines.counters(0.9, 1)
    lines.counters(1.9, 1, insert_failed=1)
    for time_s, dns_id, qtype, lost in ONE_LOST:
        lines.query(time_s - 0.0001, 0, dns_id, qtype, answered_s=None if lost else 0.002)
        forwarded(lines, time_s, dns_id, qtype, lost=lost)
    watcher, (stall,) = watch(lines.until(25))

    assert stall.namespace == "container[1000]"
    assert stall.cause is Cause.CLASH, stall.says
    assert [(each.namespace, each.lookups) for each in watcher.tallies()] == [("container[1000]", 1)]


def test_a_router_s_clients_outside_are_followed_at_the_router() -> None:
    """Where no namespace of the machine made the lookup."""
    lines = Lines()
    lines.namespace(1, "router")
    lines.counters(0.9, 1)
    lines.counters(1.9, 1, insert_failed=1)
    for time_s, dns_id, qtype, lost in ONE_LOST:
        forwarded(lines, time_s, dns_id, qtype, lost=lost)
    watcher, stalls = watch(lines.until(25))

    assert [(each.namespace, each.lookups, each.stalled) for each in watcher.tallies()] == [("router[1001]", 1, 1)]
    assert stalls[0].cause is Cause.CLASH, stalls[0].says


def test_a_server_s_namespace_has_no_lookups() -> None:
    """It receives queries and sends answers."""
    lines = Lines()
    lines.namespace(0)
    query, reply = (message(7, A, "www.lab.test", answer=answer) for answer in (False, True))
    lines.packet(1.5, 0, packet((CLIENT, 40000), (SERVER, 53), query), RECEIVED)
    lines.packet(1.6, 0, packet((SERVER, 53), (CLIENT, 40000), reply), SENT)
    watcher, stalls = watch(lines.until(12))

    assert (watcher.tallies(), stalls) == ((), [])


def test_a_namespace_that_vanishes_during_a_lookup_is_no_stall() -> None:
    """Its queries are not answered because it has ended; what had stalled before is reported."""
    lines = Lines()
    lines.namespace(0)
    lines.namespace(1)
    lines.query(1.5, 0, 7, A, answered_s=None)
    lines.add(1.9, "gone 0")
    lines.counters(0.9, 1)
    lines.counters(1.9, 1, insert_failed=1)
    clash(lines, 1.5, 1)
    lines.add(6.6, "gone 1")
    watcher, (stall,) = watch(lines.until(12))

    assert stall.namespace == "app[1001]"
    assert watcher.unfinished == 1
    assert [each.present for each in watcher.tallies()] == [False]


def test_answers_that_the_watch_itself_lost_are_no_stall() -> None:
    """A flood: the kernel had no room for packets of the watch's own socket."""
    lines = Lines()
    lines.namespace(0)
    lines.query(1.5, 0, 7, A, answered_s=None)
    lines.add(1.9, "lost 0 1000")
    watcher, stalls = watch(lines.until(12))

    assert stalls == []
    assert (watcher.unfinished, watcher.lost) == (1, 1000)


def test_a_stall_at_a_time_of_lost_packets_is_counted_and_its_cause_is_not_guessed() -> None:
    """The retry shows that it waited; the missing query may be one that the watch lost."""
    lines = Lines()
    lines.namespace(0)
    clash(lines, 1.5)
    lines.add(1.9, "lost 0 3")
    _, (stall,) = watch(lines.until(20))

    assert (stall.answer, stall.cause, stall.lost) == (Answer.CANNOT_TELL, None, 3)
    assert "lost 3 packets" in stall.says


def test_more_lookups_at_once_than_can_be_followed_are_counted() -> None:
    """Memory is bounded in a flood."""
    lines = Lines()
    lines.namespace(0)
    for number in range(OPEN_MAX + 100):
        lines.query(1.5, 0, number % 65536, A, port=1024 + number % 60000, answered_s=None)
    watcher, _ = watch(list(lines.until(2)))

    assert watcher.left_out == 100


def test_a_wall_clock_that_is_set_changes_no_duration() -> None:
    """Durations are by the monotonic clock; the time of a stall is by the clock as it is then."""
    lines = Lines()
    lines.namespace(0)
    pair(lines, 1.5)
    stepped = [tick(2.2, step_s=86400), tick(3.2, step_s=-86400), tick(4.2)]
    watcher, stalls = watch([*lines.until(2), *stepped, *(tick(5.2 + second) for second in range(10))])

    assert stalls == []
    assert watcher.tallies()[0].lookups == 1


def test_many_stalls_in_a_second_are_counted_and_not_all_judged() -> None:
    """A dead server behind a busy program costs the watch no more than a bounded time."""
    lines = Lines()
    lines.namespace(0)
    for number in range(120):
        lines.query(1.5, 0, number, A, port=2000 + number, name=f"n{number}.lab.test", answered_s=None)
    watcher, stalls = watch(lines.until(20))

    assert len(stalls) == watcher.tallies()[0].stalled == 120
    assert sum("not judged" in stall.says for stall in stalls) == 70


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
    assert not isinstance(capture, str)


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


@pytest.mark.parametrize(
    ("cgroup", "name"),
    [
        ("0::/system.slice/docker-" + "ab" * 32 + ".scope\n", "docker abababababab"),
        ("1:name=systemd:/docker/" + "ab" * 32 + "\n", "docker abababababab"),
        ("0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-" + "ab" * 32 + ".scope\n", "containerd abababababab"),
        ("0::/machine.slice/libpod-" + "ab" * 32 + ".scope/container\n", "podman abababababab"),
        ("0::/kubepods/besteffort/pod12345678-1234-1234-1234-123456789012/" + "ab" * 32, "container abababababab"),
        ("0::/lxc.payload.web\n", "lxc web"),
        ("0::/machine.slice/machine-web\\x2d1.scope\n", "machine web-1"),
        ("0::/system.slice/nginx.service\n", "nginx.service"),
        ("0::/user.slice/user-0.slice/session-3.scope\n", "session-3.scope"),
        ("0::/\n", ""),
        ("garbage", ""),
    ],
)
def test_a_control_group_names_the_container_or_unit(cgroup: str, name: str) -> None:
    """As /proc/PID/cgroup of the common runtimes has it."""
    assert labels.of_control_group(cgroup) == name


def test_a_pod_is_named_by_its_host_name_and_the_host_is_named_host() -> None:
    """The host name is in the environment of the pod's first process."""
    cgroup = "0::/kubepods/pod12345678-1234-1234-1234-123456789012/" + "ab" * 32

    assert labels.of_namespace(NamespaceFound(1, 5, 9, "pause", cgroup, "web-0", ""), 7) == "pod web-0"
    assert labels.of_namespace(NamespaceFound(1, 7, 9, "systemd", cgroup, "web-0", ""), 7) == labels.HOST
    assert labels.of_namespace(NamespaceFound(1, 5, 0, "", "", "", "/run/netns/blue"), 7) == "blue"


@given(st.text(max_size=200))
def test_any_line_is_an_event_or_nothing(line: str) -> None:
    """A greeting of a login shell, or a line that was cut."""
    parse(line)


@pytest.mark.parametrize(
    "line",
    [
        f"p 0 5 2 4 {'45' + '00' * 18}",
        f"p 0 5 2 4 {'60' + '00' * 38}",
        f"p 0 5 2 4 {'75' + '00' * 60}",
        "p 0 5 2 4 ",
        f"p 0 5 2147483648 4 {'45' + '00' * 19}",
        f"p 0 5 2 256 {'45' + '00' * 19}",
        f"p 0 -5 2 4 {'45' + '00' * 19}",
        f"p 0 {1 << 63} 2 4 {'45' + '00' * 19}",
        "s 0 5 4 41000 7 3500000 9 - -",
        "s 0 5 4 41000 7 -500000A 9 - -",
        "s 0 5 4 41000 7 3500000A3500000A 9 - -",
        "s 0 5 4 65536 7 3500000A 9 - -",
    ],
)
def test_a_line_that_no_program_prints_is_no_event(line: str) -> None:
    """No whole IP header, a number out of range, or no address: nothing of it reaches a capture or a sentence."""
    assert parse(line) is None


@pytest.mark.parametrize(
    ("printed", "address"),
    [
        ("3500000A", "10.0.0.53"),
        ("0000000000000000FFFF00003500000A", "10.0.0.53"),
        ("000000FD000000000000000053000000", "fd00::53"),
    ],
)
def test_a_socket_s_server_is_an_address(printed: str, address: str) -> None:
    """As /proc/net/udp and /proc/net/udp6 of a little-endian machine print it."""
    event = parse(f"s 0 5 4 41000 7 {printed} 9 - -")

    assert isinstance(event, SocketWaits)
    assert event.remote == address


@settings(max_examples=60)
@given(st.data())
def test_damaged_lines_never_end_a_watch(data: st.DataObject) -> None:
    """Recorded lines, of which some are cut, changed or repeated."""
    lines = (RECORDED / "containers.txt").read_text().splitlines()
    damaged = []
    for line in data.draw(st.lists(st.sampled_from(lines), max_size=40)):
        at = data.draw(st.integers(0, len(line)))
        damaged.append(line[:at] + data.draw(st.sampled_from(["", "0", " ", "f" * 20, "-1"])) + line[at:])
    watch(["watch 1 1", *lines[:6], *damaged, *lines[-3:]])


def test_the_recorded_containers_are_named_rightly() -> None:
    """Recorded on Linux 6.18: a healthy one, a dead server, a server that loses one query, and a full queue."""
    watcher, stalls = watch((RECORDED / "containers.txt").read_text().splitlines())
    causes = {stall.namespace.partition("[")[0]: stall.cause for stall in stalls}

    assert causes == {"dead": Cause.NO_ANSWER, "loses": Cause.NO_ANSWER, "full": Cause.QUEUE_FULL}
    assert {each.namespace.partition("[")[0] for each in watcher.tallies()} == {"healthy", *causes}


def test_namespaces_that_have_ended_are_added_up_when_there_are_many() -> None:
    """Each lookup, stall and lost packet is still counted, in a row of the oldest ones."""
    many = GONE_MAX + 20
    space = NamespaceWatch("web", 1)
    space.lookups, space.lost, space.dropped = 3, 2, 1
    space.causes[Cause.CLASH] += 1
    ended = EndedNamespaces()
    for _ in range(many):
        ended.add(space)
    tallies = list(ended.tallies())

    assert len(tallies) == GONE_MAX + 1
    assert (tallies[-1].namespace, tallies[-1].lookups, tallies[-1].causes) == (OLDER, 60, {Cause.CLASH: 20})
    assert sum(each.lookups for each in tallies) == 3 * many
    assert sum(each.stalled for each in tallies) == sum(each.dropped for each in tallies) == many
    assert ended.lost == sum(each.lost for each in tallies) == 2 * many
