"""Where a query was lost, by where files were recorded: host, container, node, two captures, resolver logs."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

from lab.diagnosis import advice
from lab.diagnosis.causes import Cause
from lab.diagnosis.conclusion import Answer, Conclusion
from lab.foundation.home import SCENARIOS
from tests.unit.diagnosis_files import FLAT, ROSE, Sent, brief, judged, pcap

FITS = (Answer.THIS_BUG, Cause.CLASH, False)
OPEN = (Answer.CANNOT_TELL, Cause.CLASH, False)
NO_ANSWER = (Answer.ANOTHER_CAUSE, Cause.NO_ANSWER, False)

HOST, SERVER = "203.0.113.10", "198.51.100.53"
POD, SERVICE, NODE, COREDNS = "10.244.2.17", "10.96.0.10", "192.168.10.21", "10.244.3.4"


def query(time_s: float, question: tuple[int, str], path: tuple[str, str], name: str = "www.example.com") -> str:
    """Return a query as tcpdump -n prints it.

    Args:
        time_s: Time in seconds of a minute.
        question: Its DNS id and type.
        path: Source and destination address.
        name: The queried name.
    """
    return f"{_time(time_s)} IP {path[0]}.45123 > {path[1]}.53: {question[0]}+ {question[1]}? {name}. (33)"


def answer(time_s: float, dns_id: int, path: tuple[str, str], more: str = "1/0/0 A 192.0.2.4") -> str:
    """Return an answer to the query on a path."""
    return f"{_time(time_s)} IP {path[1]}.53 > {path[0]}.45123: {dns_id} {more} (60)"


def _time(time_s: float) -> str:
    return f"10:11:{time_s:09.6f}"


def by(way: str, line: str) -> str:
    """Return a packet as -i any prints it, with its interface and direction."""
    return line.replace(" IP ", f" {way} IP ", 1)


def pair_lost(src: str, dst: str, *, name: str = "www.example.com", again_s: float = 6.1) -> list[str]:
    """Return both queries, one answer, and glibc's retransmit of both."""
    path = src, dst
    return [
        query(1.1, (1, "A"), path, name),
        query(1.10004, (2, "AAAA"), path, name),
        answer(1.104, 1, path),
        query(again_s, (1, "A"), path, name),
        answer(again_s + 0.001, 1, path),
        query(again_s + 0.002, (2, "AAAA"), path, name),
        answer(again_s + 0.004, 2, path, "0/1/0"),
    ]


def text(lines: Sequence[str]) -> str:
    """Return lines as a file."""
    return "\n".join(lines) + "\n"


def commands(conclusion: Conclusion) -> str:
    """Return all advised commands."""
    steps = (*conclusion.collect, *([conclusion.next] if conclusion.next else []))
    return "\n".join(command for step in steps for command in step.commands)


@pytest.mark.parametrize(
    ("src", "dst", "name"),
    [
        (POD, SERVICE, "api.example.com"),  # kubeadm
        ("10.240.0.35", "10.0.0.10", "api.example.com"),  # AKS
        ("10.36.0.4", "10.96.0.10", "api.example.com"),  # Weave
        ("10.42.1.7", "10.43.0.10", "api.example.com"),  # k3s
        ("172.18.0.3", "8.8.8.8", "api.example.com"),  # Docker
        ("10.9.8.7", "10.9.0.2", "shop.default.svc.cluster.local"),
        ("10.9.8.7", "169.254.20.10", "api.example.com"),  # NodeLocal DNSCache
    ],
)
def test_a_containers_capture_never_blames_the_server(src: str, dst: str, name: str) -> None:
    """The packets pass a second conntrack on the node, which the capture does not show."""
    conclusion = judged(text(pair_lost(src, dst, name=name)))

    assert brief(conclusion) == OPEN
    assert conclusion.machine is advice.Site.POD
    assert "nsenter -t 1 -n conntrack -S" in commands(conclusion)
    assert "nsenter -t PID -n" in commands(conclusion)


def test_containers_of_one_machine_are_no_cluster() -> None:
    """A Docker host may have no kubectl."""
    conclusion = judged(text(pair_lost("172.18.0.3", "8.8.8.8")), "nameserver 127.0.0.11\noptions ndots:0\n")

    assert conclusion.machine is advice.Site.POD
    assert "docker inspect" in commands(conclusion)
    assert "kubectl" not in commands(conclusion)


def test_the_nodes_counters_decide_what_the_containers_capture_leaves_open() -> None:
    """They rise with losses at confirm and stay otherwise."""
    capture = text(pair_lost(POD, SERVICE))

    assert brief(judged(capture, *ROSE)) == FITS
    assert brief(judged(capture, *FLAT)) == OPEN
    assert "insert_failed did not rise" in judged(capture, *FLAT).sentence


def test_a_clusters_resolv_conf_is_recognised_alone() -> None:
    """A pod may ask for any name from any address."""
    capture = text(pair_lost(HOST, SERVER))
    conf = "search default.svc.cluster.local svc.cluster.local\nnameserver 198.51.100.53\noptions ndots:5\n"

    assert brief(judged(capture)) == NO_ANSWER
    assert brief(judged(capture, conf)) == OPEN


def test_a_private_address_may_be_translated_later() -> None:
    """A home router or a virtual machine's host has a conntrack, too."""
    conclusion = judged(text(pair_lost("192.168.1.20", "192.168.1.1")))

    assert brief(conclusion) == (Answer.CANNOT_TELL, Cause.NO_ANSWER, False)
    assert "private address" in conclusion.sentence
    assert brief(judged(text(pair_lost("192.168.1.20", "192.168.1.1")), *ROSE)) == FITS


def test_risen_counters_of_another_machine_clear_the_server() -> None:
    """With `drop` a packet was lost at confirm; without it the clash may have been resolved."""
    capture = text(pair_lost(HOST, SERVER))
    counts = "cpu=0   found=5 invalid=0 insert=0 insert_failed={} drop={} early_drop=0 error=0 search_restart=0\n"

    assert brief(judged(capture, counts.format(10, 10), counts.format(11, 11))) == FITS
    assert judged(capture, counts.format(10, 10), counts.format(11, 10)).answer is Answer.CANNOT_TELL


def test_a_query_forwarded_by_a_node_was_not_lost_at_its_confirm() -> None:
    """A capture of all its interfaces shows the query arrive and leave translated."""
    lines = [
        by("veth1 In", query(1.1, (1, "A"), (POD, SERVICE))),
        by("veth1 In", query(1.10004, (2, "AAAA"), (POD, SERVICE))),
        by("eth0 Out", query(1.1001, (1, "A"), (NODE, COREDNS))),
        by("eth0 Out", query(1.1002, (2, "AAAA"), (NODE, COREDNS))),
        by("eth0 In", answer(1.104, 1, (NODE, COREDNS))),
        by("veth1 In", query(6.1, (1, "A"), (POD, SERVICE))),
        by("eth0 Out", query(6.1001, (1, "A"), (NODE, COREDNS))),
        by("eth0 In", answer(6.102, 1, (NODE, COREDNS))),
        by("veth1 In", query(6.103, (2, "AAAA"), (POD, SERVICE))),
        by("eth0 Out", query(6.1031, (2, "AAAA"), (NODE, COREDNS))),
        by("eth0 In", answer(6.105, 2, (NODE, COREDNS), "0/1/0")),
    ]

    assert brief(judged(text(lines))) == NO_ANSWER
    lost = [line for line in lines if "10:11:01.100200" not in line]
    assert brief(judged(text(lost))) == FITS
    assert judged(text(lost)).machine is advice.Site.NODE


def test_a_query_missing_behind_nat_fits() -> None:
    """The pod's capture has both queries; that of the node's outer interface has one, translated."""
    outside = [line.replace(POD, NODE).replace(SERVICE, COREDNS) for line in pair_lost(POD, SERVICE)]
    lost = [line for line in outside if "10:11:01.100040" not in line]

    assert brief(judged(text(pair_lost(POD, SERVICE)), text(lost))) == FITS
    assert brief(judged(text(lost), text(pair_lost(POD, SERVICE)))) == FITS
    assert brief(judged(text(pair_lost(POD, SERVICE)), text(outside))) == NO_ANSWER


@pytest.mark.parametrize(("way", "back"), [("eth1 Out", "eth1 In"), ("eth1 Out", None), ("eth0 Out", "eth0 In")])
def test_a_query_routed_differently_from_its_sibling_is_the_races_other_outcome(way: str, back: str | None) -> None:
    """The loser of the clash takes the winner's translation after its route was chosen."""
    lines = [
        by("veth1 In", query(1.1, (1, "A"), (POD, SERVICE))),
        by("veth1 In", query(1.10004, (2, "AAAA"), (POD, SERVICE))),
        by("eth0 Out", query(1.1001, (1, "A"), (POD, COREDNS))),
        by(way, query(1.1002, (2, "AAAA"), (POD, COREDNS))),
        *([by(back, query(1.1003, (2, "AAAA"), (POD, COREDNS)))] if back else []),
        by("eth0 In", answer(1.104, 1, (POD, COREDNS))),
        *[by("veth1 In", line) for line in pair_lost(POD, SERVICE)[3:]],
    ]

    conclusion = judged(text(lines))

    assert brief(conclusion) == FITS
    assert "left by different interfaces after translation" in conclusion.sentence


def test_an_untranslated_answer_is_the_races_other_outcome() -> None:
    """Resolvers accept an answer only from the queried address."""
    lines = pair_lost(POD, SERVICE)
    lines.insert(3, answer(1.1045, 2, (POD, "10.244.3.9"), "0/1/0"))

    assert brief(judged(text(lines))) == FITS
    both = [line.replace(f"IP {SERVICE}.53 >", "IP 10.244.3.9.53 >") if ":01." in line else line for line in lines]
    assert brief(judged(text(both))) == (Answer.ANOTHER_CAUSE, Cause.ANSWER_LOST, False)


def test_no_answer_is_certain_only_with_other_answers_and_no_node_between() -> None:
    """A filter may hide answers, and a node's rules may drop its container's packets."""

    def never(name: str) -> list[Sent]:
        return [
            Sent(time_s, query, name=name)
            for time_s, query in ((0, (1, "A")), (0.00001, (2, "AAAA")), (5, (1, "A")), (5.00001, (2, "AAAA")))
        ]

    other = [
        Sent(20 + answers / 10, (7, "A"), answers=answers, sport=41000, way=0 if answers else 4, name="b.lab.test")
        for answers in (False, True)
    ]

    assert brief(judged(pcap(*never("a.lab.test"), *other))) == (*NO_ANSWER[:2], True)
    assert brief(judged(pcap(*never("a.lab.test")))) == NO_ANSWER
    assert brief(judged(pcap(*never("a.default.svc.cluster.local"), *other))) == NO_ANSWER


def test_a_capture_of_one_direction_proves_nothing_missing() -> None:
    """With the filter `dst port 53` every query is without an answer."""
    lines = [line for line in pair_lost(HOST, SERVER) if "+ " in line][:2]
    later = query(30.0, (9, "A"), (HOST, SERVER), "other.example.com")

    assert judged(text([*lines, later])).answer is Answer.CANNOT_TELL


@pytest.mark.parametrize("subset", ["AAAA|: 2 ", r"\+ ", r" A\?|: 1 ", "eth0", "veth1"])
def test_a_filtered_capture_never_gives_another_cause(subset: str) -> None:
    """Ticket captures are reduced to what looked interesting, or to one type, direction or interface."""
    pod = pair_lost(POD, SERVICE)
    inside = [by("veth1 In" if "+ " in line else "veth1 Out", line) for line in pod]
    outside = [
        by("eth0 Out" if "+ " in line else "eth0 In", line.replace(POD, NODE).replace(SERVICE, COREDNS))
        for line in (pod[0], *pod[2:])
    ]

    for lines in (pod, sorted(inside + outside)):
        chosen = [line for line in lines if re.search(subset, line)]
        assert not chosen or judged(text(chosen)).answer is not Answer.ANOTHER_CAUSE


def test_a_capture_that_ends_before_the_retry_is_a_warning() -> None:
    """Users press Ctrl-C as soon as the lookup hangs."""
    conclusion = judged(text(pair_lost(HOST, SERVER)[:3]))

    assert conclusion.answer is Answer.CANNOT_TELL
    assert any("stop a capture ten seconds after" in warning for warning in conclusion.warnings)


TO = '{sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("198.51.100.53")}'


def strace(template: str) -> str:
    """Fill message bytes and the server's address into the lines of a trace."""
    parts = {
        "{TO}": TO,
        "{Q}": r"\1\0\0\1\0\0\0\0\0\0",
        "{R}": r"\201\200\0\1\0\0\0\0\0\0",
        "{AAAA}": r"\3www\7example\3com\0\0\34\0\1",
        "{A}": r"\3www\7example\3com\0\0\1\0\1",
    }
    for word, text in parts.items():
        template = template.replace(word, text)
    return template


GO = strace("""\
[pid 12] 09:00:00.100 socket(AF_INET, SOCK_DGRAM, IPPROTO_IP) = 3
[pid 12] 09:00:00.100 connect(3, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("10.96.0.10")}, 16) = 0
[pid 14] 09:00:00.100 socket(AF_INET, SOCK_DGRAM, IPPROTO_IP) = 7
[pid 14] 09:00:00.100 connect(7, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("10.96.0.10")}, 16) = 0
[pid 12] 09:00:00.100 write(3, "\\3\\351{Q}{A}", 33) = 33
[pid 14] 09:00:00.100 write(7, "\\3\\352{Q}{AAAA}", 33) = 33
[pid 12] 09:00:00.103 read(3, "\\3\\351{R}{A}", 1232) = 33
[pid 14] 09:00:05.100 close(7) = 0
[pid 14] 09:00:05.100 socket(AF_INET, SOCK_DGRAM, IPPROTO_IP) = 7
[pid 14] 09:00:05.100 connect(7, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("10.96.0.10")}, 16) = 0
[pid 14] 09:00:05.100 write(7, "\\3\\353{Q}{AAAA}", 33) = 33
[pid 14] 09:00:05.102 read(7, "\\3\\353{R}{AAAA}", 1232) = 33
""")


def test_a_retransmit_with_a_new_id_counts_as_a_wait() -> None:
    """Go sends each type from a separate socket and retransmits from another; these cannot clash."""
    assert brief(judged(GO)) == NO_ANSWER
    assert judged("\n".join(line for line in GO.splitlines() if " read(" not in line)).answer is not Answer.THIS_BUG


MUSL = strace("""\
socket(AF_INET, SOCK_DGRAM|SOCK_CLOEXEC|SOCK_NONBLOCK, IPPROTO_IP) = 4
sendto(4, "\\3\\351{Q}{A}", 33, MSG_NOSIGNAL, {TO}, 16) = 33
sendto(4, "\\3\\352{Q}{AAAA}", 33, MSG_NOSIGNAL, {TO}, 16) = 33
poll([{fd=4, events=POLLIN}], 1, 2500)  = 1 ([{fd=4, revents=POLLIN}])
recvfrom(4, "\\3\\351{R}{A}", 512, 0, {TO}, [16]) = 33
poll([{fd=4, events=POLLIN}], 1, 2498)  = 0 (Timeout)
sendto(4, "\\3\\352{Q}{AAAA}", 33, MSG_NOSIGNAL, {TO}, 16) = 33
poll([{fd=4, events=POLLIN}], 1, 2500)  = 1 ([{fd=4, revents=POLLIN}])
recvfrom(4, "\\3\\352{R}{AAAA}", 512, 0, {TO}, [16]) = 33
""")


def test_a_trace_without_times_keeps_its_order() -> None:
    """Two queries sent back to back were not sent one by one."""
    conclusion = judged(MUSL)

    assert brief(conclusion) == OPEN
    assert "nfqueue-musl" in {remedy.scenario for remedy in conclusion.remedies}


@pytest.mark.parametrize(
    ("files", "scenarios", "not_these"),
    [
        ((MUSL,), {"nfqueue-musl", "nfqueue-raw"}, {"nfqueue-single-request-reopen", "nfqueue-use-vc"}),
        (
            (text(pair_lost(POD, SERVICE)), *ROSE),
            {"nfqueue-single-request-reopen", "nfqueue-cache", "nfqueue-dnat"},
            {"nfqueue-notrack", "nfqueue"},
        ),
        (
            (text(pair_lost(POD, SERVICE, again_s=3.6)[:3] + pair_lost(POD, SERVICE, again_s=3.6)[5:]), *ROSE),
            {"nfqueue-musl", "nfqueue-cache", "nfqueue-dnat"},
            {"nfqueue-single-request-reopen", "nfqueue-notrack"},
        ),
    ],
)
def test_remedies_match_the_client_and_the_nat(
    files: tuple[str, ...], scenarios: set[str], not_these: set[str]
) -> None:
    """Alpine's resolver ignores glibc's options, NOTRACK breaks NAT, CentOS 7.8's fix does not cover DNAT."""
    proposed = {remedy.scenario for remedy in judged(*files).remedies}

    assert scenarios <= proposed
    assert not proposed & not_these
    assert all((SCENARIOS / f"{scenario}.toml").exists() for scenario in proposed if scenario)


DNSMASQ = (
    "Apr  2 08:15:{time} gw dnsmasq[881]: {serial} 203.0.113.10/45123 query[{qtype}] www.example.com from "
    "203.0.113.10\n"
)


def test_a_resolvers_log_shows_how_far_a_query_came() -> None:
    """A query missing in the intermediate resolver's log was lost before it."""
    calls = MUSL.replace("198.51.100.53", "203.0.113.1")
    first = DNSMASQ.format(time="01", serial=1, qtype="A")
    second, again = (DNSMASQ.format(time=time, serial=2, qtype="AAAA") for time in ("01", "03"))

    before = judged(calls, first + again)
    behind = judged(calls, first + second + again)

    assert "it reached dnsmasq 1 of 2 times" in before.sentence
    assert "it reached dnsmasq each time" in behind.sentence


def test_a_resolver_waiting_for_its_upstream_is_named() -> None:
    """The loss is upstream of it, not on the client's side."""
    log = "[ERROR] plugin/errors: 2 api.example.com. AAAA: read udp 10.244.0.3:41873->203.0.113.53:53: i/o timeout\n"

    conclusion = judged(log)

    assert brief(conclusion) == (Answer.CANNOT_TELL, Cause.LOST_SOMEWHERE, False)
    assert "upstream side" in conclusion.sentence
    assert "203.0.113.53" in conclusion.sentence


@pytest.mark.parametrize(
    ("rules", "phrase"),
    [
        (
            "*mangle\n-A POSTROUTING -p udp --dport 53 -j NFQUEUE --queue-num 3\nCOMMIT\n",
            "waits there before conntrack",
        ),
        ("*raw\n-A OUTPUT -p udp --dport 53 -j NFQUEUE --queue-num 3\nCOMMIT\n", "only after the raw table"),
        ("*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -i lo -j ACCEPT\nCOMMIT\n", "no queue arms this race"),
    ],
)
def test_rules_show_whether_a_queue_can_arm_the_race(rules: str, phrase: str) -> None:
    """The hook at which a product queues decides whether it can be this bug."""
    conclusion = judged(rules)

    assert conclusion.answer is Answer.CANNOT_TELL
    assert phrase in conclusion.sentence
