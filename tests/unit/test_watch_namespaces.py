"""Network namespaces that `lab watch` follows: whose lookup it is, their names, and those that have ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.diagnosis.causes import Cause
from lab.watch import labels
from lab.watch.ended import GONE_MAX, OLDER, EndedNamespaces
from lab.watch.events import NamespaceFound
from lab.watch.namespaces import NamespaceWatch
from tests.watch_lines import AAAA, CLIENT, RECEIVED, SENT, SERVER, A, Lines, clash, message, ns, packet, watch

RECORDED = Path(__file__).parents[1] / "evidence" / "watch"


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
